"""What a forked child forgets: work of threads and tasks that only its parent has."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forgetful(Protocol):
    """Who knows of work under way."""

    def forget(self) -> None:
        """Let all of it go: here nobody is left to do it."""


_forgetful: WeakSet[Forgetful] = WeakSet()


def forgets_in_children(one: Forgetful) -> None:
    """Have ``one`` forget in every child that is forked from now on."""
    _forgetful.add(one)


def _forget_all() -> None:
    for one in list(_forgetful):
        one.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
