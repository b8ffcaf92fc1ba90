"""TLS on real servers: each end proves who it is. Where one cannot, it is said, and callers are answered."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import pytest

from resilient import Cache
from resilient.entry import Entry
from resilient.errors import StoreUnavailableError
from resilient.events import StoreFailed
from resilient.logs.limit import Limit
from tests.stores.certificates import Certificates, SecureServer
from tests.stores.conftest import Face
from tests.stores.sentinels import SERVICE, Sentinel
from tests.stores.servers import PASSWORD, USER, free_port, until


def entry():
    now = time.time()
    return Entry(body=b"value", stored_at=now, fresh_until=now + 600, expires_at=now + 600)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Another authority, which nobody trusts."""
    return Certificates(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, certificates):
    """A server whose certificate names another host."""
    server = SecureServer(tmp_path_factory.mktemp("elsewhere"), certificates, "elsewhere.test")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["blocking", "tasks"])
def face(request, opened):
    """Opens a store and gives one colour of it as plain functions."""
    with asyncio.Runner() as runner:
        yield lambda url, **options: Face(opened(url, **options), request.param, runner)


def ports_in_use(server):
    """The server's ports on which the store has connections; those of an earlier test are gone after a moment."""
    ours = [client for client in server.admin().client_list() if client["user"] == USER]
    return {int(client["laddr"].rpartition(":")[2]) for client in ours}


@pytest.mark.parametrize("scheme", ["rediss", "redis"])
def test_both_ends_prove_who_they_are(secure_server, certificates, face, scheme):
    """By the URL's scheme, or by an option; the connection is not the one in plain text."""
    url = secure_server.secure_url.replace("rediss", scheme)
    store = face(url, ssl=True, **certificates.client)
    store.set("k", entry())
    assert store.get("k").body == b"value"
    until(lambda: ports_in_use(secure_server) == {secure_server.secure_port})


def test_a_host_that_is_not_named_may_be_accepted(elsewhere, certificates, face):
    """By an option; its certificate has to be good all the same."""
    store = face(elsewhere.secure_url, ssl_check_hostname=False, **certificates.client)
    assert store.get("k") is None


FAULTS = {
    "an authority that is not trusted": ({"ssl_ca_certs": "stranger"}, "CERTIFICATE_VERIFY_FAILED"),
    "a name that is not the host's": ({"host": "elsewhere"}, "Hostname mismatch|IP address mismatch"),
    "no certificate of the client's": ({"ssl_certfile": None, "ssl_keyfile": None}, "client's certificate"),
    "a stranger's certificate": ({"ssl_certfile": "stranger", "ssl_keyfile": "stranger"}, "client's certificate"),
}


@pytest.fixture(params=FAULTS)
def fault(request, secure_server, elsewhere, certificates, stranger):
    """The address and the options of a client that does not get in, and what the reason is called."""
    changes, reason = FAULTS[request.param]
    options, url = certificates.client, secure_server.secure_url
    for name, change in changes.items():
        if name == "host":
            url = elsewhere.secure_url
        elif change is None:
            del options[name]
        else:
            options[name] = str(stranger.trusted if name == "ssl_ca_certs" else stranger.of("client.test"))
    return url, options, reason


def test_a_command_says_why_it_gets_nothing(fault, face):
    """The error has a kind of its own, and what TLS said."""
    url, options, reason = fault
    with pytest.raises(StoreUnavailableError, match=reason) as caught:
        face(url, **options).get("k")
    assert caught.value.kind == "auth"


@pytest.mark.parametrize("colour", ["blocking", "tasks"])
def test_a_call_is_answered_all_the_same_and_it_is_said_once(fault, colour, caplog):
    """As without a store: each event has the kind, and the log says in one line what to look at."""
    url, options, _ = fault
    heard = []
    cache = Cache()
    cache.setup(url, telemetry=[heard.append], store_budget="30s", **options)
    with caplog.at_level(logging.WARNING, "resilient.store"):
        assert call_three_times(cache, colour) == ["made"] * 3
    cache.close()
    failed = [event for event in heard if isinstance(event, StoreFailed)]
    assert len(failed) >= 3
    assert failed[0].kind == "auth"
    assert {(event.store, event.kind) for event in failed} <= {("redis", "auth"), ("redis", "degraded")}
    (error,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "certificates" in error
    assert not [record for record in caplog.records if "failed" in record.getMessage()]


def test_a_wrong_password_and_a_missing_permission_are_said_once_too(own_server, caplog, monkeypatch):
    """NOAUTH and NOPERM, of which nothing mends itself."""
    server = own_server(f"user reader on >{USER} ~* +get")
    for user in (f"{USER}:hunter2", f"reader:{USER}"):
        monkeypatch.setattr("resilient.logs.logs._limit", Limit())
        heard = []
        cache = Cache()
        cache.setup(f"redis://{user}@127.0.0.1:{server.port}", telemetry=[heard.append], store_budget="30s")
        caplog.clear()
        with caplog.at_level(logging.WARNING, "resilient.store"):
            assert call_three_times(cache, "blocking") == ["made"] * 3
        cache.close()
        kinds = {event.kind for event in heard if isinstance(event, StoreFailed)}
        assert {"auth"} <= kinds <= {"auth", "degraded"}
        assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
        assert "hunter2" not in caplog.text


def call_three_times(cache, colour):
    if colour == "blocking":
        function = cache(ttl="1h", key="k")(lambda: "made")
        return [function() for _ in range(3)]

    @cache(ttl="1h", key="k")
    async def coroutine():
        return "made"

    async def main():
        return [await coroutine() for _ in range(3)]

    return asyncio.run(main())


def test_what_a_server_answers_is_not_taken_for_a_hang_up(secure_server, certificates, face):
    """A wrong password by TLS is told in the server's words."""
    url = f"rediss://{USER}:hunter2@127.0.0.1:{secure_server.secure_port}"
    with pytest.raises(StoreUnavailableError, match="invalid username-password pair") as caught:
        face(url, **certificates.client).get("k")
    assert caught.value.kind == "auth"


@pytest.mark.parametrize("secure", ["the client", "the server"])
def test_a_port_that_speaks_the_other_way_is_no_matter_of_certificates(secure_server, certificates, face, secure):
    """A failure like others, be it that one hangs up, or waits for the rest of what it takes for a command."""
    url = secure_server.secure_url.replace("rediss", "redis")
    if secure == "the client":
        url = f"rediss://127.0.0.1:{secure_server.port}"
    with pytest.raises(StoreUnavailableError) as caught:
        face(url, socket_connect_timeout="200ms", **(certificates.client if secure == "the client" else {})).get("k")
    assert caught.value.kind in ("timeout", "other")


def test_a_connection_that_is_given_up_is_closed_though_the_server_does_not_say_good_bye(
    certificates, opened, tmp_path
):
    """TLS ends with a word from either end; a loop that ends before a server has said its own leaves nothing open."""
    server = SecureServer(tmp_path / "paused", certificates)
    try:
        server.start()
        pair = opened(server.secure_url, **certificates.client)

        async def give_up():
            before = open_sockets()
            await pair.tasks.set("k", entry())
            assert open_sockets() == before + 1
            server.pause()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await pair.tasks.get("k")

        before = open_sockets()
        asyncio.run(give_up())
        assert open_sockets() == before
    finally:
        server.stop()


def open_sockets():
    """How many sockets this process has."""
    return sum(each.is_socket() for each in Path("/proc/self/fd").iterdir())


# --- with Sentinels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", ["both", "the Sentinel", "the master"])
def test_sentinels_and_their_master_may_each_speak_tls(secure_server, certificates, face, tmp_path, secure):
    """Both by the scheme; or one of them by its option."""
    has_sentinel, has_master = secure != "the master", secure != "the Sentinel"
    options = [*certificates.of_server("127.0.0.1"), f"tls-replication {'yes' if has_master else 'no'}"]
    port = free_port()
    if has_sentinel:
        options.append(f"tls-port {port}")
    sentinel = Sentinel(tmp_path, secure_server.secure_port if has_master else secure_server.port, 1, *options)
    scheme = "rediss" if secure == "both" else "redis"
    user = secure_server.url.partition("@")[0].replace("redis:", f"{scheme}+sentinel:")
    given = {"both": {}, "the Sentinel": {"sentinel_ssl": True}, "the master": {"ssl": True, "sentinel_ssl": False}}
    try:
        sentinel.start()
        store = face(
            f"{user}@127.0.0.1:{port if has_sentinel else sentinel.port}/{SERVICE}",
            sentinel_password=PASSWORD,
            **given[secure],
            **certificates.client,
        )
        store.set("k", entry())
        until(lambda: ports_in_use(secure_server) == {secure_server.secure_port if has_master else secure_server.port})
    finally:
        sentinel.stop()
