"""Options of strategies: fields of a frozen dataclass, checked against their types."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from numpy.random import Generator
from pydantic import Field, TypeAdapter, ValidationError

from lalbench.errors import UserError, suggest
from lalbench.seeds import PublishedGenerator

Draws = Literal["named", "released"]
"""``named``: the strategy's stream, by row id; ``released``: legacy generators, by position."""

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Options:
    """Base of strategies whose options are dataclass fields.

    Raises:
        UserError: a value that the type of its field does not allow; the key is the field's name.
    """

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for entry in fields(self):
            _check(entry.name, getattr(self, entry.name), hints[entry.name])


def released_generators(rng: Generator) -> PublishedGenerator:
    """``rng`` with the two legacy generators of the authors' code (docs/protocols.md [17]).

    Raises:
        UserError: ``rng`` has no legacy generators.
    """
    if not isinstance(rng, PublishedGenerator):
        raise UserError(
            "draws",
            '"released" with a generator that has no legacy streams',
            'use the protocol published, pass a PublishedGenerator, or set draws: "named"',
        )
    return rng


def _check(name: str, value: Any, hint: Any) -> None:
    try:
        TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError as error:
        if get_origin(hint) is Literal:
            remedy = suggest(value, get_args(hint))
        else:
            wanted = [found["msg"] for found in error.errors(include_url=False)]
            remedy = " or ".join(dict.fromkeys(text[:1].lower() + text[1:] for text in wanted))
        shown = f'"{value}"' if isinstance(value, str) else repr(value)
        raise UserError(name, f"cannot use {shown}", remedy) from None
