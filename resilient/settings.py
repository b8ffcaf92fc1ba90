"""Option objects: immutable, keyword-only, and clear about what is wrong with them."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn, TypeVar, dataclass_transform

from resilient.durations import Duration, seconds_of
from resilient.errors import ConfigurationError

C = TypeVar("C")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def settings(cls: type[C]) -> type[C]:
    """A frozen, slotted, keyword-only dataclass whose unknown options are refused by name."""
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    build: Callable[..., None] = made.__init__
    known = tuple(one.name for one in fields(made) if one.init)  # type: ignore[arg-type] # made by dataclass()

    @functools.wraps(build)
    def __init__(self: C, *args: Any, **given: Any) -> None:
        for name, value in given.items():
            if name not in known:
                unknown_option(made.__name__, name, value, known)
        build(self, *args, **given)

    if cls.__str__ is object.__str__:
        made.__str__ = _changes_of  # type: ignore[method-assign]
    made.__init__ = __init__  # type: ignore[method-assign, assignment] # the same signature, checked first
    return made


def _changes_of(made: Any) -> str:
    """The options that differ from their defaults, for people."""
    given = [(one, getattr(made, one.name)) for one in fields(made) if one.init]
    return ", ".join(f"{one.name} {value}" for one, value in given if value != one.default) or "as by default"


def unknown_option(owner: str, name: str, value: object, known: Collection[str]) -> NoReturn:
    """Refuse an option that does not exist.

    Raises:
        ConfigurationError: always; names the option, the value and the nearest option there is.
    """
    raise ConfigurationError(f"{owner} has no option {name!r} (given {value!r}); {nearest(name, known)}")


def nearest(name: str, known: Collection[str]) -> str:
    """A hint at the known name that ``name`` most resembles, else all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}"


def put_seconds(settings_object: object, **durations: Duration | None) -> None:
    """Write durations, as seconds, into a frozen option object that is being made."""
    for name, duration in durations.items():
        seconds = None if duration is None else seconds_of(duration, option=name)
        object.__setattr__(settings_object, name, seconds)
