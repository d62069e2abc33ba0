# Trials: a job per cell and block of seed pairs, and one for all cheap strategies of a place, which would
# take longer to start than to run. Finished trials are kept in the study's cache, so a killed job goes on
# where it was, and a strategy more runs no trial of another again.
if TOGETHER:

    rule cheap_trials:
        input:
            data=f"{FOLDER}/data/{{dataset}}.npz",
            problems=f"{FOLDER}/problems/{{dataset}}/{{setting}}/block-{{block}}.npz",
        output:
            records=expand(f"{FOLDER}/trials/{CELL}.parquet", strategy=TOGETHER, allow_missing=True),
            timings=expand(
                f"{FOLDER}/timings/{CELL}.parquet", strategy=TOGETHER, allow_missing=True
            ),
        log:
            f"{FOLDER}/logs/trials/{PLACE}.log",
        benchmark:
            f"{FOLDER}/benchmarks/trials/{PLACE}.tsv"
        wildcard_constraints:
            classifier=one_of(TABULAR),
        conda:
            ENVIRONMENT
        threads: CPU_THREADS
        resources:
            mem_mb=growing(4000),
            runtime=growing(240),
        params:
            study=STUDY_FILE,
            results=RESULTS_OPTION,
            labels=labels("dataset", "setting", "classifier", "block"),
            strategies=TOGETHER,
            reads=for_each(TOGETHER, reads("trials")),
            code=for_each(TOGETHER, code("trials")),
            software=SOFTWARE,
        shell:
            "python -m lalbench trials --study {params.study:q} {params.results:q} {params.labels:q}"
            " --strategy {params.strategies:q} --data {input.data:q} --problems {input.problems:q}"
            " --output {output.records:q} --timings {output.timings:q} > {log:q} 2>&1"


rule trials:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
        problems=problem_files,
        pretrained=pretrained_file,
    output:
        records=f"{FOLDER}/trials/{CELL}.parquet",
        timings=f"{FOLDER}/timings/{CELL}.parquet",
    log:
        f"{FOLDER}/logs/trials/{CELL}.log",
    benchmark:
        f"{FOLDER}/benchmarks/trials/{CELL}.tsv"
    wildcard_constraints:
        classifier=one_of(TABULAR),
        strategy=one_of(ALONE),
    conda:
        ENVIRONMENT
    threads: CPU_THREADS
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=CELL_LABELS,
        learned=lambda wildcards, input: (
            ["--learned", *input.pretrained] if input.pretrained else []
        ),
        reads=reads("trials"),
        code=code("trials"),
        software=SOFTWARE,
    shell:
        "python -m lalbench trials --study {params.study:q} {params.results:q} {params.labels:q}"
        " --data {input.data:q} --problems {input.problems:q} {params.learned:q}"
        " --output {output.records:q} --timings {output.timings:q} > {log:q} 2>&1"


rule learned_trials:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
        problems=problem_files,
        learned=f"{FOLDER}/strategies/{CELL}.npz",
    output:
        records=f"{FOLDER}/trials/{CELL}.parquet",
        timings=f"{FOLDER}/timings/{CELL}.parquet",
        curves=f"{FOLDER}/curves/{CELL}.parquet",
    log:
        f"{FOLDER}/logs/trials/{CELL}.log",
    benchmark:
        f"{FOLDER}/benchmarks/trials/{CELL}.tsv"
    wildcard_constraints:
        classifier=one_of(TABULAR),
        strategy=one_of(LEARNED),
    conda:
        NETWORK_ENVIRONMENT
    threads: CPU_THREADS
    resources:
        mem_mb=growing(4000),
        runtime=growing(480),
        gpu=GPUS,
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=CELL_LABELS,
        reads=reads("trials"),
        code=code("trials"),
        software=SOFTWARE,
    shell:
        "python -m lalbench trials --study {params.study:q} {params.results:q} {params.labels:q}"
        " --data {input.data:q} --problems {input.problems:q} --learned {input.learned:q}"
        " --output {output.records:q} --timings {output.timings:q} --curves {output.curves:q}"
        " > {log:q} 2>&1"


# Trials of networks: one job per seed pair by default. After SIGTERM a job leaves a checkpoint in the
# study's cache and goes on from it when it is run again.


rule network_trials:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
        problems=problem_files,
        initial=initial_file,
    output:
        records=f"{FOLDER}/trials/{CELL}.parquet",
        timings=f"{FOLDER}/timings/{CELL}.parquet",
    log:
        f"{FOLDER}/logs/trials/{CELL}.log",
    benchmark:
        f"{FOLDER}/benchmarks/trials/{CELL}.tsv"
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
        labels=CELL_LABELS,
        initial=lambda wildcards, input: (["--initial", input.initial] if input.initial else []),
        reads=reads("trials"),
        code=code("trials"),
        software=SOFTWARE,
    shell:
        "python -m lalbench trials --study {params.study:q} {params.results:q} {params.labels:q}"
        " --data {input.data:q} --problems {input.problems:q} {params.initial:q}"
        " --output {output.records:q} --timings {output.timings:q} > {log:q} 2>&1"
