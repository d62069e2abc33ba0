"""The grid of a study: seed pairs, blocks, cells, and what each stage reads.

Imported by the Snakefile, which is parsed again in every remote job: nothing heavy here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lalbench import codehash, pretraining, protocols
from lalbench.config import StrategySpec, Study
from lalbench.errors import UserError

CostClass = Literal["cheap", "oracle", "learned", "network"]
Stage = Literal[
    "fetch",
    "problems",
    "initial",
    "episodes",
    "learn",
    "trials",
    "references",
    "tables",
    "figures",
    "report",
    "manifest",
]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Block:
    """Consecutive seed pairs that one job runs; ``id`` is ``"000"``, ``"001"``, …"""

    id: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Cell:
    """One combination of labels of the study; ``cost_class`` decides the size of its blocks."""

    dataset: str
    setting: str
    classifier: str
    strategy: str
    cost_class: CostClass

    @property
    def learned(self) -> bool:
        """Whether the episodes and learn stages come before its trials."""
        return self.cost_class == "learned"

    @property
    def network(self) -> bool:
        """Whether its classifier is a network."""
        return self.cost_class == "network"

    @property
    def path(self) -> Path:
        """``<data set>/<setting>/<classifier>/<strategy>``."""
        return Path(self.dataset, self.setting, self.classifier, self.strategy)

    def records(self, block: Block, kind: str = "trials") -> Path:
        """The file of a block, relative to the study's folder; ``curves`` and ``timings`` too."""
        return Path(kind, self.path, f"block-{block.id}.parquet")


def pairs(study: Study) -> list[Pair]:
    """All (data seed, seed) pairs, in an order that only grows at its end.

    A product is walked in growing squares, so that one more seed in each list appends pairs and
    leaves every earlier block as it was.
    """
    seeds = study.seeds
    if seeds.pairs == "matched":
        return list(zip(seeds.data, seeds.run, strict=True))
    places = [(i, j) for i in range(len(seeds.data)) for j in range(len(seeds.run))]
    places.sort(key=lambda place: (max(place), place))
    return [(seeds.data[i], seeds.run[j]) for i, j in places]


def blocks(study: Study, cost_class: CostClass) -> list[Block]:
    """The seed pairs cut into blocks of the size that the study sets for ``cost_class``."""
    every = pairs(study)
    size = getattr(study.blocks, cost_class)
    return [
        Block(f"{number:03d}", tuple(every[start : start + size]))
        for number, start in enumerate(range(0, len(every), size))
    ]


def block(study: Study, cost_class: CostClass, block_id: str) -> Block:
    """The block called ``block_id``; raises :class:`UserError` for an unknown one."""
    for candidate in blocks(study, cost_class):
        if candidate.id == block_id:
            return candidate
    raise UserError("--block", f'no block "{block_id}"', "see python -m lalbench plan")


def problem_blocks(study: Study, wanted: Block) -> list[str]:
    """Ids of the blocks of the problems stage that hold the pairs of ``wanted``."""
    return [
        candidate.id
        for candidate in blocks(study, "cheap")
        if set(candidate.pairs) & set(wanted.pairs)
    ]


def is_network(study: Study, classifier: str) -> bool:
    """Whether a classifier of the study is a network for images."""
    from lalbench import classifiers

    return classifiers.is_network(study.classifier(classifier))


def networks(study: Study) -> list[str]:
    """Labels of the classifiers that are networks."""
    return [entry.label for entry in study.classifiers if is_network(study, entry.label)]


def shares_initial(study: Study, strategy: str) -> bool:
    """Whether a strategy's trials start from the network that all strategies of a cell share."""
    from lalbench import strategies

    found = strategies.resolve(study.strategy(strategy), protocols.get(study.protocol))
    return not hasattr(found, "adapt_classifier")


def cost_class(study: Study, strategy: str, classifier: str) -> CostClass:
    """What the trials of a strategy cost; the user's own and adapted ones count as ``oracle``,
    whatever the strategy those of networks as ``network``.
    """
    if is_network(study, classifier):
        return "network"
    spec = study.strategy(strategy)
    if spec.class_path is not None:
        return "oracle"
    return _cost_class(spec.model_dump_json(by_alias=True), study.protocol)


def together(study: Study) -> list[str]:
    """Strategies whose trials of a block share a job, for tabular classifiers: the cheap ones that
    read nothing learned. Most of the time of such a job is its start.
    """
    from lalbench import classifiers

    tabular = [one.label for one in study.classifiers if not classifiers.is_network(one)]
    return [
        strategy.label
        for strategy in study.strategies
        if tabular
        and cost_class(study, strategy.label, tabular[0]) == "cheap"
        and not any(pretraining.of(study, strategy.label, one) for one in tabular)
    ]


@cache
def _cost_class(spec: str, protocol: str) -> CostClass:
    # Kept by its text: a study asks for it several times per job.
    from lalbench import strategies
    from lalbench.strategies.base import Need

    strategy = StrategySpec.model_validate_json(spec)
    needs = strategies.resolve(strategy, protocols.get(protocol)).needs
    if Need.LEARNED in needs:
        return "learned"
    return "oracle" if Need.CLASSIFIER in needs or Need.LABEL_ORACLE in needs else "cheap"


def cells(study: Study) -> list[Cell]:
    """Every combination of data set, setting, classifier and strategy, in the study's order."""
    costs = {
        (strategy.label, classifier.label): cost_class(study, strategy.label, classifier.label)
        for strategy in study.strategies
        for classifier in study.classifiers
    }
    return [
        Cell(
            dataset.label,
            setting.name,
            classifier.label,
            strategy.label,
            costs[strategy.label, classifier.label],
        )
        for dataset in study.datasets
        for setting in study.settings
        for classifier in study.classifiers
        for strategy in study.strategies
    ]


def jobs(study: Study) -> Iterator[tuple[Cell, Block]]:
    """Every trial job: a cell and one of its blocks."""
    for cell in cells(study):
        for part in blocks(study, cell.cost_class):
            yield cell, part


def output_files(study: Study) -> dict[str, list[Path]]:
    """The files of every stage but the last ones, by kind, relative to the study's folder."""
    shared = blocks(study, "cheap")
    places = [
        Path(dataset.label, setting.name)
        for dataset in study.datasets
        for setting in study.settings
    ]
    found = {
        "data": [Path("data", f"{dataset.label}.npz") for dataset in study.datasets],
        "problems": [
            Path("problems", place, f"block-{part.id}.npz") for place in places for part in shared
        ],
        "references": [
            Path("references", place, classifier.label, f"block-{part.id}.parquet")
            for place in places
            for classifier in study.classifiers
            for part in shared
        ],
    }
    found["initial"] = [
        Path("initial", place, network, f"block-{part.id}.npz")
        for place in places
        for network in networks(study)
        for part in blocks(study, "network")
    ]
    every = [(cell.path / f"block-{part.id}", cell.learned) for cell, part in jobs(study)]
    for kind in ("trials", "timings"):
        found[kind] = [Path(kind, f"{path}.parquet") for path, _ in every]
    for kind, suffix in (("episodes", "npz"), ("strategies", "npz"), ("curves", "parquet")):
        found[kind] = [Path(kind, f"{path}.{suffix}") for path, learned in every if learned]
    return found


def stage_parameters(study: Study, stage: Stage, **labels: str) -> dict[str, Any]:
    """The part of the study that one job of ``stage`` reads, as plain JSON.

    Snakemake reruns a job when this changes, and trials are cached under it: a key that does not
    belong to a stage must not stand in its parameters.

    Args:
        study: the study.
        stage: the workflow stage.
        labels: ``dataset``, ``setting``, ``classifier``, ``strategy``, ``block`` as far as the
            stage has them.
    """
    if stage in ("tables", "figures", "report", "manifest"):
        ignored = {"mirrors", "blocks", "results", "compute"}
        ignored |= {"figures"} if stage == "tables" else set()
        ignored |= {"description"} if stage in ("tables", "figures") else set()
        return study.model_dump(mode="json", by_alias=True, exclude=ignored)
    dataset = study.dataset(labels["dataset"])
    found: dict[str, Any] = {"dataset": _dump(dataset, exclude={"sizes"})}
    if stage == "fetch":
        return found
    shared = stage in ("problems", "references", "initial")  # by all strategies of a problem
    cost = block_class(study, stage, **labels)
    found |= {
        "setting": _dump(study.setting(labels["setting"])),
        "protocol": study.protocol,
        "sizes": _dump(study.dataset_sizes(labels["dataset"])),
        "labels": study.labels,
        "study_seed": study.seeds.study,
    }
    if "block" in labels:
        found["pairs"] = [list(pair) for pair in block(study, cost, labels["block"]).pairs]
    if stage == "problems":
        return found
    found["classifier"] = _dump(study.classifier(labels["classifier"]))
    if is_network(study, labels["classifier"]):
        # They round differently on another device and with another number of threads.
        found["compute"] = _dump(study.compute, exclude={"memory", "processes", "cache"})
    if stage == "initial":
        return found
    found["objective"] = _dump(study.objective)
    if not shared:
        found["strategy"] = _strategy_options(study, stage, labels["strategy"])
    if stage in ("trials", "references"):
        found["study"] = study.study
    if stage == "trials":
        found |= {"steps": study.steps, "budget": study.budget}
        wanted = pretraining.of(study, labels["strategy"], labels["classifier"])
        found |= {} if wanted is None else {"pretrained": wanted.key}
    return found


def block_class(study: Study, stage: Stage, **labels: str) -> CostClass:
    """Whose block size the jobs of a stage have."""
    if stage == "initial":
        return "network"
    if stage in ("problems", "references"):
        return "cheap"
    return cost_class(study, labels["strategy"], labels["classifier"])


def stage_modules(study: Study, stage: Stage, **labels: str) -> list[str]:
    """Modules whose code one job of ``stage`` runs: its entry and those loaded by name."""
    from lalbench import classifiers, strategies

    entry = {"episodes": "learning", "learn": "learning"}.get(stage, stage)
    modules = [f"lalbench.stages.{entry}"]
    if stage in ("episodes", "learn", "trials"):
        strategy = study.strategy(labels["strategy"])
        modules += [strategies.module_of(strategy), _module(strategy.class_path or "")]
    if stage in ("initial", "episodes", "learn", "trials", "references"):
        modules.append(classifiers.module_of(study.classifier(labels["classifier"])))
        modules.append(_module(study.objective.function or ""))
    return [module for module in modules if module]


def stage_code(study: Study, stage: Stage, **labels: str) -> str:
    """Hash of the code that one job of ``stage`` runs, and of the registry entries it uses."""
    modules = stage_modules(study, stage, **labels)
    return codehash.stage_hash(modules[0], modules[1:], _names_in_use(study, labels))


def _module(path: str) -> str:
    """The module of an import path, as :func:`lalbench.imports.import_object` reads it."""
    return path.partition(":")[0] if ":" in path else path.rpartition(".")[0]


def _names_in_use(study: Study, labels: dict[str, str]) -> set[str]:
    """Names of the registry entries of a job; those of the whole study where it has no label."""
    parts: dict[str, Sequence[Any]] = {
        "dataset": study.datasets,
        "classifier": study.classifiers,
        "strategy": study.strategies,
    }
    used = {
        entry.name
        for part, entries in parts.items()
        for entry in entries
        if labels.get(part, entry.label) == entry.label
    }
    return used | {study.objective.name}


def _strategy_options(study: Study, stage: Stage, label: str) -> Any:
    """The strategy's entry in the study; for episodes without the options that they do not read."""
    from lalbench import strategies

    found = _dump(study.strategy(label))
    if stage == "episodes":
        strategy = strategies.resolve(study.strategy(label), protocols.get(study.protocol))
        read = getattr(strategy, "EPISODE_OPTIONS", found["options"])
        found["options"] = {key: value for key, value in found["options"].items() if key in read}
        del found["subsample"]
    return found


def _dump(model: Any, exclude: set[str] | None = None) -> Any:
    return model.model_dump(mode="json", by_alias=True, exclude=exclude)
