"""Strategies by name, the user's own by import path, and any of scikit-activeml.

What a strategy must do: :class:`lalbench.strategies.base.Strategy` and ``docs/strategies.md``.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lalbench.errors import UserError, suggest
from lalbench.strategies.base import (
    LabelOracle,
    LearningState,
    Need,
    Selection,
    Strategy,
    check_needs,
)

if TYPE_CHECKING:
    from lalbench.config import StrategySpec
    from lalbench.protocols import Protocol

__all__ = [
    "LabelOracle",
    "LearningState",
    "Need",
    "Selection",
    "Strategy",
    "check_needs",
    "get",
    "module_of",
    "names",
    "path_of",
    "resolve",
]

_OWNERS = 3
"""Strategies that are named as those to which an option belongs; more say nothing."""

_ADAPTER = "lalbench.strategies.scikit_activeml"

_REGISTRY: Mapping[str, str] = MappingProxyType(
    {
        "random": "lalbench.strategies.random_sampling:RandomSampling",
        "entropy": "lalbench.strategies.uncertainty:Entropy",
        "margin": "lalbench.strategies.uncertainty:Margin",
        "least_confident": "lalbench.strategies.uncertainty:LeastConfident",
        "f_score": "lalbench.strategies.f_score:FScore",
        "k_center_greedy": "lalbench.strategies.k_center_greedy:KCenterGreedy",
        "hal_uniform": "lalbench.strategies.hal:HalUniform",
        "hal_gauss": "lalbench.strategies.hal:HalGauss",
        "cbal": "lalbench.strategies.cbal:Cbal",
        "learning_loss": "lalbench.strategies.learning_loss:LearningLoss",
        "vaal": "lalbench.strategies.vaal:Vaal",
        "uncertain_gcn": "lalbench.strategies.graph_sampling:UncertainGcn",
        "core_gcn": "lalbench.strategies.graph_sampling:CoreGcn",
        "quire": "lalbench.strategies.quire:Quire",
        "kapoor": "lalbench.strategies.kapoor:Kapoor",
        "albl": "lalbench.strategies.albl:Albl",
        "neural_process": "lalbench.strategies.neural_process:NeuralProcess",
        "lal_independent": "lalbench.strategies.lal:LalIndependent",
        "lal_iterative": "lalbench.strategies.lal:LalIterative",
        "lal_warm_start": "lalbench.strategies.lal:LalWarmStart",
        "posterior_limit": "lalbench.strategies.look_ahead:PosteriorLimit",
        "expected_error_reduction": (
            "lalbench.strategies.expected_error_reduction:ExpectedErrorReduction"
        ),
        "look_ahead": "lalbench.strategies.look_ahead:LookAhead",
        "oracle": "lalbench.strategies.oracle:Oracle",
        "reward_oracle": "lalbench.strategies.oracle:RewardOracle",
    }
)
"""Import paths, followed when a strategy is first asked for."""


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return list(_REGISTRY)


def path_of(name: str) -> str:
    """The import path behind a name of :func:`names`."""
    return _REGISTRY[name]


def get(name: str, **options: Any) -> Strategy:
    """A strategy with its own defaults (those of the ``clean`` protocol).

    Args:
        name: one of :func:`names`, or ``"package.module:Class"``: the user's own class or a query
            strategy of scikit-activeml.
        **options: fields of the strategy.

    Raises:
        UserError: unknown name or option, a value that cannot be used, or an import that fails.
    """
    if ":" in name:
        return _from_path(name, options)
    if name not in _REGISTRY:
        remedy = suggest(name, _REGISTRY)
        if not remedy.startswith("did you mean"):
            remedy += " or name its class: package.module:Class"
        raise UserError("name", f'unknown strategy "{name}"', remedy)
    return _from_path(_REGISTRY[name], options)


def resolve(spec: StrategySpec, protocol: Protocol) -> Strategy:
    """The strategy of a study: the protocol's options for its name, then the study's.

    Raises:
        UserError: as :func:`get`.
    """
    if spec.class_path is not None:
        strategy = _from_path(spec.class_path, spec.options)
    else:
        options = {**protocol.strategies.get(spec.name, {}), **spec.options}
        strategy = get(spec.name, **options)
    if spec.subsample is None:
        return strategy
    from lalbench.strategies.subsample import Subsample

    return Subsample(strategy, spec.subsample)


def module_of(spec: StrategySpec | str) -> str:
    """The module whose code a named strategy runs; empty for an unknown name."""
    name, path = (spec, None) if isinstance(spec, str) else (spec.name, spec.class_path)
    if path is None:
        path = name if ":" in name else _REGISTRY.get(name, "")
    module = path.partition(":")[0] if ":" in path else path.rpartition(".")[0]
    return _ADAPTER if module.partition(".")[0] == "skactiveml" else module


def _from_path(path: str, options: Mapping[str, Any]) -> Strategy:
    from lalbench.imports import import_object

    if path.partition(".")[0] == "skactiveml":
        from lalbench.strategies.scikit_activeml import require_scikit_activeml

        require_scikit_activeml(path)
    made_by = import_object(path, "class")
    if any(base.__module__.startswith("skactiveml.") for base in getattr(made_by, "__mro__", ())):
        from lalbench.strategies.scikit_activeml import ScikitActiveML

        return ScikitActiveML.of(made_by, options)
    return _build(made_by, options)


def _remedy(option: str, known: Collection[str]) -> str:
    """What to do about an option that a strategy does not have."""
    from lalbench.imports import import_object

    owners = [
        name
        for name, path in _REGISTRY.items()
        if option in inspect.signature(import_object(path, "class")).parameters
    ]
    if 0 < len(owners) <= _OWNERS:
        return f"it is an option of {' and '.join(owners)}, leave it out or use that"
    return suggest(option, known) if known else "it has no options"


def _build(make: Any, options: Mapping[str, Any]) -> Strategy:
    """Calls a class, or a function that returns a strategy, with checked options."""
    from lalbench.imports import check_maker

    check_maker(make, ("select",), "strategy")
    title = getattr(make, "__name__", str(make))
    known = inspect.signature(make).parameters
    takes_any = any(entry.kind is entry.VAR_KEYWORD for entry in known.values())
    for option in options:
        if option not in known and not takes_any:
            problem = f'{title} has no option "{option}"'
            raise UserError(f"options.{option}", problem, _remedy(option, known))
    try:
        strategy = make(**options)
    except UserError as error:
        raise UserError(f"options.{error.key}", error.problem, error.remedy) from None
    except (TypeError, ValueError) as error:
        raise UserError("options", f"{title} refused them ({error})", "correct them") from error
    needs = getattr(strategy, "needs", None)
    if not isinstance(needs, frozenset) or not all(isinstance(need, Need) for need in needs):
        raise UserError(
            "class", f"{title} has no needs", "give it needs, a frozenset of lalbench Need"
        )
    if not callable(getattr(strategy, "select", None)):
        raise UserError(
            "class", f"{title} has no select", "see docs/strategies.md for what it does"
        )
    return strategy  # type: ignore[no-any-return]
