"""How the commands of a store are written once for both colours: as steps, each of which somebody else takes.

A command is a generator. It yields what it wants to ask the server, or work that takes long, and is sent the answers;
what it returns is the command's result. It never waits itself, so it does not know by which colour it is driven.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from resilient_adapters.redis.script import Command

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Aside:
    """Work that needs no server.

    Attributes:
        work: does it.
        weight: about how many bytes it goes through; a task leaves much of it to another thread.
    """

    work: Callable[[], Any]
    weight: int


Steps: TypeAlias = Generator[list[Command] | Aside, Any, T]
