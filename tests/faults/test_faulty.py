"""Faults in front of any transport of httpx: they happen, they are counted, and they look like the real ones."""

import asyncio

import httpx
import pytest

from resilient.errors import ConfigurationError
from resilient.outcome import Failure, failure_of
from resilient.testing import FakeClock, LocalServer, Origin, faulty

URL = "https://api.test/"
COLOURS = ["blocking", "async"]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def origin(clock):
    return Origin(clock=clock)


def get(colour, transport, url=URL, *, timeout=5.0):
    """One GET over ``transport``."""
    if colour == "blocking":
        with httpx.Client(transport=transport, timeout=timeout) as client:
            return client.get(url)

    async def main():
        async with httpx.AsyncClient(transport=transport, timeout=timeout) as client:
            return await client.get(url)

    return asyncio.run(main())


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(
    ("fault", "raised", "text", "reaches"),
    [
        ("connect_failure", httpx.ConnectError, "refused", 0),
        ("pool_full", httpx.PoolTimeout, "", 0),
        ("refused_stream", httpx.RemoteProtocolError, "<StreamReset stream_id:1, error_code:7, remote_reset:True>", 0),
        ("drop_body", httpx.ReadError, "reset by peer", 1),
    ],
)
def test_each_fault_is_the_librarys_own_error(colour, fault, raised, text, reaches, origin, clock):
    """And is counted; a body that breaks is the only one that reached the origin, and is closed there."""
    transport = faulty(origin, clock=clock, **{fault: 1.0})
    with pytest.raises(raised) as caught:
        get(colour, transport)
    assert caught.type is raised
    assert text in str(caught.value)
    assert transport.injected == {fault: 1}
    assert (origin.sent, origin.open_bodies) == (reaches, 0)


def test_a_refused_stream_means_unsent(origin):
    """As the one of a real HTTP/2 origin, by its text."""
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        get("blocking", faulty(origin, refused_stream=1.0))
    assert failure_of(caught.value, {httpx.RemoteProtocolError: Failure.BROKEN}) is Failure.UNSENT


@pytest.mark.parametrize("colour", COLOURS)
def test_a_full_pool_takes_the_pool_phase(colour, origin, clock):
    """A real one keeps its caller waiting before it fails."""
    with pytest.raises(httpx.PoolTimeout):
        get(colour, faulty(origin, pool_full=1.0, clock=clock), timeout=httpx.Timeout(9, pool=0.25))
    assert clock.now() == 1_000.25


@pytest.mark.parametrize("colour", COLOURS)
def test_latency_is_added_and_cut_by_the_read_phase(colour, origin, clock):
    """A slow network and an impatient client."""
    transport = faulty(origin, latency="200ms", clock=clock)
    assert get(colour, transport).status_code == 200
    assert clock.now() == 1_000.2
    with pytest.raises(httpx.ReadTimeout):
        get(colour, transport, timeout=0.05)
    assert clock.now() == 1_000.25
    assert transport.injected == {"latency": 2}


@pytest.mark.parametrize("colour", COLOURS)
def test_half_of_a_body_arrives(colour, origin, clock):
    """Half of the announced length, or of the first piece where none is announced."""
    origin.answers(body=[b"abc", b"defgh"], times=1)
    origin.answers(body=[b"abcdef", b"gh"], headers={"transfer-encoding": "chunked"})
    transport = faulty(origin, drop_body=1.0, clock=clock)

    async def pieces(response):
        found = []
        try:
            if colour == "blocking":
                for piece in response.stream:
                    found.append(piece)
            else:
                async for piece in response.stream:
                    found.append(piece)
        except httpx.ReadError:
            return b"".join(found)

    async def send():
        request = httpx.Request("GET", URL)
        if colour == "blocking":
            return transport.handle_request(request)
        return await transport.handle_async_request(request)

    async def main():
        return [await pieces(await send()) for _ in range(2)]

    assert asyncio.run(main()) == [b"abcd", b"abc"]


def test_an_answer_without_a_body_cannot_break(origin):
    """Nothing is injected, and nothing is counted."""
    origin.answers(body=b"")
    transport = faulty(origin, drop_body=1.0)
    assert get("blocking", transport).status_code == 200
    assert not transport.injected


def test_an_answer_that_was_read_at_birth_can_break():
    """As those of a mock transport are."""
    mock = httpx.MockTransport(lambda request: httpx.Response(200, json={"a": 1}))
    with pytest.raises(httpx.ReadError):
        get("blocking", faulty(mock, drop_body=1.0))


def test_rates_are_kept_and_repeatable(origin):
    """A tenth of the requests each, the same ones with the same seed."""

    def outcomes(seed):
        transport = faulty(origin, connect_failure=0.1, drop_body=0.1, seed=seed)
        found = []
        for _ in range(300):
            try:
                found.append(get("blocking", transport).status_code)
            except httpx.TransportError as error:
                found.append(type(error).__name__)
        assert transport.injected["connect_failure"] == found.count("ConnectError")
        assert transport.injected["drop_body"] == found.count("ReadError")
        return found

    assert outcomes(1) == outcomes(1) != outcomes(2)
    assert 15 <= outcomes(1).count("ConnectError") <= 45
    assert 10 <= outcomes(1).count("ReadError") <= 45


def test_it_has_the_colour_of_what_it_wraps(origin):
    """A blocking transport stays one, and so does the other; one for both stays for both."""
    blocking, tasks, both = faulty(httpx.HTTPTransport()), faulty(httpx.AsyncHTTPTransport()), faulty(origin)
    colours = [
        (isinstance(one, httpx.BaseTransport), isinstance(one, httpx.AsyncBaseTransport))
        for one in (blocking, tasks, both)
    ]
    assert colours == [(True, False), (False, True), (True, True)]
    blocking.close()
    asyncio.run(tasks.aclose())


@pytest.mark.parametrize("colour", COLOURS)
def test_a_real_transport_survives_its_faults(colour):
    """Bodies that broke off give their connections back: a pool of one serves all requests."""
    limits = httpx.Limits(max_connections=1)
    real = httpx.HTTPTransport(limits=limits) if colour == "blocking" else httpx.AsyncHTTPTransport(limits=limits)
    transport = faulty(real, drop_body=0.5, seed=1)

    async def main(url):
        statuses = []
        async with httpx.AsyncClient(transport=transport, timeout=5) as client:
            for _ in range(20):
                try:
                    statuses.append((await client.get(url)).status_code)
                except httpx.ReadError:
                    statuses.append("broken")
        return statuses

    def blocking(url):
        statuses = []
        with httpx.Client(transport=transport, timeout=5) as client:
            for _ in range(20):
                try:
                    statuses.append(client.get(url).status_code)
                except httpx.ReadError:
                    statuses.append("broken")
        return statuses

    with LocalServer() as server:
        server.answers(body=b"x" * 10_000)
        statuses = blocking(server.url) if colour == "blocking" else asyncio.run(main(server.url))
    assert statuses.count("broken") == transport.injected["drop_body"] > 0
    assert statuses.count(200) == 20 - statuses.count("broken") > 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"drop_body": 1.5}, "drop_body=1.5"),
        ({"connect_failure": -0.1}, "connect_failure=-0.1"),
        ({"slow_rate": "often"}, "slow_rate='often'"),
        ({"pool_full": True}, "pool_full=True"),
        ({"latency": "slow"}, "latency='slow'"),
        ({"drop_bodies": 0.1}, "drop_bodies.*drop_body"),
    ],
)
def test_wrong_options_are_refused_by_name(origin, options, named):
    """At construction, with the value that was given."""
    with pytest.raises(ConfigurationError, match=named):
        faulty(origin, **options)


def test_what_is_no_transport_is_refused():
    """A client, for instance."""
    with httpx.Client() as client, pytest.raises(ConfigurationError, match="no transport of httpx"):
        faulty(client)
