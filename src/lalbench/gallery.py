"""The page docs/gallery.md: every strategy with its rule, needs, cost, options, source, pitfalls.

All facts stand where the code is. What a strategy reads and its options come from the registry and
the class; the rest from the docstring of the class: its first paragraph, the meanings of options
below ``Attributes:`` (those of base classes included) and the sections of :data:`SECTIONS`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from lalbench import strategies
from lalbench.errors import UserError
from lalbench.imports import import_object
from lalbench.strategies.base import Need, Strategy, check_needs

SECTIONS = ("Rule", "Cost", "Source", "Pitfalls")
"""Of the docstring of every strategy with a name. ``Pitfalls`` is a list, the others are text."""

NEEDS: Mapping[Need, str] = MappingProxyType(
    {
        Need.PROBABILITIES: "class probabilities",
        Need.DECISION: "decision values",
        Need.EMBEDDINGS: "embeddings",
        Need.FEATURES: "features of points",
        Need.IMAGES: "images",
        Need.PREDICTED_LOSSES: "losses that a head of the network predicts",
        Need.CLASSIFIER: "refits of the classifier",
        Need.REWARD_SET: "the reward set",
        Need.REWARD_IF_ANY: "the reward set, if there is one",
        Need.LABEL_ORACLE: "hidden labels of the pool",
        Need.TEST_SET: "the test set",
        Need.POSTERIOR: "the true class probabilities of made data",
        Need.LEARNED: "a learner that is trained in the trial",
        Need.PRETRAINED: "a regressor learned before the trials",
    }
)
"""What the page calls them."""

_HEAD = r"""# Gallery of strategies

This page is written by `make gallery` from the registry and the docstrings of the strategies. How
to name one in a study, what options mean that several share, and how to write your own:
[strategies.md](strategies.md). Strategies of scikit-activeml and your own are named by `class` and
are not listed here.

Symbols: $n$ points in the pool, $m$ annotated points $A$, $m_c$ of them of class $c$, $b$ points
in a batch $S$, or those of it that are chosen already, $D$ columns, $K$ classes; for pool point $i$
its features $x_i$, its embedding $z_i$ (the scaled features of tabular classifiers, the input of
the last layer of networks), the class probabilities $p_{ic}$, the two largest of them $p_{i(1)}$
and $p_{i(2)}$, and their entropy $H_i$. $O$ counts operations. Every strategy sees the annotated
points with their labels, the pool without, the fitted classifier and the row ids; *needs* names
what it reads besides. All work for any budget; what a batch asks for besides stands with its cost.
AUAC is the area under the learning curve.
"""

_CONTENTS = "| strategy | chooses |\n|---|---|"
_OPTIONS = "| option | default | values | meaning |\n|---|---|---|---|"


@dataclass(frozen=True)
class Option:
    """A parameter of a strategy's class, as Markdown.

    Attributes:
        name: as in a study.
        default: without options, in the ``clean`` protocol.
        values: what its type allows.
        meaning: from the docstring.
    """

    name: str
    default: str
    values: str
    meaning: str


@dataclass(frozen=True)
class Entry:
    """What the page says of one strategy, as Markdown.

    Attributes:
        name: in the registry.
        summary: what it chooses, in a sentence.
        rule: the same as a formula.
        needs: what it reads.
        classifiers: which ones it works with.
        cost: of a batch.
        options: of its class.
        source: the paper.
        pitfalls: one or more.
    """

    name: str
    summary: str
    rule: str
    needs: str
    classifiers: str
    cost: str
    options: tuple[Option, ...]
    source: str
    pitfalls: tuple[str, ...]


def page() -> str:
    """The page, with a section for every strategy that has a name.

    Raises:
        ValueError: a docstring lacks a section, or does not say what an option means.
    """
    found = [
        entry(name, import_object(strategies.path_of(name), "class")) for name in strategies.names()
    ]
    contents = (f"| [`{each.name}`](#{each.name}) | {each.summary} |" for each in found)
    return "\n".join([_HEAD, _CONTENTS, *contents, "", *map(_section, found)])


def entry(name: str, made_by: type[Strategy]) -> Entry:
    """What the page says of a strategy.

    Args:
        name: of the strategy.
        made_by: its class.

    Raises:
        ValueError: as :func:`page`.
    """
    summary, sections = _parsed(made_by)
    for title in SECTIONS:
        if not sections.get(title):
            raise ValueError(f'{name}: the docstring of {made_by.__name__} has no "{title}:"')
    strategy = made_by()
    return Entry(
        name=name,
        summary=_markdown(summary).removesuffix("."),
        rule=_markdown(sections["Rule"]),
        needs=_needs(strategy),
        classifiers=_classifiers(strategy),
        cost=_markdown(sections["Cost"]),
        options=_options(name, made_by),
        source=_markdown(sections["Source"]),
        pitfalls=tuple(map(_markdown, _listed(sections["Pitfalls"]))),
    )


def _section(each: Entry) -> str:
    lines = [
        f"## {each.name}\n",
        f"{each.summary}.\n",
        f"- **Rule:** {each.rule}",
        f"- **Needs:** {each.needs}. **Classifiers:** {each.classifiers}",
        f"- **Cost of a batch:** {each.cost}",
        f"- **Source:** {each.source}",
        "- **Pitfalls:**",
        *(f"  - {pitfall}" for pitfall in each.pitfalls),
    ]
    if each.options:
        rows = (
            f"| `{option.name}` | {option.default} | {option.values} | {option.meaning} |"
            for option in each.options
        )
        lines += ["", _OPTIONS, *rows]
    return "\n".join(lines) + "\n"


def _parsed(made_by: type) -> tuple[str, dict[str, str]]:
    """The first paragraph of a class's own docstring, and its sections by title."""
    text = inspect.cleandoc(made_by.__doc__ or "")
    parts = re.split(r"^(\w+):\n", text, flags=re.MULTILINE)
    sections = zip(parts[1::2], map(inspect.cleandoc, parts[2::2]), strict=True)
    return parts[0].split("\n\n")[0], dict(sections)


def _listed(text: str) -> list[str]:
    """The points of a list whose lines begin with hyphens."""
    return [each for each in re.split(r"^- ", text, flags=re.MULTILINE) if each]


def _markdown(text: str) -> str:
    """One line of Markdown from a docstring: code, roles and names of pages."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split()))
    return re.sub(r"docs/((\w|-)+\.md)", r"[\1](\1)", text.replace("``", "`"))


def _needs(strategy: Strategy) -> str:
    read = [text for need, text in NEEDS.items() if need in strategy.needs]
    least = getattr(strategy, "least_annotated", 0)
    if least:
        read.append(f"{least} annotated points or more")
    return ", ".join(read) or "nothing"


def _classifiers(strategy: Strategy) -> str:
    """Those that a trial does not refuse."""
    kinds = {"tabular": "", "networks": "a network"}
    works = []
    for kind, network in kinds.items():
        try:
            check_needs(strategy, "", network=network, has_rewards=True, has_posterior=True)
        except UserError:
            continue
        works.append(kind)
    return "any" if len(works) == len(kinds) else " or ".join(works)


def _options(name: str, made_by: type) -> tuple[Option, ...]:
    hints = get_type_hints(made_by, include_extras=True)
    meanings: dict[str, str] = {}
    for base in reversed(made_by.__mro__):
        meanings |= _meanings(_parsed(base)[1].get("Attributes", ""))
    found = []
    for option, parameter in inspect.signature(made_by).parameters.items():
        if option not in meanings:
            raise ValueError(f"{name}: no docstring says what the option {option} means")
        values = _values(hints[option])
        found.append(Option(option, _value(parameter.default), values, _markdown(meanings[option])))
    return tuple(found)


def _meanings(attributes: str) -> dict[str, str]:
    """By name, from a section whose entries are ``one: text`` or ``one, other: text``."""
    parts = re.split(r"^(\w+(?:, \w+)*): ", attributes, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {name: text for names, text in pairs for name in names.split(", ")}


def _value(value: Any) -> str:
    """A value as a study has it."""
    if isinstance(value, tuple | list):
        return f"`[{', '.join(_value(each).strip('`') for each in value)}]`"
    special = {True: "true", False: "false", None: "null"}
    known = value is None or isinstance(value, bool)
    return f"`{special[value] if known else value}`"


_KINDS: Mapping[Any, str] = MappingProxyType(
    {int: "integer", float: "number", bool: "`true`, `false`", str: "text", NoneType: "`null`"}
)
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _values(hint: Any) -> str:
    """What a type allows: "number ≥ 0", "`first`, `random`", "list, each integer ≥ 1"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = [
            f"{sign} {getattr(limit, bound)}"
            for field in arguments[1:]
            for limit in field.metadata
            for bound, sign in _BOUNDS.items()
            if hasattr(limit, bound)
        ]
        return " ".join([_values(arguments[0]), " and ".join(bounds)]).strip()
    if origin is Literal:
        return ", ".join(_value(each) for each in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_values(each) for each in arguments))
    if origin in (tuple, list):
        return f"list, each {_values(arguments[0])}"
    return _KINDS[hint]
