rule evaluate_all:
    input:
        lambda w: manifests(GRAPH.metrics(r) for r in GRAPH.all_runs()),


rule classifier:
    input:
        inputs_of(lambda w: GRAPH.extractor(w.dataset)),
    output:
        "data/evaluation/extractors/classifier/{dataset}/{hash}/manifest.json",
    params:
        key=key_of(lambda w: GRAPH.extractor(w.dataset)),
    threads: GRAPH.params.machine.threads
    shell:
        "{ADVCODES} extractor {wildcards.dataset} --key {params.key}"


rule inception:
    input:
        inputs_of(lambda w: GRAPH.extractor("")),
    output:
        "data/evaluation/extractors/inception/manifest.json",
    params:
        key=key_of(lambda w: GRAPH.extractor("")),
    shell:
        "{ADVCODES} extractor --key {params.key}"


rule reference:
    input:
        inputs_of(lambda w: GRAPH.reference(w.dataset)),
    output:
        "data/evaluation/reference/{dataset}/{hash}/manifest.json",
    params:
        key=key_of(lambda w: GRAPH.reference(w.dataset)),
    threads: GRAPH.params.machine.threads
    shell:
        "{ADVCODES} reference {wildcards.dataset} --key {params.key}"


rule evaluate:
    input:
        inputs_of(lambda w: GRAPH.metrics(run_of(w))),
    output:
        "data/evaluation/metrics/{scale}/{dataset}/{variant}/seed{seed}/manifest.json",
    params:
        key=key_of(lambda w: GRAPH.metrics(run_of(w))),
    threads: GRAPH.params.machine.threads
    shell:
        "{ADVCODES} evaluate {wildcards.scale}/{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed} --key {params.key}"
