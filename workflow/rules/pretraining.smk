# Regressors of LAL, learned on synthetic data once and shared by all studies of a results folder: their
# key says all that they depend on, so another study file is no reason to learn them again.


rule pretrain_rows:
    input:
        steps=lambda wildcards: PRETRAINED[wildcards.key].steps_before(wildcards.part),
    output:
        f"{PRETRAINED_FOLDER}/{{key}}/rows/{{part}}.npz",
    log:
        f"{PRETRAINED_FOLDER}/{{key}}/logs/rows-{{part}}.log",
    benchmark:
        f"{PRETRAINED_FOLDER}/{{key}}/benchmarks/rows-{{part}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        study=untracked(STUDY_FILE),
        results=untracked(RESULTS_OPTION),
        labels=labels("key", "part"),
    shell:
        "python -m lalbench pretrain-rows --study {params.study:q} {params.results:q}"
        " {params.labels:q} --steps {input.steps:q} --output {output:q} > {log:q} 2>&1"


rule pretrain_step:
    input:
        rows=lambda wildcards: PRETRAINED[wildcards.key].rows_files([int(wildcards.size)]),
    output:
        f"{PRETRAINED_FOLDER}/{{key}}/steps/{{size}}.npz",
    log:
        f"{PRETRAINED_FOLDER}/{{key}}/logs/step-{{size}}.log",
    benchmark:
        f"{PRETRAINED_FOLDER}/{{key}}/benchmarks/step-{{size}}.tsv"
    wildcard_constraints:
        key=one_of(ITERATIVE),
    conda:
        ENVIRONMENT
    threads: CPU_THREADS
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        study=untracked(STUDY_FILE),
        results=untracked(RESULTS_OPTION),
        labels=labels("key", "size"),
    shell:
        "python -m lalbench pretrain-step --study {params.study:q} {params.results:q}"
        " {params.labels:q} --rows {input.rows:q} --output {output:q} > {log:q} 2>&1"


rule pretrain:
    input:
        rows=lambda wildcards: PRETRAINED[wildcards.key].rows_files(),
    output:
        f"{PRETRAINED_FOLDER}/{{key}}/regressor.npz",
    log:
        f"{PRETRAINED_FOLDER}/{{key}}/logs/regressor.log",
    benchmark:
        f"{PRETRAINED_FOLDER}/{{key}}/benchmarks/regressor.tsv"
    conda:
        ENVIRONMENT
    threads: CPU_THREADS
    resources:
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        study=untracked(STUDY_FILE),
        results=untracked(RESULTS_OPTION),
        labels=labels("key"),
    shell:
        "python -m lalbench pretrain --study {params.study:q} {params.results:q}"
        " {params.labels:q} --rows {input.rows:q} --output {output:q} > {log:q} 2>&1"
