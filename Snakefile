# lalbench: config -> data -> problems -> episodes -> strategies -> trials -> results.
#
#   snakemake --config study=studies/mine.yaml --cores 2
#
# The study file is checked before anything is planned. Rules hold no logic: what runs is decided by
# src/lalbench/grid.py, and every job is one call of `python -m lalbench`.

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/problems.smk"
include: "workflow/rules/initial.smk"
include: "workflow/rules/episodes.smk"
include: "workflow/rules/strategies.smk"
include: "workflow/rules/pretraining.smk"
include: "workflow/rules/trials.smk"
include: "workflow/rules/results.smk"


onstart:
    # What will be slow on this machine is said before it starts.
    for note in plan.warnings(STUDY):
        print(f"lalbench: {note}", file=sys.stderr)


localrules:
    all,


rule all:
    default_target: True
    input:
        # Named here too, so that a lost file is made again.
        *OUTPUTS.values(),
        f"{FOLDER}/tables",
        f"{FOLDER}/figures",
        f"{FOLDER}/report.html",
        f"{FOLDER}/manifest.json",
