"""Builds problems: imbalances, splits and scales a data set."""

from __future__ import annotations

import operator
import os
import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from lalbench import protocols
from lalbench.config import DatasetSpec, Labels, ObjectiveSpec, SettingSpec, Sizes
from lalbench.errors import UserError
from lalbench.problems import splitting
from lalbench.problems.problem import PARTS, Problem, assemble
from lalbench.problems.scaling import Scaling, pixel_statistics
from lalbench.problems.settings import class_scheme, resolve_setting
from lalbench.protocols import Protocol
from lalbench.seeds import Streams, pack_python_state

if TYPE_CHECKING:
    from lalbench.data.dataset import Dataset

IntArray = NDArray[np.int64]
Model = TypeVar("Model", bound=BaseModel)


def build_problem(
    dataset: str | DatasetSpec | Dataset,
    setting: str | SettingSpec,
    *,
    data_seed: int,
    seed: int,
    protocol: str | Protocol = "clean",
    mirror: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    sizes: Sizes | Mapping[str, Any] | None = None,
    labels: Labels = "reward_apart",
    study_seed: int = 0,
    objective: str | ObjectiveSpec | None = None,
) -> Problem:
    """Imbalances and splits a data set, and says how it is scaled.

    Args:
        dataset: a name of the catalogue, a specification, or a loaded data set.
        setting: a built-in setting's name (``balanced``, ``imbalanced``, ``imbalanced_weighted``)
            or one of your own.
        data_seed: seed of the split (in the clean protocol, of all randomness of the data).
        seed: run seed; decides the surviving rows in the published protocol, nothing in the clean.
        protocol: ``clean`` or ``published``.
        mirror: folder or URL, or several, tried before the sources of the data.
        sizes: rows of each part; default: those of the specification, else 200 test, 100 reward,
            100 annotated, the rest in the pool. ``test: all`` takes the whole given test partition,
            ``reward: 0`` no reward set.
        labels: ``all_labels`` annotates the points of the reward set: the split is that of
            ``reward_apart``, and the reward set is empty.
        study_seed: seed of the study, part of every stream of the clean protocol.
        objective: what is to be improved; weighted accuracy by default.

    Raises:
        UserError: the data set, setting, sizes or seeds cannot be used, or not together.
        DownloadError: the data cannot be had.
    """
    source = _dataset(dataset, mirror).drawn(_seed("data_seed", data_seed))
    rules = protocols.get(protocol) if isinstance(protocol, str) else protocol
    spec = resolve_setting(setting)
    counts = _natural_counts(source)
    scheme = class_scheme(spec, counts)
    streams = Streams(
        _seed("data_seed", data_seed), _seed("seed", seed), _seed("study_seed", study_seed)
    )
    legacy = random.Random(streams.seed)
    try:
        natural = spec.frequencies == "natural"
        factors = None if natural else scheme.frequencies
        kept, kept_test = _surviving_rows(source, factors, rules, streams, legacy)
        splitter = splitting.Splitter(
            source.y, source.class_names, _sizes(dataset, sizes), _split_seeds(rules, streams)
        )
        parts = splitter.split(kept, kept_test)
    except UserError as error:
        raise error.within(f"{source.name}, {spec.name}") from None
    if labels == "all_labels":
        parts = parts.with_rewards_annotated()
    rows = {part: getattr(parts, part) for part in PARTS}
    fields = {
        "dataset": dataset.label if isinstance(dataset, DatasetSpec) else source.name,
        "setting": spec.name,
        "protocol": rules.name,
        "objective": _objective(objective),
        "data_seed": streams.data_seed,
        "seed": streams.seed,
        "study_seed": streams.study_seed,
        "frequencies": np.array([float(factor) for factor in scheme.frequencies]),
        "class_weights": scheme.class_weights,
        "fit_weights": scheme.fit_weights,
        "rare_class": scheme.rare_class,
        **_scaling(source, rules, kept, parts),
        "python_random_state": pack_python_state(legacy) if rules.streams == "released" else None,
    }
    every = kept if kept_test is None else np.concatenate([kept, kept_test])
    used = every[np.isin(every, np.concatenate(list(rows.values())))]
    return assemble(source, used, rows, fields)


def _dataset(dataset: str | DatasetSpec | Dataset, mirror: Any) -> Dataset:
    if not isinstance(dataset, str | DatasetSpec):
        return dataset
    from lalbench import data

    if mirror is None:
        mirrors: list[str] = []
    elif isinstance(mirror, str | os.PathLike):
        mirrors = [os.fspath(mirror)]
    else:
        mirrors = [os.fspath(one) for one in mirror]
    return data.load(dataset, mirrors=mirrors)


def _natural_counts(source: Dataset) -> IntArray:
    """Rows per class; at least two classes, none empty, in each given partition."""
    n_classes = len(source.class_names)
    if n_classes < 2:
        raise UserError(
            source.name, f"{n_classes} class", "use a data set with at least two classes"
        )
    test_mask = source.test_mask
    partitions = {"": np.ones(len(source.y), dtype=bool)}
    if test_mask is not None:
        partitions = {" in the train partition": ~test_mask, " in the test partition": test_mask}
    for where, mask in partitions.items():
        counts = np.bincount(source.y[mask], minlength=n_classes)
        if counts.min() == 0:
            name = source.class_names[int(counts.argmin())]
            raise UserError(
                source.name,
                f'no row of class "{name}"{where}',
                "leave the class out (relabel) or add rows of it",
            )
    return np.bincount(source.y, minlength=n_classes)


def _seed(key: str, value: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < 2**32:
        raise UserError(key, f"{value!r} is no seed", "use a whole number from 0 to 2**32 - 1")
    return number


def _objective(objective: str | ObjectiveSpec | None) -> ObjectiveSpec:
    if isinstance(objective, ObjectiveSpec):
        return objective
    return (
        ObjectiveSpec() if objective is None else _model(ObjectiveSpec, "objective", name=objective)
    )


def _sizes(dataset: Any, sizes: Sizes | Mapping[str, Any] | None) -> Sizes:
    if sizes is None:
        own = dataset.sizes if isinstance(dataset, DatasetSpec) else None
        return own or Sizes()
    if isinstance(sizes, Sizes):
        return sizes
    return _model(Sizes, "sizes", **sizes)


def _model(model: type[Model], key: str, **content: Any) -> Model:
    """A checked part of the study model; its first complaint as a :class:`UserError`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([key, *map(str, first["loc"])])
        raise UserError(place, f"{first['input']!r} does not fit", first["msg"].lower()) from None


def _surviving_rows(
    source: Dataset,
    frequencies: Sequence[Fraction] | None,
    rules: Protocol,
    streams: Streams,
    legacy: random.Random,
) -> tuple[IntArray, IntArray | None]:
    """Rows that survive imbalancing: of all rows, or of the train and of the test partition.

    A given test partition is imbalanced after the train partition, with the same generator. Without
    frequencies every row survives, and the rows are shuffled all the same.
    """
    if rules.imbalancing == "run_seed_legacy":
        shuffle, count = splitting.shuffle_with_python(legacy), splitting.keep_counts_float
    else:
        shuffle = splitting.shuffle_with_numpy(streams.generator("data", name="imbalancing"))
        count = splitting.keep_counts

    def survivors(rows: IntArray) -> IntArray:
        present = np.bincount(source.y[rows], minlength=len(source.class_names))
        kept = present if frequencies is None else count(present, frequencies)
        if kept.min() == 0:
            name = source.class_names[int(kept.argmin())]
            raise UserError(
                "frequencies",
                f'no row of class "{name}" survives ({present.tolist()} rows per class)',
                "make the frequencies milder or use more data",
            )
        return splitting.imbalance(source.y, rows, kept, shuffle)

    if source.test_mask is None:
        return survivors(np.arange(len(source.y))), None
    train = survivors(np.flatnonzero(~source.test_mask))
    return train, survivors(np.flatnonzero(source.test_mask))


def _split_seeds(rules: Protocol, streams: Streams) -> splitting.SplitSeeds:
    """Seeds of the draws: the data seed itself for all, or one from the data stream for each."""
    if rules.streams == "released":
        return splitting.SplitSeeds(*[streams.data_seed] * 4)
    names = ("test", "reward", "annotated", "pool")
    return splitting.SplitSeeds(**{name: streams.integer("data", name=name) for name in names})


def _scaling(
    source: Dataset, rules: Protocol, kept: IntArray, parts: splitting.Parts
) -> dict[str, Any]:
    """How features are scaled, and how pixels are; from the same rows."""
    # ``kept`` is the train partition alone where the data set has a test partition.
    seen = np.concatenate([parts.annotated, parts.pool])
    fitted_on = kept if rules.scaling == "scalar_all" else seen
    mean, scale = pixel_statistics(source, fitted_on) if source.is_images else (None, None)
    scaling = Scaling(rules.scaling, fitted_on)
    return {"scaling": scaling, "pixel_mean": mean, "pixel_scale": scale}
