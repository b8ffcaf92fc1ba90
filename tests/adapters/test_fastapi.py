"""What requests say about caches reaches the endpoints of a FastAPI program, and nobody else's."""

import asyncio
import socket
import threading
from contextlib import closing

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from resilient import Cache, Policy, ResilientClient, ResponseCache, StoreUnavailableError, cache
from resilient.testing import FakeClock
from resilient_adapters.fastapi import ClearSiteData, ETag, RequestCacheControl, honour_cache_control


@pytest.fixture
def kept():
    """A cache in memory."""
    with closing(Cache("mem://", clock=FakeClock())) as made:
        yield made


@pytest.fixture(params=["async", "blocking"])
def program(request, kept):
    """A program with one endpoint, which a decorated function answers; blocking ones run in a pool of threads."""
    app = FastAPI()
    app.calls = []

    if request.param == "async":

        @kept(ttl="1m", key="item:{key}")
        async def load(key):
            app.calls.append(key)
            return f"{key} {len(app.calls)}"

        async def endpoint(key: str):
            return await load(key)
    else:

        @kept(ttl="1m", key="item:{key}")
        def load(key):
            app.calls.append(key)
            return f"{key} {len(app.calls)}"

        def endpoint(key: str):
            return load(key)

    app.endpoint = endpoint
    return app


def asked(app, *requests, **options):
    """The answers to one request after the other; each is a path, or a path and header fields."""

    async def ask():
        transport = httpx.ASGITransport(app=app, **options)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            told = [request if isinstance(request, tuple) else (request, {}) for request in requests]
            return [await client.request(*method_of(path), headers=fields) for path, fields in told]

    return asyncio.run(ask())


def method_of(path):
    method, _, rest = path.rpartition(" ")
    return method or "GET", rest


def texts(answers):
    return [answer.json() for answer in answers]


def saying(*lines):
    """A request for the item that says so in its Cache-Control."""
    return ("/items/a", [("cache-control", line) for line in lines])


# --- Cache-Control ---


@pytest.fixture(params=["middleware", "dependency"])
def honouring(request, program, kept):
    """The program, which honours Cache-Control in one of the two ways."""
    if request.param == "middleware":
        program.add_middleware(RequestCacheControl, caches=[kept])
        program.get("/items/{key}")(program.endpoint)
    else:
        program.get("/items/{key}", dependencies=[Depends(honour_cache_control(kept))])(program.endpoint)
    return program


ANEW = [["no-cache"], ["No-Cache"], ["max-age=0"], ['max-age="0"'], ["max-age=600, no-cache"], ["a=b", "no-cache"]]


@pytest.mark.parametrize("lines", ANEW)
def test_no_cache_is_answered_anew_and_what_is_made_is_kept(honouring, lines):
    """Sync and async endpoints alike; the next request gets the new value."""
    assert texts(asked(honouring, "/items/a", "/items/a", saying(*lines), "/items/a")) == ["a 1", "a 1", "a 2", "a 2"]


@pytest.mark.parametrize("lines", [["no-store"], ["no-cache, no-store"]])
def test_no_store_is_neither_read_nor_kept(honouring, lines):
    """The old value stays for others."""
    assert texts(asked(honouring, "/items/a", saying(*lines), "/items/a")) == ["a 1", "a 2", "a 1"]
    assert texts(asked(honouring, ("/items/b", {"cache-control": "no-store"}), "/items/b", "/items/b")) == [
        "b 3", "b 4", "b 4"
    ]  # fmt: skip


@pytest.mark.parametrize("lines", [[], ["max-age=60"], ["max-age"], ["max-age=x"], ["min-fresh=0"], ['x="no-cache"']])
def test_whatever_else_is_said_is_answered_from_the_cache(honouring, lines):
    """A word in a quoted argument is no directive."""
    assert texts(asked(honouring, "/items/a", saying(*lines))) == ["a 1", "a 1"]


def test_a_request_changes_nothing_for_those_at_the_same_time(honouring, kept):
    """Twenty at once: those that say no-cache are answered anew, the others from the cache."""

    async def ask():
        transport = httpx.ASGITransport(app=honouring)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.get("/items/a")
            fields = [{"cache-control": "no-cache"} if number % 2 else {} for number in range(20)]
            return await asyncio.gather(*[client.get("/items/a", headers=each) for each in fields])

    answers = asyncio.run(ask())
    assert len(honouring.calls) == 11
    assert len({answer.json() for answer in answers[1::2]}) == 10
    assert kept.is_enabled("get")


def test_every_cache_that_was_named_is_concerned_and_no_other(kept):
    """Also where one was not asked for anything."""
    with closing(Cache("mem://")) as second, closing(Cache("mem://")) as third:
        seen = {}
        app = FastAPI()
        app.add_middleware(RequestCacheControl, caches=[kept, second])

        @app.get("/")
        async def endpoint():
            for name, one in (("kept", kept), ("second", second), ("third", third)):
                seen[name] = (one.is_enabled("get"), one.is_enabled("set"))

        asked(app, ("/", {"cache-control": "no-cache"}))
    assert seen == {"kept": (False, True), "second": (False, True), "third": (True, True)}


def test_the_cache_of_the_library_is_meant_if_none_is_named():
    """By the middleware and by the dependency."""
    seen = []
    app, inner = FastAPI(), FastAPI()
    app.add_middleware(RequestCacheControl)
    inner.get("/", dependencies=[Depends(honour_cache_control())])(lambda: seen.append(cache.is_enabled("get")))
    app.get("/")(lambda: seen.append(cache.is_enabled("get")))
    for one in (app, inner):
        asked(one, ("/", {"cache-control": "no-cache"}), "/")
    assert seen == [False, True] * 2


def test_it_reaches_dependencies_streams_and_middlewares_of_other_kinds(kept):
    """A middleware of Starlette that runs the program in another task, a dependency, and a body that is streamed."""
    seen = []
    app = FastAPI()

    @app.middleware("http")
    async def between(request, call_next):
        seen.append(("between", kept.is_enabled("get")))
        return await call_next(request)

    def depended():
        seen.append(("dependency", kept.is_enabled("get")))

    @app.get("/", dependencies=[Depends(depended)])
    def endpoint():
        def body():
            seen.append(("stream", kept.is_enabled("get")))
            yield "x"

        return StreamingResponse(body())

    app.add_middleware(RequestCacheControl, caches=[kept])
    asked(app, ("/", {"cache-control": "no-cache"}))
    assert seen == [("between", False), ("dependency", False), ("stream", False)]


def test_it_reaches_clients_whose_store_the_cache_is(kept):
    """An endpoint that asks another service gets a new answer too."""
    answers = iter("123")
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=next(answers)))
    policy = Policy(cache=ResponseCache(ttl="1m"))
    app = FastAPI()
    app.add_middleware(RequestCacheControl, caches=[kept])
    with ResilientClient(transport=transport, store=kept, policies=policy, clock=kept._core.clock) as client:
        app.get("/")(lambda: client.get("https://api.test/").text)
        assert texts(asked(app, "/", "/", ("/", {"cache-control": "no-cache"}), "/")) == ["1", "1", "2", "2"]


def test_the_endpoint_of_the_specification_works_as_written(kept):
    """With ``cache`` and ``get_data`` of a program around it."""
    calls = []
    app = FastAPI()

    @kept(ttl="1m", key="data:{key}")
    async def get_data(key: str):
        calls.append(key)
        return len(calls)

    @app.get("/data/{key}")
    async def get_data_endpoint(request: Request, key: str):
        if request.headers.get("Cache-Control") == "no-cache":
            async with kept.disabling("get"):
                return await get_data(key)
        return await get_data(key)

    answers = asked(app, "/data/a", "/data/a", ("/data/a", {"Cache-Control": "no-cache"}), "/data/a")
    assert texts(answers) == [1, 1, 2, 2]


# --- ETag ---


@pytest.fixture
def tagged(program):
    program.add_middleware(ETag)
    program.get("/items/{key}")(program.endpoint)
    return program


def test_who_has_the_answer_is_told_so_and_gets_no_body(tagged):
    """The tag of the first answer comes back; the second is a 304 with the tag, and without what describes a body."""
    first = asked(tagged, "/items/a")[0]
    tag = first.headers["etag"]
    assert first.status_code == 200
    assert tag.startswith('W/"')
    [second, other] = asked(tagged, ("/items/a", {"if-none-match": tag}), ("/items/b", {"if-none-match": tag}))
    assert (second.status_code, second.content, second.headers["etag"]) == (304, b"", tag)
    assert "content-length" not in second.headers
    assert "content-type" not in second.headers
    assert (other.status_code, other.json()) == (200, "b 2")
    assert other.headers["etag"] != tag


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("{tag}", 304), ("{strong}", 304), ('"other", {tag}', 304), ("*", 304), (" * ", 304),
        ('"other"', 200), ("", 200), ("{bare}", 200), ('"x, {bare}"', 200),
    ],
)  # fmt: skip
def test_tags_are_compared_weakly_and_one_of_several_is_enough(tagged, said, status):
    """As RFC 9110 section 13.1.2 has it."""
    tag = asked(tagged, "/items/a")[0].headers["etag"]
    said = said.format(tag=tag, strong=tag[2:], bare=tag[3:-1])
    assert asked(tagged, ("/items/a", {"if-none-match": said}))[0].status_code == status


def test_an_answer_that_changed_is_sent_whole(tagged, kept):
    """Another value, another tag."""
    tag = asked(tagged, "/items/a")[0].headers["etag"]
    kept.blocking.clear()
    [changed] = asked(tagged, ("/items/a", {"if-none-match": tag}))
    assert (changed.status_code, changed.json()) == (200, "a 2")


def test_the_tag_of_an_endpoint_stays(kept):
    """It is compared as the others are, for HEAD too; a file has one of its own."""
    app = FastAPI()
    app.add_middleware(ETag)

    @app.api_route("/", methods=["GET", "HEAD"])
    async def endpoint(response: Response):
        response.headers["etag"] = '"mine"'
        response.headers["cache-control"] = "max-age=60"
        return "x"

    app.get("/file")(lambda: FileResponse(__file__))
    fields = {"if-none-match": '"mine"'}
    first, second, third, file = asked(app, "/", ("/", fields), ("HEAD /", fields), "/file")
    assert (first.status_code, first.headers["etag"]) == (200, '"mine"')
    assert (second.status_code, second.headers["etag"], second.headers["cache-control"]) == (
        304,
        '"mine"',
        "max-age=60",
    )
    assert third.status_code == 304
    again = asked(app, ("/file", {"if-none-match": file.headers["etag"]}))[0]
    assert (file.status_code, again.status_code, again.content) == (200, 304, b"")


OTHERS = {
    "a POST": ("POST /", lambda: JSONResponse("x")),
    "an error": ("/", lambda: JSONResponse("x", status_code=404)),
    "what must not be stored": ("/", lambda: JSONResponse("x", headers={"cache-control": "no-store"})),
    "a stream": ("/", lambda: StreamingResponse(iter(["a", "b"]))),
    "a large body": ("/", lambda: Response(b"x" * (1024 * 1024 + 1))),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_answers_pass_without_a_tag(kind):
    """And whole."""
    path, answer = OTHERS[kind]
    app, bare = FastAPI(), FastAPI()
    app.add_middleware(ETag)
    for one in (app, bare):
        one.api_route("/", methods=["GET", "POST"])(answer)
    (tagged,), (plain,) = asked(app, (path, {"if-none-match": "*"})), asked(bare, path)
    assert (tagged.status_code, tagged.content) == (plain.status_code, plain.content)
    assert "etag" not in tagged.headers


def test_a_stream_passes_bit_by_bit():
    """Its first part is out before its second is made: nothing waits for the end of an event stream."""
    sent = []

    async def body(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        await send({"type": "http.response.body", "body": b"2"})

    async def send(message):
        sent.append(message)

    asyncio.run(ETag(body)({"type": "http", "method": "GET", "headers": []}, None, send))
    assert [message.get("body") for message in sent] == [None, b"1", b"2"]


def test_a_body_of_several_parts_is_tagged_whole():
    """Behind a middleware of Starlette every body comes in parts; a Content-Length says that it is no stream."""
    app = FastAPI()

    @app.middleware("http")
    async def between(request, call_next):
        return await call_next(request)

    app.get("/")(lambda: {"a": 1})
    app.add_middleware(ETag)
    first = asked(app, "/")[0]
    assert first.json() == {"a": 1}
    assert asked(app, ("/", {"if-none-match": first.headers["etag"]}))[0].status_code == 304


def test_an_endpoint_that_fails_is_an_error(tagged):
    """Nothing was sent yet, so that the server can answer 500."""

    @tagged.get("/fails")
    def fails():
        raise RuntimeError("no")

    assert asked(tagged, "/fails", raise_app_exceptions=False)[0].status_code == 500


# --- clearing ---

CLEAR = {"clear-site-data": '"cache"'}


@pytest.fixture
def clearing(program, kept):
    program.add_middleware(ClearSiteData, caches=[kept])
    program.get("/items/{key}")(program.endpoint)
    return program


@pytest.mark.parametrize("said", ['"cache"', '"Cookies", "cache"', '"*"'])
def test_a_request_may_have_forgotten_what_it_asks_for(clearing, kept, said):
    """It is answered anew, and the next one too; other keys stay."""
    answers = asked(clearing, "/items/a", "/items/b", ("/items/a", {"clear-site-data": said}))
    assert texts(answers) == ["a 1", "b 2", "a 3"]
    assert list(kept.blocking.scan("*")) == ["item:b"]
    # Nothing is written meanwhile, which a slow store might do after it was told to forget.
    assert kept._core.figures.stored == 2
    assert texts(asked(clearing, "/items/a", "/items/b")) == ["a 4", "b 2"]


@pytest.mark.parametrize("said", ['"cookies"', "", "cached"])
def test_what_asks_for_something_else_is_answered_from_the_cache(clearing, said):
    """As is what does not ask."""
    assert texts(asked(clearing, "/items/a", ("/items/a", {"clear-site-data": said}))) == ["a 1", "a 1"]


def test_nothing_is_forgotten_unless_it_is_switched_on(program):
    """A program without the middleware ignores the field."""
    program.get("/items/{key}")(program.endpoint)
    assert texts(asked(program, "/items/a", ("/items/a", CLEAR))) == ["a 1", "a 1"]


def test_it_is_forgotten_when_the_answer_arrives(kept):
    """A stream that asks for more while it is sent has that forgotten too."""

    @kept(ttl="1m", key="{name}")
    def load(name):
        return name

    load("first"), load("later")
    app = FastAPI()
    app.add_middleware(ClearSiteData, caches=[kept])
    found = []

    @app.get("/")
    def endpoint():
        load("first")

        def body():
            found.append(sorted(kept.blocking.scan("*")))
            yield load("later")

        return StreamingResponse(body())

    asked(app, ("/", CLEAR))
    assert found == [["later"]]
    assert list(kept.blocking.scan("*")) == []


def test_a_store_that_cannot_forget_fails_the_request(clearing, kept):
    """Whoever asks for it must not be told that it was done."""

    async def refusing(proceed, command, *args, **kwargs):
        if command == "delete_many":
            raise StoreUnavailableError("it is broken")
        return await proceed(*args, **kwargs)

    kept.add_middleware(refusing)
    assert asked(clearing, ("/items/a", CLEAR), raise_app_exceptions=False)[0].status_code == 500


# --- a real server ---


def test_all_of_it_behind_a_real_server(program, kept):
    """uvicorn, and a client over a socket."""
    program.add_middleware(ETag)
    program.add_middleware(RequestCacheControl, caches=[kept])
    program.get("/items/{key}")(program.endpoint)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(program, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
            first = client.get("/items/a")
            second = client.get("/items/a", headers={"if-none-match": first.headers["etag"]})
            third = client.get("/items/a", headers={"cache-control": "no-cache"})
        server.should_exit = True
        thread.join()
    assert (first.json(), second.status_code, second.content, third.json()) == ("a 1", 304, b"", "a 2")
