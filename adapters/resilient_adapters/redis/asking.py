"""How a server is asked: what it refuses is raised, and a script that it does not know is taught to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.script import Command, Script, Word
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


class Work(NamedTuple):
    """What a script is to do.

    Attributes:
        name: which of the things that it can do.
        keys: what it does that to.
        arguments: what else it has to know.
    """

    name: str
    keys: Sequence[bytes]
    arguments: tuple[Word, ...]


class Scripts:
    """What is done by a script.

    Args:
        script: does it.
        keys: where everything lies.
        times: whose clock the scripts go by.
    """

    def __init__(self, script: Script, keys: Keys, times: Times) -> None:
        self._script = script
        self._space = keys.space
        self._times = times

    def run(self, name: str, keys: Sequence[bytes], *arguments: Word) -> Steps[Any]:
        """What the script answers that does this.

        Raises:
            StoreError: the server refuses it.
        """
        (answer,) = yield from self.run_all([Work(name, keys, arguments)])
        return answer

    def run_all(self, works: Sequence[Work]) -> Steps[list[Any]]:
        """What the script answers to each of ``works``, which are asked for at once and done one by one.

        Raises:
            StoreError: the server refuses one of them.
        """
        if not works:
            return []
        told = [(work.keys, (work.name, self._space, *self._times.told(), *work.arguments)) for work in works]
        answers: list[Any] = yield [self._script.run(*each) for each in told]
        unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            again: list[Any] = yield [self._script.teach_and_run(*told[place]) for place in unknown]
            for place, answer in zip(unknown, again, strict=True):
                answers[place] = answer
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise failure(answer) from None
        return answers
