"""Where something stands in a file, so that an error can say so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn, TypeVar, cast

from resilient.errors import ConfigurationError
from resilient.settings import nearest

T = TypeVar("T")


class Place:
    """Where in which file something stands; what an error begins with."""

    def __init__(self, file: str, *tables: str) -> None:
        self._file = file
        self._tables = tables

    def at(self, *tables: str) -> Place:
        """A table of the same file."""
        return Place(self._file, *tables)

    @property
    def pattern(self) -> str:
        """The pattern of the table's policy."""
        return self._tables[-1]

    def refuse(self, problem: str) -> NoReturn:
        """Say what is wrong here.

        Raises:
            ConfigurationError: always.
        """
        names = [name if name.isidentifier() else f'"{name}"' for name in self._tables]
        table = f": [{'.'.join(names)}]" if names else ""
        raise ConfigurationError(f"{self._file}{table}: {problem}") from None

    def keys(self, given: Mapping[str, object], known: Collection[str], word: str = "key") -> None:
        """Refuse a key that is none of ``known``."""
        for key, value in given.items():
            if key not in known:
                self.refuse(f"there is no {word} {key!r} (given {value!r}); {nearest(key, known)}")

    def table(self, name: str | None, value: object) -> Mapping[str, Any]:
        """Refuse a value that is no table."""
        if not isinstance(value, dict):
            self.refuse(f"{'this' if name is None else name}={value!r} is not right; give a table")
        return cast("Mapping[str, Any]", value)  # TOML has no other keys

    def trying(self, make: Callable[[], T], about: str = "") -> T:
        """What ``make`` makes; what it says about wrong options is said about this place."""
        try:
            return make()
        except (ConfigurationError, TypeError, ValueError, AttributeError) as error:
            # Classes of third parties refuse a wrong type by whatever happens to fail.
            self.refuse(f"{about}: {error}" if about else str(error))
