"""Asking whether an answer still holds: RFC 9111 section 4.3 and RFC 9110 section 13."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.directives import ResponseControl, response_control
from resilient.http.etags import parse_etag
from resilient.http.fields import Fields
from resilient.http.validation import (
    agrees,
    conditions,
    freshened,
    is_for_caller,
    is_not_modified,
    merged,
    not_modified,
)
from tests.http.making import NOW, fields, kept

A, B, WEAK = '"a"', '"b"', 'W/"w"'
CHANGED = fields(last_modified=-1000).raw[0][1].decode()
CHANGED_LATER = fields(last_modified=-500).raw[0][1].decode()


def variant(foo, **named):
    """A variant for requests that say ``Foo: foo``."""
    return kept(request=fields(foo=foo), vary="Foo", **named)


def sent(request, variants, chosen):
    """The lines that are sent, as text."""
    return [f"{name.decode()}: {value.decode('latin-1')}" for name, value in conditions(request, variants, chosen)]


# --- section 4.3.1: sending a validation request -----------------------------------------------------------------


def test_what_is_kept_is_asked_about():
    """By its tag and its date, letter by letter; a weak tag too; nothing by what is neither."""
    for tag in (A, WEAK):
        one = kept(etag=tag, last_modified=-1000)
        assert sent(fields(), [one], one) == [f"if-none-match: {tag}", f"if-modified-since: {CHANGED}"]
    one = kept(last_modified=-1000)
    assert sent(fields(), [one], one) == [f"if-modified-since: {CHANGED}"]
    for one in (kept(), kept(etag="*"), kept(last_modified="yesterday")):
        assert sent(fields(), [one], one) == []
    assert sent(fields(), [], None) == []


def test_a_date_is_none_but_that_of_the_answer_that_was_selected():
    """Another variant changed later: asked about that, the origin would confirm what was never meant."""
    one, other = variant("1", last_modified=-1000), variant("2", last_modified=-500)
    assert sent(fields(foo="1"), [other, one], one) == [f"if-modified-since: {CHANGED}"]
    assert sent(fields(foo="3"), [other, one], None) == []


def test_the_tags_of_all_variants_are_sent():
    """That of the selected one first; no tag twice."""
    one, other, same = variant("1", etag=A), variant("2", etag=B), variant("3", etag=B)
    assert sent(fields(foo="2"), [one, other, same], other) == ['if-none-match: "b", "a"']
    assert sent(fields(foo="4"), [one, other, same], None) == ['if-none-match: "a", "b"']


def test_a_tag_without_quotes_is_sent_back_as_it_came():
    """Alone: whoever writes no quotes reads no lists; that of another variant is not sent."""
    one, other = variant("1", etag="abc"), variant("2", etag=B)
    assert sent(fields(foo="1"), [one, other], one) == ["if-none-match: abc"]
    assert sent(fields(foo="2"), [one, other], other) == ['if-none-match: "b"']
    assert freshened(fields(), [one], one, fields(etag="abc")) == (one,)
    assert freshened(fields(), [one, other], other, fields(etag="abc")) == ()


def test_a_weak_tag_of_another_variant_is_not_sent():
    """Variants may have it in common."""
    one, other = variant("1", etag=A), variant("2", etag=WEAK)
    assert sent(fields(foo="1"), [one, other], one) == ['if-none-match: "a"']
    assert sent(fields(foo="3"), [other], None) == []


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        (['If-None-Match: "x"'], ['if-none-match: "x", "a"', f"if-modified-since: {CHANGED}"]),
        (['If-None-Match: "x", "a"'], ['if-none-match: "x", "a"', f"if-modified-since: {CHANGED}"]),
        (
            ['If-None-Match: "x"', 'If-None-Match: "y"'],
            ['if-none-match: "x", "y", "a"', f"if-modified-since: {CHANGED}"],
        ),
        (['If-None-Match: W/"a"'], ['if-none-match: W/"a", "a"', f"if-modified-since: {CHANGED}"]),
        (["If-None-Match: *"], ["if-none-match: *"]),
        (["If-None-Match: unquoted"], ["if-none-match: unquoted"]),
        ([f"If-Modified-Since: {CHANGED_LATER}"], ['if-none-match: "a"', f"if-modified-since: {CHANGED}"]),
    ],
)
def test_the_callers_tags_are_joined_with_ours(asked, lines):
    """His date gives way to ours; what cannot be joined stays as it is."""
    one = kept(etag=A, last_modified=-1000)
    assert sent(fields(*asked), [one], one) == lines


@pytest.mark.parametrize("asked", [['If-None-Match: "x"'], [f"If-Modified-Since: {CHANGED}"], ["If-None-Match: *"]])
def test_the_callers_conditions_go_on_where_we_have_none(asked):
    """To the letter: nothing kept, or nothing to ask by."""
    lines = [line[:17].lower() + line[17:] if "Since" in line else line[:13].lower() + line[13:] for line in asked]
    assert sent(fields(*asked), [], None) == lines
    one = kept()
    assert sent(fields(*asked), [one], one) == lines


def test_a_callers_date_is_not_joined_with_tags_of_other_variants():
    """His answer would be told by the one, ours by the other."""
    asked = fields(if_modified_since=-1000, foo="2")
    assert sent(asked, [variant("1", etag=A)], None) == [f"if-modified-since: {CHANGED}"]


# --- section 4.3.4: freshening stored responses upon validation --------------------------------------------------


def test_a_strong_tag_names_all_that_have_it():
    """The one that was selected first, else the latest; a weak tag of the same text is not it."""
    one, other = variant("1", etag=A, date=1), variant("2", etag=A, date=2)
    weak, stranger = variant("3", etag='W/"a"', date=3), variant("4", etag=B)
    variants = [one, weak, other, stranger]
    assert freshened(fields(), variants, one, fields(etag=A)) == (one, other)
    assert freshened(fields(), variants, None, fields(etag=A)) == (other, one)
    assert freshened(fields(), variants, one, fields(etag='"x"')) == ()


def test_a_weak_tag_names_only_the_selected_answer():
    """Another variant may have the same."""
    one, other = variant("1", etag=WEAK), variant("2", etag='"w"')
    assert freshened(fields(), [one, other], one, fields(etag=WEAK)) == (one,)
    assert freshened(fields(), [one, other], other, fields(etag=WEAK)) == (other,)
    assert freshened(fields(), [one, other], None, fields(etag=WEAK)) == ()


def test_a_date_names_only_the_selected_answer():
    """And only if it is its own."""
    one, other = variant("1", last_modified=-1000), variant("2", last_modified=-500)
    assert freshened(fields(), [one, other], one, fields(last_modified=-1000)) == (one,)
    assert freshened(fields(), [one, other], one, fields(last_modified=-500)) == ()
    assert freshened(fields(), [one, other], None, fields(last_modified=-500)) == ()


def test_without_any_validator_only_a_sole_answer_can_be_meant():
    """That stands for the request, and was asked about."""
    one, other = variant("1", etag=A), variant("2", etag=B)
    assert freshened(fields(), [one], one, fields()) == (one,)
    assert freshened(fields(), [one, other], one, fields()) == ()
    assert freshened(fields(), [one], None, fields()) == ()
    unasked = kept()
    assert freshened(fields(), [unasked], unasked, fields()) == ()


def test_another_tag_than_the_only_one_that_was_asked_about():
    """The origin said that this one holds, and wrote down another; among several that would be a guess."""
    one, other = kept(etag=A), variant("2", etag=B)
    assert freshened(fields(), [one], one, fields(etag='"x"')) == (one,)
    assert freshened(fields(), [one, other], one, fields(etag='"x"')) == ()
    assert freshened(fields(if_none_match='"y"'), [one], one, fields(etag='"x"')) == ()


def test_a_304_that_may_be_about_the_callers_tag_freshens_nothing():
    """It names none, and his is not ours; if it is ours, there is no doubt."""
    one = kept(etag=A)
    assert freshened(fields(if_none_match='"x"'), [one], one, fields()) == ()
    assert freshened(fields(if_none_match="*"), [one], one, fields()) == ()
    assert freshened(fields(if_none_match=A), [one], one, fields()) == (one,)


# --- section 4.3.2: whose 304 it is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered", "his"),
    [
        ({"if_none_match": '"x"'}, {"etag": '"x"'}, True),
        ({"if_none_match": '"x", W/"y"'}, {"etag": '"y"'}, True),
        ({"if_none_match": '"x"'}, {"etag": '"z"'}, False),
        ({"if_none_match": '"x"'}, {}, False),
        ({"if_none_match": "*"}, {}, True),
        ({"if_modified_since": -500}, {}, False),
        ({}, {"etag": '"x"'}, False),
    ],
)
def test_whether_a_304_is_for_the_caller(asked, answered, his):
    """If it names his tag; else we asked about ours too, and cannot tell."""
    one = kept(etag=A)
    assert is_for_caller(fields(**asked), [one], one, fields(**answered)) is his


@pytest.mark.parametrize("asked", [{"if_none_match": '"x"'}, {"if_modified_since": -500}, {"if_none_match": "*"}])
def test_a_304_is_for_the_caller_if_nothing_of_ours_was_asked(asked):
    """Whatever it says."""
    assert is_for_caller(fields(**asked), [], None, fields())
    assert is_for_caller(fields(**asked), [], None, fields(etag=A))
    assert not is_for_caller(fields(), [], None, fields(etag=A))


@pytest.mark.parametrize(
    ("asked", "answer", "has_it"),
    [
        ({"if_none_match": A}, {"etag": A}, True),
        ({"if_none_match": '"x", "a"'}, {"etag": A}, True),
        ({"if_none_match": 'W/"a"'}, {"etag": A}, True),
        ({"if_none_match": A}, {"etag": 'W/"a"'}, True),
        ({"if_none_match": B}, {"etag": A}, False),
        ({"if_none_match": "*"}, {"etag": A}, True),
        ({"if_none_match": "*"}, {}, True),
        ({"if_none_match": A}, {}, False),
        ({"if_none_match": "a"}, {"etag": "a"}, False),
        ({"if_none_match": "a"}, {"etag": A}, False),
        ({"if_none_match": B, "if_modified_since": 0}, {"etag": A, "last_modified": -1000}, False),
        ({"if_none_match": A, "if_modified_since": -5000}, {"etag": A, "last_modified": -1000}, True),
        ({"if_modified_since": -1000}, {"last_modified": -1000}, True),
        ({"if_modified_since": -500}, {"last_modified": -1000}, True),
        ({"if_modified_since": -1001}, {"last_modified": -1000}, False),
        ({"if_modified_since": "Tuesday, 14-Nov-23 22:13:20 GMT"}, {"last_modified": -1000}, True),
        ({"if_modified_since": "now"}, {"last_modified": -1000}, False),
        ({"if_modified_since": -500}, {"date": -1000}, True),
        ({"if_modified_since": -500}, {"date": 0}, False),
        ({"if_modified_since": -1}, {}, False),
        ({"if_modified_since": 0}, {}, True),
        ({}, {"etag": A}, False),
    ],
)
def test_whether_the_caller_has_it_already(asked, answer, has_it):
    """Tags weakly, and before dates; without Last-Modified the Date counts, without that the time of its coming."""
    assert is_not_modified(fields(**asked), kept(**answer)) is has_it


def test_only_a_200_is_compared_with_what_the_caller_has():
    """RFC 9110 section 13.2.1: another status is what it is."""
    assert not is_not_modified(fields(if_none_match=A), kept(status=404, etag=A))


def test_the_fields_of_a_304_of_ours():
    """RFC 9110 section 15.4.5."""
    stored = fields(
        "Cache-Control: a", "Content-Location: b", "Date: c", "ETag: d", "Expires: e", "Vary: f", "Last-Modified: g",
        "Content-Length: 5", "Content-Type: x", "X-Other: y",
    )  # fmt: skip
    assert "".join(value.decode() for _, value in not_modified(stored.raw)) == "abcdefg"


# --- section 3.2: updating stored header fields ------------------------------------------------------------------


def updated(stored, update):
    control = response_control(update)
    return [f"{name.decode()}: {value.decode()}" for name, value in merged(stored.raw, update, control, NOW)]


def test_a_304_replaces_fields():
    """All lines of a name; new ones are added, what it does not name stays."""
    stored = fields("A: 1", "A: 2", "B: 3", "Date: old")
    assert updated(stored, fields("A: 4", "C: 5", "Date: new")) == ["b: 3", "a: 4", "c: 5", "date: new"]


def test_what_the_kept_bytes_depend_on_stays():
    """And the tag that they are known by."""
    stays = ["Content-Encoding", "Content-Length", "Content-MD5", "Content-Range", "ETag"]
    stored = fields(*[f"{name}: 1" for name in stays], "Content-Type: 1", "Date: 1")
    found = updated(stored, fields(*[f"{name}: 2" for name in stays], "Content-Type: 2", "Date: 2"))
    assert found == [*[f"{name.lower()}: 1" for name in stays], "content-type: 2", "date: 2"]


def test_what_is_not_kept_is_not_merged():
    """Fields of the connection, cookies, and those that no-cache names, which go where they were."""
    stored = fields("A: 1", "Date: 1")
    update = fields("Connection: X", "X: 2", "Set-Cookie: 2", 'Cache-Control: no-cache="a"', "A: 2", "Date: 2")
    assert updated(stored, update) == ['cache-control: no-cache="a"', "date: 2"]


def test_age_and_date_are_those_of_the_later_message():
    """An old Age would make what was just confirmed old, and so would an old Date."""
    stored = fields("Age: 500", date=-500)
    assert updated(stored, fields()) == ["date: Tue, 14 Nov 2023 22:13:20 GMT"]
    assert updated(stored, fields("Age: 5", "Date: x")) == ["age: 5", "date: x"]


LINES = st.lists(
    st.tuples(
        st.sampled_from([b"A", b"age", b"Date", b"etag", b"ETag", b"connection", b"cache-control", b"content-length"]),
        st.one_of(st.binary(max_size=6), st.sampled_from([b'"a"', b'W/"a"', b'no-cache="a"', b"a"])),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(LINES, LINES)
def test_merging_twice_changes_nothing_more(stored, update):
    """And never raises; no tag is ever changed."""
    later = Fields(update)
    control = response_control(later)
    once = merged(Fields(stored).raw, later, control, NOW)
    assert merged(once, later, control, NOW) == once
    if not control.no_cache_fields and "etag" not in (later.get("connection") or ""):
        assert Fields(once).lines("etag") == Fields(stored).lines("etag")


# --- section 4.3.5: freshening responses with HEAD ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "same"),
    [
        ({}, True),
        ({"etag": A, "last_modified": -1000, "content_length": "5"}, True),
        ({"etag": A}, True),
        ({"etag": B}, False),
        ({"etag": A, "last_modified": -999}, False),
        ({"content_length": "6"}, False),
        ({"cache_control": "max-age=5"}, True),
    ],
)
def test_whether_a_head_is_about_what_is_kept(head, same):
    """Whatever it says of tag, date and length has to be the same."""
    assert agrees(kept(etag=A, last_modified=-1000, content_length="5"), fields(**head)) is same
    if head.get("etag"):
        assert not agrees(kept(), fields(**head))


# --- all together ------------------------------------------------------------------------------------------------

TAGS = st.sampled_from(["", A, B, WEAK, 'W/"a"', "bad", "*", f"{A}, {B}"])
DATES = st.sampled_from(["", "bad", CHANGED, CHANGED_LATER])
VARIANTS = st.lists(st.builds(lambda tag, date: kept(etag=tag, last_modified=date), TAGS, DATES), max_size=3)


@settings(deadline=None)
@given(VARIANTS, st.booleans(), TAGS, DATES, TAGS, DATES)
def test_whatever_is_asked_and_answered(variants, has_chosen, own_tags, own_date, tag, date):
    """Never an error; nothing is freshened that was neither named nor asked about."""
    chosen = variants[0] if variants and has_chosen else None
    named = {"if_none_match": own_tags, "if_modified_since": own_date}
    request = fields(**{name: value for name, value in named.items() if value})
    lines = dict(conditions(request, variants, chosen))
    answer = fields(etag=tag, last_modified=date)
    found = freshened(request, variants, chosen, answer)
    is_for_caller(request, variants, chosen, answer)
    for one in found:
        by_tag = one.etag is not None and str(one.etag).encode() in lines.get(b"if-none-match", b"")
        by_date = one is chosen and one.last_modified is not None and b"if-modified-since" in lines
        named = tag in (A, B) and parse_etag(tag).strongly(one.etag)
        assert named or by_tag or by_date
        if len(variants) > 1 and tag in (A, B):
            assert named
    if b"if-modified-since" in lines and not own_date:
        assert chosen is not None
        assert chosen.last_modified is not None
    assert ResponseControl() == response_control(request)
