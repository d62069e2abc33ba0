# Networks trained on the initial annotated sets, shared by all strategies of a cell.


rule initial:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
        problems=initial_problems,
    output:
        f"{FOLDER}/initial/{{dataset}}/{{setting}}/{{classifier}}/block-{{block}}.npz",
    log:
        f"{FOLDER}/logs/initial/{{dataset}}/{{setting}}/{{classifier}}/block-{{block}}.log",
    benchmark:
        f"{FOLDER}/benchmarks/initial/{{dataset}}/{{setting}}/{{classifier}}/block-{{block}}.tsv"
    wildcard_constraints:
        classifier=one_of(NETWORKS),
    conda:
        NETWORK_ENVIRONMENT
    threads: CPU_THREADS
    resources:
        mem_mb=network_resources("mem_mb"),
        runtime=network_resources("runtime"),
        gpu=GPUS,
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=labels("dataset", "setting", "classifier", "block"),
        reads=reads("initial"),
        code=code("initial"),
        software=SOFTWARE,
    shell:
        "python -m lalbench initial --study {params.study:q} {params.results:q} {params.labels:q}"
        " --data {input.data:q} --problems {input.problems:q} --output {output:q} > {log:q} 2>&1"
