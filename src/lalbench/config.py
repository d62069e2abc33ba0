"""The study file as one typed model; the JSON schema in ``workflow/schemas`` is made from it.

Everything here is plain data: names are checked against the registries in :mod:`lalbench.study`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from lalbench.errors import UserError
from lalbench.safe_names import ResultsFolder, SafeName

MOST_ENTRIES = 1000
"""Of a kind in one study: data sets, settings, classifiers, strategies."""
MOST_CELLS = 50_000
MOST_TRIALS = 10_000_000

_LARGEST = 2**31 - 1
"""Of numbers of rows and the like."""


def _name_only(value: Any) -> Any:
    """``random`` is short for ``{name: random}``."""
    return {"name": value} if isinstance(value, str) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


class _Labelled(_Model):
    name: SafeName = Field(description="Name in the catalogue or registry, or any new name.")
    label: SafeName = Field(default="", description="Unique name in the results (default: name).")

    @model_validator(mode="before")
    @classmethod
    def _default_label(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and "label" not in content and "name" in content:
            return {**content, "label": content["name"]}
        return content


def _rows_of_test(value: Any) -> Any:
    # Checked here and not by the branches of the union, whose names would end up in the message
    if value == "all" or (type(value) is int and 2 <= value <= _LARGEST):
        return value
    raise ValueError(
        "is no number of test rows; use a whole number from 2, or all for the whole given test "
        "partition"
    )


Labels = Literal["reward_apart", "all_labels"]
"""What the labels of the reward set are for."""


class Sizes(_Model):
    """Rows of each part of a problem; the pool is the rest, or at most ``pool`` rows."""

    test: Annotated[
        int | Literal["all"],
        BeforeValidator(
            _rows_of_test, json_schema_input_type=Annotated[int, Field(ge=2)] | Literal["all"]
        ),
    ] = Field(default=200, description="all: the whole given test partition of the data set.")
    reward: int = Field(default=100, ge=0, le=_LARGEST, description="0: no reward set.")
    annotated: int = Field(default=100, ge=2, le=1_000_000)
    pool: int | None = Field(default=None, ge=1, le=_LARGEST)


class DatasetSpec(_Labelled):
    """A data set: of the catalogue, of a file (``path``, ``target``) or of a folder of images."""

    path: str | None = Field(
        default=None, description="The user's CSV, Parquet or NPZ file, or folder of images."
    )
    format: Literal["csv", "parquet", "npz", "images"] | None = Field(
        default=None, description="Format of path (default: by its ending); images: a folder."
    )
    target: str | None = Field(default=None, description="Column (or NPZ array) with the labels.")
    relabel: list[list[int | str]] | None = Field(
        default=None,
        description="Groups of original labels that become classes 0, 1, …; others are dropped.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of a generator, for example n, or of a folder of images.",
    )
    draws: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Draws of a generator; data seed s takes number s modulo draws.",
    )
    sizes: Sizes | None = Field(default=None, description="Sizes for this data set alone.")

    @model_validator(mode="after")
    def _file_needs_target(self) -> Self:
        if self.path is not None and self.format == "images":
            if self.target is not None:
                raise ValueError(
                    "a folder of images has no target; remove it (classes are folders or prefixes "
                    "of names)"
                )
        elif self.path is not None and self.target is None:
            raise ValueError(
                "a file needs target, the name of its label column; add target: <column>, or "
                "format: images for a folder of images"
            )
        if self.path is None and (self.target is not None or self.format is not None):
            raise ValueError("target and format belong to a file; add path: <file> or remove them")
        return self


class SettingSpec(_Model):
    """Class frequencies, score weights and fit weights: what makes an objective."""

    name: SafeName
    frequencies: Literal["natural"] | Annotated[list[float], Field(min_length=1)] = Field(
        default=[1.0],
        description="Relative class frequencies by label, repeated cyclically; [1] is balanced; "
        "natural keeps all rows.",
    )
    score_weights: Literal["inverse_frequency", "none"] | list[float] = "inverse_frequency"
    fit_weights: Literal["none", "score"] | list[float] = "none"
    rare_class: int | None = Field(
        default=None, ge=0, description="Default: the lowest label with the smallest frequency."
    )

    @field_validator("frequencies")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if value != "natural" and any(not 0 < factor < float("inf") for factor in value):
            raise ValueError("frequencies must be positive numbers; write for example [1, 10]")
        return value

    @field_validator("score_weights", "fit_weights")
    @classmethod
    def _non_negative(cls, value: Any) -> Any:
        if isinstance(value, list) and (
            any(not 0 <= weight < float("inf") for weight in value) or not any(value)
        ):
            raise ValueError("weights must be non-negative numbers, not all zero")
        return value


SETTINGS: Mapping[str, SettingSpec] = MappingProxyType(
    {
        setting.name: setting
        for setting in (
            SettingSpec(name="balanced"),
            SettingSpec(name="imbalanced", frequencies=[1.0, 10.0]),
            SettingSpec(name="imbalanced_weighted", frequencies=[1.0, 10.0], fit_weights="score"),
            SettingSpec(name="natural", frequencies="natural", score_weights="none"),
        )
    }
)


class ObjectiveSpec(_Model):
    """What is to be improved: a named objective, or the user's function by import path."""

    name: SafeName = "weighted_accuracy"
    function: str | None = Field(default=None, description="Import path: package.module:function.")
    options: dict[str, Any] = Field(default_factory=dict)


class ClassifierSpec(_Labelled):
    """A task classifier: a named one, or any scikit-learn classifier by import path."""

    class_path: str | None = Field(
        default=None, alias="class", description="Import path: package.module:Class."
    )
    options: dict[str, Any] = Field(default_factory=dict)


class StrategySpec(_Labelled):
    """A strategy: a named one, the user's own or a scikit-activeml one by import path."""

    class_path: str | None = Field(
        default=None, alias="class", description="Import path: package.module:Class."
    )
    options: dict[str, Any] = Field(default_factory=dict)
    subsample: int | None = Field(
        default=None, ge=1, description="Choose among this many random pool points only."
    )


def _setting(value: Any) -> Any:
    """``balanced`` is short for the built-in setting of that name."""
    if isinstance(value, str):
        if value in SETTINGS:
            return SETTINGS[value]
        raise ValueError(
            f'unknown setting "{value}"; choose one of {", ".join(SETTINGS)} or write a new one '
            "as {name: …, frequencies: […]}"
        )
    return value


def _named(model: type[BaseModel]) -> BeforeValidator:
    """Lets a bare name stand for a mapping, in the JSON schema too."""
    return BeforeValidator(_name_only, json_schema_input_type=str | model)  # type: ignore[arg-type]


_SETTING = BeforeValidator(_setting, json_schema_input_type=str | SettingSpec)


class SeedRange(_Model):
    """``{first: 42, count: 50}`` is short for fifty consecutive seeds."""

    first: int = Field(ge=0)
    count: int = Field(ge=1, le=100_000)


def _expand_range(value: Any) -> Any:
    if isinstance(value, Mapping):
        seeds = SeedRange.model_validate(value)
        return list(range(seeds.first, seeds.first + seeds.count))
    return value


SeedList = Annotated[
    list[Annotated[int, Field(ge=0, lt=2**32)]],
    Field(min_length=1, json_schema_extra={"description": "Seeds, or {first: …, count: …}."}),
    BeforeValidator(_expand_range, json_schema_input_type=list[int] | SeedRange),
]


class Seeds(_Model):
    """Which (data seed, run seed) pairs are run."""

    study: int = Field(default=0, ge=0, lt=2**32)
    data: SeedList = Field(default=[42, 43, 44])
    run: SeedList = Field(default=[42, 43, 44])
    pairs: Literal["product", "matched"] = Field(
        default="product", description="All combinations, or the n-th with the n-th."
    )

    @field_validator("data", "run")
    @classmethod
    def _distinct(cls, value: list[int]) -> list[int]:
        twice = _repeated(value)
        if twice:
            raise ValueError(f"seed {twice[0]} stands twice; remove one")
        return value

    @model_validator(mode="after")
    def _matched(self) -> Self:
        if self.pairs == "matched" and len(self.data) != len(self.run):
            raise ValueError(
                f"pairs: matched needs as many data seeds ({len(self.data)}) as run seeds "
                f"({len(self.run)}); make the lists equally long or use pairs: product"
            )
        return self


class Blocks(_Model):
    """Seed pairs per job, by the cost of what it runs; never changes a result."""

    cheap: int = Field(default=50, ge=1, description="Problems and strategies without refits.")
    oracle: int = Field(default=9, ge=1, description="Strategies that refit per candidate.")
    learned: int = Field(default=3, ge=1, description="Strategies that train a network.")
    network: int = Field(default=1, ge=1, description="Classifiers that are networks.")


class ComputeSpec(_Model):
    """Where and with how much to compute.

    Memory, processes and cache change no result. Another device or number of threads rounds
    networks differently, and their jobs run again; all others run on as they were.
    """

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: CUDA where there is a device, else the CPU."
    )
    memory: int = Field(
        default=256, ge=1, description="MiB that the temporary arrays of an oracle may take."
    )
    processes: int = Field(
        default=1, ge=1, le=1024, description="Processes of an oracle that refits one by one."
    )
    threads: int = Field(default=1, ge=1, le=1024, description="CPU threads of torch in one job.")
    cache: bool = Field(
        default=True, description="Keep oracle tables below the results folder and use them again."
    )


class Figures(_Model):
    """Style of the figures; changing it reruns only them and the report."""

    formats: list[Literal["svg", "png"]] = Field(default=["svg", "png"], min_length=1)
    dpi: int = Field(default=150, ge=50, le=600)
    width: float = Field(default=7.0, gt=2, le=20, description="Inches.")


class Study(_Model):
    """A study: the grid of trials from one validated file."""

    study: SafeName = Field(description="Name of the study and of its results folder.")
    description: str = ""
    protocol: Literal["clean", "published"] = "clean"
    results: ResultsFolder = Field(default="results", description="Folder for all studies.")
    mirrors: list[str] = Field(
        default=[], description="Folders or URLs tried in order before the sources of the data."
    )
    seeds: Seeds = Seeds()
    datasets: list[Annotated[DatasetSpec, _named(DatasetSpec)]] = Field(
        min_length=1, max_length=MOST_ENTRIES
    )
    settings: list[Annotated[SettingSpec, _SETTING]] = Field(min_length=1, max_length=MOST_ENTRIES)
    sizes: Sizes = Sizes()
    labels: Labels = Field(
        default="reward_apart",
        description="reward_apart: the reward set trains learned strategies and no classifier; "
        "all_labels: its points are annotated ones for every strategy, and there is none.",
    )
    classifiers: list[Annotated[ClassifierSpec, _named(ClassifierSpec)]] = Field(
        min_length=1, max_length=MOST_ENTRIES
    )
    strategies: list[Annotated[StrategySpec, _named(StrategySpec)]] = Field(
        min_length=1, max_length=MOST_ENTRIES
    )
    objective: Annotated[ObjectiveSpec, _named(ObjectiveSpec)] = ObjectiveSpec()
    steps: int = Field(default=10, ge=1, le=100_000)
    budget: int = Field(default=1, ge=1, le=_LARGEST, description="Points acquired per step.")
    blocks: Blocks = Blocks()
    compute: ComputeSpec = ComputeSpec()
    figures: Figures = Figures()

    @field_validator("datasets", "settings", "classifiers", "strategies")
    @classmethod
    def _unique_labels(cls, value: list[Any]) -> list[Any]:
        twice = _repeated(_label(entry) for entry in value)
        if twice:
            raise ValueError(f'"{twice[0]}" stands twice; give one of them another label')
        return value

    @model_validator(mode="after")
    def _feasible(self) -> Self:
        seeds = self.seeds
        n_pairs = len(seeds.data) * (1 if seeds.pairs == "matched" else len(seeds.run))
        n_cells = len(self.datasets) * len(self.settings)
        n_cells *= len(self.classifiers) * len(self.strategies)
        if n_cells > MOST_CELLS or n_pairs * n_cells > MOST_TRIALS:
            raise ValueError(
                f"{n_pairs * n_cells} trials of {n_cells} combinations; use at most {MOST_TRIALS} "
                f"of {MOST_CELLS}, in several studies if need be"
            )
        return self

    @property
    def folder(self) -> Path:
        """Where this study's files go: ``<results>/<study>``."""
        return Path(self.results) / self.study

    @property
    def tables_folder(self) -> Path:
        """Where oracle tables are kept for all studies of a results folder."""
        return Path(self.results) / ".cache" / "oracle"

    @property
    def pretrained_folder(self) -> Path:
        """Where regressors are kept that all studies of a results folder share."""
        return Path(self.results) / ".cache" / "pretrained"

    def dataset(self, label: str) -> DatasetSpec:
        """The data set labelled ``label``."""
        return self._find("datasets", label)

    def setting(self, name: str) -> SettingSpec:
        """The setting called ``name``."""
        return self._find("settings", name)

    def classifier(self, label: str) -> ClassifierSpec:
        """The classifier labelled ``label``."""
        return self._find("classifiers", label)

    def strategy(self, label: str) -> StrategySpec:
        """The strategy labelled ``label``."""
        return self._find("strategies", label)

    def dataset_sizes(self, label: str) -> Sizes:
        """Sizes in force for a data set: its own, else the study's."""
        return self.dataset(label).sizes or self.sizes

    def n_annotated(self, label: str) -> int:
        """Points of a data set that are annotated at the start."""
        sizes = self.dataset_sizes(label)
        return sizes.annotated + (sizes.reward if self.labels == "all_labels" else 0)

    def has_rewards(self, label: str) -> bool:
        """Whether the problems of a data set have a reward set."""
        return self.labels == "reward_apart" and self.dataset_sizes(label).reward > 0

    def _find(self, key: str, label: str) -> Any:
        for entry in getattr(self, key):
            if _label(entry) == label:
                return entry
        known = ", ".join(_label(entry) for entry in getattr(self, key))
        raise UserError(key, f'"{label}" is not in the study', f"choose one of {known}")


def _repeated(values: Iterable[Any]) -> list[Any]:
    """Those that stand there more than once, sorted."""
    return sorted(value for value, count in Counter(values).items() if count > 1)


def _label(entry: Any) -> str:
    """What an entry of a study is called in the results; a setting has only its name."""
    return str(entry.name if isinstance(entry, SettingSpec) else entry.label)
