"""What was compared, in words: the rows of two lists of the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lalbench.config import SettingSpec
from lalbench.data.catalogue import CATALOGUE
from lalbench.results.analysis import Analysis
from lalbench.results.roles import Role

ROLE_NAMES: dict[Role, str] = {
    "baseline": "Baseline",
    "strategy": "Strategies",
    "learned": "Learned strategies",
    "bound": "Bounds",
}
"""In the order in which they are shown."""

Row = tuple[str, str]


def compared(analysis: Analysis) -> list[Row]:
    """Data sets, settings, classifiers, strategies, repetitions and labels: (what, which)."""
    study = analysis.study
    coverage = analysis.records.coverage[["planned", "finished"]].sum()
    steps, points = counted(study.steps, "step"), counted(study.budget, "point")
    return [
        _listed("Data sets", analysis.datasets),
        _listed("Settings", analysis.settings),
        _listed("Classifiers", analysis.classifiers),
        *_strategies(analysis),
        ("Repetitions", _repetitions(analysis)),
        ("Labels", f"{_starts(analysis)} annotated points at the start, then {steps} of {points}"),
        ("Score", f"{analysis.objective} on the test set after each step"),
        ("Trials", f"{coverage['finished']} of {coverage['planned']} finished"),
        ("Protocol", study.protocol),
    ]


def details(analysis: Analysis) -> list[Row]:
    """Settings in full, what was varied, and the sources of the data."""
    study = analysis.study
    return [
        *[(f"Setting {setting.name}", setting_words(setting)) for setting in study.settings],
        (
            "Varied in this study",
            f"data distribution: {counted(len(study.datasets), 'data set')} in "
            f"{counted(len(study.settings), 'setting')}; classifier: {len(study.classifiers)}; "
            "size of the annotated set, points per step and training method: fixed (Lüth et al. "
            "2023 name these five dimensions)",
        ),
        *_sources(analysis),
    ]


def counted(count: int, noun: str) -> str:
    """``1 step``, ``3 steps``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def setting_words(setting: SettingSpec) -> str:
    """Frequencies and weights of a setting."""
    if setting.frequencies == "natural":
        frequencies = "classes as frequent as they are in the data"
    elif len(set(setting.frequencies)) == 1:
        frequencies = "all classes equally frequent"
    else:
        ratio = " : ".join(f"{frequency:g}" for frequency in setting.frequencies)
        frequencies = f"class frequencies {ratio} (repeated over the classes)"
    fit = "those of the score" if setting.fit_weights == "score" else _weights(setting.fit_weights)
    score = _weights(setting.score_weights)
    return f"{frequencies}; score weights: {score}; weights in training: {fit}"


def _weights(weights: str | Sequence[float]) -> str:
    if isinstance(weights, str):
        return weights.replace("_", " ")
    return " : ".join(f"{weight:g}" for weight in weights)


def _listed(what: str, names: Sequence[str]) -> Row:
    more = f" ({len(names)})" if len(names) > 1 else ""
    return what.removesuffix("s") if len(names) == 1 else f"{what}{more}", ", ".join(names)


def _strategies(analysis: Analysis) -> list[Row]:
    rows = []
    for role, name in ROLE_NAMES.items():
        members = [label for label, found in analysis.roles.items() if found == role]
        if members:
            note = "; they read labels that no annotator could give" if role == "bound" else ""
            rows.append((name, ", ".join(members) + note))
    return rows


def _repetitions(analysis: Analysis) -> str:
    keys = analysis.runs.keys
    splits = int(keys.groupby(["dataset", "setting"])["unit"].nunique().max())
    runs = len(keys[["data_seed", "seed"]].drop_duplicates())
    words = f"{counted(splits, 'data split')} per data set, setting and classifier"
    return words if runs == splits else f"{words}, {runs} runs on them"


def _starts(analysis: Analysis) -> str:
    """``100``, or ``2 (clouds), 100 (adult)`` where data sets differ."""
    sizes = {name: analysis.study.n_annotated(name) for name in analysis.datasets}
    if len(set(sizes.values())) == 1:
        return str(next(iter(sizes.values())))
    return _by_value({name: str(size) for name, size in sizes.items()}, "{value} ({names})")


def _sources(analysis: Analysis) -> list[Row]:
    """Whom to cite for the data sets; files of the user's own have nobody."""
    cited = {
        spec.label: CATALOGUE[spec.name].citation
        for spec in analysis.study.datasets
        if spec.path is None
    }
    cited = {label: citation for label, citation in cited.items() if citation}
    return [("Sources", _by_value(cited, "{names}: {value}", "; "))] if cited else []


def _by_value(values: dict[str, str], form: str, between: str = ", ") -> str:
    """Each distinct value once, with the names that have it."""

    def names(value: str) -> Iterable[str]:
        return (name for name, other in values.items() if other == value)

    distinct = dict.fromkeys(values.values())
    return between.join(form.format(value=v, names=", ".join(names(v))) for v in distinct)
