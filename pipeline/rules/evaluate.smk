rule evaluate_all:
    input:
        lambda w: manifests(GRAPH.metrics(r) for r in GRAPH.all_runs()),
        # Classifiers, too, that studies alone look through: they lie beside the metrics.
        lambda w: manifests(a for s in GRAPH.studies() for a in s.inputs.values()),


rule classifier:
    input:
        inputs_of(lambda w: GRAPH.classifier_at(w.dataset, w.hash)),
    output:
        "data/evaluation/extractors/classifier/{dataset}/{hash}/manifest.json",
    log:
        "logs/classifier/{dataset}/{hash}.log",
    conda:
        "../envs/advcodes.yaml"
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.classifier_at(w.dataset, w.hash)),
        task=task_of,
    shell:
        "advcodes extractor {wildcards.dataset} --task {params.task} --key {params.key} 2>&1 | tee {log}"


rule mnist_score:
    input:
        inputs_of(lambda w: GRAPH.mnist_score(w.hash)),
    output:
        "data/evaluation/extractors/mnist_score/{hash}/manifest.json",
    log:
        "logs/mnist_score/{hash}.log",
    conda:
        "../envs/advcodes.yaml"
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.mnist_score(w.hash)),
    shell:
        "advcodes extractor --task mnist_score --key {params.key} 2>&1 | tee {log}"


rule feature_network:
    input:
        inputs_of(lambda w: GRAPH.feature_network(w.dataset, w.hash)),
    output:
        "data/evaluation/extractors/features/{dataset}/{hash}/manifest.json",
    log:
        "logs/features/{dataset}/{hash}.log",
    conda:
        "../envs/advcodes.yaml"
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.feature_network(w.dataset, w.hash)),
    shell:
        "advcodes extractor {wildcards.dataset} --task features --key {params.key} 2>&1 | tee {log}"


rule inception:
    input:
        inputs_of(lambda w: GRAPH.extractor("")),
    output:
        "data/evaluation/extractors/inception/manifest.json",
    log:
        "logs/inception.log",
    conda:
        "../envs/advcodes.yaml"
    params:
        key=key_of(lambda w: GRAPH.extractor("")),
    shell:
        "advcodes extractor --key {params.key} 2>&1 | tee {log}"


rule reference:
    input:
        inputs_of(lambda w: GRAPH.reference(w.dataset)),
    output:
        "data/evaluation/reference/{dataset}/{hash}/manifest.json",
    log:
        "logs/reference/{dataset}/{hash}.log",
    conda:
        "../envs/advcodes.yaml"
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.reference(w.dataset)),
    shell:
        "advcodes reference {wildcards.dataset} --key {params.key} 2>&1 | tee {log}"


rule evaluate:
    input:
        inputs_of(lambda w: GRAPH.metrics(run_of(w))),
    output:
        "data/evaluation/metrics/{scale}/{dataset}/{variant}/seed{seed}/manifest.json",
    log:
        "logs/evaluate/{scale}/{dataset}/{variant}/seed{seed}.log",
    conda:
        "../envs/advcodes.yaml"
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.metrics(run_of(w))),
    shell:
        "advcodes evaluate {wildcards.scale}/{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed} --key {params.key} 2>&1 | tee {log}"
