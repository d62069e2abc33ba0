"""Reads a study file and checks every name in it before anything runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from itertools import product
from pathlib import Path
from reprlib import Repr
from typing import Any

from pydantic import ValidationError

from lalbench import plain_yaml, protocols
from lalbench.config import DatasetSpec, Study
from lalbench.errors import UserError, suggest
from lalbench.safe_names import results_folder

_KEYS = "write keys with values, as docs/study.md does"
_REMEDIES = {
    "int": "write a whole number",
    "float": "write a number, one with an exponent as 1.0e-9",
    "finite_number": "write a finite number",
    "bool": "write true or false",
    "string": "write text, a number in quotes",
    "list": "write a list: [one, another]",
    "tuple": "write a list: [one, another]",
    "dict": _KEYS,
    "model": _KEYS,
    "greater_than_equal": "use {ge} or more",
    "greater_than": "use more than {gt}",
    "less_than_equal": "use {le} or less",
    "less_than": "use less than {lt}",
    "too_short": "write at least {min_length}",
    "too_long": "write at most {max_length}",
}
"""What to do, by the beginning of the kind of a complaint of the typed model, and its limits."""
_ENTRIES = {*DatasetSpec.model_fields, "class", "function", "subsample"}
"""Keys of an entry of a study; what else a message begins with is no part of the study file."""
_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 4, 20, 20, 20
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def load_study(path: str | os.PathLike[str], *, check_names: bool = True) -> Study:
    """Reads and validates a study file.

    Args:
        path: a YAML file (see ``docs/study.md``).
        check_names: also look every name up in its registry and build every classifier and
            strategy once, so that a misspelt option stops here.

    Raises:
        UserError: one sentence with the file, the key, the value and the remedy.
    """
    name = os.fspath(path)
    try:
        if name.startswith("-"):
            raise UserError("", "begins with a dash, as options do", f"call it ./{name}")
        if set("{}") & set(name):
            raise UserError("", "has braces in its name, as patterns do", "rename it")
        study = parse_study(plain_yaml.read(name))
        if check_names:
            check_study(study)
    except UserError as error:
        raise error.within(name) from None
    return study


def parse_study(content: Any) -> Study:
    """The typed study for the content of a study file; bad content is a :class:`UserError`."""
    if not isinstance(content, Mapping):
        raise UserError("", "not a mapping of keys to values", "see docs/study.md for the keys")
    plain_yaml.check(content)
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise _first_error(error, content) from None


def with_results(study: Study, results: str | None) -> Study:
    """The study with its results in another folder; as it is where none is named.

    Raises:
        UserError: a folder that the workflow cannot use.
    """
    if not results:
        return study
    try:
        return study.model_copy(update={"results": results_folder(results)})
    except ValueError as error:
        problem, _, remedy = str(error).partition("; ")
        raise UserError("results", f"{_show(results)} {problem}", remedy) from None


def check_study(study: Study) -> None:
    """Looks up every name and builds every object of the study once; raises :class:`UserError`."""
    from lalbench import classifiers, data, objectives, strategies

    protocol = protocols.get(study.protocol)
    for place, dataset in enumerate(study.datasets):
        _at(f"datasets[{place}]", partial(data.check, dataset))
        _at(f"datasets[{place}]", partial(_check_file_names, dataset))
    for place, classifier in enumerate(study.classifiers):
        _at(f"classifiers[{place}]", partial(classifiers.get, classifier, protocol=protocol))
    for place, strategy in enumerate(study.strategies):
        _at(f"strategies[{place}]", partial(strategies.resolve, strategy, protocol))
    _at("objective", partial(objectives.get, study.objective))
    for dataset in study.datasets:
        if dataset.relabel is not None:
            n_classes = len(dataset.relabel)
            _at("objective", partial(objectives.check_classes, study.objective, n_classes))
    _check_fit(study)
    _check_engines(study)
    _check_look_ahead(study)
    _check_pools(study)
    check_writable(study.folder)


def _check_file_names(dataset: DatasetSpec) -> None:
    """The workflow can name the user's files: in its names braces stand for something else."""
    from lalbench import data

    for path in data.input_files(dataset):
        if not str(path).isprintable() or set("{}") & set(str(path)):
            raise UserError(
                "path",
                f'the workflow cannot name "{path}"',
                "rename it without braces, line ends and characters that cannot be printed",
            )


def _check_fit(study: Study) -> None:
    """What only the combination of classifier, setting and objective can tell."""
    from lalbench import classifiers, objectives

    needs = objectives.get(study.objective).needs
    _check_networks(study)
    weighted = [setting.name for setting in study.settings if setting.fit_weights != "none"]
    for place, spec in enumerate(study.classifiers):
        classifier = classifiers.get(spec, protocol=study.protocol)
        title = type(classifier).__name__
        if needs == "probabilities" and not hasattr(classifier, "predict_proba"):
            raise UserError(
                f"classifiers[{place}]",
                f"{title} gives no probabilities, which the objective needs",
                "choose an objective of predictions or a classifier with predict_proba",
            )
        if weighted and "sample_weight" not in signature(classifier.fit).parameters:
            raise UserError(
                f"classifiers[{place}]",
                f"{title}.fit takes no sample_weight, which the setting {weighted[0]} needs",
                "leave the setting out or use another classifier",
            )


def _check_engines(study: Study) -> None:
    """An oracle engine that a strategy names goes with every classifier."""
    from lalbench import classifiers, objectives, strategies

    protocol = protocols.get(study.protocol)
    for place, spec in enumerate(study.strategies):
        strategy: Any = strategies.resolve(spec, protocol)
        engine = getattr(getattr(strategy, "strategy", strategy), "engine", "auto")
        if engine == "auto":
            continue
        from lalbench import oracle

        # what the study's objective and its number of classes add is seen when it runs
        plain = objectives.get("weighted_accuracy")
        scorer = objectives.Scorer([[0.0], [0.0]], [0, 1], [1.0, 1.0], plain)
        for one in study.classifiers:
            classifier = classifiers.get(one, protocol=protocol)
            try:
                oracle.check_engine(engine, classifier, scorer)
            except UserError as error:
                key = f"strategies[{place}].options.engine"
                raise UserError(key, error.problem, error.remedy) from None


def _check_look_ahead(study: Study) -> None:
    """Smooth companions and weighed batches are there where a strategy wants them."""
    from lalbench import classifiers, objectives, strategies
    from lalbench.objectives.measures import UserFunction
    from lalbench.strategies.expectation import ExpectedImprovement, check_batch

    protocol = protocols.get(study.protocol)
    objective = objectives.get(study.objective)
    for place, spec in enumerate(study.strategies):
        strategy: Any = strategies.resolve(spec, protocol)
        own = getattr(strategy, "strategy", strategy)
        if getattr(own, "reads_companion", False) and isinstance(objective, UserFunction):
            objective.check_companion()
        if isinstance(own, ExpectedImprovement):
            for one in study.classifiers:
                classifier = classifiers.get(one, protocol=protocol)
                _at(f"strategies[{place}]", partial(check_batch, classifier, study.budget))


def _check_pools(study: Study) -> None:
    """Pools whose size the study gives hold what its trials acquire."""
    wanted = study.steps * study.budget
    for dataset in study.datasets:
        pool = study.dataset_sizes(dataset.label).pool
        if pool is not None and pool < wanted:
            raise UserError(
                "sizes.pool",
                f"{pool} points for {dataset.label}, of which {study.steps} steps of "
                f"{study.budget} acquire {wanted}",
                "make the pool larger, or lower steps or budget",
            )


def _check_networks(study: Study) -> None:
    """Which strategies go with networks, and which with classifiers of features."""
    from lalbench import data, grid, strategies

    networks = grid.networks(study)
    for place, dataset in enumerate(study.datasets):
        if networks and data.holds_images(dataset) is False:
            raise UserError(
                f"datasets[{place}]",
                f"{dataset.label} has no images, which the network {networks[0]} needs",
                "use a data set of images or another classifier",
            )
    for place, spec in enumerate(study.strategies):
        strategy = strategies.resolve(spec, protocols.get(study.protocol))
        for classifier, dataset in product(study.classifiers, study.datasets):
            network = classifier.label if classifier.label in networks else ""
            try:
                strategies.check_needs(
                    strategy,
                    spec.label,
                    network=network,
                    has_rewards=study.has_rewards(dataset.label),
                    has_posterior=data.has_posterior(dataset),
                    n_annotated=study.n_annotated(dataset.label),
                )
            except UserError as error:
                key = f"strategies[{place}]"
                raise UserError(key, error.problem, error.remedy) from None


def check_writable(folder: Path) -> None:
    """Raises :class:`UserError` when results cannot be written to ``folder``."""
    existing = folder
    while not os.path.exists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise UserError(
            "results",
            f'cannot write to "{folder}" ("{existing}" is no writable folder)',
            "choose a writable folder or change its permissions",
        )


def _at(key: str, build: Callable[[], Any]) -> None:
    try:
        build()
    except UserError as error:
        inner = error.key.removeprefix(key.split("[")[0]).lstrip(".: ")
        own = inner.replace("[", ".").partition(".")[0] in _ENTRIES
        place = f"{key}.{inner}" if own else f"{key}: {inner}" if inner else key
        raise UserError(place, error.problem, error.remedy) from None


def _first_error(error: ValidationError, content: Any) -> UserError:
    """The first complaint of the typed model as one sentence with key, value and remedy."""
    found = error.errors(include_url=False)[0]
    *outer, last = found["loc"] or ("",)
    location = [part for part in outer if not _is_branch(part)]
    if found["type"] == "extra_forbidden" or not _is_branch(last):
        location.append(last)
    key = _key(location)
    kind, value, limits = found["type"], found["input"], found.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(location[:-1])
        return UserError(key, f'unknown key "{location[-1]}"', suggest(location[-1], known))
    if kind == "missing":
        return UserError(key, "is missing", "add it to the study file")
    if kind == "value_error":
        problem, _, remedy = str(limits["error"]).partition("; ")
        named = not isinstance(value, str | int | float) or _show(value) in problem
        shown = problem if named else f"{_show(value)} {problem}"
        return UserError(key, shown, remedy or "correct it")
    if kind == "literal_error":
        return UserError(key, f"{_show(value)} is no choice", f"use {limits['expected']}")
    wanted = next((_REMEDIES[part] for part in _REMEDIES if kind.startswith(part)), None)
    advice = _lower(found["msg"]) if wanted is None else wanted.format_map(limits)
    return UserError(key, f"{_show(value)} does not fit", advice)


def _is_branch(part: Any) -> bool:
    """Whether pydantic added this part of a location itself, to name the branch of a union."""
    return isinstance(part, str) and ("[" in part or part in ("int", "str", "float"))


def _key(location: Sequence[Any]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _known_keys(location: Sequence[Any]) -> list[str]:
    """Keys that the model knows at ``location``, read from its JSON schema."""
    schema = Study.model_json_schema()
    node: Any = schema
    for part in location:
        node = _follow(node, schema)
        node = node.get("items", {}) if isinstance(part, int) else node["properties"].get(part, {})
    return list(_follow(node, schema).get("properties", {}))


def _follow(node: Any, schema: Any) -> Any:
    for branch in node.get("anyOf", ()):
        if "$ref" in branch or "items" in branch or "properties" in branch:
            node = branch
            break
    if "$ref" in node:
        return schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _show(value: Any) -> str:
    # what would break the line, or hide in it, is escaped
    plain = value is None or isinstance(value, str | bool)
    text = json.dumps(value, ensure_ascii=False) if plain else _SHORT.repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
