rule prepare_all:
    input:
        lambda w: manifests(a for r in GRAPH.all_runs() for a in GRAPH.train(r).inputs.values()),


rule prepare:
    input:
        inputs_of(lambda w: GRAPH.prepared(w.dataset)),
    output:
        "data/prepared/{dataset}/manifest.json",
    log:
        "logs/prepare/{dataset}.log",
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.prepared(w.dataset)),
    shell:
        "advcodes prepare {wildcards.dataset} --key {params.key} 2>&1 | tee {log}"
