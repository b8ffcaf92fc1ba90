"""An answer as a store keeps it, and what of that is believed when it comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

from msgspec.structs import replace

from resilient.caching.http.stated import Spans
from resilient.caching.http.terms import Terms
from resilient.call import INFINITE
from resilient.entry import Entry, Plain
from resilient.errors import CorruptEntryError
from resilient.http.answer import Answer, answer
from resilient.http.fields import Fields, Raw
from resilient.http.freshness import Lifetime, Source, resident
from resilient.http.vary import Selecting
from resilient.ports import Clock
from resilient.runtime.clock import which_clock

_EXTENSIONS = ("http_version", "reason_phrase")
MAX_STALE_KEPT = 3600.0
"""Seconds that an answer is kept beyond its end, for requests that take a stale one."""
VALIDATED_KEPT = 7 * 86_400.0
"""Seconds that an answer is kept beyond its end if the origin can be asked whether it still holds."""


class Times(NamedTuple):
    """When an answer came, and for how long it is good; seconds are counted from its receipt.

    Attributes:
        requested_at: when it was asked for, since the epoch.
        received_at: when it came, since the epoch.
        received: the same on the monotonic clock.
        clock: which monotonic clock.
        fresh_for: as good as new.
        served_for: served, as the strategy says.
    """

    requested_at: float
    received_at: float
    received: float
    clock: bytes
    fresh_for: float
    served_for: float

    @property
    def spans(self) -> Spans:
        """What the strategy wanted."""
        return Spans(self.fresh_for, self.served_for)

    def elapsed(self, clock: Clock) -> float:
        """Seconds since the receipt, by whichever clock says more."""
        ran = clock.now() - self.received if self.clock == which_clock(clock) else None
        return resident(self.received_at, clock.wall(), ran)


class Kept:
    """What an entry says, once it was found to be sound.

    Attributes:
        answer: the answer as the rules read it.
        body: its raw body.
        coding: its Content-Encoding, empty if there is none.
        extensions: the version of HTTP and the words beside the status.
        is_public: whether it is everybody's, whoever asked for it.
        note: the override that changed what it says, or ``ttl``; None if all is as the answer says.
        place: origin and path, without the query.
        terms: by which it was read.
        times: when it came.
    """

    __slots__ = ("answer", "body", "coding", "extensions", "is_public", "note", "place", "size", "terms", "times")

    def __init__(
        self,
        answer: Answer,
        body: bytes,
        times: Times,
        terms: Terms,
        *,
        extensions: Mapping[str, bytes],
        is_public: bool,
        note: str | None,
        place: str,
    ) -> None:
        self.answer = answer
        self.body = body
        self.times = times
        self.terms = terms
        self.extensions = extensions
        self.is_public = is_public
        self.note = note
        self.place = place
        self.coding = answer.fields.get("content-encoding") or ""
        self.size = 0

    def with_answer(self, answer: Answer) -> Kept:
        """The same body under other fields."""
        return Kept(
            answer,
            self.body,
            self.times,
            self.terms,
            extensions=self.extensions,
            is_public=self.is_public,
            note=self.note,
            place=self.place,
        )

    def gone_stale(self) -> Kept:
        """The same, good for nothing any more unless the origin confirms it."""
        made = self.with_answer(replace(self.answer, lifetime=Lifetime(0.0, "none")))
        made.times = self.times._replace(fresh_for=0.0, served_for=0.0)
        return made

    def read_by_others(self, stated: Lifetime) -> Kept:
        """The same for a policy that did not keep it, to which deviations from the rules and windows mean nothing.

        Args:
            stated: how long it is fresh by that policy's reading.
        """
        if self.note is not None:
            made = self.gone_stale()
            made.answer = replace(made.answer, control=replace(made.answer.control, no_cache=True))
            return made
        made = self.with_answer(replace(self.answer, lifetime=min(self.answer.lifetime, stated, key=_seconds_of)))
        left = max(0.0, made.answer.ttl(0.0))
        made.times = self.times._replace(fresh_for=left, served_for=left)
        return made

    def entry(self, tags: Iterable[str], fence: int) -> Entry:
        """What a store keeps of it."""
        times, answer = self.times, self.answer
        control = answer.control
        windows = (control.stale_while_revalidate or 0, control.stale_if_error or 0)
        beyond = min(self.terms.max_stale, max(MAX_STALE_KEPT, *windows))
        if answer.has_validator:
            beyond = max(beyond, VALIDATED_KEPT)
        meta: dict[str, Plain] = {
            "status": answer.status,
            "headers": answer.fields.raw,
            "extensions": self.extensions,
            "times": tuple(times),
            "lifetime": (answer.lifetime.seconds, answer.lifetime.source),
            "age": answer.initial_age,
            "selecting": answer.selecting,
            "public": self.is_public,
            "note": self.note,
            "place": self.place,
            "terms": self.terms.words,
        }
        return Entry(
            body=self.body,
            meta=meta,
            stored_at=times.received_at,
            fresh_until=times.received_at + times.fresh_for,
            expires_at=times.received_at + max(times.fresh_for, times.served_for) + beyond,
            tags=tuple(tags),
            fence=fence,
        ).ready(self)


def _seconds_of(lifetime: Lifetime) -> float:
    return lifetime.seconds


def said_beside(extensions: Mapping[str, Any]) -> dict[str, bytes]:
    """What of a response's extensions is kept with it."""
    return {name: extensions[name] for name in _EXTENSIONS if isinstance(extensions.get(name), bytes)}


def kept_in(entry: object, terms: Terms) -> Kept:
    """What ``entry`` keeps; a store is not believed to give back what it was given.

    Raises:
        CorruptEntryError: there is no answer in it.
    """
    known = getattr(entry, "decoded", None)
    if isinstance(known, Kept) and (known.terms is terms or known.terms.words == terms.words):
        return known
    try:
        kept = _read(entry, terms)
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise CorruptEntryError("an entry is no answer", rejected="value") from error
    # A store in memory gives back the same entry each time.
    object.__setattr__(entry, "decoded", kept)
    return kept


def _read(entry: Any, terms: Terms) -> Kept:
    meta = entry.meta
    status, extensions = meta["status"], meta["extensions"]
    if type(entry) is not Entry or type(entry.body) is not bytes or type(status) is not int or not 200 <= status < 600:
        raise ValueError(status)
    times = Times(*meta["times"])
    numbers = (*times[:3], *times[4:], entry.stored_at, entry.fresh_until)
    if type(times.clock) is not bytes or not sum(abs(number) for number in numbers) < INFINITE:
        raise ValueError(times)
    if not all(isinstance(value, bytes) for value in extensions.values()):
        raise TypeError(extensions)
    fields = Fields(sound_fields(meta["headers"]))
    seconds, source = meta["lifetime"]
    age = meta["age"]
    if not (abs(seconds) < INFINITE and 0 <= age < INFINITE) or source not in get_args(Source):
        raise ValueError(seconds)
    control, _ = terms.control(fields)
    found = answer(
        status,
        fields,
        requested_at=times.requested_at,
        received_at=times.received_at,
        selecting=selecting_in(meta["selecting"]),
        control=control,
    )
    kept = Kept(
        replace(found, lifetime=Lifetime(float(seconds), source), initial_age=float(age)),
        entry.body,
        times,
        terms,
        extensions=extensions,
        is_public=meta["public"] is True,
        note=_text(meta["note"]),
        place=str(meta["place"]),
    )
    return kept if meta.get("terms") == terms.words else kept.read_by_others(found.lifetime)


def sound_fields(headers: Any) -> Raw:
    """Header fields as they are believed to be; raises TypeError if they are none."""
    found = tuple((name, value) for name, value in headers)
    if not all(type(name) is bytes and type(value) is bytes for name, value in found):
        raise TypeError(found)
    return found


def selecting_in(given: Any) -> Selecting:
    """Selecting fields as they are believed to be; raises TypeError if they are none."""
    found = tuple((name, value) for name, value in given)
    if not all(type(name) is str and (value is None or type(value) is str) for name, value in found):
        raise TypeError(found)
    return found


def _text(given: Any) -> str | None:
    return given if given is None or type(given) is str else None
