rule evaluate_all:
    input:
        lambda w: manifests(GRAPH.metrics(r) for r in GRAPH.all_runs()),
        # Classifiers, too, that studies alone look through: they lie beside the metrics.
        lambda w: manifests(a for s in GRAPH.studies() for a in s.inputs.values()),


for KIND in EXTRACTORS.values():

    rule:
        name:
            KIND.name
        input:
            inputs_of(extractor_of(KIND), KIND.check),
        output:
            f"data/evaluation/extractors/{KIND.place}/manifest.json",
        log:
            f"logs/{KIND.place}.log",
        threads: GRAPH.params.machine.threads if KIND.settings else 1
        params:
            key=key_of(extractor_of(KIND)),
            which=arguments_of(KIND),
        shell:
            "advcodes extractor {params.which} --key {params.key} 2>&1 | tee {log}"


rule reference:
    input:
        inputs_of(lambda w: GRAPH.reference(w.dataset)),
    output:
        "data/evaluation/reference/{dataset}/{hash}/manifest.json",
    log:
        "logs/reference/{dataset}/{hash}.log",
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
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.metrics(run_of(w))),
    shell:
        "advcodes evaluate {wildcards.scale}/{wildcards.dataset}/{wildcards.variant}/seed{wildcards.seed} --key {params.key} 2>&1 | tee {log}"
