"""From the text of a file to policies."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, TypeAlias, cast, get_args, get_type_hints

from resilient.config.place import Place
from resilient.pattern import Pattern
from resilient.policy import Policy
from resilient.settings import nearest
from resilient.stores.registry import check_store

PathLike: TypeAlias = str | os.PathLike[str]
Stamp: TypeAlias = tuple[int, int, int]
"""By what one sees that a file is another one: when it was written, its size, and its number."""


def stamp_of(found: os.stat_result) -> Stamp:
    """The stamp of a file that was found."""
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a file says.

    Attributes:
        policies: by pattern.
        client: the options of a client, as far as they are given: ``name``, ``store``.
    """

    policies: Mapping[str, Policy]
    client: Mapping[str, str]


def load(path: PathLike) -> Config:
    """Read the file at ``path``. Nothing that it names is opened.

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong: names the file, the table, the key, the
            value, and what would be right.
    """
    return read(Path(path))[0]


def read(path: Path) -> tuple[Config, Stamp]:
    """As :func:`load`; with the file's stamp from before it was read."""
    place = Place(str(path))
    try:
        with path.open("rb") as file:
            stamp = stamp_of(os.fstat(file.fileno()))
            tables = tomllib.load(file)
    except OSError as error:
        place.refuse(f"cannot be read: {error.strerror or error}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        place.refuse(f"is no TOML: {error}")
    place.keys(tables, ("client", "policies"), "table")
    client = place.table("client", tables.get("client", {}))
    policies = place.table("policies", tables.get("policies", {}))
    return (
        Config(
            policies={pattern: _policy(place.at("policies", pattern), given) for pattern, given in policies.items()},
            client=_client(place.at("client"), client),
        ),
        stamp,
    )


def _client(place: Place, given: Mapping[str, object]) -> Mapping[str, str]:
    place.keys(given, ("name", "store"))
    for key, value in given.items():
        if not isinstance(value, str) or not value:
            place.refuse(f"{key}={value!r} is not right; give text")
    if "store" in given:
        place.trying(partial(check_store, str(given["store"])))
    return dict(given)  # type: ignore[arg-type] # all text, as seen above


def _policy(place: Place, given: object) -> Policy:
    table = dict(place.table(None, given))
    stages = _stages()
    for key, value in table.items():
        if key not in stages and _is_pattern_cut(value, stages):
            place.refuse(
                f'has no key {key!r}; a pattern with dots stands in quotes, as in [policies."api.example.com"]; '
                f"{nearest(key, ['preset', *stages])}"
            )
    place.keys(table, ("preset", *stages))
    preset = _preset(place, table.pop("preset", "standard"))
    options = {key: _stage(place, key, stages[key], value) for key, value in table.items()}
    place.trying(partial(Pattern.read, place.pattern))
    return place.trying(partial(preset.replace, **options))


def _is_pattern_cut(value: object, stages: Collection[str]) -> bool:
    """Whether an unknown key looks like the second part of a pattern whose dots cut it into tables."""
    if not isinstance(value, dict):
        return False
    table = cast("Mapping[str, object]", value)
    return any(key in stages or key == "preset" or isinstance(one, dict) for key, one in table.items())


def _preset(place: Place, name: object) -> Policy:
    presets = _named_constructors(Policy)
    if str(name) not in presets:
        place.refuse(f"preset={name!r} is not right; {nearest(str(name), presets)}")
    made: Policy = presets[str(name)]()
    return made


def _stage(place: Place, name: str, kinds: Collection[type], value: object) -> object:
    """The option of a policy: off, a stage made from its table, or a plain value that the policy understands."""
    stage = next((kind for kind in kinds if is_dataclass(kind)), None)
    if stage is None:
        place.refuse(f"{name!r} can be given in Python only")
    if value is False:
        return None
    if isinstance(value, dict):
        return _made(place, name, stage, cast("Mapping[str, object]", value))
    if str not in kinds or isinstance(value, bool):
        hint = "false for off, or leave it out for its default"
        plain = "a plain value, " if str in kinds else ""
        place.refuse(f"{name}={value!r} is not right; give {plain}a table such as {_example(name, stage)}, {hint}")
    return value


def _made(place: Place, name: str, stage: type, given: Mapping[str, object]) -> object:
    """A stage from its table; ``strategy`` names one of the class's own ways to be made."""
    options = dict(given)
    make: Callable[..., object] = stage
    ways = _named_constructors(stage)
    known = [*_options_of(stage)]
    if ways and "strategy" in options:
        way = options.pop("strategy")
        if str(way) not in {"simple", *ways}:
            place.refuse(f"{name}: strategy={way!r} is not right; {nearest(str(way), ['simple', *ways])}")
        make = ways.get(str(way), stage)
        known = [*_options_of(make)]
    if ways:
        known = ["strategy", *(one for one in known if one != "strategy")]
    place.keys(options, known, f"option of {name}")
    for option in signature(make).parameters.values():
        needed = option.default is option.empty and option.kind is not option.VAR_KEYWORD
        if needed and option.name not in options:
            place.refuse(f"{name}: {option.name!r} is missing")
    return place.trying(partial(make, **options), about=name)


def _example(name: str, stage: type) -> str:
    first = next(iter(_options_of(stage)))
    return f"{name} = {{ {first} = ... }}"


def _stages() -> dict[str, tuple[type, ...]]:
    """The fields of a policy, with the classes of what they may be given."""
    hints = get_type_hints(Policy)
    return {one.name: _classes(hints[one.name]) for one in fields(Policy)}


def _classes(hint: Any) -> tuple[type, ...]:
    parts = get_args(hint) or (hint,)
    return tuple(one for one in parts if isinstance(one, type))


def _options_of(make: Callable[..., object]) -> Collection[str]:
    names: list[str] = []
    for option in signature(make).parameters.values():
        if option.kind is option.VAR_KEYWORD:
            # They are named by a TypedDict: ``**more: Unpack[More]``.
            (more,) = get_args(get_type_hints(make)[option.name])
            names += get_type_hints(more)
        else:
            names.append(option.name)
    return names


def _named_constructors(kind: type) -> dict[str, Callable[..., Any]]:
    """The class methods by which one can be made, such as ``Policy.background`` and ``ResponseCache.failover``."""
    found = {name: getattr(kind, name) for name, one in vars(kind).items() if isinstance(one, classmethod)}
    return {name: made for name, made in found.items() if not name.startswith("_")}
