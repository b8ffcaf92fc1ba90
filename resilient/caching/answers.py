"""An answer as a store keeps it, and what of that is believed when it comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from resilient.call import INFINITE
from resilient.entry import Entry, Plain
from resilient.errors import CorruptEntryError
from resilient.http.storing import kept_fields

_EXTENSIONS = ("http_version", "reason_phrase")


class Answer(NamedTuple):
    """What an entry says, once it was found to be sound.

    Attributes:
        status: of the answer.
        fields: its header fields, less its age.
        coding: its Content-Encoding, empty if there is none.
        extensions: the version of HTTP and the words beside the status.
    """

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    coding: str
    extensions: Mapping[str, bytes]


def meta_of(
    status: int, fields: Iterable[tuple[bytes, bytes]], connection: Sequence[str], extensions: Mapping[str, Any]
) -> dict[str, Plain]:
    """What an entry says beside the raw body.

    Args:
        status: of the answer.
        fields: all of its header fields.
        connection: the names in its Connection fields.
        extensions: of the response.
    """
    said = {name: extensions[name] for name in _EXTENSIONS if isinstance(extensions.get(name), bytes)}
    return {"status": status, "headers": tuple(kept_fields(fields, connection)), "extensions": said}


def answer_of(entry: object) -> Answer:
    """The answer that ``entry`` keeps; a store is not believed to give back what it was given.

    Raises:
        CorruptEntryError: there is none in it.
    """
    known = getattr(entry, "decoded", None)
    if isinstance(known, Answer):
        return known
    try:
        answer = _read(entry)
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise CorruptEntryError("an entry is no answer", kind="corrupt") from error
    # A store in memory gives back the same entry each time.
    object.__setattr__(entry, "decoded", answer)
    return answer


def _read(entry: Any) -> Answer:
    meta = entry.meta
    fields: list[tuple[bytes, bytes]] = []
    codings: list[str] = []
    status, extensions = meta["status"], meta["extensions"]
    if type(entry) is not Entry or type(entry.body) is not bytes or type(status) is not int or not 200 <= status < 600:
        raise ValueError(status)
    if not abs(entry.stored_at) + abs(entry.fresh_until) < INFINITE:
        raise ValueError(entry.stored_at)
    for name, value in meta["headers"]:
        if type(name) is not bytes or type(value) is not bytes:
            raise TypeError(name)
        if name == b"content-encoding":
            codings.append(value.decode("latin-1"))
        if name != b"age":
            fields.append((name, value))
    if not all(isinstance(value, bytes) for value in extensions.values()):
        raise TypeError(extensions)
    return Answer(status, tuple(fields), ",".join(codings), extensions)
