"""Which entry applies to a request: exactly one, the most specific."""

import contextlib
import re
import time

import httpx
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient import ConfigurationError, Policies, Policy
from resilient.pattern import Pattern


def found(patterns, url, method="GET"):
    """The pattern that applies."""
    return Policies(dict.fromkeys(patterns, Policy())).find(method, url)[0].name


def applies(pattern, url, method="GET"):
    return found([pattern], url, method) == pattern


# --- one pattern -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("api.test", "https://api.test/"),
        ("api.test", "http://api.test:8080/x?q#f"),
        ("api.test", "https://ann:secret@api.test"),
        ("API.Test", "https://api.TEST/"),
        ("api.test", "https://api.test./"),
        ("api.test.", "https://api.test/"),
        ("*", "https://anything.test/"),
        ("*/v1/*", "https://anything.test/v1/x"),
        ("*:8080", "http://anything.test:8080/"),
        ("*.test", "https://a.test/"),
        ("*.test", "https://a.b.test/"),
        ("api.test:443", "https://api.test/"),
        ("api.test:80", "http://api.test/"),
        ("api.test:443", "https://api.test:443/"),
        ("api.test:8443", "https://api.test:8443/"),
        ("api.test/v1/*", "https://api.test/v1/"),
        ("api.test/v1/*", "https://api.test/v1/a/b"),
        ("api.test/*/items", "https://api.test/a/b/items"),
        ("api.test/v1", "https://api.test/v1?q=/x"),
        ("api.test/a+b", "https://api.test/a+b"),
        ("api.test/*", "https://api.test/%0Ax"),
        ("GET api.test", "https://api.test/"),
        ("127.0.0.1", "http://127.0.0.1:9/"),
        ("[::1]", "http://[::1]/"),
        ("[::1]:8080", "http://[::1]:8080/"),
        ("[::1]", "http://[0:0:0:0:0:0:0:1]/"),
        ("[0:0:0:0:0:0:0:1]/x", "http://[::1]/x"),
        ("[2001:DB8::1]", "http://[2001:db8::1]/"),
        ("münchen.test", "https://münchen.test/"),
        ("münchen.test", "https://xn--mnchen-3ya.test/"),
        ("xn--mnchen-3ya.test", "https://münchen.test/"),
        ("*.münchen.test", "https://www.xn--mnchen-3ya.test/"),
        ("MÜNCHEN.test", "https://MÜNCHEN.test/"),
    ],
)
def test_a_pattern_applies(family, pattern, url):
    """Hosts whatever their spelling; the port where one is named, that of the scheme included; whole paths."""
    assert applies(pattern, family.http.URL(url))


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("api.test", "https://www.api.test/"),
        ("api.test", "https://api.test.evil/"),
        ("*.test", "https://test/"),
        ("*.api.test", "https://api.test/"),
        ("*.api.test", "https://notapi.test/"),
        ("*.api.test", "https://x-api.test/"),
        ("api.test:80", "https://api.test/"),
        ("api.test:443", "http://api.test/"),
        ("api.test:8443", "https://api.test/"),
        ("api.test/v1/*", "https://api.test/v1"),
        ("api.test/v1", "https://api.test/v1/"),
        ("api.test/v1", "https://api.test/V1"),
        ("api.test/v.", "https://api.test/v1"),
        ("POST api.test", "https://api.test/"),
        ("HEAD api.test", "https://api.test/"),
        ("[::1]", "http://[::2]/"),
        ("127.0.0.1", "http://127.0.0.2/"),
    ],
)
def test_a_pattern_does_not_apply(family, pattern, url):
    """``*.x`` is not for ``x``; nothing but ``*`` means anything but itself."""
    assert not applies(pattern, family.http.URL(url))


@pytest.mark.parametrize(
    "pattern",
    [
        "", " ", "https://api.test", "api.test/x?q=1", "api.test/x#y", "get api.test", "GET  api.test", "api.test ",
        "*api.test", "api.*", "api.*.test", "**", "*.", "*.*", "api.test:", "api.test:http", "api.test:0",
        "api.test:65536", "api.test:999999", "ann@api.test", "::1", "[::1", "[api.test]", "[::g]", "[:::1]",
        "api.test\n", "/path", ":80", "GET /x", 5, None, b"api.test", ("api.test",),
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(pattern):
    """The message shows it, but for the values of a query, and how one is written."""
    with pytest.raises(ConfigurationError, match=r"is no pattern; write 'api\.example\.com'") as caught:
        Policies({pattern: Policy()})
    assert repr(pattern).partition("?")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("api.test", "API.test"),
        ("api.test", "api.test."),
        ("[::1]", "[0::1]"),
        ("GET xn--mnchen-3ya.test", "GET münchen.test"),
        ("*.api.test:080", "*.api.test:80"),
    ],
)
def test_two_patterns_for_the_same_requests_are_refused(one, other):
    """One of them would never apply."""
    with pytest.raises(ConfigurationError, match="are for the same requests"):
        Policies({one: Policy(), other: Policy()})


@pytest.mark.parametrize("entries", ["standard", 5, [Policy()], {"*": "standard"}, {"*": None}])
def test_what_are_no_policies_is_refused(entries):
    """The message shows it."""
    with pytest.raises(ConfigurationError, match="give a Policy"):
        Policies(entries)


# --- one of many -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("api.test", "*.test"),
        ("api.test", "GET *.test:443/v1/items"),
        ("*.api.test", "*.test"),
        ("*.test", "*"),
        ("*.test", "GET */v1/items"),
        ("api.test/v1/*", "api.test"),
        ("api.test/v1/items", "api.test/v1/*"),
        ("api.test/v1/*", "api.test:443"),
        ("api.test/v1/*", "GET api.test"),
        ("api.test:443", "api.test"),
        ("api.test:443", "GET api.test"),
        ("GET api.test", "api.test"),
        ("GET *", "*"),
    ],
)
def test_the_more_specific_entry_applies(family, better, worse):
    """An exact host, the longest suffix, the longest path, the port, the method, however they are given."""
    url = family.http.URL("https://api.test/v1/items" if "*.api" not in better else "https://x.api.test/v1/items")
    assert found([better, worse], url) == better
    assert found([worse, better], url) == better


def test_without_an_entry_that_applies_the_standard_policy_does(family):
    """Nothing is ever sent without one."""
    route, _ = Policies({"api.test": Policy.passthrough()}).find("GET", family.http.URL("https://else.test/"))
    assert (route.name, route.policy) == ("*", Policy.standard())


def test_one_policy_is_for_everything(family):
    """In place of a dict."""
    route, _ = Policies(Policy.passthrough()).find("GET", family.http.URL("https://else.test/"))
    assert (route.name, route.policy) == ("*", Policy.passthrough())


# --- against a naive reference -----------------------------------------------------------------------------------

LABELS = st.sampled_from(["a", "b", "api", "x-api"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
PORTS = st.sampled_from([None, 80, 443, 8080])
PATHS = st.lists(st.sampled_from(["a", "b", "/", "."]), max_size=5).map(lambda parts: "/" + "".join(parts))
GLOBS = st.lists(st.sampled_from(["a", "b", "/", ".", "*"]), max_size=6).map(lambda parts: "/" + "".join(parts))
METHODS = st.sampled_from(["GET", "POST"])


@st.composite
def patterns(draw):
    method = draw(st.one_of(st.just(""), METHODS.map("{} ".format)))
    host = draw(st.one_of(st.just("*"), HOSTS, HOSTS.map("*.{}".format)))
    port = draw(st.sampled_from(["", ":80", ":443", ":8080"]))
    return method + host + port + draw(st.one_of(st.just(""), GLOBS))


def globbed(glob, path):
    """Whether ``path`` is what ``glob`` says, by trying everything."""
    if not glob:
        return not path
    if glob[0] == "*":
        return any(globbed(glob[1:], path[at:]) for at in range(len(path) + 1))
    return path[:1] == glob[0] and globbed(glob[1:], path[1:])


def naive(pattern, method, scheme, host, port, path):
    """None if the pattern does not apply, else how specific it is."""
    parts = re.fullmatch(r"(?:(\w+) )?([^/:]+)(?::(\d+))?(/.*)?", pattern)
    wanted_method, wanted_host, wanted_port, glob = parts.groups()
    actual_port = port or {"http": 80, "https": 443}[scheme]
    if wanted_method not in {None, method} or wanted_port not in {None, str(actual_port)}:
        return None
    if glob is not None and not globbed(glob, path):
        return None
    if wanted_host.startswith("*."):
        if not host.endswith(wanted_host[1:]):
            return None
    elif wanted_host not in {"*", host}:
        return None
    exact = not wanted_host.startswith("*")
    suffix = 0 if exact or wanted_host == "*" else len(wanted_host)
    return exact, suffix, len(glob or ""), wanted_port is not None, wanted_method is not None


@settings(deadline=None)
@given(
    st.sampled_from([httpx, httpx2]),
    st.lists(patterns(), unique=True, max_size=6),
    METHODS,
    st.sampled_from(["http", "https"]),
    HOSTS,
    PORTS,
    PATHS,
)
def test_the_entry_found_is_the_one_that_a_naive_search_finds(http, texts, method, scheme, host, port, path):
    """The same rules, written in another way, over small alphabets that make patterns collide."""
    url = http.URL(scheme=scheme, host=host, port=port, path=path)
    port, path = url.port, url.path  # as the library makes of them
    ranks = {text: naive(text, method, scheme, host, port, path) for text in {*texts, "*"}}
    applying = {text: rank for text, rank in ranks.items() if rank is not None}
    name = found(texts, url, method)
    assert name in applying
    assert applying[name] == max(applying.values())


@settings(deadline=None)
@given(GLOBS, PATHS)
def test_a_path_matches_where_trying_everything_finds_a_way(glob, path):
    """The compiled pattern never goes back, and loses nothing by it."""
    pattern = Pattern.read(f"api.test{glob}")
    assert pattern.matches("GET", path) == globbed(glob, path)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("aA.*:[]/ 019GETé-_x\n"), max_size=30))
def test_any_text_is_a_pattern_or_refused(text):
    """Never another error."""
    with contextlib.suppress(ConfigurationError):
        Pattern.read(text)


def test_a_path_takes_no_longer_to_match_than_it_is_long():
    """A pattern with many stars against a path made to confuse it."""
    pattern = Pattern.read("api.test/" + "*a" * 30 + "*b")
    started = time.perf_counter()
    assert not pattern.matches("GET", "/" + "a" * 10_000)
    assert time.perf_counter() - started < 1


# --- what is known of origins ------------------------------------------------------------------------------------


def test_one_host_has_one_state_whatever_the_user_and_the_path(family):
    """And another one under each entry, port and scheme."""
    policies = Policies({"GET api.test": Policy()})
    urls = ["https://api.test/a", "https://ann:x@api.test/b?q", "https://API.test:443/"]
    hosts = {id(policies.find("GET", family.http.URL(url))[1]) for url in urls}
    assert len(hosts) == 1
    others = [("POST", urls[0]), ("GET", "http://api.test/"), ("GET", "https://api.test:444/")]
    assert not hosts & {id(policies.find(method, family.http.URL(url))[1]) for method, url in others}


def test_ten_thousand_origins_at_most_are_remembered(family):
    """The least used ones are forgotten first."""
    policies = Policies()
    first = policies.find("GET", family.http.URL("https://first.test/"))[1]
    for number in range(10_500):
        policies.find("GET", family.http.URL(f"https://h{number}.test/"))
        if number % 1000 == 0:
            assert policies.find("GET", family.http.URL("https://first.test/"))[1] is first
    assert len(list(policies.known())) == 10_000
