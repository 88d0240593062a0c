rule sample_all:
    input:
        lambda w: manifests(GRAPH.samples(r) for r in GRAPH.all_runs()),


rule sample:
    input:
        inputs_of(lambda w: GRAPH.samples(run_of(w))),
    output:
        "data/evaluation/samples/{scale}/{dataset}/{variant}/seed{seed}/manifest.json",
    log:
        "logs/sample/{scale}/{dataset}/{variant}/seed{seed}.log",
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.samples(run_of(w))),
    shell:
        "advcodes sample {wildcards.scale}/{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed} --key {params.key} 2>&1 | tee {log}"
