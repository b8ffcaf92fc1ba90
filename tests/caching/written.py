"""Values of the kinds that keys are made of; as a script, it prints the forms of those that it is given.

    python written.py < pickled-list-of-values

Their forms go out as one JSON list, behind those of :data:`EXAMPLES`.
"""

import array
import enum
import fractions
import ipaddress
import json
import pathlib
import pickle
import re
import sys
import zoneinfo
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import attrs
import httpx
import msgspec
import pydantic

from resilient.caching.forms import text_of


class Colour(enum.Enum):
    RED = 1
    CRIMSON = RED
    BLUE = 2


class Word(enum.StrEnum):
    RED = "red"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    x: Any
    y: Any
    seen: Any = field(default=None, compare=False)


@dataclass
class Login:
    user: str
    password: str


class Pair(NamedTuple):
    x: int
    y: int


class Model(pydantic.BaseModel):
    x: Any


class Other(pydantic.BaseModel):
    x: Any


class Loose(pydantic.BaseModel, extra="allow"):
    x: Any


class Struct(msgspec.Struct):
    x: Any


@attrs.define
class Attributes:
    x: Any


class Text(str):
    pass


class Described:
    """With a repr that says everything."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __repr__(self) -> str:
        return f"Described({self.x!r})"


class Dumped:
    """Looks like a model of pydantic from afar."""

    def model_dump(self) -> dict[str, int]:
        return {"x": 1}


def function() -> None:
    """One that can be found by its name."""


# No two of these may ever be taken for each other.
EXAMPLES: list[Any] = [
    None, "None", "none", "", " ", True, "True", False, "False", 1, "1", 1.0, "1.0", "01", -1, "-1",
    1e300, "1e+300", 10**5000, float("inf"), "inf", float("-inf"), "-inf", float("nan"), "nan", 0.0, -0.0, 1j,
    "a", "a:b", "a%3Ab", '"a:b"', "a*", "a%2A", "{a}", "a%", '"', '""', "'", "a b", "(a)", "f(a)", "[a]", "set()",
    b"", b"a", "b'a'", b"'", b"a:b", b"\xff", "b'%FF'", bytearray(b"a"), memoryview(b"ab"),
    memoryview(b"ab").cast("B", [1, 2]), array.array("i", [1]), array.array("I", [1]),
    array.array("q", [1]), Text("a"), Word.RED, "red",
    ["a", "b"], ["a,b"], ["a:b"], ("a", "b"), ["a", ["b"]], [["a"], "b"], [], (), [()], ([],), [1], ["1"], [True], (1,),
    deque([1]), {1, 2}, frozenset({1, 2}), {"1", "2"}, set(), {frozenset({1}), frozenset({2})},
    {}, {"a": 1}, {"a": "1"}, {1: "a"}, {"1": "a"}, {"a": 1, "b": 2}, {"a": {"b": 2}}, Counter({"a": 1}),
    OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), MappingProxyType({"a": 1}), range(3), range(4),
    Decimal("1.5"), Decimal("1.50"), "1.5", 1.5, fractions.Fraction(1, 2), UUID(int=1), str(UUID(int=1)),
    date(2024, 1, 31), "2024-01-31", datetime(2024, 1, 31), datetime(2024, 1, 31, tzinfo=UTC),
    datetime(2024, 1, 31, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    datetime(2024, 1, 31, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    datetime(2024, 1, 31, fold=1), time(10, 30), time(10, 30, tzinfo=UTC), timedelta(days=1), timedelta(seconds=1),
    Colour.RED, Colour.BLUE, Right.READ, Right.READ | Right.WRITE,
    Point(1, 2), Point(2, 1), Point("1", 2), Point({1, 2}, 3), Pair(1, 2), (1, 2), Login("ann", "one"),
    Login("ann", "two"),
    Model(x=1), Model(x="1"), Other(x=1), Model(x=Model(x=1)), Model(x=Other(x=1)), Loose(x=1), Loose(x=1, y=2),
    Struct(1), Attributes(1), Described(1), Described("1"), Dumped(),
    pydantic.SecretStr("one"), pydantic.SecretStr("two"),
    pathlib.PurePosixPath("/a/b"), pathlib.PurePosixPath("/a/...b"), "/a/b", ipaddress.ip_address("10.0.0.1"),
    re.compile("a"), re.compile("a", re.IGNORECASE), re.compile("a" * 300), re.compile("a" * 301),
    httpx.QueryParams("a=1&a=2"), httpx.QueryParams("a=1"), httpx.QueryParams("a=2"),
    httpx.Headers({"authorization": "one"}),
    httpx.Headers({"authorization": "two"}),
    Point, Pair, int, len, function, ...,
]  # fmt: skip


if __name__ == "__main__":
    # Classes that are made here are known by the name under which the tests know them.
    from tests.caching import written

    given = pickle.load(sys.stdin.buffer)  # from the test that started this
    print(json.dumps([text_of(value) for value in [*written.EXAMPLES, *given]]))
