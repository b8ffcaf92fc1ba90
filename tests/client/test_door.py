"""The door: our clients are the HTTP library's own clients in everything but what policies add."""

import asyncio
import copy
import dataclasses
import gzip
import hashlib
import importlib
import inspect
import re
import threading
import typing
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

import resilient
from resilient import ConfigurationError, Policy, ResponseCache, options
from resilient.testing import LocalServer

from .both import Auth, Stream, Transport, library_of, raising, reply_to

POLICIES = {
    "passthrough": Policy.passthrough(),
    "standard": Policy.standard(),
    "cached": Policy(cache=ResponseCache(ttl="1h")),
}


# --- what a script can tell of a call ----------------------------------------------------------------------------


def fields_of(response):
    """Its header fields, but for what our cache says of itself."""
    return [field for field in response.headers.raw if field[0] != b"cache-status"]


def seen_in(response):
    """All that the caller of a call can see, but for what is ours."""
    return {
        "status": response.status_code,
        "headers": fields_of(response),
        "content": response.content,
        "text": response.text,
        "encoding": response.encoding,
        "version": response.http_version,
        "reason": response.reason_phrase,
        "extensions": sorted(set(response.extensions) - {"resilient"}),
        "closed": response.is_closed,
        "consumed": response.is_stream_consumed,
        "cookies": dict(response.cookies),
        "links": response.links,
        "history": [seen_in(one) for one in response.history],
        "next": None if response.next_request is None else sent_in(response.next_request),
        "request": sent_in(response.request),
    }


def sent_in(request):
    return {
        "method": request.method,
        "url": str(request.url),
        "headers": request.headers.raw,
        "extensions": dict(request.extensions),
    }


def failed_with(error):
    request = getattr(error, "_request", None)
    return {
        "kind": type(error),
        "text": str(error),
        "args": error.args,
        "request": None if request is None else sent_in(request),
        "cause": type(error.__cause__),
    }


def result_of(outcome):
    return failed_with(outcome) if isinstance(outcome, Exception) else seen_in(outcome)


# --- scripted exchanges ------------------------------------------------------------------------------------------


class Pieces(Stream):
    """A body as it comes from a network, in both colours."""

    def __init__(self, *pieces, error=None):
        self.pieces, self.error = pieces, error
        self.closed = 0

    def __iter__(self):
        yield from self.pieces
        if self.error is not None:
            raise self.error

    async def __aiter__(self):
        for piece in self:
            yield piece

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


def streamed(request, *pieces, status=200, headers=(), error=None, **extensions):
    """An answer whose body comes piece by piece, and may end in the library's error of the name ``error``."""
    fields = [("content-length", str(sum(map(len, pieces)))), *headers]
    broken = None if error is None else getattr(library_of(request), error)("cut")
    return reply_to(
        request,
        status,
        headers=fields,
        stream=Pieces(*pieces, error=broken),
        extensions={"http_version": b"HTTP/1.1", **extensions},
    )


def hopping(request):
    hops = int(request.url.params.get("hops", 0))
    if not hops:
        return streamed(request, b"there at last ", request.method.encode(), b" " + request.read())
    status = int(request.url.params.get("status", 302))
    fields = [("location", f"/hop?hops={hops - 1}&status={status}"), ("set-cookie", f"hop{hops}=1")]
    return streamed(request, b"moved", status=status, headers=fields)


def protected(request):
    """Digest authentication as in RFC 7616 section 3.9.1; answers 200 only to a right response."""
    given = request.headers.get("authorization", "")
    if not given.startswith("Digest"):
        challenge = 'Digest realm="here", qop="auth", algorithm=SHA-256, nonce="7ypf", opaque="FQhe"'
        return streamed(request, b"who are you", status=401, headers=[("www-authenticate", challenge)])
    part = dict(re.findall(r'(\w+)="?([^",]+)"?', given))

    def hashed(text):
        return hashlib.sha256(text.encode()).hexdigest()

    owner, asked = hashed("ann:here:secret"), hashed(f"{request.method}:{part['uri']}")
    right = hashed(f"{owner}:7ypf:{part['nc']}:{part['cnonce']}:auth:{asked}")
    return streamed(request, b"welcome" if part["response"] == right else b"liar", status=200)


class Refreshing(Auth):
    """A custom flow: asks for a token, sends it, and asks anew after a 401."""

    requires_response_body = True

    def auth_flow(self, request):
        token = yield type(request)("POST", "https://auth.test/token", content=b"please")
        request.headers["authorization"] = f"Bearer {token.text}"
        response = yield request
        if response.status_code == 401:
            request.headers["authorization"] = "Bearer better"
            yield request


def tokens(request):
    if request.url.host == "auth.test":
        return streamed(request, b"stale")
    good = request.headers["authorization"] == "Bearer better"
    return streamed(request, b"in", status=200 if good else 401)


def echo(request):
    """Tells what came: the method, the address, the fields, the body."""
    body = request.read()
    fields = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-type"]
    return reply_to(request, json={"m": request.method, "u": str(request.url), "h": str(fields), "b": body.hex()})


async def async_echo(request):
    await request.aread()
    return echo(request)


PACKED = gzip.compress(b"packed " * 50)
BOUNDARY = {"content-type": "multipart/form-data; boundary=xyz"}

# name: (what the transport does, options of the client, what is asked)
EXCHANGES = {
    "text": (lambda r: reply_to(r, text="grüß dich"), {}, {}),
    "html": (lambda r: reply_to(r, html="<b>x</b>"), {}, {}),
    "json": (lambda r: reply_to(r, json={"a": [1, None]}), {}, {}),
    "extensions": (lambda r: reply_to(r, text="x", extensions={"http_version": b"HTTP/3", "own": 1}), {}, {}),
    "nothing": (reply_to, {}, {}),
    "204": (lambda r: reply_to(r, 204), {}, {}),
    "404": (lambda r: reply_to(r, 404, text="no"), {}, {}),
    "500": (lambda r: reply_to(r, 500, text="oh"), {}, {}),
    "503": (lambda r: streamed(r, b"later", status=503, headers=[("retry-after", "0")]), {}, {}),
    "odd status": (lambda r: streamed(r, b"?", status=299, reason_phrase=b"Fine By Me"), {}, {}),
    "http/2": (lambda r: reply_to(r, stream=Pieces(b"2"), extensions={"http_version": b"HTTP/2"}), {}, {}),
    "pieces": (lambda r: streamed(r, b"one", b"", b"two"), {}, {}),
    "no length": (lambda r: reply_to(r, stream=Pieces(b"until the end")), {}, {}),
    "gzip at birth": (lambda r: reply_to(r, content=PACKED, headers={"content-encoding": "gzip"}), {}, {}),
    "gzip": (lambda r: streamed(r, PACKED[:9], PACKED[9:], headers=[("content-encoding", "gzip")]), {}, {}),
    "deflate": (lambda r: streamed(r, zlib.compress(b"x"), headers=[("content-encoding", "deflate")]), {}, {}),
    "unknown coding": (lambda r: streamed(r, b"x", headers=[("content-encoding", "rot13")]), {}, {}),
    "bad gzip": (lambda r: streamed(r, b"no gzip", headers=[("content-encoding", "gzip")]), {}, {}),
    "charset": (lambda r: streamed(r, b"\xfc", headers=[("content-type", "text/plain; charset=latin-1")]), {}, {}),
    "encoding": (lambda r: streamed(r, b"\xfc"), {"default_encoding": "latin-1"}, {}),
    "guessed": (lambda r: streamed(r, b"\xfc"), {"default_encoding": lambda content: "latin-1"}, {}),
    "twice": (lambda r: streamed(r, b"", headers=[("x", "1"), ("X", "2"), ("Link", '</n>; rel="next"')]), {}, {}),
    "cookies": (lambda r: streamed(r, b"", headers=[("set-cookie", "a=1"), ("set-cookie", "b=2; path=/")]), {}, {}),
    "redirect": (hopping, {}, {"url": "/hop?hops=2", "follow_redirects": True}),
    "redirect 303": (
        hopping,
        {},
        {"method": "POST", "content": b"x", "url": "/hop?hops=1&status=303", "follow_redirects": True},
    ),
    "redirect 307": (
        hopping,
        {},
        {"method": "POST", "content": b"x", "url": "/hop?hops=1&status=307", "follow_redirects": True},
    ),
    "redirect, not followed": (hopping, {}, {"url": "/hop?hops=2"}),
    "too many redirects": (hopping, {"max_redirects": 3}, {"url": "/hop?hops=9", "follow_redirects": True}),
    "redirect to nowhere": (
        lambda r: reply_to(r, 302, headers={"location": "https://[nowhere"}),
        {},
        {"follow_redirects": True},
    ),
    "connect error": (raising("ConnectError", "refused"), {}, {}),
    "read error": (raising("ReadError", "reset"), {}, {"method": "POST"}),
    "read timeout": (raising("ReadTimeout", "slow"), {}, {"method": "POST"}),
    "pool timeout": (raising("PoolTimeout", ""), {}, {}),
    "protocol error": (raising("RemoteProtocolError", "what"), {}, {"method": "PATCH"}),
    "unsupported": (raising("UnsupportedProtocol", "ftp"), {}, {}),
    "bug": (raising(ValueError("a bug")), {}, {}),
    "body breaks": (lambda r: streamed(r, b"half", error="ReadError"), {}, {"method": "POST"}),
    "bad address": (reply_to, {}, {"url": "https://exa mple/"}),
    "content": (echo, {}, {"method": "POST", "content": b"bytes"}),
    "body as json": (echo, {}, {"method": "PUT", "json": {"a": 1}}),
    "form": (echo, {}, {"method": "POST", "data": {"a": "1", "b": ["2", "3"]}}),
    "multipart": (echo, {}, {"method": "POST", "files": {"f": ("n.txt", b"inside")}, "headers": BOUNDARY}),
    "params": (echo, {"params": {"a": "1"}, "headers": {"x": "y"}, "cookies": {"c": "d"}}, {"params": {"b": "2"}}),
    "base_url": (echo, {"base_url": "https://api.test/v1"}, {"url": "items"}),
    "elsewhere": (echo, {}, {"url": "http://other.test:8080/a%2Fb?q=%26#part"}),
    "userinfo": (echo, {}, {"url": "https://ann:secret@api.test/"}),
    "basic": (echo, {"auth": ("ann", "secret")}, {}),
    "digest": (protected, lambda http: {"auth": http.DigestAuth("ann", "secret")}, {}),
    "wrong digest": (protected, lambda http: {"auth": http.DigestAuth("ann", "guess")}, {}),
    "flow": (tokens, {"auth": Refreshing()}, {}),
    "function as auth": (echo, {"auth": lambda r: r.headers.update({"x-key": "k"}) or r}, {}),
    "options": (echo, {}, {"timeout": 3, "extensions": {"trace": None, "sni_hostname": "x"}}),
    "head": (lambda r: reply_to(r, headers={"content-length": "10"}), {}, {"method": "HEAD"}),
    "own method": (echo, {}, {"method": "brew"}),
}


@pytest.fixture
def fixed_digest(monkeypatch):
    """Digest authentication throws dice."""
    monkeypatch.setattr("os.urandom", lambda size: b"7" * size)
    monkeypatch.setattr("time.ctime", lambda: "then")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_looks_as_through_the_library_itself(world, plain, name, policy, fixed_digest):
    """Status, raw fields, body, encodings, cookies, history, errors with type, words and request: all are the same.

    Also under the standard policy, where retries end in the very same error or answer; and on a cache's miss.
    """
    handler, given, asked = EXCHANGES[name]
    if callable(given):
        given = given(world.http)
    expected = plain(world.http.MockTransport(handler), **copy.deepcopy(given)).outcome(**asked)
    got = world.client(world.http.MockTransport(handler), POLICIES[policy], **copy.deepcopy(given)).outcome(**asked)
    assert result_of(got) == result_of(expected)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["pieces", "gzip", "503", "no length", "body breaks", "bad gzip"])
@pytest.mark.parametrize("way", ["raw", "bytes", "text", "lines"])
def test_a_stream_looks_as_through_the_library_itself(world, plain, name, policy, way):
    """Piece by piece, whatever the way of reading, and up to the same error."""
    handler, _, asked = EXCHANGES[name]

    async def pieces(caller):
        response = await caller.ask(**asked, stream=True)
        found = [response.is_closed, response.is_stream_consumed]
        try:
            if world.colour == "blocking":
                found += list(getattr(response, f"iter_{way}")())
            else:
                found += [piece async for piece in getattr(response, f"aiter_{way}")()]
        except world.http.HTTPError as error:
            found += [type(error), str(error)]
        await caller.close(response)
        return [*found, response.is_closed, response.num_bytes_downloaded, fields_of(response)]

    expected = world.do(lambda: pieces(plain(world.http.MockTransport(handler))))
    assert world.do(lambda: pieces(world.client(world.http.MockTransport(handler), POLICIES[policy]))) == expected


# --- the caller's own objects ------------------------------------------------------------------------------------


def test_clients_are_the_librarys_own_clients(world, family):
    """SDKs check for it, and so do type checkers."""
    assert issubclass(family.door.ResilientClient, family.http.Client)
    assert issubclass(family.door.AsyncResilientClient, family.http.AsyncClient)
    assert issubclass(family.door.ResilientTransport, family.http.BaseTransport)
    assert issubclass(family.door.AsyncResilientTransport, family.http.AsyncBaseTransport)


def sent(world, client, request, **options):
    async def script():
        return await world.result_of(client.send(request, **options))

    return world.do(script)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_answer_belongs_to_the_callers_own_request(world, policy):
    """``response.request is request``, with nothing of ours in it: neither extensions, nor fields."""
    client = world.client(world.http.MockTransport(hopping), POLICIES[policy]).client
    asked = options(idempotency_key="k", deadline="3s")
    request = client.build_request("GET", "/hop?hops=1", extensions=asked)
    before = {**vars(request), "headers": list(request.headers.raw), "extensions": dict(request.extensions)}
    response = sent(world, client, request, follow_redirects=True)
    assert response.history[0].request is request
    assert {**vars(request), "headers": list(request.headers.raw)} == before
    for one in (response, response.history[0]):
        assert set(one.request.extensions) == {"timeout", "resilient"}
        assert one.request.extensions["resilient"] is asked["resilient"]
        assert "idempotency-key" not in one.request.headers


def test_a_raw_request_gets_the_same_extensions_as_through_the_library(world, plain):
    """httpx puts the client's timeout into a request that has none; nothing else is left in it."""
    reference, request = world.http.Request("GET", "https://api.test/"), world.http.Request("GET", "https://api.test/")
    sent(world, plain(world.http.MockTransport(echo)).client, reference)
    sent(world, world.client(world.http.MockTransport(echo)).client, request)
    assert request.extensions == reference.extensions
    assert vars(request).keys() == vars(reference).keys()


def test_a_redirect_that_is_not_followed_can_be_sent_by_anybody(world):
    """The next request carries nothing of the call that it came from: sent again it is a call of its own."""
    caller = world.client(world.http.MockTransport(hopping))
    first = caller.get("/hop?hops=1")
    assert set(first.next_request.extensions) == {"timeout"}
    second = sent(world, caller.client, first.next_request)
    assert second.extensions["resilient"] is not first.extensions["resilient"]
    assert second.request is first.next_request


def test_the_error_names_the_callers_own_request(world):
    """The request in an error is the one that was sent, and has nothing of ours in it."""
    client = world.client(world.http.MockTransport(raising("ConnectError", "no"))).client
    request = client.build_request("GET", "/")
    with pytest.raises(world.http.ConnectError) as caught:
        sent(world, client, request)
    assert caught.value.request is request
    assert set(request.extensions) == {"timeout"}


def test_an_error_after_a_redirect_has_nothing_of_ours_either(world):
    """Its request is one that the library made on the way."""
    caller = world.client(world.http.MockTransport(hopping), max_redirects=1)
    error = caller.outcome("GET", "/hop?hops=5", follow_redirects=True)
    assert isinstance(error, world.http.TooManyRedirects)
    assert set(error.request.extensions) == {"timeout"}


def test_hooks_see_each_hop_and_may_change_it(world, plain):
    """As through the library: what a hook writes into a request is sent, and is in the caller's request later."""

    def hooks(log):
        def on_request(request):
            log.append((request.method, str(request.url), dict(request.extensions["timeout"])))
            request.headers["x-hook"] = str(len(log))
            request.mark = "seen"

        def on_response(response):
            log.append((response.status_code, response.is_closed, response.request.headers["x-hook"]))

        async def on_request_of_a_task(request):
            on_request(request)

        async def on_response_of_a_task(response):
            on_response(response)

        return {
            "request": [world.choose(on_request, on_request_of_a_task)],
            "response": [world.choose(on_response, on_response_of_a_task)],
        }

    expected, got = [], []
    for caller, log in (
        (plain(world.http.MockTransport(hopping), event_hooks=hooks(expected)), expected),
        (world.client(world.http.MockTransport(hopping), event_hooks=hooks(got)), got),
    ):
        request = caller.client.build_request("GET", "/hop?hops=2")
        response = sent(world, caller.client, request, follow_redirects=True)
        log.append((request.headers["x-hook"], request.mark, response.request.headers["x-hook"]))
    assert got == expected


def test_cookies_are_kept_and_sent_as_by_the_library(world, plain):
    """The jar is filled by answers and empties into requests, across calls and hops."""

    def handler(request):
        seen = request.headers.get("cookie", "")
        if request.url.path == "/set":
            return streamed(request, b"", status=302, headers=[("location", "/see"), ("set-cookie", "id=7; Path=/")])
        return streamed(request, seen.encode())

    def visit(caller):
        texts = [caller.get(url, follow_redirects=True).text for url in ("/see", "/set", "/see")]
        caller.client.cookies.set("more", "1")
        return [*texts, caller.get("/see").text, dict(caller.client.cookies)]

    assert visit(world.client(world.http.MockTransport(handler))) == visit(plain(world.http.MockTransport(handler)))


# --- many at once ------------------------------------------------------------------------------------------------


def test_one_request_object_may_be_sent_by_many_threads_at_once(family):
    """Each call has a journey of its own, and the request nothing of ours at the end."""
    barrier = threading.Barrier(16)

    def handler(request):
        barrier.wait(10)
        return streamed(request, b"ok")

    policy = Policy(cache=None)  # or one of them would ask for all
    with family.door.ResilientClient(transport=family.http.MockTransport(handler), policies=policy) as client:
        request = client.build_request("GET", "https://api.test/")
        with ThreadPoolExecutor(16) as pool:
            responses = list(pool.map(lambda _: client.send(request), range(16)))
    assert {response.content for response in responses} == {b"ok"}
    assert len({id(response.extensions["resilient"]) for response in responses}) == 16
    assert {len(response.extensions["resilient"].attempts) for response in responses} == {1}
    assert all(response.request is request for response in responses)
    assert set(request.extensions) == {"timeout"}


def test_one_request_object_may_be_sent_by_many_tasks_at_once(family):
    """The same for tasks."""

    async def handler(request):
        await asyncio.sleep(0.01)
        return streamed(request, b"ok")

    async def main():
        async with family.door.AsyncResilientClient(transport=family.http.MockTransport(handler)) as client:
            request = client.build_request("GET", "https://api.test/")
            responses = await asyncio.gather(*(client.send(request) for _ in range(50)))
        assert len({id(response.extensions["resilient"]) for response in responses}) == 50
        assert {len(response.extensions["resilient"].attempts) for response in responses} == {1}
        assert all(response.request is request for response in responses)
        assert set(request.extensions) == {"timeout"}

    asyncio.run(main())


# --- transports of all kinds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("coding", [None, "gzip"])
def test_a_mock_may_answer_the_same_object_many_times(world, policy, coding):
    """Mocks answer with bodies that were read at their birth; each call gets a whole answer of its own."""
    headers = {} if coding is None else {"content-encoding": coding}
    answer = world.http.Response(200, content=PACKED if coding else b"packed " * 50, headers=headers)
    caller = world.client(world.http.MockTransport(lambda request: answer), POLICIES[policy])
    answers = [caller.get(f"/{number}") for number in range(3)]
    assert [one.content for one in answers] == [b"packed " * 50] * 3
    assert len({id(one.extensions["resilient"]) for one in answers}) == 3
    assert "resilient" not in answer.extensions
    assert answer.content == b"packed " * 50


@pytest.mark.parametrize("policy", POLICIES)
def test_a_consumed_answer_is_accepted(world, policy):
    """Recorders read the body before they hand the answer over; it is decoded then, and not decoded again."""

    def handler(request):
        answer = world.http.Response(200, stream=Pieces(PACKED), headers={"content-encoding": "gzip"})
        answer.read()
        return answer

    caller = world.client(world.http.MockTransport(handler), POLICIES[policy])
    assert [caller.get().content for _ in range(2)] == [b"packed " * 50] * 2


def test_an_app_may_be_the_transport(world):
    """WSGI in threads, ASGI in tasks."""

    def app(environ, start_response):
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"path ", environ["PATH_INFO"].encode()]

    async def asgi(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"path ", "more_body": True})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    transport = world.choose(lambda: world.http.WSGITransport(app), lambda: world.http.ASGITransport(asgi))()
    for policy in POLICIES.values():
        assert world.client(transport, policy).get("/hello").text == "path /hello"


def test_a_transport_that_cannot_be_hashed_is_no_problem(world):
    """A dataclass, for example."""

    @dataclasses.dataclass
    class Recorder(Transport):
        seen: list

        def handle_request(self, request):
            self.seen.append(str(request.url))
            return streamed(request, b"ok")

        async def handle_async_request(self, request):
            return self.handle_request(request)

    transport = Recorder([])
    assert world.client(transport).get("/a").content == b"ok"
    assert transport.seen == ["https://api.test/a"]


def test_each_mount_goes_through_the_policies(world):
    """Whatever transport the library chooses for an address, it is behind the door, and the base one too."""

    def named(name):
        return world.http.MockTransport(lambda request: streamed(request, name.encode()))

    mounts = {"https://one.test": named("one"), "all://*.two.test": named("two"), "https://none.test": None}
    caller = world.client(named("base"), mounts=mounts)
    for url, name in {
        "https://one.test/": "one",
        "http://x.two.test:81/": "two",
        "https://none.test/": "base",
        "https://else.test/": "base",
    }.items():
        answer = caller.get(url)
        assert answer.text == name
        assert [attempt.status for attempt in answer.extensions["resilient"].attempts] == [200]


class Lifelike(Transport):
    """Counts what happens to it."""

    def __init__(self, error=None):
        self.log, self.error = [], error

    def handle_request(self, request):
        return streamed(request, b"ok")

    async def handle_async_request(self, request):
        return streamed(request, b"ok")

    def __enter__(self):
        self.log.append("enter")
        return self

    def __exit__(self, *_):
        self.close()

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *_):
        self.close()

    def close(self):
        self.log.append("close")
        if self.error is not None:
            raise self.error

    async def aclose(self):
        self.close()


def test_a_transport_of_ours_opens_and_closes_the_one_that_it_wraps(world, family):
    """In the hands of a plain client, with a ``with`` block."""
    inner = Lifelike()
    door = family.door
    outer = world.choose(door.ResilientTransport, door.AsyncResilientTransport)(inner, clock=world.clock)

    async def script():
        if world.colour == "blocking":
            with world.http.Client(transport=outer) as client:
                return client.get("https://api.test/")
        async with world.http.AsyncClient(transport=outer) as client:
            return await client.get("https://api.test/")

    assert world.do(script).extensions["resilient"].attempts[0].status == 200
    assert inner.log == ["enter", "close"]


def test_a_transport_of_ours_makes_each_request_a_call(world, family, origin):
    """Its retries are seen by the plain client that owns it; so are its errors, as the library's own."""
    door = family.door
    outer = world.choose(door.ResilientTransport, door.AsyncResilientTransport)(origin, clock=world.clock)
    client = world.choose(world.http.Client, world.http.AsyncClient)(transport=outer)
    origin.answers(503, times=2)
    response = sent(world, client, client.build_request("GET", "https://api.test/"))
    assert (response.status_code, origin.sent) == (200, 3)
    assert len(response.extensions["resilient"].attempts) == 3
    origin.hangs()
    with pytest.raises(world.http.TimeoutException) as caught:
        sent(world, client, request := client.build_request("GET", "https://api.test/", extensions=options(deadline=1)))
    assert isinstance(caught.value, resilient.DeadlineExceededError)
    assert caught.value.request is request


# --- the machine's own network -----------------------------------------------------------------------------------


def test_a_real_pool_is_used_as_by_the_library(family):
    """Blocking: twenty calls over one connection, each body given back, streams and retries too."""
    with LocalServer() as server, family.door.ResilientClient(base_url=server.url) as client:
        server.answers(503, times=1)
        for number in range(18):
            assert client.post("/", content=b"x").status_code in {200, 503}
            with client.stream("GET", f"/{number}") as response:
                assert b"".join(response.iter_bytes()) == b"ok"
        assert server.connections == 1
    assert server.open_connections == 0


def test_a_real_pool_is_used_as_by_the_library_in_tasks(family):
    """The same for tasks."""

    async def main(url):
        async with family.door.AsyncResilientClient(base_url=url) as client:
            for number in range(18):
                assert (await client.post("/", content=b"x")).status_code in {200, 503}
                async with client.stream("GET", f"/{number}") as response:
                    assert b"".join([piece async for piece in response.aiter_bytes()]) == b"ok"

    with LocalServer() as server:
        server.answers(503, times=1)
        asyncio.run(main(server.url))
        assert server.connections == 1


def test_a_proxy_from_the_environment_is_used(family, monkeypatch):
    """httpx reads the environment; what it finds is behind the door."""
    with LocalServer() as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        server.answers(503, times=1)
        with family.door.ResilientClient() as client:
            response = client.get("http://nowhere.test/path")
        assert response.status_code == 200
        assert len(response.extensions["resilient"].attempts) == 2
        assert {one.headers["host"] for one in server.requests} == {"nowhere.test"}
        with family.door.ResilientClient(trust_env=False) as client, pytest.raises(family.http.ConnectError):
            client.get("http://nowhere.invalid/", extensions=options(deadline="500ms"))


# --- timeouts ----------------------------------------------------------------------------------------------------


def phases(world, policy=None, client_options=None, **asked):
    seen = []

    def handler(request):
        seen.append(request.extensions.get("timeout"))
        return streamed(request, b"ok")

    world.client(world.http.MockTransport(handler), policy, **(client_options or {})).get(**asked)
    return seen[0]


def test_the_librarys_default_timeout_is_replaced_by_the_policies_times(world):
    """Two clocks would fight: the transport is given the attempt's 10 s, not httpx's 5 s."""
    cut = phases(world)
    assert cut["read"] == cut["write"] == 10.0
    assert 9.9 < cut["connect"] == cut["pool"] < 10.0
    assert phases(world, Policy(deadline="3s"))["read"] == 3.0


def test_under_passthrough_the_librarys_default_timeout_is_kept(world):
    """Nothing at all is replaced."""
    assert phases(world, Policy.passthrough()) == world.http.Timeout(5.0).as_dict()


GIVEN = {
    "three seconds": lambda http: 3.0,
    "ten minutes": lambda http: 600.0,
    "by phases": lambda http: http.Timeout(7.0, connect=1.0),
    "as the default": lambda http: http.Timeout(5.0),
    "none": lambda http: None,
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("policy", [Policy.standard(), Policy.passthrough()])
def test_a_timeout_that_is_given_is_kept(world, policy, name):
    """By the client or with one request, also where it equals the default: a default of ours never undercuts it."""
    given = GIVEN[name](world.http)
    expected = world.http.Timeout(given).as_dict()
    about = expected if given is None else pytest.approx(expected, rel=0.05)
    assert phases(world, policy, {"timeout": given}) == about
    assert phases(world, policy, timeout=given) == about
    assert phases(world, policy, extensions={"timeout": expected}) == about


def test_a_raw_request_has_the_policies_times_too(world):
    """One that the client did not build; httpx would give it the client's timeout."""
    seen = []

    def see(request):
        seen.append(request.extensions["timeout"]["read"])
        return streamed(request, b"")

    handler = world.http.MockTransport(see)
    sent(world, world.client(handler).client, world.http.Request("GET", "https://api.test/"))
    sent(world, world.client(handler, timeout=3.0).client, world.http.Request("GET", "https://api.test/"))
    assert seen == [10.0, 3.0]


def test_the_clients_timeout_shows_what_was_given(world, origin):
    """SDKs compare it with the default to find out whether anybody chose one."""
    client = world.client(origin).client
    assert client.timeout == world.http.Timeout(5.0)
    assert world.http.Timeout(5.0) == client.timeout
    assert repr(client.timeout) == "Timeout(timeout=5.0)"
    assert world.client(origin, timeout=2).client.timeout != world.http.Timeout(5.0)
    assert world.client(origin, timeout=None).client.timeout == world.http.Timeout(None)
    client.timeout = 30
    assert client.timeout == world.http.Timeout(30)
    assert client.build_request("GET", "/").extensions["timeout"]["read"] == 30


# --- options -----------------------------------------------------------------------------------------------------


def kind_of(world, family):
    return world.choose(family.door.ResilientClient, family.door.AsyncResilientClient)


@pytest.mark.parametrize(
    ("option", "hint"),
    [("timeuot", "timeout"), ("polices", "policies"), ("follow_redirect", "follow_redirects"), ("stores", "store")],
)
def test_an_unknown_option_is_refused_with_the_nearest_one(world, family, option, hint):
    """At construction, by name."""
    with pytest.raises(ConfigurationError, match=f"Client has no option '{option}' .given 5.; did you mean '{hint}'"):
        kind_of(world, family)(**{option: 5})


@pytest.mark.parametrize(
    "value", [("ann", "s3cret"), {"authorization": "s3cret"}, "http://ann:s3cret@proxy.test", b"s3cret"]
)
def test_what_is_given_for_an_unknown_option_may_be_a_secret(world, family, value):
    """A misspelt ``auth``, ``headers`` or ``proxy``: the message goes into logs."""
    with pytest.raises(ConfigurationError) as caught:
        kind_of(world, family)(auht=value)
    assert "s3cret" not in str(caught.value)
    assert "did you mean 'auth'" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("policies", "standard"),
        ("policies", 5),
        ("policies", {"*": "standard"}),
        ("policies", {"https://api.test": Policy()}),
        ("store", 5),
        ("store", "nosuch://x"),
        ("telemetry", print),
        ("telemetry", [5]),
    ],
)
def test_a_wrong_value_is_refused_at_construction(world, family, option, value):
    """Whatever it is, before anything is opened."""
    with pytest.raises(ConfigurationError):
        kind_of(world, family)(**{option: value})


def test_a_wrong_store_may_hold_a_password(world, family):
    """The message names its type alone."""
    with pytest.raises(ConfigurationError, match="store=bytes is not right"):
        kind_of(world, family)(store=b"redis://:s3cret@cache.test")


def test_the_options_are_those_of_the_library(world, family):
    """The typed dictionaries name every argument of httpx's clients and no other."""
    options = importlib.import_module(f"{family.door.__name__}.options")
    ours = typing.get_type_hints(world.choose(options.ClientOptions, options.AsyncClientOptions))
    kind = world.choose(family.http.Client, family.http.AsyncClient)
    theirs = inspect.signature(kind.__init__).parameters
    assert set(ours) == set(theirs) - {"self"}


def test_every_option_of_the_library_arrives_there(world, family, plain):
    """Also those whose effect no other test sees."""
    given = {
        "auth": None,
        "params": {"a": "1"},
        "headers": {"x": "y"},
        "cookies": {"c": "d"},
        "verify": False,
        "trust_env": False,
        "http1": True,
        "http2": False,
        "proxy": None,
        "mounts": {},
        "follow_redirects": True,
        "limits": world.http.Limits(max_connections=3),
        "max_redirects": 4,
        "event_hooks": {"request": [print]},
        "default_encoding": "latin-1",
        "cert": None,
    }
    ours = kind_of(world, family)(**given)
    theirs = world.choose(world.http.Client, world.http.AsyncClient)(**given)
    for name in ("params", "headers", "cookies", "trust_env", "follow_redirects", "max_redirects", "event_hooks"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.base_url == theirs.base_url


def test_a_wrong_argument_of_send_is_the_librarys_error(world, origin):
    """A name that does not exist is not swallowed."""
    client = world.client(origin).client
    with pytest.raises(TypeError, match="straem"):
        sent(world, client, client.build_request("GET", "/"), straem=True)


def test_what_is_no_options_of_ours_is_refused_clearly(world, origin):
    """Extensions of an answer, for example, which hold its journey under the same name."""
    caller = world.client(origin)
    with pytest.raises(ConfigurationError, match=r"extensions=options\(\.\.\.\)"):
        caller.get(extensions={"resilient": caller.get().extensions["resilient"]})


# --- what is shown -----------------------------------------------------------------------------------------------


def test_addresses_may_be_relative_where_a_client_is_asked_about_them(world, origin):
    """As in its requests: ``base_url`` comes before them."""
    client = world.client(origin, {"GET api.test/v1/*": Policy.passthrough()}, base_url="https://api.test/v1").client
    assert client.describe("/items").startswith("GET https://api.test/v1/items: policy 'GET api.test/v1/*'")
    assert client.describe("items", "post").startswith("POST https://api.test/v1/items: policy '*'")
    client.circuit("/items").isolate()
    assert client.circuit("https://api.test/v1/other").state == "isolated"


def test_what_is_shown_holds_no_secrets(world, origin):
    """Neither the query nor the user of an address, in descriptions, states, journeys and errors of ours."""
    caller = world.client(origin, Policy(cache=ResponseCache.failover(ttl="1h"), deadline="1s"))
    url = "https://ann:s3cret@api.test/path?token=s3cret"
    answer = caller.get(url, headers={"authorization": "Bearer s3cret", "cookie": "id=s3cret"})
    origin.hangs()
    error = caller.outcome("GET", url, headers={"x-api-key": "s3cret"})
    assert isinstance(error, resilient.DeadlineExceededError)
    shown = [caller.client.describe(url), caller.client.state(), answer.extensions["resilient"], error, error.journey]
    shown += [error.journey.timeline, options(partition="s3cret", idempotency_key="s3cret")]
    for one in shown:
        assert "s3cret" not in str(one)
        assert "s3cret" not in repr(one)


# --- closing -----------------------------------------------------------------------------------------------------


async def closing(world, client):
    await world.result_of(client.close() if world.colour == "blocking" else client.aclose())


def closed(world, client):
    world.do(lambda: closing(world, client))


def test_closing_twice_is_harmless(world, origin):
    """And the client says that it is closed."""
    client = world.client(origin, Policy(cache=ResponseCache(ttl=5))).client
    assert not client.is_closed
    closed(world, client)
    closed(world, client)
    assert client.is_closed


def test_a_closed_client_refuses_as_the_library_does(world, plain, origin):
    """With the same error."""
    caller, reference = world.client(origin), plain(origin)
    closed(world, caller.client)
    closed(world, reference.client)
    error, expected = caller.outcome(), reference.outcome()
    assert (type(error), str(error)) == (type(expected), str(expected))
    assert isinstance(error, RuntimeError)


async def entering(world, client, *between):
    if world.colour == "blocking":
        with client:
            for one in between:
                client.get(one)
    else:
        async with client:
            for one in between:
                await client.get(one)


def test_a_client_is_entered_once_as_in_the_library(world, plain, origin):
    """The second ``with`` raises the same error."""
    errors = []
    for client in (plain(origin).client, world.client(origin).client):
        twice = [lambda client=client: entering(world, client)] * 2
        first, error = world.run(twice, every=1, return_errors=True)
        assert first is None
        errors.append(error)
    expected, error = errors
    assert (type(error), str(error)) == (type(expected), str(expected))
    assert isinstance(error, RuntimeError)


def test_a_client_works_without_a_with_block(world, origin):
    """As httpx's does, with a cache too."""
    caller = world.client(origin, Policy(cache=ResponseCache(ttl="1h")))
    assert [caller.get().status_code for _ in range(2)] == [200, 200]
    assert origin.sent == 1


@pytest.mark.parametrize("way", ["with", "close"])
def test_the_cache_is_closed_even_if_the_transport_fails_to_close(world, family, way):
    """A store of one's own must not stay open because of somebody else's error."""
    inner = Lifelike(error=OSError("cannot"))
    client = kind_of(world, family)(transport=inner, policies=Policy(cache=ResponseCache(ttl=5)), clock=world.clock)
    store = client._owner.engine.cache._core.mounts.of("").pair.blocking

    async def script():
        if way == "with":
            await entering(world, client, "https://api.test/")
        else:
            await world.result_of(client.get("https://api.test/"))
            assert store.usage().entries == 1
            await closing(world, client)

    with pytest.raises(OSError, match="cannot"):
        world.do(script)
    assert store.usage().entries == 0


def test_a_cache_that_was_given_is_not_closed(world, origin):
    """It belongs to somebody else: another client uses it."""
    cache = resilient.Cache("mem://", clock=world.clock)
    policy = Policy(cache=ResponseCache(ttl="1h"))
    first, second = (world.client(origin, policy, store=cache) for _ in range(2))
    first.get()
    closed(world, first.client)
    assert second.get().extensions["resilient"].cache.result == "hit"
    assert origin.sent == 1


def test_nothing_stays_open_where_the_library_refuses_an_option(world, family, monkeypatch):
    """A store must not be opened for a client that is never made."""
    opened = []
    monkeypatch.setattr(f"{family.door.__name__}.owner.cache_of", lambda *args, **options: opened.append(args))
    with pytest.raises(ValueError, match="nosuch"):
        kind_of(world, family)(store="mem://", proxy="nosuch://proxy.test")
    assert opened == []
