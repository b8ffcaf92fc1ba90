"""Putting a client through a test."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from .expecting import check_answer, check_origin
from .messages import Answer, Mismatch, Step, ensure, fields_of, is_setup
from .suite import Case

PAUSE = 3.0
"""Seconds that the suite waits where a test says so."""

Send = Callable[[str, str, list[tuple[bytes, bytes]], bytes | None], Awaitable[Answer]]
"""Sends a method, a path, fields and a body by the client that is tested."""
Result = tuple[str, str] | None
"""None if a test has passed; else "setup", "fail" or "error", and why."""


class Origin(Protocol):
    """The suite's origin, spoken to directly and never through the client."""

    def configure(self, token: str, steps: list[Step]) -> None:
        """Prepare for the requests of a test."""
        ...

    def state(self, token: str) -> list[dict[str, Any]]:
        """What was received of a test."""
        ...


async def run(case: Case, send: Send, sleep: Callable[[float], Awaitable[Any]], origin: Origin) -> Result:
    """The result of one test."""
    token = str(uuid.uuid4())
    answers: list[Answer] = []
    origin.configure(token, [{**step, "id": case.id} for step in case.requests])
    try:
        for number, step in enumerate(case.requests, 1):
            fields = fields_of(number, case.id, step, answers[-1] if answers else None)
            answer = await _sent(send, token, step, fields)
            if answer is None:
                ensure(step["expected_type"] != "cached", is_setup(step, "expected_type"), "nothing stale was served")
                return None
            answers.append(answer)
            check_answer(token, number, step, answer)
            if step.get("pause_after") is True:
                await sleep(PAUSE)
        check_origin(case.requests, answers, origin.state(token))
    except Mismatch as mismatch:
        said = " then ".join(str(answer.get("cache-status")) for answer in answers)
        return "setup" if mismatch.setup else "fail", f"{mismatch} ({said})"
    except Exception as error:  # noqa: BLE001 - whatever a client raises is a result
        return "error", f"{type(error).__name__}: {error}"
    return None


async def _sent(send: Send, token: str, step: Step, fields: list[tuple[bytes, bytes]]) -> Answer | None:
    """The answer; None if the client has raised where the origin hangs up, which no client can keep from its caller."""
    path = f"/test/{token}"
    if "filename" in step:
        path += f"/{step['filename']}"
    if "query_arg" in step:
        path += f"?{step['query_arg']}"
    body = None if step.get("request_body") is None else step["request_body"].encode()
    try:
        return await send(step.get("request_method", "GET"), path, fields, body)
    except Exception:
        if step.get("disconnect"):
            return None
        raise
