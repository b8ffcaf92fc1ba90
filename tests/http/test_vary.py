"""Which answer stands for which request: RFC 9111 section 4.1."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.variants import selected
from resilient.http.vary import matches, selecting, vary_names
from tests.http.making import NOW, fields, kept

# --- RFC 9110 section 12.5.5: Vary -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([], ()),
        (["Vary: "], ()),
        (["Vary: Foo, bar", "vary: BAR"], ("bar", "foo")),
        (["Vary: *"], ("*",)),
        (["Vary: , *"], ("*",)),
        (["Vary: *, *"], ("*",)),
        (["Vary: ", "Vary: *"], ("*",)),
        (["Vary: Foo, *"], ("*",)),
        (["Vary: *, Foo"], ("*",)),
    ],
)
def test_the_names_in_vary(lines, names):
    """In lower case and order; a star anywhere leaves nothing else."""
    assert vary_names(fields(*lines)) == names


# --- one answer, one request -------------------------------------------------------------------------------------


def stands(vary, before, after, **answer):
    """Whether what was answered to a request with the fields ``before`` stands for one with ``after``."""
    names = vary_names(fields(vary=vary))
    return matches(selecting(names, fields(*before)), selecting(names, fields(*after)), **answer)


@pytest.mark.parametrize(
    ("vary", "before", "after", "same"),
    [
        ("", [], ["Foo: 1"], True),
        ("Foo", ["Foo: 1"], ["foo: 1"], True),
        ("Foo", ["Foo: 1"], ["Foo: 2"], False),
        ("Foo", ["Foo: a"], ["Foo: A"], False),
        ("Foo", ["Foo: 1"], [], False),
        ("Foo", [], ["Foo: 1"], False),
        ("Foo", [], [], True),
        ("Foo", ["Foo: "], [], False),
        ("Foo", ["Foo: 1", "Other: 2"], ["Foo: 1", "Other: 3"], True),
        ("Foo", ["Foo: 1, 2"], ["Foo: 1", "Foo: 2"], True),
        ("Foo", ["Foo: 1,2"], ["Foo:  1, 2 "], True),
        ("Foo", ["Foo: 1, 2"], ["Foo: 2, 1"], False),
        ("Foo", ['Foo: "1, 2"'], ['Foo: "1,2"'], False),
        ("Foo, Bar", ["Foo: 1", "Bar: a"], ["Bar: a", "Foo: 1"], True),
        ("Foo, Bar", ["Foo: 1", "Bar: a"], ["Foo: 1"], False),
        ("Foo, Bar, Baz", ["Foo: 1", "Baz: 7"], ["Foo: 1", "Baz: 7"], True),
        ("*", [], [], False),
        ("Foo, *", ["Foo: 1"], ["Foo: 1"], False),
        ("Accept-Language", ["Accept-Language: en, de"], ["Accept-Language: de, en"], True),
        ("Accept-Language", ["Accept-Language: en, de"], ["Accept-Language: eN, De"], True),
        ("Accept-Language", ["Accept-Language: en, de"], ["Accept-Language:  en ,   de"], True),
        ("Accept-Language", ["Accept-Language: en;q=0.5"], ["Accept-Language: EN ; q=0.500"], True),
        ("Accept-Language", ["Accept-Language: en;q=1.0"], ["Accept-Language: en"], True),
        ("Accept-Language", ["Accept-Language: en;q=0.5"], ["Accept-Language: en;q=0.6"], False),
        ("Accept-Encoding", ["Accept-Encoding: gzip, br"], ["Accept-Encoding: BR,gzip"], True),
        ("Accept-Encoding", ["Accept-Encoding: gzip, br;q=0"], ["Accept-Encoding: gzip, br"], False),
        ("Accept-Encoding", ["Accept-Encoding: gzip;q=0.0"], ["Accept-Encoding: gzip;q=0"], True),
    ],
)
def test_whether_an_answer_stands_for_a_request(vary, before, after, same):
    """All named fields equal, absent only like absent; the spelling of lists does not matter."""
    assert stands(vary, before, after) is same


@pytest.mark.parametrize(
    ("wanted", "language", "same"),
    [
        ("fr;q=0.5, de;q=1.0", "de", True),
        ("fr;q=0.5, DE", " De", True),
        ("de", "de", True),
        ("fr, de", "de", False),
        ("fr, de", "fr", False),
        ("fr, de;q=0.5", "de", False),
        ("de;q=0", "de", False),
        ("de;q=x", "de", False),
        ("de;q=7", "de", False),
        ("de", "de, en", False),
        ("de", None, False),
        ("", "", False),
    ],
)
def test_an_answer_in_the_language_that_is_wanted_most_will_do(wanted, language, same):
    """RFC 9110 section 12.5.4: if it is wanted above all others, and the answer says that it is in it."""
    answer = {"content_language": language}
    assert stands("Accept-Language", ["Accept-Language: en, de"], [f"Accept-Language: {wanted}"], **answer) is same


NAMES = st.sampled_from(["foo", "accept-language", "accept-encoding"])
TEXTS = st.text(alphabet=st.sampled_from('abAB,;q=01. "\\\t'), max_size=12)


@settings(deadline=None)
@given(NAMES, st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
def test_a_request_is_like_itself_and_no_more_like_another_than_that_like_it(name, before, after):
    """Reflexive and symmetric, for any bytes."""
    one, other = [f"{name}: {text}" for text in before], [f"{name}: {text}" for text in after]
    assert stands(name, one, one)
    assert stands(name, one, other) == stands(name, other, one)


# --- several answers ---------------------------------------------------------------------------------------------


def variant(*request, **named):
    return kept(request=fields(*request), **named)


def test_each_of_ten_variants_is_found():
    """None in place of another."""
    variants = [variant(f"Foo: {number}", vary="Foo", date=number) for number in range(10)]
    for number, wanted in enumerate(variants):
        assert selected(variants, fields(f"Foo: {number}")) is wanted
    assert selected(variants, fields("Foo: 10")) is None
    assert selected(variants, fields()) is None
    assert selected([], fields()) is None


@pytest.mark.parametrize("turned", [False, True])
def test_the_latest_of_several_is_taken(turned):
    """By its Date, not by when it was kept."""
    late, early = variant("Foo: 1", vary="Foo", date=5), variant("Bar: 1", vary="Bar", date=3, received=NOW + 60)
    variants = [early, late] if turned else [late, early]
    assert selected(variants, fields("Foo: 1", "Bar: 1")) is late


def test_a_default_without_vary_does_not_hide_variants():
    """Servers leave Vary out of their default answer: once a later one has it, its word counts."""
    default = kept(date=1)
    french = variant("Accept-Language: fr", vary="Accept-Language", date=2)
    assert selected([default, french], fields("Accept-Language: fr")) is french
    assert selected([default, french], fields("Accept-Language: de")) is None
    assert selected([default], fields("Accept-Language: de")) is default
    later = kept(date=3)
    assert selected([later, french], fields("Accept-Language: fr")) is later


def test_of_those_with_vary_one_that_stands_is_found_behind_a_later_default():
    """The one that is left out takes no other with it."""
    old = variant("Foo: 1", vary="Foo", date=1)
    default = kept(date=2)
    new = variant("Foo: 2", vary="Foo", date=3)
    assert selected([old, default, new], fields("Foo: 1")) is old


def test_a_coding_that_is_not_accepted_is_no_answer():
    """Though Vary does not speak of it: the client could not read it."""
    coded = kept(content_encoding="br")
    assert selected([coded], fields("Accept-Encoding: gzip, br")) is coded
    assert selected([coded], fields("Accept-Encoding: gzip")) is None
    assert selected([coded], fields()) is None
