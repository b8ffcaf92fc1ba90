"""Where the answers to one resource lie: one alone under the resource's key, several beside a list of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from resilient.caching.guard import Guard
from resilient.caching.http.asked import NOBODY, Asked, digest
from resilient.caching.http.kept import Kept, kept_in, selecting_in, sound_fields
from resilient.caching.http.terms import Terms
from resilient.entry import Entry, Plain
from resilient.errors import CorruptEntryError
from resilient.http.answer import Answer, answer
from resilient.http.fields import Fields
from resilient.http.variants import selected
from resilient.http.vary import Selecting

MAX_VARIANTS = 64
"""Answers to one resource that are kept for one partition; of more the oldest go."""
ANSWER = re.compile(r"http:\{[0-9a-f]{32}\}:(?P<partition>everybody|[0-9a-f]{32})(?::[0-9a-f]{32})?\Z")
"""The end of the name of an answer, or of a list of them, in a store."""
_TRIES = 8
"""How often a list that others change at the same time is written anew."""
_LISTED = (b"etag", b"last-modified", b"date", b"content-language", b"content-encoding")
"""Fields by which an answer is selected, or asked for anew."""


def key_of(resource: str, partition: str) -> str:
    """The key of what is kept of a resource for a partition; empty for nobody's.

    By the part in braces a cluster keeps all of a resource together: its answers, its mark and its tag.
    """
    return f"http:{{{resource}}}:{partition or 'everybody'}"


class Variant(NamedTuple):
    """One of several answers in a list.

    Attributes:
        name: what its key ends with.
        answer: as much of it as selects it.
        is_public: whether it is everybody's.
    """

    name: str
    answer: Answer
    is_public: bool

    def row(self) -> Plain:
        """What a store keeps of it."""
        answer = self.answer
        fields = tuple((name, value) for name, value in answer.fields.raw if name in _LISTED)
        return self.name, answer.selecting, fields, answer.received_at, self.is_public


class Listed(NamedTuple):
    """A list of variants, as it was read once."""

    variants: tuple[Variant, ...]


class Found(NamedTuple):
    """What is kept of a resource for one partition.

    Attributes:
        key: where it lies.
        primary: what lies there, None if nothing does.
        variants: several answers, the latest first; empty if ``primary`` is an answer itself.
        visible: the answers that may be used for the request, as far as they are known.
        latest: the selecting fields of the latest answer.
        chosen: the answer that was selected, which is one of the visible ones.
        entry: where that was found.
    """

    key: str
    primary: Entry | None = None
    variants: Sequence[Variant] = ()
    visible: Sequence[Answer] = ()
    latest: Selecting = ()
    chosen: Kept | None = None
    entry: Entry | None = None

    def name_of(self, answer: Answer) -> str | None:
        """What the key of a variant ends with, None for the only answer."""
        return next((one.name for one in self.variants if one.answer.selecting == answer.selecting), None)


async def find(
    guard: Guard, asked: Asked, terms: Terms, beside: Callable[[], Sequence[str]] = tuple
) -> tuple[Found, Mapping[str, Entry | None] | None]:
    """What is kept for a request: what is its caller's own, else what is everybody's.

    Args:
        guard: the store.
        asked: the request.
        terms: how answers are cached.
        beside: other keys that are read by the same command.

    Returns:
        That, and the entries of the other keys: none if an answer was found without that command, None if the store
        does not say.
    """
    own = key_of(asked.resource, asked.partition)
    if not asked.partition:
        primary, others = await guard.look(own, beside)
        return Found(own) if primary is None else await _found_in(guard, asked, terms, own, primary), others
    everybodys = key_of(asked.resource, NOBODY)
    primary, others = await guard.look(own, lambda: [everybodys, *beside()])
    found = Found(own) if primary is None else await _found_in(guard, asked, terms, own, primary)
    if others:
        primary = others.pop(everybodys)
    else:
        primary = await guard.get(everybodys) if others == {} and found.chosen is None else None
    if found.chosen is None and primary is not None:
        shared = await _found_in(guard, asked, terms, everybodys, primary, public=True)
        # Of several that do not fit, too, the origin can be asked which one holds.
        found = shared if shared.chosen is not None or (found.primary is None and shared.visible) else found
    return found, others


async def _found_in(
    guard: Guard, asked: Asked, terms: Terms, key: str, primary: Entry, *, public: bool = False
) -> Found:
    """What is kept under ``key``, where ``primary`` lies; only what is everybody's, if so wanted."""
    try:
        if "variants" not in primary.meta:
            return _alone(primary, asked, kept_in(primary, terms), key, public)
        variants = _variants_in(primary, terms)
        visible = [one.answer for one in variants if one.is_public or not public]
        found = Found(key, primary, variants, visible, variants[0].answer.selecting if variants else ())
        chosen = selected(visible, asked.fields)
        return found if chosen is None else await fetched(guard, found, chosen, terms)
    except CorruptEntryError as error:
        guard.failed("get", error)
        return Found(key)


def _alone(primary: Entry, asked: Asked, kept: Kept, key: str, public: bool) -> Found:
    answer = kept.answer
    if public and not kept.is_public:
        return Found(key, primary, latest=answer.selecting)
    if fits(answer, asked):
        return Found(key, primary, (), (answer,), answer.selecting, kept, primary)
    return Found(key, primary, (), (answer,), answer.selecting)


async def fetched(guard: Guard, found: Found, chosen: Answer, terms: Terms) -> Found:
    """The same, with the variant that was chosen, unless that is gone.

    Raises:
        CorruptEntryError: what lies there is no answer.
    """
    entry = await guard.get(f"{found.key}:{found.name_of(chosen)}")
    if entry is None:
        return found
    kept = kept_in(entry, terms)
    visible = [kept.answer if one is chosen else one for one in found.visible]
    return found._replace(chosen=kept, entry=entry, visible=visible)


def fits(answer: Answer, asked: Asked) -> bool:
    """Whether an answer stands for the request, and is coded as that accepts."""
    if not answer.selecting and "content-encoding" not in answer.fields:
        return True
    return selected([answer], asked.fields) is not None


def _variants_in(entry: Entry, terms: Terms) -> Sequence[Variant]:
    """The variants in a list; a store is not believed to give back what it was given.

    Raises:
        CorruptEntryError: it is none.
    """
    known = entry.decoded
    if isinstance(known, Listed):
        return known.variants
    try:
        rows: Any = entry.meta["variants"]
        found = tuple(_variant(*row) for row in rows)
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise CorruptEntryError("an entry is no list of answers", rejected="value") from error
    entry.ready(Listed(found))
    return found


def _variant(name: object, selecting: object, fields: object, received_at: Any, is_public: object) -> Variant:
    made = answer(
        200,
        Fields(sound_fields(fields)),
        requested_at=received_at,
        received_at=float(received_at),
        selecting=selecting_in(selecting),
    )
    return Variant(str(name), made, is_public is True)


async def keep(
    guard: Guard, found: Found, kept: Kept, entry: Entry, marks: Mapping[str, Entry | None], secret: bytes
) -> bool | None:
    """Put an answer in its place, unless something was forgotten since its making began.

    Args:
        guard: the store.
        found: what was there when it was last looked at.
        kept: the answer.
        entry: the same, as it is written.
        marks: what was forgotten last, when its making began.
        secret: the store's.

    Returns:
        False if it was overtaken; None if the store did not say.
    """
    for _ in range(_TRIES):
        changes = _changes(found, kept, entry, secret)
        done = await guard.change(changes, {found.key: found.primary}, marks)
        if done is not False:
            return done
        if await guard.get_many(list(marks)) != list(marks.values()):
            return False
        found = await _looked_at_again(guard, found, kept.terms)
    return False


async def _looked_at_again(guard: Guard, found: Found, terms: Terms) -> Found:
    primary = await guard.get(found.key)
    try:
        variants = _variants_in(primary, terms) if primary is not None and "variants" in primary.meta else ()
    except CorruptEntryError as error:
        guard.failed("get", error)
        variants = ()
    return Found(found.key, primary, variants)


def _changes(found: Found, kept: Kept, entry: Entry, secret: bytes) -> Mapping[str, Entry | None]:
    """What has to be written so that ``entry`` is found, and all that does not stand for the same requests too."""
    key, mine = found.key, kept.answer.selecting
    others = [one for one in found.variants if one.answer.selecting != mine]
    changes: dict[str, Entry | None] = {}
    if found.primary is not None and not found.variants and mine:
        before = _alone_in(found.primary, kept.terms)
        if before is not None and before.answer.selecting and before.answer.selecting != mine:
            moved = Variant(variant_name(before.answer.selecting, secret), before.answer, before.is_public)
            others = [moved]
            changes[f"{key}:{moved.name}"] = found.primary.without_fence()
    if not others and not found.variants:
        return {key: entry}
    for one in others[MAX_VARIANTS - 1 :]:
        changes[f"{key}:{one.name}"] = None
    name = variant_name(mine, secret)
    rows = (Variant(name, kept.answer, kept.is_public), *others[: MAX_VARIANTS - 1])
    ends = entry.expires_at if found.primary is None else max(entry.expires_at, found.primary.expires_at)
    stored = entry.stored_at
    listed = Entry(
        body=b"",
        meta={"variants": tuple(one.row() for one in rows)},
        stored_at=stored,
        fresh_until=stored,
        expires_at=ends,
        fence=entry.fence,
    ).ready(Listed(rows))
    return {**changes, key: listed, f"{key}:{name}": entry}


def _alone_in(entry: Entry, terms: Terms) -> Kept | None:
    try:
        return kept_in(entry, terms)
    except CorruptEntryError:
        return None


def variant_name(selecting: Selecting, secret: bytes) -> str:
    """What the key of an answer ends with that stands for such requests."""
    return digest(repr(selecting).encode(), secret)
