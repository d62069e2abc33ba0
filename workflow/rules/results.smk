# Results: tables, figures, report and manifest from the records of all trials.

# What tables and figures say of them was learned before the trials.
REGRESSORS = [str(each.regressor) for each in PRETRAINED.values()]


rule references:
    input:
        data=f"{FOLDER}/data/{{dataset}}.npz",
        problems=f"{FOLDER}/problems/{{dataset}}/{{setting}}/block-{{block}}.npz",
    output:
        f"{FOLDER}/references/{{dataset}}/{{setting}}/{{classifier}}/block-{{block}}.parquet",
    log:
        f"{FOLDER}/logs/references/{{dataset}}/{{setting}}/{{classifier}}/block-{{block}}.log",
    benchmark:
        f"{FOLDER}/benchmarks/references/{{dataset}}/{{setting}}/{{classifier}}/block-{{block}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        labels=labels("dataset", "setting", "classifier", "block"),
        reads=reads("references"),
        code=code("references"),
        software=SOFTWARE,
    shell:
        "python -m lalbench references --study {params.study:q} {params.results:q}"
        " {params.labels:q} --data {input.data:q} --problems {input.problems:q}"
        " --output {output:q} > {log:q} 2>&1"


rule tables:
    input:
        OUTPUTS["trials"],
        OUTPUTS["curves"],
        OUTPUTS["references"],
        REGRESSORS,
    output:
        directory(f"{FOLDER}/tables"),
    log:
        f"{FOLDER}/logs/tables.log",
    benchmark:
        f"{FOLDER}/benchmarks/tables.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        reads=reads("tables"),
        code=code("tables"),
        software=SOFTWARE,
    shell:
        "python -m lalbench tables --study {params.study:q} {params.results:q}"
        " --output {output:q} > {log:q} 2>&1"


rule figures:
    input:
        OUTPUTS["trials"],
        OUTPUTS["curves"],
        OUTPUTS["references"],
        REGRESSORS,
    output:
        directory(f"{FOLDER}/figures"),
    log:
        f"{FOLDER}/logs/figures.log",
    benchmark:
        f"{FOLDER}/benchmarks/figures.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        reads=reads("figures"),
        code=code("figures"),
        software=SOFTWARE,
    shell:
        "python -m lalbench figures --study {params.study:q} {params.results:q}"
        " --output {output:q} > {log:q} 2>&1"


rule report:
    input:
        f"{FOLDER}/tables",
        f"{FOLDER}/figures",
        OUTPUTS["data"],
        OUTPUTS["problems"],
        OUTPUTS["timings"],
        REGRESSORS,
    output:
        f"{FOLDER}/report.html",
    log:
        f"{FOLDER}/logs/report.log",
    benchmark:
        f"{FOLDER}/benchmarks/report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        reads=reads("report"),
        code=code("report"),
        software=SOFTWARE,
    shell:
        "python -m lalbench report --study {params.study:q} {params.results:q}"
        " --output {output:q} > {log:q} 2>&1"


rule manifest:
    input:
        f"{FOLDER}/tables",
        f"{FOLDER}/figures",
    output:
        f"{FOLDER}/manifest.json",
    log:
        f"{FOLDER}/logs/manifest.log",
    benchmark:
        f"{FOLDER}/benchmarks/manifest.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        reads=reads("manifest"),
        code=code("manifest"),
        software=SOFTWARE,
    shell:
        "python -m lalbench manifest --study {params.study:q} {params.results:q}"
        " --output {output:q} > {log:q} 2>&1"


rule archive:
    input:
        OUTPUTS["trials"],
        OUTPUTS["timings"],
        f"{FOLDER}/report.html",
        f"{FOLDER}/manifest.json",
    output:
        f"{FOLDER}/{STUDY.study}.crate.zip",
    log:
        f"{FOLDER}/logs/archive.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        study=STUDY_FILE,
        results=RESULTS_OPTION,
        software=SOFTWARE,
    shell:
        "python -m lalbench archive --study {params.study:q} {params.results:q}"
        " --output {output:q} > {log:q} 2>&1"
