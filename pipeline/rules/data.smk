rule prepare_all:
    input:
        lambda w: manifests(GRAPH.prepared(r.dataset) for r in GRAPH.all_runs()),


rule prepare:
    input:
        inputs_of(lambda w: GRAPH.prepared(w.dataset)),
    output:
        "data/prepared/{dataset}/manifest.json",
    log:
        "logs/prepare/{dataset}.log",
    conda:
        "../envs/advcodes.yaml"
    params:
        key=key_of(lambda w: GRAPH.prepared(w.dataset)),
    threads: GRAPH.params.machine.threads
    shell:
        "advcodes prepare {wildcards.dataset} --key {params.key} 2>&1 | tee {log}"
