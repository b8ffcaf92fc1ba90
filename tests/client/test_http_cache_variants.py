"""Several answers of one URL, chosen by the fields that they vary by."""

import pytest

from resilient.testing import Reply

from .http_caching import CACHED, fresh, is_hit, status_of, validated


def by_language(request, *_):
    """An answer in the language that is asked for."""
    language = request.headers.get("accept-language", "none")
    return Reply(body=language.encode(), headers={**fresh(), "vary": "Accept-Language"})


def test_variants_do_not_drive_each_other_out(world, origin):
    """Ten of one URL: in the second round each is a hit, with its own body."""
    caller = world.client(origin, CACHED)
    origin.behaves(
        lambda request, *_: Reply(body=request.headers["x-kind"].encode(), headers={**fresh(), "vary": "x-kind"})
    )
    kinds = [f"kind {number}" for number in range(10)]
    for _ in range(2):
        answers = [caller.get(headers={"x-kind": kind}) for kind in kinds]
        assert [answer.text for answer in answers] == kinds
    assert all(map(is_hit, answers))
    assert origin.sent == 10


def test_who_asks_for_another_variant_asks_the_origin(world, origin):
    """And is told why: something is kept of that URL, but nothing that fits."""
    caller = world.client(origin, CACHED)
    origin.behaves(by_language)
    assert status_of(caller.get(headers={"accept-language": "de"}))["fwd"] == "uri-miss"
    other = caller.get(headers={"accept-language": "fr"})
    assert (other.text, status_of(other)["fwd"]) == ("fr", "vary-miss")


def test_a_field_that_is_absent_matches_its_absence_only(world, origin):
    """RFC 9111 section 4.1."""
    caller = world.client(origin, CACHED)
    origin.behaves(by_language)
    client = caller.client
    del client.headers["accept-encoding"]
    assert [caller.get(headers=fields).text for fields in ({}, {"accept-language": "de"}, {})] == ["none", "de", "none"]
    assert origin.sent == 2


@pytest.mark.parametrize("vary", ["*", "Accept, *", ["Accept", "*"]])
def test_what_varies_by_everything_never_matches(world, origin, vary):
    """A star anywhere in the list."""
    caller = world.client(origin, CACHED)
    lines = [vary] if isinstance(vary, str) else vary
    origin.answers(headers=[*fresh().items(), *(("vary", line) for line in lines)])
    assert [is_hit(caller.get()) for _ in range(2)] == [False, False]


def test_a_304_never_answers_by_a_variant_that_does_not_match(world, origin):
    """The date of the French answer is no condition for the German one, even where the origin would take it for one."""
    caller = world.client(origin, CACHED)
    date = "Sat, 01 Nov 2025 00:00:00 GMT"

    def behave(request, *_):
        if "if-modified-since" in request.headers:
            return Reply(status=304, headers={"vary": "accept-language", "last-modified": date})
        language = request.headers["accept-language"].encode()
        return Reply(body=language, headers={**fresh(0), "last-modified": date, "vary": "accept-language"})

    origin.behaves(behave)
    languages = ["fr", "en", "de", "fr", "de"]
    assert [caller.get(headers={"accept-language": language}).text for language in languages] == languages
    assert [request.status for request in origin.requests] == [200, 200, 200, 304, 304]


def test_a_304_refreshes_the_variant_that_it_confirms_and_no_other(world, origin):
    """By its strong validator (RFC 9111 section 4.3.4)."""
    caller = world.client(origin, CACHED)

    def behave(request, *_):
        language = request.headers["accept-language"]
        headers = {**fresh(10), "vary": "accept-language"}
        return validated(request, f'"{language}"', body=language.encode(), headers=headers)

    origin.behaves(behave)
    german, french = {"accept-language": "de"}, {"accept-language": "fr"}
    caller.get(headers=german)
    caller.get(headers=french)
    world.clock.advance(20)
    assert caller.get(headers=german).text == "de"
    assert origin.requests[-1].status == 304
    assert is_hit(caller.get(headers=german))
    last = caller.get(headers=french)
    assert (last.text, is_hit(last)) == ("fr", False)
