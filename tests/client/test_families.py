"""Two HTTP libraries that look the same: one text for both doors, one memory, and no mistaking one for the other."""

import asyncio
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import httpx2
import pytest

import resilient
import resilient.httpx
import resilient_adapters.httpx2
from resilient import Budget, Cache, ConfigurationError, Policies, Policy, ResponseCache, Retry
from resilient.runtime.clock import SystemClock
from resilient.testing import Reply

ROOT = Path(__file__).parents[2]


# --- one text ----------------------------------------------------------------------------------------------------


def twin(root, *arguments):
    return subprocess.run(
        [sys.executable, str(root / "tools/twin.py"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.mark.slow
def test_the_door_to_httpx2_is_the_door_to_httpx_with_the_name_replaced():
    """As ``make check`` sees it."""
    checked = twin(ROOT, "--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_door_that_is_out_of_step_is_found_and_put_right(tmp_path):
    """A line changed in the copy, a room missing, a room too many; looking changes nothing."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for part in ("tools", "resilient", "adapters"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    copy = tmp_path / "adapters/resilient_adapters/httpx2"
    good = (copy / "errors.py").read_text()
    (copy / "errors.py").write_text(good.replace("An httpx2 error", "A httpx error") + "\n")
    (copy / "owner.py").unlink()
    (copy / "stray.py").write_text("")
    checked = twin(tmp_path, "--check")
    assert checked.returncode == 1
    assert sorted(line.split()[0].rpartition("/")[2] for line in checked.stdout.splitlines()) == [
        "errors.py",
        "owner.py",
        "stray.py",
    ]
    assert (copy / "stray.py").exists()
    assert twin(tmp_path).returncode == 0
    assert twin(tmp_path, "--check").returncode == 0
    assert (copy / "errors.py").read_text() == good
    assert not (copy / "stray.py").exists()


def test_both_doors_have_the_same_names():
    """And an error of either is one of ours: who handles outages need not know the library."""
    assert resilient.httpx.__all__ == resilient_adapters.httpx2.__all__
    for name in resilient.httpx.__all__:
        if name.endswith("Error"):
            first, second = getattr(resilient.httpx, name), getattr(resilient_adapters.httpx2, name)
            assert issubclass(first, getattr(resilient.errors, name))
            assert issubclass(second, getattr(resilient.errors, name))
            assert issubclass(first, httpx.HTTPError)
            assert not issubclass(first, httpx2.HTTPError)
            assert issubclass(second, httpx2.HTTPError)
            assert not issubclass(second, httpx.HTTPError)


ALIASED = """
import httpx2

httpx2.alias_httpx()

import httpx, resilient

assert httpx is httpx2
client = resilient.ResilientClient(transport=httpx2.MockTransport(lambda request: httpx2.Response(200, text="ok")))
assert isinstance(client, httpx2.Client)
print(client.get("https://api.test/").text)
"""


def test_where_httpx2_takes_the_name_of_httpx_our_client_is_one_of_its():
    """``httpx2.alias_httpx()`` makes ``import httpx`` mean httpx2 in the whole process."""
    done = subprocess.run([sys.executable, "-c", ALIASED], check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ok\n", "")


# --- one memory --------------------------------------------------------------------------------------------------


class Four:
    """A client of each colour and each library, in front of origins that answer by the same script."""

    def __init__(self, families, **options):
        self.families = families
        self.origins = [family.kit.Origin() for family in families for _ in range(2)]
        kinds = [kind for one in families for kind in (one.door.ResilientClient, one.door.AsyncResilientClient)]
        self.clients = [
            kind(transport=origin, base_url="https://api.test", **options)
            for kind, origin in zip(kinds, self.origins, strict=True)
        ]

    @property
    def sent(self):
        return [origin.sent for origin in self.origins]

    def get(self, number, url="/", **options):
        """What client ``number`` answers, or the error that it raises."""
        client = self.clients[number]
        try:
            if number % 2 == 0:
                return client.get(url, **options)
            return asyncio.run(client.get(url, **options))
        except resilient.CallError as error:
            return error


@pytest.fixture
def four(families):
    return lambda **options: Four(families, **options)


ORDERS = [(0, 1, 2, 3), (2, 3, 0, 1), (1, 2, 0, 3), (3, 0, 2, 1)]


@pytest.mark.parametrize("order", ORDERS)
def test_one_cache_answers_both_libraries_and_both_colours(four, order):
    """Who asks first asks the origin; the others get its answer, as one of their own library."""
    cache = Cache("mem://", clock=SystemClock())
    clients = four(policies=Policy(cache=ResponseCache(ttl="1h")), store=cache)
    for origin in clients.origins:
        origin.answers(body="grüß dich".encode(), headers={"content-type": "text/plain; charset=utf-8", "x": "1"})
    answers = [clients.get(number) for number in order]
    assert clients.sent == [int(number == order[0]) for number in range(4)]
    assert [one.extensions["resilient"].cache.result for one in answers] == ["miss", "hit", "hit", "hit"]
    for number, answer in zip(order, answers, strict=True):
        assert type(answer) is clients.families[number // 2].http.Response
        assert (answer.text, answer.headers["x"], str(answer.url)) == ("grüß dich", "1", "https://api.test/")
    cache.close()


@pytest.mark.parametrize("order", ORDERS)
def test_one_policies_object_serves_both_libraries_and_both_colours(four, order):
    """What one learns of an origin, its circuit and its budget, the others know; each refuses with its own error."""
    shared = Policies(Policy(retry=Retry(max_attempts=2), budget=Budget(refill=0)))
    clients = four(policies=shared)
    first, *others = order
    clients.origins[first].answers(500)
    assert clients.get(first).status_code == 500
    levels = {client.state()["* https://api.test"]["budget"]["level"] for client in clients.clients}
    assert levels == {90}
    for _ in range(9):
        clients.get(first)
    for number in others:
        refused = clients.get(number)
        family = clients.families[number // 2]
        assert type(refused) is family.door.CircuitOpenError
        assert isinstance(refused, family.http.TransportError)
        assert clients.origins[number].sent == 0


def test_one_policies_and_one_cache_are_used_by_all_at_once(four):
    """Threads and tasks, 4 x 300 calls for 20 addresses in any order: each answer is that of its address."""

    def behave(request, number, now):
        return Reply(body=request.url.path.encode(), latency=0.001)

    cache = Cache("mem://", clock=SystemClock())
    clients = four(policies=Policies(Policy(cache=ResponseCache(ttl="1h"))), store=cache)
    for origin in clients.origins:
        origin.behaves(behave)
    dice = random.Random(1)
    asked = [[f"/{dice.randrange(20)}" for _ in range(300)] for _ in range(4)]

    async def in_tasks(number):
        return [one.text for one in await asyncio.gather(*(clients.clients[number].get(url) for url in asked[number]))]

    def in_threads(number):
        with ThreadPoolExecutor(10) as pool:
            return [one.text for one in pool.map(clients.clients[number].get, asked[number])]

    def work(number):
        return in_threads(number) if number % 2 == 0 else asyncio.run(in_tasks(number))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == asked
    # Each client makes one call for all of its own who ask at once; what is kept then answers everybody.
    assert sum(clients.sent) <= 4 * 20
    before = sum(clients.sent)
    assert [clients.get(number, "/7").text for number in range(4)] == ["/7"] * 4
    assert sum(clients.sent) == before
    cache.close()


# --- no mistaking one for the other ------------------------------------------------------------------------------


@pytest.fixture
def other(family, families):
    """The library that a client is not of."""
    return next(one for one in families if one is not family)


FOREIGN = {
    "transport": lambda other: other.http.MockTransport(print),
    "limits": lambda other: other.http.Limits(max_connections=1),
    "timeout": lambda other: other.http.Timeout(5.0),
    "headers": lambda other: other.http.Headers({"x": "y"}),
    "auth": lambda other: other.http.BasicAuth("ann", "secret"),
    "proxy": lambda other: other.http.Proxy("http://proxy.test"),
    "base_url": lambda other: other.http.URL("https://api.test"),
    "cookies": lambda other: other.http.Cookies({"a": "b"}),
}


@pytest.mark.parametrize("option", FOREIGN)
def test_an_object_of_the_other_library_is_refused(world, family, other, option):
    """It looks the same and is not; without a word it would fail much later, or be ignored."""
    kind = world.choose(family.door.ResilientClient, family.door.AsyncResilientClient)
    named, own = other.http.__name__, family.http.__name__
    with pytest.raises(ConfigurationError, match=rf"^{option}=<\w+> is an object of {named}; .* takes those of {own}$"):
        kind(**{option: FOREIGN[option](other)})
    kind(**{option: FOREIGN[option](family)})


def test_a_mount_of_the_other_library_is_refused(world, family, other):
    """Named with its pattern."""
    kind = world.choose(family.door.ResilientClient, family.door.AsyncResilientClient)
    mounts = {"https://one.test": None, "https://two.test": other.http.MockTransport(print)}
    with pytest.raises(ConfigurationError, match=r"^mounts\['https://two.test'\]=<MockTransport> is an object of"):
        kind(mounts=mounts)


def test_a_transport_of_ours_belongs_to_its_library_too(world, family, other):
    """It takes only transports of its library, and only a client of its library takes it."""
    colour = world.choose("ResilientTransport", "AsyncResilientTransport")
    with pytest.raises(ConfigurationError, match=r"^transport=<MockTransport> is an object of"):
        getattr(family.door, colour)(other.http.MockTransport(print))
    theirs = getattr(other.door, colour)(other.http.MockTransport(print))
    for kind in (world.choose(family.door.ResilientClient, family.door.AsyncResilientClient),):
        with pytest.raises(ConfigurationError, match=f"^transport=<{colour}> is an object of {other.http.__name__}"):
            kind(transport=theirs)
    with pytest.raises(ConfigurationError, match=f"^transport=<{colour}> is an object of {other.http.__name__}"):
        getattr(family.door, colour)(theirs)


def test_what_is_of_both_libraries_is_taken_by_both(world, family):
    """A recorder for tests, for example, that was written for the two."""

    class Recorder(httpx.BaseTransport, httpx.AsyncBaseTransport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
        def handle_request(self, request):
            return family.http.Response(200, text="ok")

        async def handle_async_request(self, request):
            return self.handle_request(request)

    assert world.client(Recorder()).get().text == "ok"
