# Learned strategies of step 1, trained on their episodes.


rule learn:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
        problems=problem_files,
        episodes=f"{FOLDER}/episodes/{CELL}.npz",
    output:
        f"{FOLDER}/strategies/{CELL}.npz",
    log:
        f"{FOLDER}/logs/learn/{CELL}.log",
    benchmark:
        f"{FOLDER}/benchmarks/learn/{CELL}.tsv"
    wildcard_constraints:
        strategy=one_of(LEARNED),
    conda:
        NETWORK_ENVIRONMENT
    threads: CPU_THREADS
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=GPUS,
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=CELL_LABELS,
        reads=reads("learn"),
        code=code("learn"),
        software=SOFTWARE,
    shell:
        "python -m lalbench learn --study {params.study:q} {params.results:q} {params.labels:q}"
        " --data {input.data:q} --problems {input.problems:q} --episodes {input.episodes:q}"
        " --output {output:q} > {log:q} 2>&1"
