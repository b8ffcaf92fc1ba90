"""The master of a service, found by Sentinels: real ones, and a failover in the middle of traffic."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from resilient.entry import Entry
from resilient.errors import ConfigurationError, StoreUnavailableError
from resilient.stores.registry import open_store
from tests.stores.conftest import Face
from tests.stores.sentinels import SERVICE, Service
from tests.stores.servers import PASSWORD, USER, free_port

NOWHERE = "redis+sentinel://127.0.0.1:1"


def entry(body=b"value"):
    now = time.time()
    return Entry(body=body, stored_at=now, fresh_until=now + 600, expires_at=now + 600)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One for all tests that do it no harm."""
    service = Service(tmp_path_factory.mktemp("service"), sentinels=1)
    try:
        service.start()
        yield service
    finally:
        service.stop()


@pytest.fixture(params=["blocking", "tasks"])
def face(request, opened):
    """Opens a store and gives one colour of it as plain functions."""
    with asyncio.Runner() as runner:
        yield lambda url, **options: Face(opened(url, sentinel_password=PASSWORD, **options), request.param, runner)


# --- the address --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis+sentinel://one/mymaster", {}),
        ("redis+sentinel://user:password@one:26379,two:26379,[::1]:5/my%20master/3", {"sentinel_password": "x"}),
        ("rediss+sentinel://one,two/mymaster?sentinel_username=watcher&sentinel_password=0042", {"db": 2}),
        ("redis+sentinel://one/mymaster", {"sentinel_ssl": True, "ssl_ca_certs": "/no/ca.pem"}),
        ("redis+sentinel://one/mymaster?sentinel_ssl=no", {"ssl": True, "ssl_certfile": "/no/cert.pem"}),
    ],
)
def test_opening_connects_nowhere_and_reads_no_file(url, options):
    """None of these Sentinels and files is there."""
    pair = open_store(url, **options)
    assert pair.blocking.name == pair.tasks.name == "redis"
    pair.blocking.close()


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        (NOWHERE, {}, "name the service"),
        (f"{NOWHERE}/", {}, "name the service"),
        ("redis+sentinel:///mymaster", {}, "name each Sentinel"),
        ("redis+sentinel://one,,two/mymaster", {}, "name each Sentinel"),
        ("redis+sentinel://one:port,two/mymaster", {}, "malformed"),
        (f"{NOWHERE}/mymaster/zero", {}, "number of a database"),
        (f"{NOWHERE}/mymaster/1", {"db": 1}, "given twice"),
        ("redis+sentinel://ann:x@one/mymaster", {"username": "bob"}, "given twice"),
        (f"{NOWHERE}/mymaster", {"sentinel_pasword": "x"}, "did you mean 'sentinel_password'"),
        (f"{NOWHERE}/mymaster", {"sentinel_password": 42}, r"sentinel_password=\*\*\*"),
        (f"{NOWHERE}/mymaster", {"sentinel_ssl": "perhaps"}, "sentinel_ssl='perhaps'"),
        (f"{NOWHERE}/mymaster", {"ssl_certfile": "x.pem"}, "no TLS"),
        ("redis://one", {"sentinel_password": "x"}, r"write redis\+sentinel://"),
        ("redis://one:6379,two:6379/0", {}, r"names one server.*redis\+sentinel://"),
        ("redis+sentinal://one/mymaster", {}, r"did you mean 'redis\+sentinel'"),
    ],
)
def test_mistakes_are_named_with_what_is_right(url, options, message):
    """At once, not with the first command."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(url, **options)


# --- who is asked -------------------------------------------------------------------------------------------------


def test_the_sentinels_lead_to_the_master(service, face):
    """In both colours; user and password of the URL are the master's, the Sentinels have one of their own."""
    store = face(service.url)
    store.set("k", entry())
    assert store.get("k").body == b"value"
    service.master.ask("WAIT", 1, 1000)
    assert service.master.ask("EXISTS", "resilient:e{:k}") == 1
    assert users(service.replica) == 0


def test_sentinels_that_are_away_or_silent_are_passed_over_and_who_answers_goes_first(service, face):
    """A port that refuses, and one that accepts and says nothing: each is tried once, and then no more."""
    with deaf() as silent:
        store = face(with_sentinels(service, free_port(), silent.port), socket_connect_timeout="200ms", minsize=0)
        for number in range(3):
            assert store.set(f"{number}", entry()) is True
            assert service.master.ask("CLIENT", "KILL", "USER", USER) == 1
            if store.tasks:
                store._runner.run(asyncio.sleep(0.02))  # or the loop does not hear of it
    assert silent.calls == 1


def test_a_server_that_is_no_master_is_not_taken_for_one(service, face):
    """A Sentinel that has not heard of the last failover names a replica: the next one is asked, and asked first."""
    with naming(service.replica.port) as behind:
        store = face(with_sentinels(service, behind.port))
        assert store.set("k", entry()) is True
        assert behind.calls == 1
        assert users(service.replica) == 0
        service.master.ask("CLIENT", "KILL", "USER", USER)
        if store.tasks:
            store._runner.run(asyncio.sleep(0.02))
        assert store.get("k") is not None
    assert behind.calls == 1


def test_where_all_name_a_replica_there_is_no_master(service, face):
    """Two that agree are enough: the third, which says nothing, is not waited for."""
    with naming(service.replica.port) as one, naming(service.replica.port) as other, deaf() as silent:
        sentinels = ",".join(f"127.0.0.1:{each.port}" for each in (one, other, silent))
        refused = failure_of(face(f"{service.url.partition('@')[0]}@{sentinels}/{SERVICE}").get, "k")
    assert refused.kind == "readonly"
    assert "is no master" in str(refused)
    assert silent.calls == 0
    assert users(service.replica) == 0


@pytest.mark.parametrize(
    ("change", "message", "kind"),
    [
        ((f"/{SERVICE}", "/another"), "knows no service 'another'", "other"),
        ((f"{USER}:", "stranger:"), "invalid username-password pair", "auth"),
    ],
)
def test_why_there_is_no_master_is_said(service, face, change, message, kind):
    """By whom, too; no password is in it."""
    refused = failure_of(face(service.url.replace(*change)).get, "k")
    assert message in str(refused)
    assert f"127.0.0.1:{service.master.port if kind == 'auth' else service.sentinels[0].port}: " in str(refused)
    assert refused.kind == kind
    assert "staple" not in str(refused)


def test_the_password_of_the_sentinels_may_be_wrong(service, opened):
    """Told as such."""
    store = opened(service.url, sentinel_password="hunter2").blocking
    refused = failure_of(store.get, "k")
    assert refused.kind == "auth"
    assert "hunter2" not in str(refused)


def test_a_silent_master_does_not_keep_a_loop_from_opening_the_next_connection(service, opened):
    """What waits for it in vain ends by itself; then the Sentinels, who name another one now, are asked again."""
    with deaf() as silent, naming(silent.port) as sentinel:
        url = f"{service.url.partition('@')[0]}@127.0.0.1:{sentinel.port}/{SERVICE}"
        pair = opened(url, socket_connect_timeout="100ms")

        async def main():
            while not silent.calls:
                with pytest.raises(StoreUnavailableError) as caught:
                    await pair.tasks.get("k")
                assert caught.value.kind == "timeout"
            sentinel.named = service.master.port
            is_kept = None
            while is_kept is None:
                # A busy machine may be as slow as the master was.
                with suppress(StoreUnavailableError):
                    is_kept = await pair.tasks.set("k", entry())
            assert is_kept
            await pair.tasks.close()

        asyncio.run(main())


def users(server):
    """How many connections the store has to it."""
    return sum(client["user"] == USER for client in server.admin().client_list())


def failure_of(command, *args):
    with pytest.raises(StoreUnavailableError) as caught:
        command(*args)
    return caught.value


def with_sentinels(service, *ports):
    """The service's URL with more Sentinels before its own."""
    user, _, rest = service.url.partition("@")
    return f"{user}@{','.join(f'127.0.0.1:{port}' for port in ports)},{rest}"


class Listener:
    """Accepts connections; what it says on them is the test's."""

    def __init__(self, answer):
        self.calls, self._answer, self._open = 0, answer, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.calls += 1
                self._open.append(client)
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with suppress(OSError):
            while data := client.recv(4096):
                client.sendall(self._answer(data))

    def close(self):
        # A thread that waits in accept() is not woken by close() alone.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._open:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()


@contextmanager
def deaf():
    """A port that accepts connections and says nothing."""
    listener = Listener(lambda data: b"")
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def naming(port):
    """A Sentinel that names that port of this machine, whatever is true."""

    def answer(data):
        if b"GET-MASTER-ADDR-BY-NAME" in data:
            said = str(listener.named)
            return f"*2\r\n$9\r\n127.0.0.1\r\n${len(said)}\r\n{said}\r\n".encode()
        # Whatever a client says when it introduces itself, one answer each.
        return b"+OK\r\n" * data.count(b"*")

    listener = Listener(answer)
    listener.named = port
    try:
        yield listener
    finally:
        listener.close()
