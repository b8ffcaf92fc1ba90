"""Who a client says it is: every way that httpx's clients know, over real connections."""

import hashlib

import pytest

from resilient import CircuitBreaker, Policy, Retry
from resilient.testing import Reply

from .servers.accounts import USER, Digest, basic


@pytest.fixture
def guarded(origin):
    """An origin that asks at ``/basic`` and ``/digest``."""
    origin.at("/basic").behaves(basic)
    origin.at("/digest").behaves(Digest())
    return origin


# --- basic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["client", "request", "address", "object"])
def test_basic(client_of, guarded, where):
    """At the client, at the request, or in the address."""
    http = client_of.http
    client = client_of(**({"auth": USER} if where == "client" else {}))
    options = {"request": {"auth": USER}, "object": {"auth": http.BasicAuth(*USER)}}.get(where, {})
    url = guarded.url if where != "address" else f"http://ann:open%20sesame@127.0.0.1:{guarded.port}"
    answer = client.post(url + "/basic", content=b"ann", **options)
    assert (answer.status_code, answer.content, guarded.sent) == (200, b"welcome ann", 1)


def test_no_credentials_for_one_request(client_of, guarded):
    """``auth=None`` at the request takes back what the client has."""
    assert client_of(auth=USER).get(guarded.url + "/basic", auth=None).status_code == 401


def test_a_function_signs_each_request(client_of, guarded):
    """It sees the request as it is sent."""

    def sign(request):
        request.headers["x-signed"] = hashlib.sha256(request.content).hexdigest()
        return request

    answer = client_of(auth=sign).post(guarded.url, content=b"body")
    assert answer.json()["headers"]["x-signed"] == hashlib.sha256(b"body").hexdigest()


# --- digest ------------------------------------------------------------------------------------------------------


def test_digest(client_of, guarded):
    """A round for the challenge, and none for the next request, which knows it already; the body comes each time."""
    client = client_of(auth=client_of.http.DigestAuth(*USER))
    answers = [client.post(guarded.url + "/digest", content=b"ann") for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"welcome ann")] * 2
    assert [received.status for received in guarded.requests] == [401, 200, 200]
    assert [received.body for received in guarded.requests] == [b"ann"] * 3
    assert [len(answer.history) for answer in answers] == [1, 0]


def test_a_wrong_password_is_one_more_round(client_of, guarded):
    """And an answer, not an error."""
    client = client_of(auth=client_of.http.DigestAuth("ann", "guess"))
    answer = client.get(guarded.url + "/digest")
    assert (answer.status_code, guarded.sent) == (401, 2)


def test_digest_and_an_origin_that_stumbles(wire, guarded):
    """Each round has its attempts, and they are one call: one journey, three requests."""
    guarded.at("/digest").answers(503, times=1)
    client = wire.client(auth=wire.http.DigestAuth(*USER))
    answer = client.get(guarded.url + "/digest")
    assert answer.status_code == 200
    assert [received.status for received in guarded.requests] == [503, 401, 200]
    assert len(answer.extensions["resilient"].attempts) == 3


# --- flows of one's own ------------------------------------------------------------------------------------------


def flow_of(http, origin):
    """Fetches a token where it gets a 401, and signs the body of what it sends."""

    class Flow(http.Auth):
        requires_request_body = True
        requires_response_body = True

        def auth_flow(self, request):
            response = yield request
            if response.status_code == 401:
                ticket = yield http.Request("POST", origin.url + "/token", content=response.content)
                request.headers["authorization"] = f"Bearer {ticket.text}"
                request.headers["x-digest"] = hashlib.sha256(request.content).hexdigest()
                yield request

    return Flow()


def tokens(origin):
    origin.at("/orders").behaves(
        lambda request, *_: None if request.headers.get("authorization") == "Bearer t-realm" else 401
    )
    origin.at("/token").behaves(lambda request, *_: Reply(body=b"t-realm"))


@pytest.mark.parametrize("one_shot", [False, True])
def test_a_flow_with_requests_of_its_own(client_of, origin, one_shot):
    """It sees bodies and answers as it asks to; a body that can be sent once is read before it starts."""
    tokens(origin)
    client = client_of(auth=flow_of(client_of.http, origin))
    content = client.wire.one_shot([b"bo", b"dy"]) if one_shot else b"body"
    answer = client.post(origin.url + "/orders", content=content)
    assert answer.status_code == 200
    assert answer.json()["headers"]["x-digest"] == hashlib.sha256(b"body").hexdigest()
    assert [(received.path, received.status) for received in origin.requests] == [
        ("/orders", 401),
        ("/token", 200),
        ("/orders", 200),
    ]
    assert [received.body for received in origin.requests] == [b"body", b"ok", b"body"]


def test_the_requests_of_a_flow_go_through_policies_too(wire, origin):
    """An endpoint that hands out tokens may stumble as any other."""
    tokens(origin)
    origin.at("/token").answers(503, times=1)
    client = wire.client(auth=flow_of(wire.http, origin), policies=Policy(retry=Retry(methods={"POST"})))
    answer = client.post(origin.url + "/orders", content=b"body")
    assert answer.status_code == 200
    assert [(received.path, received.status) for received in origin.requests] == [
        ("/orders", 401),
        ("/token", 503),
        ("/token", 200),
        ("/orders", 200),
    ]


def test_strangers_do_not_open_the_circuit(wire, guarded):
    """A 401 is an answer."""
    client = wire.client(policies=Policy(breaker=CircuitBreaker(failures=2)))
    for _ in range(5):
        assert client.get(guarded.url + "/basic").status_code == 401


# --- netrc -------------------------------------------------------------------------------------------------------


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    path = tmp_path / ".netrc"
    path.write_text('machine 127.0.0.1 login ann password "open sesame"\n')
    path.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


def test_netrc_is_asked_for_in_so_many_words(client_of, guarded, netrc):
    """A file as an argument; the environment alone is none of a client's business."""
    assert client_of().get(guarded.url + "/basic").status_code == 401
    client = client_of(auth=client_of.http.NetRCAuth(str(netrc)))
    assert client.get(guarded.url + "/basic").status_code == 200
    assert client_of(auth=client_of.http.NetRCAuth()).get(guarded.url + "/basic").status_code == 200
