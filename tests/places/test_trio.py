"""Under trio: httpx works there, we do not, and say so."""

import pytest

from resilient import Cache, ConfigurationError, Policy, ResponseCache

trio = pytest.importorskip("trio")

MESSAGE = "works on asyncio only"


def ok(family):
    async def answer(request):
        await trio.lowlevel.checkpoint()
        return family.http.Response(200, text="ok")

    return family.http.MockTransport(answer)


def test_the_library_itself_works_under_trio(family):
    """So that a clear word is called for: the plain client is answered."""

    async def main():
        async with family.http.AsyncClient(transport=ok(family)) as client:
            return (await client.get("https://api.test/")).text

    assert trio.run(main) == "ok"


@pytest.mark.parametrize(
    "policy", [Policy.standard(), Policy.passthrough(), Policy(cache=ResponseCache(ttl=5))], ids=str
)
def test_a_client_says_that_it_works_on_asyncio_only(family, policy):
    """Whatever its policy; nothing is sent, and it can be closed."""
    sent = []

    async def main():
        transport = family.http.MockTransport(sent.append)
        async with family.door.AsyncResilientClient(transport=transport, policies=policy) as client:
            with pytest.raises(ConfigurationError, match=MESSAGE):
                await client.get("https://api.test/")
            with pytest.raises(ConfigurationError, match=MESSAGE):
                async with client.stream("GET", "https://api.test/"):
                    pass
        assert client.is_closed

    trio.run(main)
    assert sent == []


def test_the_error_is_not_hidden_by_another_one_at_the_end(family):
    """It leaves the ``async with`` block as it is."""

    async def main():
        async with family.door.AsyncResilientClient(transport=ok(family)) as client:
            await client.get("https://api.test/")

    with pytest.raises(ConfigurationError, match=MESSAGE) as caught:
        trio.run(main)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("inner", ["mock", "network"])
def test_a_transport_says_so_too(family, inner):
    """In the hands of a plain client."""

    async def main():
        transport = ok(family) if inner == "mock" else family.http.AsyncHTTPTransport(verify=False)
        async with family.http.AsyncClient(transport=family.door.AsyncResilientTransport(transport)) as client:
            with pytest.raises(ConfigurationError, match=MESSAGE):
                await client.get("https://api.test/")

    trio.run(main)


def test_a_blocking_client_works_in_a_thread_of_trio(family):
    """It needs no loop."""
    mock = family.http.MockTransport(lambda request: family.http.Response(200, text="ok"))

    async def main():
        with family.door.ResilientClient(transport=mock) as client:
            return await trio.to_thread.run_sync(client.get, "https://api.test/")

    assert trio.run(main).text == "ok"


@pytest.mark.parametrize("store", ["mem://", "disk://{folder}"])
def test_a_cache_says_so_too(store, tmp_path):
    """A decorated call and a command; the blocking commands need no event loop at all."""
    cache = Cache(store.format(folder=tmp_path))

    @cache(ttl="1h", key="{name}")
    async def fetch(name):
        return name

    async def main():
        with pytest.raises(ConfigurationError, match=MESSAGE):
            await fetch("x")
        with pytest.raises(ConfigurationError, match=MESSAGE):
            await cache.get("x")

    cache.blocking.set("k", 1)
    assert cache.blocking.get("k") == 1
    trio.run(main)
    cache.close()
