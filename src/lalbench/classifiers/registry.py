"""Classifiers by name, by import path or as objects."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lalbench import protocols
from lalbench.errors import UserError, suggest
from lalbench.imports import check_maker, import_object

if TYPE_CHECKING:
    from lalbench.config import ClassifierSpec
    from lalbench.protocols import Protocol


_REGISTRY: Mapping[str, str] = MappingProxyType(
    {
        "logistic_regression": "lalbench.classifiers.logistic:LogisticRegression",
        "svm": "sklearn.svm:SVC",
        "random_forest": "lalbench.classifiers.random_forest:RandomForest",
        "resnet18": "lalbench.classifiers.networks.classifier:ResNet18",
        "small_cnn": "lalbench.classifiers.networks.classifier:SmallCNN",
        "mlp": "lalbench.classifiers.networks.classifier:MLP",
    }
)
"""Import paths, followed when a classifier is first asked for."""


def names() -> list[str]:
    """The names that :func:`get` knows."""
    return list(_REGISTRY)


def path_of(name: str) -> str:
    """The import path behind a name of :func:`names`."""
    return _REGISTRY[name]


def get(
    classifier: str | ClassifierSpec | Any = "logistic_regression",
    *,
    protocol: str | Protocol | None = None,
    seed: int = 0,
    **options: Any,
) -> Any:
    """An unfitted classifier.

    ``logistic_regression`` (:class:`lalbench.classifiers.logistic.LogisticRegression`) and ``svm``
    (scikit-learn's RBF ``SVC``) have scikit-learn's default options; the protocol sets the solver
    and the tolerance. ``resnet18``, ``small_cnn`` and ``mlp`` are networks for images
    (:class:`lalbench.classifiers.networks.classifier.NetworkClassifier`). Options given here or in
    the specification come last and win.

    Args:
        classifier: a name of :func:`names`; ``"package.module:Class"`` of any classifier that
            follows scikit-learn's conventions (or of a function that returns one), or the class; a
            specification with ``name``, ``class_path`` and ``options``; or a classifier, of which a
            clone is returned.
        protocol: name or object; None is ``clean``.
        seed: ``random_state`` of classifiers that have one, unless the options give it. An object
            keeps a ``random_state`` other than None.
        **options: arguments of the classifier.

    Returns:
        A classifier with ``fit``, ``predict``, ``get_params`` and ``set_params``.

    Raises:
        UserError: unknown name or option, an import that fails, or an object that is no classifier.
    """
    if hasattr(classifier, "fit") and not isinstance(classifier, type):
        return _seeded(_from_object(classifier, options), {}, seed)
    if isinstance(classifier, type):
        return _build(classifier, options, seed)
    if isinstance(classifier, str):
        path = classifier if ":" in classifier else None
        return _from_name(classifier, path, options, protocol, seed)
    if hasattr(classifier, "class_path") and hasattr(classifier, "options"):
        options = {**classifier.options, **options}
        return _from_name(classifier.name, classifier.class_path, options, protocol, seed)
    raise UserError(
        "name", f"{classifier!r} is no classifier", f"choose one of {', '.join(_REGISTRY)}"
    )


def clone(classifier: Any) -> Any:
    """An unfitted copy with the same options.

    Calls the classifier's ``__sklearn_clone__``, which every scikit-learn estimator has; anything
    else goes through ``sklearn.base.clone``.
    """
    if hasattr(classifier, "__sklearn_clone__"):
        return classifier.__sklearn_clone__()
    from sklearn.base import clone as sklearn_clone

    return sklearn_clone(classifier)


def module_of(spec: ClassifierSpec | str) -> str:
    """The module whose code a named classifier runs; empty for an unknown name."""
    if isinstance(spec, str):
        path = spec if ":" in spec else None
        name = spec
    else:
        path, name = spec.class_path, spec.name
    if path is None:
        path = _REGISTRY.get(name, "")
    return path.partition(":")[0] if ":" in path else path.rpartition(".")[0]


def is_network(spec: ClassifierSpec) -> bool:
    """Whether a classifier takes images; of named ones nothing is imported."""
    if spec.class_path is not None:
        return bool(getattr(import_object(spec.class_path, "class"), "takes_images", False))
    return _REGISTRY.get(spec.name, "").startswith("lalbench.classifiers.networks.")


def _from_name(
    name: str,
    path: str | None,
    options: Mapping[str, Any],
    protocol: str | Protocol | None,
    seed: int,
) -> Any:
    if path is not None:
        return _build(import_object(path, "class"), options, seed)
    if name not in _REGISTRY:
        remedy = suggest(name, _REGISTRY)
        if not remedy.startswith("did you mean"):
            remedy += " or name its class: package.module:Class"
        raise UserError("name", f'unknown classifier "{name}"', remedy)
    if protocol is None or isinstance(protocol, str):
        protocol = protocols.get(protocol or "clean")
    options = {**protocol.classifiers.get(name, {}), **options}
    return _build(import_object(_REGISTRY[name], "name"), options, seed)


def _build(make: Any, options: Mapping[str, Any], seed: int) -> Any:
    """Calls a class, or a function that returns a classifier, with checked options."""
    check_maker(make, ("fit", "predict"), "classifier")
    title = getattr(make, "__name__", str(make))
    known = _parameters(make, title)
    takes_any = any(entry.kind is entry.VAR_KEYWORD for entry in known.values())
    for option in options:
        if option not in known and not takes_any:
            raise UserError(
                f"options.{option}", f'{title} has no option "{option}"', suggest(option, known)
            )
    required = [
        name
        for name, entry in known.items()
        if entry.default is entry.empty
        and entry.kind not in (entry.VAR_KEYWORD, entry.VAR_POSITIONAL)
        and name not in options
    ]
    if required:
        raise UserError("options", f"{title} needs the option {required[0]}", "add it")
    classifier = _made(make, options, title)
    _check_classifier(classifier, title)
    classifier = _seeded(classifier, options, seed)
    _check_values(classifier)
    return classifier


def _parameters(make: Any, title: str) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError) as error:
        raise UserError("class", f"{title} does not say its options", "name another") from error


def _made(make: Any, options: Mapping[str, Any], title: str) -> Any:
    try:
        return make(**options)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError("options", f"{title} refused them ({error})", "correct them") from error


def _from_object(classifier: Any, options: Mapping[str, Any]) -> Any:
    if options:
        raise UserError(
            f"options.{next(iter(options))}",
            "options beside a classifier object",
            "set them on the object",
        )
    title = type(classifier).__name__
    if not hasattr(classifier, "get_params"):
        raise UserError(
            "classifier",
            f"{title} has no get_params, so it cannot be copied",
            "derive it from sklearn.base.BaseEstimator",
        )
    _check_classifier(classifier, title)
    return clone(classifier)


def _check_classifier(candidate: Any, title: str) -> None:
    is_classifier = hasattr(candidate, "fit") and hasattr(candidate, "predict")
    # scikit-learn's older mark first: it is there without importing scikit-learn
    marked = getattr(candidate, "_estimator_type", None) == "classifier"
    if is_classifier and not marked and hasattr(candidate, "__sklearn_tags__"):
        is_classifier = candidate.__sklearn_tags__().estimator_type == "classifier"
    if not is_classifier:
        raise UserError("class", f"{title} is no classifier", "name a classifier's class")


def _check_values(classifier: Any) -> None:
    """Lets the classifier check its option values now instead of in the first fit, where it can."""
    check = getattr(classifier, "_validate_params", None)
    if check is None:
        return
    try:
        check()
    except UserError as error:
        raise UserError(f"options.{error.key}", error.problem, error.remedy) from None
    except (TypeError, ValueError) as error:
        raise UserError("options", str(error).rstrip("."), "correct the option") from None


def _seeded(classifier: Any, options: Mapping[str, Any], seed: int) -> Any:
    parameters = classifier.get_params(deep=False) if hasattr(classifier, "get_params") else {}
    unset = parameters.get("random_state", seed) is None
    if unset and "random_state" not in options:
        classifier.set_params(random_state=seed)
    return classifier
