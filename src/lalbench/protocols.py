"""The two protocols: every difference is one named option (``docs/protocols.md``).

``published`` follows the NPAL authors' released code, so that the published tables come out.
``clean`` is how a study should be done. Code never asks which protocol is in force; it reads the
one option it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from lalbench.errors import UserError, suggest

Options = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Protocol:
    """One set of conventions; numbers in brackets are rows of the table in ``docs/protocols.md``.

    Attributes:
        imbalancing: [1] ``run_seed_legacy``: Python's ``random.Random(seed)`` picks the surviving
            rows, so the split depends on both seeds; ``data_seed``: the data stream picks them.
        scaling: [3] ``scalar_all``: one mean and one std (ddof 0) over the whole imbalanced
            matrix; ``per_feature``: per column, from annotated and pool rows only.
        streams: [6, 17] ``released``: the generators of the authors' code; ``named``: ours.
        ddof: [13] of the standard deviations in tables.
        best: [13] which strategies tables mark: ``band``: the best mean and every one whose
            one-deviation band contains it; ``test``: the best mean and every one that the paired
            test does not tell from it.
        classifiers: [12] options that the protocol sets for classifiers, by name.
        strategies: [5 to 10, 17 to 22] options that the protocol sets for strategies, by name.
    """

    name: str
    imbalancing: Literal["run_seed_legacy", "data_seed"]
    scaling: Literal["scalar_all", "per_feature"]
    streams: Literal["released", "named"]
    ddof: Literal[0, 1]
    best: Literal["band", "test"]
    classifiers: Options = field(default_factory=dict)
    strategies: Options = field(default_factory=dict)


_FIRST = {"ties": "argsort_first"}
_LAST = {"ties": "argsort_last"}
_ARGMAX = {"ties": "first"}
_LAL = {
    **_ARGMAX,
    "beyond": "extrapolate",
    "mean_over": "candidates",
    "random_numbers": "independent",
    "targets": "change",
    "min_leaf": 1,
}

PUBLISHED = Protocol(
    name="published",
    imbalancing="run_seed_legacy",
    scaling="scalar_all",
    streams="released",
    ddof=0,
    best="band",
    classifiers={"logistic_regression": {"solver": "lbfgs_unscaled"}, "svm": {"tol": 1e-3}},
    strategies={
        "random": {"draws": "released"},
        "entropy": {"epsilon": 1e-8, **_FIRST},
        "margin": _FIRST,
        "least_confident": _FIRST,
        "f_score": _FIRST,
        "k_center_greedy": {"distances": "expanded", **_ARGMAX},
        "cbal": {"variant": "npal", "epsilon": 1e-8, **_ARGMAX},
        "hal_uniform": {"directions": "released", "draws": "released", **_LAST},
        "hal_gauss": {"directions": "released", "draws": "released", "delta": 10.0, **_LAST},
        "vaal": {"reduction": "released"},
        "quire": _ARGMAX,
        "kapoor": _ARGMAX,
        "lal_independent": {"trees": 2000, **_LAL},
        "lal_iterative": {
            "trees": 1000,
            "step_trees": [500, 1000, 5000],
            "step_depths": [5, 10, 20],
            "step_features": [3, 5, 7],
            **_LAL,
        },
        "lal_warm_start": {"trees": 2000, "repetitions": 500, **_LAL},
        "oracle": _LAST,
        "reward_oracle": _LAST,
        "neural_process": {
            "simulation_size": "truncate",
            "input_scaling": "global_divisor",
            **_LAST,
        },
    },
)

CLEAN = Protocol(
    name="clean",
    imbalancing="data_seed",
    scaling="per_feature",
    streams="named",
    ddof=1,
    best="test",
    classifiers={"logistic_regression": {"solver": "newton"}, "svm": {"tol": 1e-8}},
    strategies={},
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({p.name: p for p in (PUBLISHED, CLEAN)})


def get(name: str) -> Protocol:
    """The protocol called ``name``; raises :class:`UserError` for an unknown one."""
    if name not in PROTOCOLS:
        raise UserError("protocol", f'unknown protocol "{name}"', suggest(name, PROTOCOLS))
    return PROTOCOLS[name]
