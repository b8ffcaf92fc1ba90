"""Limits of the pool and timeouts, kept at the server's side."""

import asyncio
import itertools
import threading
from functools import partial

import pytest

import resilient
from resilient import Policy
from resilient.testing.wire import head_of, read_request

from .servers.host import Host


class Holding(Host):
    """Answers only when the test lets it."""

    def __init__(self, **listens):
        super().__init__(**listens)
        self.let = threading.Event()
        self.waiting = 0

    async def talk(self, reader, writer):
        while await read_request(reader) is not None:
            self.waiting += 1
            while not self.let.is_set():
                await asyncio.sleep(0.005)
            self.waiting -= 1
            writer.write(head_of(200, [(b"content-length", b"2")]) + b"ok")


@pytest.fixture
def holding():
    with Holding() as server:
        yield server


def test_connections_are_never_more_than_allowed(client_of, holding):
    """Twelve requests at once over three connections, three at a time, each for something else.

    All are answered by ours; httpx itself loses one in a few hundred when threads queue for its pool.
    """
    client = client_of(limits=client_of.http.Limits(max_connections=3, max_keepalive_connections=3))
    numbers = itertools.count()
    timer = threading.Timer(0.3, holding.let.set)
    timer.start()
    outcomes = client.wire.at_once(*[lambda: client.client.get(f"{holding.url}/{next(numbers)}")] * 12)
    timer.join()
    answered = [outcome.status_code for outcome in outcomes if not isinstance(outcome, client_of.http.ReadError)]
    assert answered == [200] * (12 if client_of.ours else len(answered))
    assert holding.peak == 3


def test_idle_connections_are_kept_as_allowed(client_of, origin):
    """One or none."""
    for kept, opened in ((1, 1), (0, 4)):
        before = origin.connections
        client = client_of(limits=client_of.http.Limits(max_keepalive_connections=kept))
        for _ in range(4):
            client.get(origin.url)
        assert origin.connections - before == opened


def test_an_idle_connection_expires(client_of, origin):
    """After the time that was given."""
    client = client_of(limits=client_of.http.Limits(keepalive_expiry=0.01))
    client.get(origin.url)
    client.wire.pause(0.05)
    client.get(origin.url)
    assert origin.connections == 2


def test_a_full_pool_is_a_pool_timeout(client_of, holding):
    """Of the phase that was given; the request that has the connection goes on."""
    http = client_of.http
    client = client_of(limits=http.Limits(max_connections=1), timeout=http.Timeout(20, pool=0.05))

    def blocking(path):
        try:
            return client.client.get(holding.url + path)
        finally:
            holding.let.set()  # whoever is done first

    async def in_tasks(path):
        try:
            return await client.client.get(holding.url + path)
        finally:
            holding.let.set()

    ask = client.wire.choose(blocking, in_tasks)
    outcomes = client.wire.at_once(*[partial(ask, path) for path in ("/a", "/b")])
    assert {type(outcome) for outcome in outcomes} == {http.Response, http.PoolTimeout}
    assert holding.peak == 1


# --- timeouts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["client", "request", "extension"])
def test_a_timeout_that_is_given_is_kept(client_of, wire, wayward, where):
    """At the client, at the request, or in its extensions; by the library's own error."""
    http = client_of.http
    given = http.Timeout(20, read=0.1)
    client = client_of(**({"timeout": given} if where == "client" else {}))
    options = {"timeout": given} if where == "request" else {}
    if where == "extension":
        options = {"extensions": {"timeout": {"connect": 5, "read": 0.1, "write": 5, "pool": 5}}}
    with pytest.raises(http.ReadTimeout):
        client.post(wayward.url + "/says-nothing", **options)
    assert wire.wait_for(lambda: not wayward.open)


def seen_by_trace(client, url):
    """The timeouts that reach the transport."""
    seen = {}

    def note(name, info):
        if name == "http11.send_request_headers.started":
            seen.update(info["request"].extensions["timeout"])

    client.get(url, extensions={"trace": client.wire.hook(note)})
    return seen


def test_without_a_timeout_the_policy_has_its_own(wire, origin):
    """Ten seconds for an attempt in place of the library's five, which nobody asked for."""
    phases = seen_by_trace(wire.client(), origin.url)
    assert 9 < phases["read"] <= 10
    assert seen_by_trace(wire.theirs(), origin.url)["read"] == 5.0
    assert wire.client().client.timeout == wire.theirs().client.timeout


@pytest.mark.parametrize("given", [3.0, 600.0])
def test_a_timeout_that_is_given_reaches_the_transport(wire, origin, given):
    """Shorter or longer than the policy's own default."""
    phases = seen_by_trace(wire.client(timeout=given), origin.url)
    assert phases["read"] == given if given < 10 else phases["read"] > 500


def test_no_timeout_at_all_can_be_asked_for(wire, origin):
    """The deadline of the call stays."""
    phases = seen_by_trace(wire.client(timeout=None), origin.url)
    assert phases.get("read") is None or phases["read"] > 10


def test_a_named_attempt_timeout_undercuts_what_is_given(wire, wayward):
    """Who names it in the policy means it."""
    client = wire.client(timeout=60.0, policies=Policy(attempt_timeout="200ms", retry=None))
    with pytest.raises(resilient.AttemptTimeoutError):
        client.get(wayward.url + "/says-nothing")
    assert wire.wait_for(lambda: not wayward.open)
