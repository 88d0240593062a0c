# An out of DVC's, also where no chosen item has a study.
Path("data/studies").mkdir(parents=True, exist_ok=True)


rule study_all:
    input:
        lambda w: manifests(GRAPH.studies()),


rule study:
    input:
        inputs_of(study_of),
    output:
        "data/studies/{scale}/{paper}/{item}/manifest.json",
    log:
        "logs/study/{scale}/{paper}/{item}.log",
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(study_of),
    shell:
        "advcodes study {wildcards.paper}/{wildcards.item} --key {params.key} 2>&1 | tee {log}"
