rule text:
    input:
        inputs_of(lambda w: GRAPH.text(w.dataset)),
    output:
        "data/prepared/text/{dataset}/{hash}/manifest.json",
    log:
        "logs/text/{dataset}/{hash}.log",
    threads: GRAPH.params.machine.threads
    params:
        key=key_of(lambda w: GRAPH.text(w.dataset)),
    shell:
        "advcodes text {wildcards.dataset} --key {params.key} 2>&1 | tee {log}"
