# Problems: imbalanced, split and weighted, one file per data set, setting and block of seed pairs.


rule problems:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
    output:
        f"{FOLDER}/problems/{{dataset}}/{{setting}}/block-{{block}}.npz",
    log:
        f"{FOLDER}/logs/problems/{{dataset}}/{{setting}}/block-{{block}}.log",
    benchmark:
        f"{FOLDER}/benchmarks/problems/{{dataset}}/{{setting}}/block-{{block}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=labels("dataset", "setting", "block"),
        reads=reads("problems"),
        code=code("problems"),
        software=SOFTWARE,
    shell:
        "python -m lalbench problems --study {params.study:q} {params.results:q} {params.labels:q}"
        " --data {input.data:q} --output {output:q} > {log:q} 2>&1"
