"""How a server is asked: what it refuses is raised, and a script that it does not know is taught to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from resilient_adapters.redis import script
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.script import Command, Word
from resilient_adapters.redis.steps import Steps
from resilient_adapters.redis.times import Times
from resilient_adapters.redis.trouble import failure


def ask(*commands: Command) -> Steps[list[Any]]:
    """What the server answers to each of ``commands``.

    Raises:
        StoreError: it refuses one of them.
    """
    answers: list[Any] = yield list(commands)
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise failure(answer) from None
    return answers


class Scripts:
    """What is done by a script.

    Args:
        keys: where everything lies.
        times: whose clock the scripts go by.
    """

    def __init__(self, keys: Keys, times: Times) -> None:
        self._space = keys.space
        self._times = times

    def run(self, work: str, keys: Sequence[bytes], *arguments: Word) -> Steps[Any]:
        """What the script answers that does ``work``.

        Raises:
            StoreError: the server refuses it.
        """
        told = (work, self._space, *self._times.told(), *arguments)
        answers: list[Any] = yield [script.run(keys, told)]
        if isinstance(answers[0], NoScriptError):
            answers = yield [script.teach_and_run(keys, told)]
        if isinstance(answers[0], ResponseError):
            raise failure(answers[0]) from None
        return answers[0]
