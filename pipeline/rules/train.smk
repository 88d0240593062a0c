rule train_all:
    input:
        lambda w: manifests(GRAPH.train(r) for r in GRAPH.all_runs()),


rule train:
    input:
        inputs_of(lambda w: GRAPH.train(run_of(w))),
        first_alike,
    output:
        "data/runs/{scale}/{dataset}/{variant}/seed{seed}/manifest.json",
    log:
        "logs/train/{scale}/{dataset}/{variant}/seed{seed}.log",
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.train(run_of(w))),
    shell:
        "advcodes train {wildcards.scale}/{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed} --key {params.key} 2>&1 | tee {log}"


# By far the longest runs of a paper: begun first, they do not keep all others waiting in the end.
use rule train as train_text with:
    wildcard_constraints:
        variant=ON_TEXT,
    priority: 1


ruleorder: train_text > train
