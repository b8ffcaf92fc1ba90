"""What a store keeps of the answers of HTTP, for people to look at; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resilient.caching.http.places import ANSWER
from resilient.entry import Entry
from resilient.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """One answer in a store; instants are seconds since the epoch.

    Attributes:
        key: its key there.
        place: origin and path; the query is not kept.
        partition: a digest of whose answer it is, None for nobody's.
        is_public: whether it may be served to everybody.
        status: its status.
        headers: its header fields.
        size: bytes of its raw body.
        varies_by: names of the request fields that selected it.
        stored_at: when it came.
        fresh_until: until then it is as good as new.
        expires_at: after that it is gone.
        tags: its groups and other tags.
        note: the override that changed what it says, or ``ttl``; None if there is none.
    """

    key: str
    place: str
    partition: str | None
    is_public: bool
    status: int
    headers: Mapping[str, str]
    size: int
    varies_by: tuple[str, ...]
    stored_at: float
    fresh_until: float
    expires_at: float
    tags: tuple[str, ...]
    note: str | None


def kept_answers(store: Store) -> Iterator[KeptAnswer]:
    """The answers in a store, as far as they are sound; functions' values and lists of variants are passed over.

    Raises:
        StoreError: the store failed.
    """
    for key in store.scan():
        found = ANSWER.search(key)
        entry = None if found is None else store.get(key)
        if found is None or entry is None:
            continue
        partition = found["partition"]
        answer = _answer(key, None if partition == "everybody" else partition, entry)
        if answer is not None:
            yield answer


def _answer(key: str, partition: str | None, entry: Entry) -> KeptAnswer | None:
    meta: Mapping[str, Any] = entry.meta
    try:
        headers: dict[str, str] = {}
        for name, value in meta["headers"]:
            line, text = name.decode("latin-1"), value.decode("latin-1")
            headers[line] = f"{headers[line]}, {text}" if line in headers else text
        return KeptAnswer(
            key=key,
            place=str(meta["place"]),
            partition=partition,
            is_public=meta["public"] is True,
            status=int(meta["status"]),
            headers=headers,
            size=len(entry.body),
            varies_by=tuple(str(name) for name, _ in meta["selecting"]),
            stored_at=entry.stored_at,
            fresh_until=entry.fresh_until,
            expires_at=entry.expires_at,
            tags=entry.tags,
            note=meta["note"],
        )
    except (AttributeError, TypeError, ValueError, LookupError):
        return None
