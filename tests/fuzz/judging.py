"""What is fuzzed: every rule of HTTP caching, on a request, an answer and a later answer made of any bytes."""

from resilient.http.answer import answer
from resilient.http.asking import asking, why_bypassed
from resilient.http.directives import cache_control, response_control
from resilient.http.etags import parse_etag, parse_etags
from resilient.http.fields import Fields, members
from resilient.http.groups import groups, invalidated_groups
from resilient.http.invalidation import invalidated
from resilient.http.keeping import is_complete, kept, why_not_kept
from resilient.http.ranges import part, part_fields
from resilient.http.reuse import must_be_validated, stands_in, verdict
from resilient.http.status import CacheStatus
from resilient.http.structured import dictionary, list_of
from resilient.http.validation import (
    agrees,
    conditions,
    freshened,
    is_for_caller,
    is_not_modified,
    merged,
    not_modified,
)
from resilient.http.variants import selected
from resilient.http.vary import matches, selecting, vary_names

NOW = 1_700_000_000.0
METHODS = ("GET", "HEAD", "POST", "get")
TARGETS = ("mine-cache-control",)


def judge(data: bytes) -> None:
    """Put ``data`` to every rule: a line of numbers, then three messages, an empty line before each.

    Raises:
        AssertionError: a rule contradicts itself.
    """
    numbers, *messages = data.split(b"\n\n")
    first, second, third = ([*messages, b"", b"", b""])[:3]
    seed = [*numbers[:4], 0, 0, 0, 0]
    method, status, length, resident = METHODS[seed[0] % 4], 100 + 2 * seed[1], seed[2], float(seed[3])
    request, response, later = raw_of(first), Fields(raw_of(second)), Fields(raw_of(third))
    asked = asking(method, "http://example.test", b"/" + numbers, request)
    names = vary_names(response)
    found = answer(
        status,
        response,
        requested_at=NOW - 1,
        received_at=NOW,
        targets=TARGETS,
        selecting=selecting(names, asked.fields),
    )
    other = answer(200, later, requested_at=NOW, received_at=NOW, selecting=selecting(vary_names(later), later))
    why_bypassed(asked)
    _is_kept(asked, found, status)
    _is_served(asked, found, resident)
    _is_confirmed(asked.fields, [found, other], later)
    _is_cut(asked.fields, found, length)
    _is_read(second)
    for path in invalidated(asked.origin, asked.raw_path, response)[1:]:
        assert path.startswith(b"/")
        assert path.isascii()
    groups(response)
    invalidated_groups(method, status, response)
    is_complete(length, response.get("content-length"), False)
    assert len(list_of(str(CacheStatus(hit=True, detail=response.get("a"), cache=later.get("a") or "")))) == 1


def raw_of(message):
    """Name and value of each line."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in message.split(b"\n"))]


def _is_kept(asked, found, status):
    control = found.control
    reason = why_not_kept(status, asking=asked, answer=found, unkeyed=("a",), window=5.0)
    if asked.control.no_store or (control.no_store and not control.must_understand):
        assert reason is not None
    again = Fields(kept(found.fields, control, NOW))
    assert kept(again, control, NOW) == again.raw
    assert "set-cookie" not in again
    assert "date" in again or "date" in found.fields
    assert found.lifetime.seconds >= 0
    assert found.initial_age >= 1


def _is_served(asked, found, resident):
    control = asked.control
    now, then = verdict(found, control, resident, 9.0), verdict(found, control, resident + 1, 9.0)
    if now.use in ("validate", "unavailable"):
        assert then.use in ("validate", "unavailable")
    if must_be_validated(found) or control.no_cache:
        assert now.use not in ("stale", "behind")
        assert not stands_in(found, control, resident, 9.0)
    mine = selecting([name for name, _ in found.selecting], asked.fields)
    assert matches(found.selecting, mine) == all(name != "*" for name, _ in mine)


def _is_confirmed(request, variants, later):
    chosen = selected(variants, request)
    assert chosen is None or chosen in variants
    for one in (chosen, None):
        lines = conditions(request, variants, one)
        assert all(b"\n" not in name + value for name, value in lines)
        is_for_caller(request, variants, one, later)
        assert all(fresh in variants for fresh in freshened(request, variants, one, later))
    control = response_control(later, TARGETS)
    stored = variants[0].fields.raw
    once = merged(stored, later, control, NOW)
    assert merged(once, later, control, NOW) == once
    not_modified(once)
    agrees(variants[0], later)
    is_not_modified(request, variants[0])


def _is_cut(request, found, length):
    cut = part(request, found, length)
    if isinstance(cut, range):
        assert 0 <= cut.start < cut.stop <= length
        part_fields(found.fields.raw, cut, length)


def _is_read(data):
    text = data.decode("latin-1")
    cache_control([text])
    dictionary(text)
    assert all(members(text))
    tag = parse_etag(text)
    assert tag is None or parse_etag(str(tag)) == tag
    for one in parse_etags(text):
        assert parse_etags(str(one)) == (one,)
