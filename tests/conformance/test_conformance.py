"""The public suite of HTTP caches, put to our clients by a clock that moves at once; ``make conformance`` does so over
sockets, in real time, with the suite's own server.

It shows that the gate holds: no test fails but those that are named, with a reason each, in ``expectations``.
"""

import asyncio
import inspect
from http.cookiejar import DefaultCookiePolicy

import pytest

from resilient import Policy, ResponseCache
from resilient.runtime.drive import drive
from resilient.testing import FakeClock

from . import page
from .clients import Contestant
from .expectations import MAY_FAIL, NEEDS_FAILOVER
from .messages import Answer
from .origin import SuiteOrigin
from .outcomes import judge, surprises
from .running import run
from .suite import private_cases

CASES = private_cases()
PLAIN = Policy.passthrough()  # retries and breakers would react to the failures that the suite makes


@pytest.fixture(params=["memory", "disk"])
def store(request, tmp_path):
    """Where answers are kept."""
    return "mem://" if request.param == "memory" else f"disk://{tmp_path}/cache?write_wait=60s&busy_timeout=60s"


@pytest.fixture
def outcomes(colour, family):
    """What each test comes to with a policy, one after the other, by a client of one colour and one HTTP library."""
    clock = FakeClock()
    origin = SuiteOrigin(clock)

    def handle(request):
        sent = origin.answer(request.method, request.url.raw_path.decode(), dict(request.headers))
        if sent is None:
            raise family.http.RemoteProtocolError("Server disconnected without sending a response.")
        fields = [(name, value.encode("latin-1")) for name, value in sent.fields]
        return family.http.Response(sent.status, headers=fields, content=sent.body)

    async def sleep(seconds):
        clock.advance(seconds)

    async def every(client):
        async def send(method, path, fields, body):
            response = await _awaited(client.request(method, path, headers=fields, content=body))
            return Answer(response.status_code, response.headers.multi_items(), response.text)

        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # tests share no cookies
        found = {case.id: await run(case, send, sleep, origin) for case in CASES}
        await _awaited(client.close() if colour == "blocking" else client.aclose())
        return found

    def outcomes(policy, store="mem://"):
        door = family.door
        kind = door.ResilientClient if colour == "blocking" else door.AsyncResilientClient
        transport = family.http.MockTransport(handle)
        client = kind(transport=transport, policies=policy, store=store, clock=clock, base_url="http://origin.test")
        return judge(CASES, (drive if colour == "blocking" else asyncio.run)(every(client)))

    return outcomes


async def _awaited(value):
    return await value if inspect.isawaitable(value) else value


def test_a_cache_with_failover_meets_the_gate(outcomes, store):
    """In both colours, on both HTTP libraries, in memory and on disk."""
    policy = PLAIN.replace(cache=ResponseCache.failover(ttl="6h", store_budget=None))
    found = surprises(outcomes(policy, store))
    assert not found, "\n".join(found)


def test_a_cache_without_other_options_meets_the_gate(outcomes, store):
    """But for the tests that need failover to be judged."""
    policy = PLAIN.replace(cache=ResponseCache(store_budget=None))
    found = surprises(outcomes(policy, store), MAY_FAIL | NEEDS_FAILOVER)
    assert not found, "\n".join(found)


def test_a_client_without_a_cache_does_not_meet_it(outcomes):
    """The counterpart: the gate can be missed."""
    assert surprises(outcomes(PLAIN))


def test_the_page_says_what_came_out(outcomes, tmp_path, monkeypatch):
    """A row for each client, what is unexpected of ours, and each reason for a failure."""
    monkeypatch.setattr(page, "PAGE", tmp_path / "conformance.md")
    judged = outcomes(PLAIN)
    page.write([(Contestant("ours", None, MAY_FAIL), judged)], [(Contestant("theirs", None, MAY_FAIL), judged)])
    written = page.PAGE.read_text()
    assert f"| ours | 45 of 154 | 1 of 83 | {len(surprises(judged))} |" in written
    assert "| theirs | 45 of 154 | 1 of 83 |\n" in written
    assert all(f"| `{test}` | {why} |" in written for test, why in {**MAY_FAIL, **NEEDS_FAILOVER}.items())


def test_the_gate_names_tests_that_there_are():
    """A name that is misspelt would excuse nothing."""
    assert {*MAY_FAIL, *NEEDS_FAILOVER} <= {case.id for case in CASES}
