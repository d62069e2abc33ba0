"""Which regressors a study needs that are learned before it begins, and where they are kept.

They depend on no data set, so all studies of a results folder share them: their files are named by
everything they depend on. Imported by the Snakefile; nothing heavy here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from lalbench import codehash, files, protocols
from lalbench.config import StrategySpec, Study
from lalbench.errors import UserError

STATES_PER_PART = 1000
"""Random annotated sets that one job turns into rows."""

GROWN_PER_PART = 250
"""Annotated sets that one job grows and turns into rows."""

Part = list[tuple[int, int]]
"""States, by the size of their annotated set and their number."""


@dataclass(frozen=True)
class Pretraining:
    """What one strategy learns for one classifier.

    Attributes:
        key: names its files.
        strategy, classifier: labels in the study.
        folder: of its files.
        sizes: of the annotated sets.
        repetitions: states per size.
        iterative: whether the states of a size need the regressors of smaller sizes.
    """

    key: str
    strategy: str
    classifier: str
    folder: Path
    sizes: range
    repetitions: int
    iterative: bool

    @property
    def regressor(self) -> Path:
        """What the strategy reads."""
        return self.folder / "regressor.npz"

    @property
    def parts(self) -> dict[str, Part]:
        """States by the name of their part, in order; a part of an iterative one has one size."""
        groups = [[size] for size in self.sizes] if self.iterative else [list(self.sizes)]
        per_part = GROWN_PER_PART if self.iterative else STATES_PER_PART
        found = {}
        for group in groups:
            every = [(size, number) for size in group for number in range(self.repetitions)]
            for number, start in enumerate(range(0, len(every), per_part)):
                first = f"{group[0]:03d}" if self.iterative else "all"
                found[f"{first}-{number:03d}"] = every[start : start + per_part]
        return found

    def rows_files(self, sizes: Sequence[int] | None = None) -> list[Path]:
        """Files of the rows of all parts, or of those with states of ``sizes`` alone."""
        return [
            self.folder / "rows" / f"{name}.npz"
            for name, part in self.parts.items()
            if sizes is None or {size for size, _ in part} <= set(sizes)
        ]

    def step_file(self, size: int) -> Path:
        """The regressor that chooses at an annotated set of this size."""
        return self.folder / "steps" / f"{size:03d}.npz"

    def steps_before(self, name: str) -> list[Path]:
        """Regressors that the states of a part need."""
        if not self.iterative:
            return []
        largest = max(size for size, _ in self.parts[name])
        return [self.step_file(size) for size in self.sizes if size < largest]


def needed(study: Study) -> list[Pretraining]:
    """One entry for each combination of a pretrained strategy and a classifier."""
    pairs = [(one.label, each.label) for one in study.strategies for each in study.classifiers]
    return [found for pair in pairs if (found := of(study, *pair)) is not None]


def of(study: Study, strategy: str, classifier: str) -> Pretraining | None:
    """What one cell needs, or None."""
    spec = study.strategy(strategy)
    if spec.class_path is not None:
        return None
    resolved = _resolve(spec.model_dump_json(by_alias=True), study.protocol)
    return None if resolved is None else _of(study, spec, resolved, classifier)


def named(study: Study, key: str) -> Pretraining:
    """The entry with this key; raises :class:`UserError` for an unknown one."""
    for each in needed(study):
        if each.key == key:
            return each
    raise UserError("--key", f'no strategy of the study is learned as "{key}"', "see the plan")


@cache
def _resolve(spec: str, protocol: str) -> Any:
    """The strategy if it is pretrained, else None; kept by its text, as every job asks for it."""
    from lalbench import strategies
    from lalbench.strategies.base import Need

    whole = StrategySpec.model_validate_json(spec).model_copy(update={"subsample": None})
    found = strategies.resolve(whole, protocols.get(protocol))
    return found if Need.PRETRAINED in found.needs else None


def _of(study: Study, spec: StrategySpec, strategy: Any, classifier_label: str) -> Pretraining:
    from lalbench import classifiers, strategies

    classifier = study.classifier(classifier_label)
    options = {
        entry.name: getattr(strategy, entry.name)
        for entry in fields(strategy)
        if entry.name not in strategy.ACQUISITION_OPTIONS
    }
    made_from = {
        "strategy": type(strategy).__name__,
        "options": options,
        "classifier": classifier.model_dump(mode="json", by_alias=True, exclude={"label"}),
        "protocol": study.protocol,
        "code": codehash.stage_hash(
            "lalbench.stages.pretraining",
            [strategies.module_of(spec), classifiers.module_of(classifier)],
            {classifier.name, spec.name},
        ),
        "software": codehash.software_hash(),
    }
    key = files.digest(made_from)[:20]
    return Pretraining(
        key,
        spec.label,
        classifier_label,
        study.pretrained_folder / key,
        range(strategy.first_size, strategy.last_size + 1),
        strategy.repetitions,
        hasattr(strategy, "step_grid"),
    )
