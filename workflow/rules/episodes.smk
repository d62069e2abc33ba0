# Episodes of step 1: simulated from the annotated points and scored by the oracle.


rule episodes:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
        problems=problem_files,
    output:
        f"{FOLDER}/episodes/{CELL}.npz",
    log:
        f"{FOLDER}/logs/episodes/{CELL}.log",
    benchmark:
        f"{FOLDER}/benchmarks/episodes/{CELL}.tsv"
    wildcard_constraints:
        strategy=one_of(LEARNED),
    conda:
        ENVIRONMENT
    threads: CPU_THREADS
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=CELL_LABELS,
        reads=reads("episodes"),
        code=code("episodes"),
        software=SOFTWARE,
    shell:
        "python -m lalbench episodes --study {params.study:q} {params.results:q} {params.labels:q}"
        " --data {input.data:q} --problems {input.problems:q} --output {output:q} > {log:q} 2>&1"
