# pipeline/report/item.rst shows an item's page; of a job's names, captions have none that can read it.
config["text_of"] = lambda path: Path(path).read_text()


rule render:
    input:
        inputs_of(item_of),
    output:
        page="reports/{scale}/{paper}/{item}.md",
        picture=report(
            "reports/{scale}/{paper}/{item}.png",
            caption="../report/item.rst",
            category=lambda w: paper_titles()[w.paper],
            labels=lambda w: {
                "item": w.item,
                "shows": GRAPH.items[f"{w.paper}/{w.item}"].title,
                "scale": w.scale,
            },
        ),
        numbers="reports/{scale}/{paper}/{item}.json",
        manifest="data/reports/{scale}/{paper}/{item}.manifest.json",
    log:
        "logs/render/{scale}/{paper}/{item}.log",
    threads: 1
    params:
        key=key_of(item_of),
    shell:
        "advcodes render {wildcards.paper}/{wildcards.item} --key {params.key} 2>&1 | tee {log}"


rule front:
    input:
        inputs_of(lambda w: GRAPH.front()),
    output:
        page="reports/table1.md",
        manifest="data/reports/front.manifest.json",
    log:
        "logs/front.log",
    params:
        key=key_of(lambda w: GRAPH.front()),
    shell:
        "advcodes front --key {params.key} 2>&1 | tee {log}"


rule summary:
    input:
        inputs_of(lambda w: GRAPH.summary()),
    output:
        metrics="reports/metrics.json",
        manifest="data/reports/manifest.json",
    log:
        "logs/summary.log",
    params:
        key=key_of(lambda w: GRAPH.summary()),
    shell:
        "advcodes summary --key {params.key} 2>&1 | tee {log}"


rule claims:
    input:
        inputs_of(lambda w: GRAPH.claims()),
    output:
        page=f"reports/{GRAPH.params.scale}/claims.md",
        manifest=f"data/reports/{GRAPH.params.scale}/claims.manifest.json",
    log:
        f"logs/claims/{GRAPH.params.scale}.log",
    params:
        key=key_of(lambda w: GRAPH.claims()),
    shell:
        "advcodes claims --key {params.key} 2>&1 | tee {log}"


# All items of all papers, whichever are chosen, and the verdicts on their claims.
rule everything:
    input:
        lambda w: manifests([GRAPH.claims(), GRAPH.summary()]),


for paper in sorted({item.partition("/")[0] for item in GRAPH.items}):

    rule:
        name:
            paper
        input:
            items_of(paper),
