"""Keys and tags as people write them: ``items:{category}:{page}``, ``llm:{model}:{hash(prompt)}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, NoReturn

from resilient.caching.arguments import Arguments, nearest_first
from resilient.caching.formatters import writer_of
from resilient.caching.forms import UnstableError, text_of
from resilient.errors import ConfigurationError

_PART = re.compile(r"(?P<text>(?:[^{}]|\{\{|\}\})+)|\{(?P<hole>[^{}]+)\}")
_PATH = r"(?P<{0}>[^\W\d]\w*)(?P<{0}_path>(?:\.[^\W\d]\w*|\[[^\[\]]+\])*)"
_HOLE = re.compile(
    rf"{_PATH.format('plain')} (?: :(?P<formatter>\w+) (?: \((?P<argument>[^()]*)\) )? )?"
    rf"| (?P<function>\w+) \({_PATH.format('given')}\)",
    re.VERBOSE,
)
_STEP = re.compile(r"\.(?P<attribute>\w+)|\[(?P<item>[^\]]+)\]")
_INDEX = re.compile(r"-?[0-9]+")
_MARK = "%~"
"""Stands in no form of a value, where ``%`` is always before hexadecimal digits."""


class _Hole(NamedTuple):
    """Where a value goes: the text before it, its parameter's place, what writes it, and how the template says so."""

    before: str
    place: int
    write: Callable[[Any], str]
    text: str


class Template:
    """Text with holes for the arguments of a call.

    ``{param}``, ``{param.attribute}``, ``{param[0]}`` and ``{param[name]}``, also one behind the other, are written in
    their form (see :mod:`resilient.caching.forms`), ``{param:formatter}`` and ``{formatter(param)}`` by a formatter.
    ``{{`` and ``}}`` are braces. As a pattern, ``*`` in the template is any text; no value brings another one.

    Two calls have the same text only if all that it shows of them is the same. Between two values there should be a
    ``:``, which no form holds. Where there is none, the later one is written so that its beginning is seen: with
    ``%~`` for each character that is the one before it, or with ``%~`` before it if it follows another at once.

    Args:
        text: the template.
        arguments: the parameters of the function.
        option: what the template was given for, named in errors.

    Raises:
        ConfigurationError: it is no template, or names a parameter or a formatter that does not exist.
    """

    __slots__ = ("_arguments", "_end", "_holes", "_option", "text")

    def __init__(self, text: str, arguments: Arguments, *, option: str) -> None:
        if not isinstance(text, str) or not text:
            raise ConfigurationError(f"{option}={text!r} is not right; give text, as in 'items:{{category}}:{{page}}'")
        self.text = text
        self._option = option
        self._arguments = arguments
        self._holes: list[_Hole] = []
        self._end = ""
        for plain, hole in self._parts():
            self._end += plain
            if hole:
                self._holes.append(self._hole(hole))
                self._end = ""

    @property
    def names(self) -> frozenset[str]:
        """The parameters that it shows something of."""
        return frozenset(self._arguments.names[hole.place] for hole in self._holes)

    @property
    def is_constant(self) -> bool:
        """Whether it has no holes."""
        return not self._holes

    def key(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
        """The text of a call.

        Raises:
            TypeError: the call does not fit the function.
            ConfigurationError: an argument has no form that is the same in every process, or not what is asked of it.
        """
        return self.filled(self._arguments.values(args, kwargs))

    def filled(self, values: tuple[object, ...]) -> str:
        """The text of a call whose parameters have these values.

        Raises:
            ConfigurationError: as :meth:`key`.
        """
        text = ""
        for hole in self._holes:
            before, place, write, _ = hole
            try:
                text += before + write(values[place])
            except (UnstableError, RecursionError, AttributeError, LookupError, TypeError) as error:
                self._refuse(hole, values[place], error)
        return text + self._end

    def _parts(self) -> Iterator[tuple[str, str | None]]:
        """The text before each hole, and what stands in the hole; at the end there is none."""
        at = 0
        while at < len(self.text):
            part = _PART.match(self.text, at)
            if part is None:
                raise ConfigurationError(
                    f"{self._named} has a brace without its other half, or nothing in it; write a brace as {{{{ or }}}}"
                )
            at = part.end()
            yield (part["text"] or "").replace("{{", "{").replace("}}", "}"), part["hole"]

    def _hole(self, text: str) -> _Hole:
        found = _HOLE.fullmatch(text)
        if found is None:
            raise ConfigurationError(
                f"{self._named} has {{{text}}}, which is none of {{param}}, {{param.attribute}}, {{param[0]}}, "
                "{param[name]}, {param:formatter}, {formatter(param)}"
            )
        parameter, path = found["plain"] or found["given"], found["plain_path"] or found["given_path"] or ""
        names = self._arguments.names
        if parameter not in names:
            raise ConfigurationError(
                f"{self._named} names {parameter!r}, which is no parameter of {self._arguments.name}; "
                f"{nearest_first(parameter, names)}"
            )
        formatter = found["formatter"] or found["function"]
        try:
            write = text_of if formatter is None else writer_of(formatter, found["argument"])
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._named}: {error}") from None
        before = self._end
        return _Hole(before, names.index(parameter), self._apart(before, _reaching(path, write)), text)

    def _apart(self, before: str, write: Callable[[Any], str]) -> Callable[[Any], str]:
        """``write``, so that the value is told from the one before it in the template, if there is one."""
        _, wildcard, between = before.rpartition("*")
        if ":" in between or not (wildcard or self._holes) or (wildcard and not between):
            return write
        last = between[-1:]
        if last in _MARK:
            return lambda value: _MARK + write(value)
        return lambda value: write(value).replace(last, _MARK)

    @property
    def _named(self) -> str:
        return f"{self._option}={self.text!r}"

    def _refuse(self, hole: _Hole, value: object, error: Exception) -> NoReturn:
        name = self._arguments.names[hole.place]
        start = f"{self._named}: the argument {name!r} of {self._arguments.name}"
        if isinstance(error, UnstableError):
            holds = "is" if error.kind is type(value) else "holds"
            raise ConfigurationError(
                f"{start} {holds} an instance of {error.kind.__qualname__}, which has no text that is the same "
                f"in every process and no other value's; name what matters of it, as in key='...{{{name}.id}}'"
            ) from None
        if isinstance(error, RecursionError):
            raise ConfigurationError(
                f"{start} is nested too deeply, or holds itself; name what matters of it"
            ) from None
        raise ConfigurationError(
            f"{start}, an instance of {type(value).__qualname__}, has no {{{hole.text}}}: {error}"
        ) from error


def _reaching(path: str, write: Callable[[Any], str]) -> Callable[[Any], str]:
    """``write`` for what is found by a path such as ``.user[0]`` from the value."""
    steps = [_step(step["attribute"], step["item"]) for step in _STEP.finditer(path)]
    if not steps:
        return write

    def reach(value: Any) -> str:
        for step in steps:
            value = step(value)
        return write(value)

    return reach


def _step(attribute: str | None, item: str | None) -> Callable[[Any], Any]:
    if attribute is not None:
        return attrgetter(attribute)
    return itemgetter(int(item) if item is not None and _INDEX.fullmatch(item) else item)
