"""Stage ``trials``: a block of trials of one or more strategies, each kept when it is finished.

Finished trials go to ``<results>/<study>/cache/trials`` under a name made from everything they
depend on, outside the outputs that Snakemake deletes when a job fails: a killed or retried job goes
on where it was, and its outputs have the same bytes as those of an undisturbed one.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lalbench import files, grid, provenance, records, trials
from lalbench.config import Study
from lalbench.errors import ContractError, CorruptFileError, LalbenchError, UserError, naming
from lalbench.problems import Problem
from lalbench.progress import progress
from lalbench.stages import problems as problem_stage
from lalbench.stages.inputs import Arrays, Inputs, computing, select_pair
from lalbench.strategies.base import Need


@dataclass(frozen=True)
class Outputs:
    """Files of one strategy's trials; curves are those of learned strategies."""

    records: Path
    timings: Path
    curves: Path | None = None


def run(
    study: Study,
    every: Mapping[Inputs, Outputs],
    learned: Path | None = None,
    initial: Path | None = None,
) -> None:
    """Runs the trials of a block that are not finished yet and writes the block's files.

    Args:
        study: the study.
        every: labels and input files of each strategy, and what to write; they differ in nothing
            but the strategy.
        learned: output of the learn stage, for learned strategies, or of the pretrain stage.
        initial: output of the initial stage, for networks.

    Raises:
        UserError: strategies whose blocks differ.
    """
    first = next(iter(every))
    block = _block(study, every)
    made_from = {inputs: provenance.of(study, "trials", **inputs.labels) for inputs in every}
    arrays = (None if path is None else files.read_npz(path) for path in (learned, initial))
    known = Known(learned, *arrays)
    done: dict[Inputs, list[trials.Trial]] = {inputs: [] for inputs in every}
    problems = problem_stage.read(study, first.data, first.problems, block)
    names = ", ".join(inputs.strategy for inputs in every)
    # problem by problem: what one has read and scaled serves all strategies, and is freed then
    for problem in progress(problems, f"trials {names}", len(block.pairs)):
        for inputs in every:
            done[inputs].append(_trial(study, inputs, problem, known, made_from[inputs]))
    for inputs, outputs in every.items():
        metadata = {"lalbench": provenance.as_text(made_from[inputs])}
        for kind, path in vars(outputs).items():
            if path is not None:
                rows = [row for trial in done[inputs] for row in getattr(trial, kind)]
                records.write(path, kind, rows, metadata)


def _block(study: Study, every: Iterable[Inputs]) -> grid.Block:
    """The block that all strategies of a job have."""
    found = {
        grid.block(study, grid.cost_class(study, each.strategy, each.classifier), each.block)
        for each in every
    }
    if len(found) > 1:
        raise UserError(
            "--strategy", "the blocks of these strategies differ", "name strategies of one cost"
        )
    return found.pop()


def _trial(
    study: Study, inputs: Inputs, problem: Problem, known: Known, made_from: dict[str, Any]
) -> trials.Trial:
    """A trial that was kept, or one that is run and kept."""
    cached = trial_file(study, made_from, problem)
    if cached.exists():
        return _load(cached)
    trial = _run_one(study, inputs, problem, known, cached.with_suffix(".npz"))
    if trial.records[0]["status"] == "ok":
        _save(cached, trial)
    return trial


def trial_file(study: Study, made_from: dict[str, Any], problem: Problem) -> Path:
    """Where a finished trial is kept, named by all that it depends on."""
    parameters = {k: v for k, v in made_from["parameters"].items() if k != "pairs"}
    key = files.digest(
        {
            **made_from,
            "parameters": parameters,
            "pair": [problem.data_seed, problem.seed],
            "split": problem.split_hash,
            "source": problem.source_hash,
        }
    )
    return study.folder / "cache" / "trials" / key[:2] / f"{key}.json"


@dataclass(frozen=True)
class Known:
    """Arrays of earlier stages for all problems of a block, and the file of those learned.

    None where there is no such stage.
    """

    learned_file: Path | None
    learned: Arrays | None
    initial: Arrays | None


def _run_one(
    study: Study, inputs: Inputs, problem: Problem, known: Known, checkpoint: Path
) -> trials.Trial:
    names = trials.Names(study.study, inputs.classifier, inputs.strategy)
    strategy = trials.resolve_strategy(problem, study.strategy(inputs.strategy))
    trials.check_steps(problem, study.steps, study.budget)
    learned = None
    if known.learned is not None and known.learned_file is not None:
        shared = Need.PRETRAINED in strategy.needs
        own = dict(known.learned) if shared else select_pair(known.learned, problem)
        with naming(known.learned_file):
            learned = strategy.learned_from_arrays(own)  # type: ignore[attr-defined]
    network = grid.is_network(study, inputs.classifier)
    try:
        with computing(study):
            return trials.simulate_trial(
                problem,
                study.classifier(inputs.classifier),
                strategy,
                steps=study.steps,
                budget=study.budget,
                learned=learned,
                names=names,
                initial=None if known.initial is None else select_pair(known.initial, problem),
                checkpoint=checkpoint if network else None,
            )
    except ContractError as error:
        return trials.failed_trial(problem, names, str(error))
    except (LalbenchError, OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001
        # One failing strategy must not hide the others: its trial becomes a row that the tables
        # count and the report shows, and it is not cached, so the next run tries again.
        traceback.print_exc(file=sys.stderr)
        return trials.failed_trial(problem, names, f"{type(error).__name__}: {error}")


def _save(path: Path, trial: trials.Trial) -> None:
    content = json.dumps(asdict(trial), sort_keys=True)
    files.write_text(path, json.dumps({"sha256": files.digest(content), "trial": content}))


def _load(path: Path) -> trials.Trial:
    try:
        stored = json.loads(path.read_bytes())
        if files.digest(stored["trial"]) != stored["sha256"]:
            raise ValueError("its hash does not match")
        return trials.Trial(**json.loads(stored["trial"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptFileError(
            f"{path}: a damaged cache file ({error}); delete it and run again"
        ) from error
