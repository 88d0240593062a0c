rule render:
    input:
        inputs_of(lambda w: GRAPH.item(f"{w.paper}/{w.item}")),
    output:
        page="reports/{scale}/{paper}/{item}.md",
        picture=report(
            "reports/{scale}/{paper}/{item}.png",
            caption="../report/item.rst",
            category="{paper}",
            labels={"item": "{item}", "scale": "{scale}"},
        ),
        numbers="reports/{scale}/{paper}/{item}.json",
        manifest="reports/{scale}/{paper}/{item}.manifest.json",
    params:
        key=key_of(lambda w: GRAPH.item(f"{w.paper}/{w.item}")),
    shell:
        "{ADVCODES} render {wildcards.paper}/{wildcards.item} --key {params.key}"


rule summary:
    input:
        inputs_of(lambda w: GRAPH.summary()),
    output:
        ["reports/table1.md"] if "acl/table1" in GRAPH.chosen() else [],
        metrics="reports/metrics.json",
        manifest="reports/manifest.json",
    params:
        key=key_of(lambda w: GRAPH.summary()),
    shell:
        "{ADVCODES} summary --key {params.key}"
