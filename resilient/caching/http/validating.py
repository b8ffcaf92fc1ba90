"""Asking the origin only for what is new, and what its 304 says of what is kept (RFC 9111 section 4.3)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec.structs import replace

from resilient.caching.guard import Guard
from resilient.caching.http.asked import Asked
from resilient.caching.http.forgetting import Began
from resilient.caching.http.kept import Kept, kept_in
from resilient.caching.http.places import Found, fetched
from resilient.caching.http.terms import Terms
from resilient.call import Call
from resilient.errors import CorruptEntryError
from resilient.http.answer import Answer
from resilient.http.fields import Fields, Raw
from resilient.http.freshness import initial_age
from resilient.http.validation import CONDITIONS, conditions, freshened, is_for_caller, merged
from resilient.ports import Clock


class Validated(NamedTuple):
    """A kept answer that the origin says still holds.

    Attributes:
        kept: the answer, with its new fields.
        fields: those, with what the 304 says of its age.
        cookies: the lines of the 304's own Set-Cookie, which are the caller's and are not kept.
    """

    kept: Kept
    fields: Fields
    cookies: Raw


def asking_again(call: Call, asked: Asked, found: Found) -> tuple[Call, bool]:
    """The call with conditions by what is kept, and whether it has any; the caller's own request stays as it is."""
    if not found.visible:
        return call, asked.is_conditional
    chosen = None if found.chosen is None else found.chosen.answer
    lines = conditions(asked.fields, found.visible, chosen)
    if not lines:
        return call, asked.is_conditional
    request = call.request
    raw = [line for line in request.headers.raw if line[0].lower() not in CONDITIONS]
    return call.asking(call.library.with_fields(request, [*raw, *lines])), True


async def confirmed(
    guard: Guard, asked: Asked, terms: Terms, found: Found, update: Fields, began: Began, clock: Clock
) -> Validated | Literal["for-caller"] | None:
    """The answer that a 304 freshens; or that it answers the caller's own condition; None if it helps nobody.

    Args:
        guard: the store.
        asked: the request.
        terms: how answers are cached.
        found: what was kept when the origin was asked.
        update: the fields of the 304.
        began: when it was asked.
        clock: what tells the time.
    """
    chosen = None if found.chosen is None else found.chosen.answer
    same = freshened(asked.fields, found.visible, chosen, update)
    if not same:
        return "for-caller" if is_for_caller(asked.fields, found.visible, chosen, update) else None
    base = found.chosen if same[0] is chosen else await _other(guard, found, same[0], terms)
    if base is None:
        return None
    wall = clock.wall()
    fields = Fields(merged(base.answer.fields.raw, update, terms.control(update)[0], wall))
    shown = Fields([line for line in fields.raw if line[0] != b"age"])
    answer = replace(base.answer, fields=shown, initial_age=initial_age(fields, began.sent, wall), received_at=wall)
    return Validated(base.with_answer(answer), fields, tuple(line for line in update.raw if line[0] == b"set-cookie"))


async def _other(guard: Guard, found: Found, answer: Answer, terms: Terms) -> Kept | None:
    """The whole of an answer that was not the one selected."""
    try:
        if found.variants:
            return (await fetched(guard, found, answer, terms)).chosen
        return None if found.primary is None else kept_in(found.primary, terms)
    except CorruptEntryError as error:
        guard.failed("get", error)
        return None
