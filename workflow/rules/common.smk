# The study, and what the rules ask about it.

import os
import re
import sys
from pathlib import Path

# Snakemake and its jobs run the code of this checkout, whatever is installed, by the Python that runs
# Snakemake; a conda environment comes before it on the path. The user's own modules are found beside
# the study, where the jobs look for them too.
SOURCES = f"{workflow.basedir}/src"
sys.path[:0] = [SOURCES, os.getcwd()]
environment = os.environ
for name, place in (
    ("PYTHONPATH", SOURCES),
    ("PATH", str(Path(sys.executable).parent)),
):
    environment[name] = os.pathsep.join(filter(None, [place, environment.get(name)]))

from lalbench import codehash, files, grid, network_cost, plan, pretraining
from lalbench.errors import LalbenchError, UserError, suggest
from lalbench.study import load_study, with_results

CELL = "{dataset}/{setting}/{classifier}/{strategy}/block-{block}"
PLACE = "{dataset}/{setting}/{classifier}/block-{block}"
RESULTS = str(config.get("results", ""))


def read_study():
    """The validated study; one sentence and an end where it is not valid."""
    path = str(config.get("study", "config.yaml"))
    try:
        for key in config:
            # A misspelt key would run the default study.
            if key not in ("study", "results"):
                remedy = suggest(key, ["study", "results"])
                raise UserError("--config", f'unknown key "{key}"', remedy)
        if config.get("study", "config.yaml") in (None, ""):
            raise UserError("--config", "study= is empty", "name a study file: study=PATH")
        # Names were checked when the main process planned this job.
        study = load_study(path, check_names=workflow.is_main_process)
        return path, with_results(study, RESULTS)
    except LalbenchError as error:
        sys.exit(f"lalbench: {error}")


STUDY_FILE, STUDY = read_study()
FOLDER = str(STUDY.folder)
CELLS = grid.cells(STUDY)
OUTPUTS = {
    kind: [f"{FOLDER}/{path}" for path in paths] for kind, paths in grid.output_files(STUDY).items()
}
LEARNED = sorted({cell.strategy for cell in CELLS if cell.learned})
TOGETHER = grid.together(STUDY)
ALONE = sorted({cell.strategy for cell in CELLS if not cell.learned} - set(TOGETHER))
NETWORKS = grid.networks(STUDY)
TABULAR = [entry.label for entry in STUDY.classifiers if entry.label not in NETWORKS]
RESULTS_OPTION = ["--results", RESULTS] if RESULTS else []
PRETRAINED = {each.key: each for each in pretraining.needed(STUDY)}
PRETRAINED_FOLDER = str(STUDY.pretrained_folder)
ITERATIVE = [key for key, each in PRETRAINED.items() if each.iterative]


def untracked(value):
    """A parameter that decides nothing: Snakemake does not compare what it derives from the output."""
    return lambda wildcards, output: value


def one_of(names):
    """A wildcard constraint that matches just these names."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


wildcard_constraints:
    dataset=one_of(entry.label for entry in STUDY.datasets),
    setting=one_of(entry.name for entry in STUDY.settings),
    classifier=one_of(entry.label for entry in STUDY.classifiers),
    block="[0-9]+",
    key=one_of(PRETRAINED),
    part="(all|[0-9]{3})-[0-9]{3}",
    size="[0-9]{3}",


def reads(stage):
    """Hash of the part of the study that a job of this stage reads."""
    return lambda wildcards: files.digest(grid.stage_parameters(STUDY, stage, **wildcards))


def code(stage):
    """Hash of the code that a job of this stage runs."""
    return lambda wildcards: grid.stage_code(STUDY, stage, **wildcards)


def for_each(strategies, decides):
    """What decides the trials of several strategies: a hash of each, by its name."""

    def hashes(wildcards):
        own = ({**wildcards, "strategy": strategy} for strategy in strategies)
        return files.digest([decides(each) for each in own])

    return hashes


def labels(*names):
    """Command-line options that name a job: ``--dataset … --block …``."""
    return lambda wildcards: [word for name in names for word in (f"--{name}", wildcards[name])]


def cost_class(wildcards):
    """The cost class of a job's cell."""
    return grid.cost_class(STUDY, wildcards.strategy, wildcards.classifier)


def problems_of(wildcards, block):
    """The problem files that hold the seed pairs of ``block``."""
    return [
        f"{FOLDER}/problems/{wildcards.dataset}/{wildcards.setting}/block-{number}.npz"
        for number in grid.problem_blocks(STUDY, block)
    ]


def problem_files(wildcards):
    """The problem files that hold the seed pairs of a job's block."""
    return problems_of(wildcards, grid.block(STUDY, cost_class(wildcards), wildcards.block))


def initial_problems(wildcards):
    """The problem files that hold the seed pairs of a block of networks."""
    return problems_of(wildcards, grid.block(STUDY, "network", wildcards.block))


def initial_file(wildcards):
    """The network that a trial starts from, unless its strategy changes the training."""
    shared = grid.shares_initial(STUDY, wildcards.strategy)
    cell = f"{wildcards.dataset}/{wildcards.setting}/{wildcards.classifier}"
    return [f"{FOLDER}/initial/{cell}/block-{wildcards.block}.npz"] if shared else []


def pretrained_file(wildcards):
    """The regressor that the trials of a cell read, if its strategy has one."""
    wanted = pretraining.of(STUDY, wildcards.strategy, wildcards.classifier)
    return [] if wanted is None else [str(wanted.regressor)]


def growing(amount):
    """Memory in MB or minutes that a job may take; a retry gets more."""
    return lambda wildcards, attempt: amount * attempt


def network_resources(key):
    """The same for a job of a network, by declared costs."""
    return (
        lambda wildcards, attempt: network_cost.resources(
            STUDY, wildcards.dataset, wildcards.classifier, wildcards.get("strategy")
        )[key]
        * attempt
    )


def user_file(wildcards):
    """The user's own files behind a data set, if there are any."""
    from lalbench import data

    return [str(path) for path in data.input_files(STUDY.dataset(wildcards.dataset))]


CPU_THREADS = max(STUDY.compute.threads, STUDY.compute.processes)
GPUS = int(STUDY.compute.device == "cuda")

# Only read under --software-deployment-method conda.
ENVIRONMENT = "../../envs/lalbench-cpu.yaml"
NETWORK_ENVIRONMENT = "../../envs/lalbench-cuda.yaml" if GPUS else ENVIRONMENT
CELL_LABELS = labels("dataset", "setting", "classifier", "strategy", "block")
SOFTWARE = codehash.software_hash()
