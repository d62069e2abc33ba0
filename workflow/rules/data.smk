# Data sets: downloaded with checked hashes, generated, or read from the user's files.


rule fetch:
    input:
        user_file,
    output:
        f"{FOLDER}/data/{{dataset}}.npz",
    log:
        f"{FOLDER}/logs/fetch/{{dataset}}.log",
    benchmark:
        f"{FOLDER}/benchmarks/fetch/{{dataset}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=labels("dataset"),
        reads=reads("fetch"),
        code=code("fetch"),
        software=SOFTWARE,
    shell:
        "python -m lalbench fetch --study {params.study:q} {params.results:q} {params.labels:q}"
        " --output {output:q} > {log:q} 2>&1"
