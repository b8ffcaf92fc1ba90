"""Policies from a TOML file: what can be said, every kind of mistake, and a file that changes."""

import logging
import re
from dataclasses import fields

import httpx
import pytest

import resilient
from resilient import Budget, CircuitBreaker, Deadline, Policy, ResponseCache, Retry
from resilient.config import WatchedPolicies, load
from resilient.events import ConfigChanged, ConfigFailed
from resilient.testing import FakeClock


@pytest.fixture
def file(tmp_path):
    """Writes the file, and gives back its path."""
    path = tmp_path / "resilient.toml"

    def write(text):
        path.write_text(text)
        return path

    return write


def one(file, table):
    """The policy of a file with one entry."""
    return load(file(f'[policies."api.test"]\n{table}')).policies["api.test"]


# --- what can be said --------------------------------------------------------------------------------------------


def test_the_whole_file(file):
    """The example of the module's own docstring means what one would write in Python."""
    config = load(
        file("""
            [client]
            name = "checkout"
            store = "disk:///var/cache/app"
            [policies."api.exchange.com"]
            deadline = "2s"
            cache = { strategy = "failover", ttl = "6h" }
            retry = { max_attempts = 2, methods = ["POST"] }
            breaker = false
            [policies."*"]
            preset = "background"
        """)
    )
    assert config.client == {"name": "checkout", "store": "disk:///var/cache/app"}
    assert config.policies == {
        "api.exchange.com": Policy(
            deadline="2s",
            cache=ResponseCache.failover(ttl="6h"),
            retry=Retry(max_attempts=2, methods={"POST"}),
            breaker=None,
        ),
        "*": Policy.background(),
    }


def test_an_empty_file_is_right(file):
    """It says nothing: every default applies."""
    config = load(file(""))
    assert (config.policies, config.client) == ({}, {})


def test_nothing_that_it_names_is_opened(file, tmp_path):
    """A file can be checked on another machine than that on which it is used."""
    load(file(f'[client]\nstore = "disk://{tmp_path}/store"'))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("table", "policy"),
    [
        ("", Policy()),
        ("deadline = 2", Policy(deadline=2)),
        ("deadline = 2.5", Policy(deadline=2.5)),
        ('deadline = { timeout = "2s", header = "x-left" }', Policy(deadline=Deadline("2s", header="x-left"))),
        ('attempt_timeout = "500ms"', Policy(attempt_timeout="500ms")),
        ('cache = { ttl = "5m" }', Policy(cache=ResponseCache(ttl="5m"))),
        ('cache = { strategy = "simple", ttl = "5m" }', Policy(cache=ResponseCache(ttl="5m"))),
        ('fallback = "https://spare.test/"', Policy(fallback="https://spare.test/")),
        ("budget = { tokens = 20 }", Policy(budget=Budget(tokens=20))),
        ('breaker = { failures = 3, open_for = "5s" }', Policy(breaker=CircuitBreaker(failures=3, open_for="5s"))),
        ("breaker = {}", Policy(breaker=CircuitBreaker())),
        ('preset = "background"\nretry = false', Policy.background().replace(retry=None)),
        ('preset = "passthrough"', Policy.passthrough()),
    ],
)
def test_a_table_means_the_policy(file, table, policy):
    """Plain values, tables of a stage's own options, and presets that the rest of the table changes."""
    assert one(file, table) == policy


@pytest.mark.parametrize("stage", [name.name for name in fields(Policy) if name.name != "pipeline"])
def test_false_turns_a_stage_off(file, stage):
    """As None does in Python, whatever the stage."""
    assert getattr(one(file, f"{stage} = false"), stage) is None


# --- mistakes ----------------------------------------------------------------------------------------------------

MISTAKES = {
    "a table that does not exist": ("[polices]", "there is no table 'polices' (given {}); did you mean 'policies'?"),
    "a plain value for a table": ("client = 5", "client=5 is not right; give a table"),
    "no TOML": ("[policies", "is no TOML: "),
    "an unknown key of the client": (
        '[client]\nstor = "mem://"',
        "[client]: there is no key 'stor' (given 'mem://'); did you mean 'store'?",
    ),
    "a name that is no text": ("[client]\nname = 5", "[client]: name=5 is not right; give text"),
    "a store that does not exist": (
        '[client]\nstore = "dsk:///x"',
        "[client]: no store has the scheme 'dsk'; did you mean 'disk'?",
    ),
    "an option that the store has not": (
        '[client]\nstore = "mem://?sise=5"',
        "[client]: mem:// has no option 'sise' (given '5'); did you mean 'size'?",
    ),
    "a pattern that is none": ('[policies."https://a.test"]', '[policies."https://a.test"]: policies={'),
    "a pattern without quotes": (
        '[policies.api.exchange.com]\ndeadline = "2s"',
        "[policies.api]: has no key 'exchange'; a pattern with dots stands in quotes, as in [policies.\"api.",
    ),
    "an entry that is no table": ('[policies]\n"a.test" = "2s"', "[policies.\"a.test\"]: this='2s' is not right"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_file_is_named(file, text, message):
    """The file, the table, the key, the value, and what would be right."""
    path = file(text)
    with pytest.raises(resilient.ConfigurationError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("retri = {}", "there is no key 'retri' (given {}); did you mean 'retry'?"),
        ("retry = { max_attempt = 2 }", "there is no option of retry 'max_attempt' (given 2); did you mean 'max_att"),
        ("retry = { max_attempts = 0 }", "retry: max_attempts=0 is not right; give a whole number of at least 1"),
        ('retry = { methods = "POST" }', "retry: methods='POST' is not right; give a set such as {'POST'}"),
        ("retry = { methods = [5] }", "retry: methods=[5] is not right; give a set such as {'POST'}"),
        ("retry = { statuses = 503 }", "retry: statuses=503 is not right; give a set such as {429, 503}"),
        ('retry = { statuses = ["503"] }', "retry: statuses=['503'] is not right; give a set such as {429, 503}"),
        ('retry = { stop = "x" }', "retry: stop='x' is not right; give tenacity's stop_... objects"),
        ("retry = 5", "retry=5 is not right; give a table such as retry = { max_attempts = ... }, false for off"),
        ("retry = true", "retry=True is not right; give a table such as retry = { max_attempts = ... }, false for off"),
        ('breaker = "no"', "breaker='no' is not right; give a table such as breaker = { failures = ... }, false for"),
        ('breaker = { observe_only = "no" }', "breaker: observe_only='no' is not right; give True or False"),
        ("breaker = { ratio = 2 }", "breaker: ratio=2 is not right; give a part above 0 and at most 1"),
        ("breaker = { rule = 2 }", "there is no option of breaker 'rule' (given 2); "),
        ("budget = { tokens = -1 }", "budget: tokens=-1 is not right; give a number above zero"),
        ("budget = { token = 1 }", "there is no option of budget 'token' (given 1); did you mean 'tokens'?"),
        ('deadline = "fast"', "deadline='fast' is not a duration above zero; give "),
        ("deadline = true", "deadline=True is not right; give a plain value, a table such as deadline = { timeout"),
        ("deadline = [2]", "deadline=[2] is not a duration above zero; give "),
        ('deadline = { timeout = "2s", header = "a b" }', "deadline: header='a b' is not right; give a header"),
        ('deadline = "1s"\nattempt_timeout = "2s"', "attempt_timeout=2 s is longer than deadline=1 s"),
        ('preset = "background"\ndeadline = "10s"', "attempt_timeout=60 s is longer than deadline=10 s"),
        ('preset = "backgroud"', "preset='backgroud' is not right; did you mean 'background'?"),
        ("preset = [1]", "preset=[1] is not right; there are: "),
        (
            'cache = { strategy = "failovr", ttl = 1 }',
            "cache: strategy='failovr' is not right; did you mean 'fail",
        ),
        ('cache = { strategy = ["x"], ttl = 1 }', "cache: strategy=['x'] is not right; there are: "),
        ('cache = { strategy = "failover" }', "cache: 'ttl' is missing"),
        (
            'cache = { strategy = "failover", tll = 1 }',
            "there is no option of cache 'tll' (given 1); did you mean",
        ),
        ('deadline = { header = "x-left" }', "deadline: 'timeout' is missing"),
        ("cache = { ttl = 0 }", "cache: ttl=0 is not a duration above zero"),
        ('cache = "5m"', "cache='5m' is not right; give a table such as cache = { ttl = ... }, false for off"),
        ('cache = { ttl = 1, credential_headers = "cookie" }', "cache: credential_headers='cookie' is not right; give"),
        ('fallback = "spare.test"', "fallback='spare.test' is not right; give an absolute http or https URL"),
        ("fallback = 5", "fallback=5 is not right; give a response, a callable or a URL"),
        ("pipeline = []", "'pipeline' can be given in Python only"),
    ],
)
def test_a_mistake_in_a_policy_is_named(file, table, message):
    """The file and the table always; the key, the value, and what would be right."""
    with pytest.raises(resilient.ConfigurationError, match=re.escape(f': [policies."api.test"]: {message}')):
        one(file, table)


def test_a_file_that_is_not_there_is_named(tmp_path):
    """With the system's own words."""
    with pytest.raises(resilient.ConfigurationError, match=r"no\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "no.toml")


def test_a_file_that_is_no_text_is_named(tmp_path):
    """Bytes that are no UTF-8 are no TOML."""
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(resilient.ConfigurationError, match="is no TOML"):
        load(path)


def test_a_password_in_a_stores_address_is_not_repeated(file):
    """An error ends up in logs."""
    with pytest.raises(resilient.ConfigurationError) as caught:
        load(file('[client]\nstore = "nostore://user:hunter2@host"'))
    assert "hunter2" not in str(caught.value)


# --- clients of a file -------------------------------------------------------------------------------------------


@pytest.fixture
def configured(world, origin):
    """Makes a client from a file, in front of the scripted origin."""

    def make(path, **options):
        kind = world.choose(world.family.door.ResilientClient, world.family.door.AsyncResilientClient)
        client = kind.from_config(path, transport=origin, base_url="https://api.test", clock=world.clock, **options)
        caller = world.client(origin)
        caller.client = client
        return caller

    return make


def test_a_client_does_what_its_file_says(configured, origin, file):
    """Two attempts, then the 503 itself."""
    origin.answers(503)
    client = configured(file('[policies."api.test"]\nretry = { max_attempts = 2 }'))
    assert (client.get().status_code, origin.sent) == (503, 2)


def test_what_is_given_beside_the_file_counts_more(configured, file):
    """But for the policies, of which there would be two sets."""
    path = file('[client]\nname = "of-the-file"')
    assert configured(path).client._owner.engine.name == "of-the-file"
    assert configured(path, name="given").client._owner.engine.name == "given"
    with pytest.raises(resilient.ConfigurationError, match=r"policies=\.\.\. stands beside a file of policies"):
        configured(path, policies={})


def test_an_unknown_option_beside_the_file_is_named(configured, file):
    """As everywhere."""
    with pytest.raises(resilient.ConfigurationError, match="no option 'timeot'"):
        configured(file(""), timeot=5)


# --- a file that changes -----------------------------------------------------------------------------------------


@pytest.fixture
def look(world):
    """Let the client look at its file twice: what has changed counts once it looks the same again."""

    def twice(client):
        for _ in range(2):
            world.do(lambda: _pass(world, 1.0))
            client.client.describe("https://api.test/")

    return twice


async def _pass(world, seconds):
    await world.sleep(seconds)


def test_a_change_is_taken_over_and_state_is_kept(configured, origin, file, look):
    """The circuit that was open stays open under the new options, and the change is told."""
    told = []
    path = file('[policies."api.test"]\nretry = false\nbreaker = { failures = 2, open_for = "1m", max_open = "1m" }')
    client = configured(path, watch=True, telemetry=[told.append])
    origin.answers(500)
    client.get()
    client.get()
    assert client.circuit() == "open"
    file('[policies."api.test"]\nretry = false\ndeadline = "7s"\nbreaker = { failures = 3 }')
    look(client)
    assert "7 s for the whole call" in client.client.describe("https://api.test/")
    assert client.circuit() == "open"
    assert [event for event in told if isinstance(event, ConfigChanged)] == [
        ConfigChanged(file="resilient.toml", policies=1)
    ]


def test_a_mistake_keeps_what_was_before(configured, origin, file, look, caplog):
    """It is logged once, told as an event, and the client goes on; mended, the file counts again."""
    told = []
    client = configured(file('[policies."*"]\nretry = false'), watch=True, telemetry=[told.append])
    origin.answers(503)
    with caplog.at_level(logging.ERROR, "resilient.config"):
        file('[policies."*"]\nretri = false')
        look(client)
        look(client)
    client.get()
    assert origin.sent == 1
    failures = [event for event in told if isinstance(event, ConfigFailed)]
    assert len(failures) == len(caplog.records) == 1
    assert "did you mean 'retry'?" in failures[0].error
    file('[policies."*"]\nretry = { max_attempts = 2 }')
    look(client)
    client.get()
    assert origin.sent == 3


def test_a_half_written_file_does_not_count(configured, file, world):
    """A file is read only when it has looked the same twice, a second apart."""
    client = configured(file('[policies."*"]\ndeadline = "1s"'), watch=True)
    file("")
    world.do(lambda: _pass(world, 1.0))
    assert "1 s for the whole call" in client.client.describe("https://api.test/")
    file('[policies."*"]\ndeadline = "2s"')
    world.do(lambda: _pass(world, 1.0))
    assert "1 s for the whole call" in client.client.describe("https://api.test/")
    world.do(lambda: _pass(world, 1.0))
    assert "2 s for the whole call" in client.client.describe("https://api.test/")


def test_a_file_that_is_gone_changes_nothing(configured, file, look):
    """It may be about to be replaced."""
    path = file('[policies."*"]\ndeadline = "1s"')
    client = configured(path, watch=True)
    path.unlink()
    look(client)
    assert "1 s for the whole call" in client.client.describe("https://api.test/")


def test_a_cache_may_come_later(configured, origin, file, look):
    """A watched client has a store from the beginning, even if no policy wants it yet."""
    client = configured(file(""), watch=True)
    file('[policies."*"]\ncache = { ttl = "1h" }')
    look(client)
    client.get()
    client.get()
    assert origin.sent == 1


def test_the_file_is_looked_at_once_a_second_at_most(file, monkeypatch):
    """A thousand calls in one second cost no look at all."""
    clock = FakeClock()
    policies = WatchedPolicies(file(""), clock=clock)
    looks = []
    monkeypatch.setattr(policies, "_look", lambda: looks.append(clock.now()))
    for _ in range(1000):
        policies.find("GET", httpx.URL("https://api.test/"))
    assert looks == []
    clock.advance(1.0)
    policies.find("GET", httpx.URL("https://api.test/"))
    assert looks == [clock.now()]
