"""advcodes: from raw data to the papers' tables and figures. The single input is params.yaml.

    snakemake --cores 8 reports/table1.md

The graph itself (what exists, where, and what it is made from) is advcodes.graph.graph; rules only run the command line.
"""

import sys

sys.path.insert(0, f"{workflow.basedir}/src")


include: "pipeline/rules/common.smk"
include: "pipeline/rules/cluster.smk"


report: "pipeline/report/workflow.rst"


rule all:
    input:
        "data/reports/manifest.json",


include: "pipeline/rules/data.smk"
include: "pipeline/rules/text.smk"
include: "pipeline/rules/train.smk"
include: "pipeline/rules/sample.smk"
include: "pipeline/rules/evaluate.smk"
include: "pipeline/rules/study.smk"
include: "pipeline/rules/report.smk"


onstart:
    begin()


onsuccess:
    conclude()


onerror:
    record(complete=False)
