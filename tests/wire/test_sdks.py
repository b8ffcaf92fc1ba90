"""The packages that people put our clients into: answers, streams, a service that is busy, and one that is down."""

import importlib
import json

import pytest

import resilient
from resilient import Policy, Retry

from .facade import families
from .servers.chat import Chat

pytestmark = pytest.mark.slow  # the packages take seconds to import

HTTPX2 = [name for name in families() if name == "httpx2"]
AGAIN = Policy(retry=Retry(methods={"POST"}))
"""Such services may be asked twice: a question costs money, and harms nobody."""


@pytest.fixture
def chat():
    with Chat() as server:
        yield server


def sent_event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


# --- openai: both libraries --------------------------------------------------------------------------------------


@pytest.fixture
def openai(wire, chat):
    """Makes its client around one of ours; what it retries itself is switched off."""
    module = importlib.import_module("openai")
    chat.answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice("hello")]}

    def make(policies=AGAIN, **more):
        client = wire.client(policies=policies, **more)
        kind = wire.choose(module.OpenAI, module.AsyncOpenAI)
        return kind(api_key="k", base_url=chat.url + "/v1", http_client=client.client, max_retries=0)

    return make


def choice(text):
    return {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}


def piece(text):
    delta = {"index": 0, "delta": {"content": text}}
    said = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta]}
    return b"data: " + json.dumps(said).encode() + b"\n\n"


ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_openai_answers(wire, openai, chat):
    """JSON there and back, with the package's own header fields."""
    answer = wire.settled(openai().chat.completions.create(**ASKED))
    assert answer.choices[0].message.content == "hello"
    path, headers, body = chat.seen[0]
    assert (path, headers["authorization"], body) == ("/v1/chat/completions", "Bearer k", ASKED)


def test_openai_streams(wire, openai, chat):
    """Each piece before the next one is sent."""
    stream = wire.settled(openai().chat.completions.create(**ASKED, stream=True))
    pieces = wire.each(stream)
    for text in ("hel", "lo"):
        chat.tell(piece(text))
        assert next(pieces).choices[0].delta.content == text
    chat.tell(b"data: [DONE]\n\n")
    assert list(pieces) == []
    assert wire.wait_for(lambda: not chat.open)


def test_openai_and_a_busy_service(wire, openai, chat):
    """Our retries in place of the package's: it sees the good answer only."""
    chat.busy = 2
    answer = wire.settled(openai().chat.completions.create(**ASKED))
    assert answer.choices[0].message.content == "hello"
    assert len(chat.seen) == 3
    assert len({str(body) for _, _, body in chat.seen}) == 1


def test_openai_streams_from_a_busy_service(wire, openai, chat):
    """The stream begins with the attempt that goes well."""
    chat.busy = 1
    pieces = wire.each(wire.settled(openai().chat.completions.create(**ASKED, stream=True)))
    chat.tell(piece("hello"))
    assert next(pieces).choices[0].delta.content == "hello"
    chat.tell(b"data: [DONE]\n\n")
    assert list(pieces) == []
    assert len(chat.seen) == 2


def test_openais_own_retries_work_too(wire, openai, chat):
    """By default nobody sends a POST twice but the package itself; each of its tries is a call of its own."""
    chat.busy = 1
    client = openai(policies=None).with_options(max_retries=1)
    assert wire.settled(client.chat.completions.create(**ASKED)).choices[0].message.content == "hello"
    assert [headers["x-stainless-retry-count"] for _, headers, _ in chat.seen] == ["0", "1"]


def test_openai_and_an_open_circuit(wire, openai, chat):
    """The package's connection error at once, ours as its cause, and nothing is sent."""
    module = importlib.import_module("openai")
    client = openai()
    client._client.circuit(chat.url).isolate()
    with pytest.raises(module.APIConnectionError) as caught:
        wire.settled(client.chat.completions.create(**ASKED))
    assert isinstance(caught.value.__cause__, resilient.CircuitOpenError)
    assert chat.accepted == 0


def test_openai_and_a_deadline(wire, openai, chat):
    """The package's timeout error, ours as its cause."""
    chat.silent = True
    with pytest.raises(importlib.import_module("openai").APITimeoutError) as caught:
        wire.settled(openai(policies=Policy(deadline="300ms")).chat.completions.create(**ASKED))
    assert isinstance(caught.value.__cause__, resilient.DeadlineExceededError)


def test_openais_timeout_is_kept(wire, openai, chat):
    """Ten minutes, which it asks for itself: our defaults do not undercut it."""
    seen = {}
    client = openai(policies=None)

    def note(name, info):
        if name == "http11.send_request_headers.started":
            seen.update(info["request"].extensions["timeout"])

    raw = client._client
    raw.event_hooks = {"request": [wire.hook(lambda request: request.extensions.update(trace=wire.hook(note)))]}
    wire.settled(client.chat.completions.create(**ASKED))
    assert 590 < seen["read"] <= 600


def test_openai_closes_what_it_was_given(wire, openai):
    """``close`` of the package closes our client."""
    client = openai()
    assert not client.is_closed()
    wire.settled(client.close())
    assert client.is_closed()
    assert client._client.is_closed


# --- anthropic: httpx2 -------------------------------------------------------------------------------------------


@pytest.fixture
def anthropic(wire, chat):
    """As above."""
    module = importlib.import_module("anthropic")
    chat.answer = {**MESSAGE, "content": [{"type": "text", "text": "hello"}]}

    def make(policies=AGAIN):
        client = wire.client(policies=policies)
        kind = wire.choose(module.Anthropic, module.AsyncAnthropic)
        return kind(api_key="k", base_url=chat.url, http_client=client.client, max_retries=0)

    return make


USAGE = {"input_tokens": 1, "output_tokens": 1}
MESSAGE = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
ASKED_FOR_TOKENS = {**ASKED, "max_tokens": 10}


@pytest.mark.parametrize("family", HTTPX2, indirect=True)
def test_anthropic_answers(wire, anthropic, chat):
    """JSON there and back."""
    answer = wire.settled(anthropic().messages.create(**ASKED_FOR_TOKENS))
    assert answer.content[0].text == "hello"
    assert chat.seen[0][0] == "/v1/messages"


@pytest.mark.parametrize("family", HTTPX2, indirect=True)
def test_anthropic_streams(wire, anthropic, chat):
    """Each event before the next one is sent."""
    stream = wire.settled(anthropic().messages.create(**ASKED_FOR_TOKENS, stream=True))
    events = wire.each(stream)
    chat.tell(sent_event("message_start", message=MESSAGE))
    assert next(events).type == "message_start"
    chat.tell(sent_event("content_block_start", index=0, content_block={"type": "text", "text": ""}))
    assert next(events).type == "content_block_start"
    for text in ("hel", "lo"):
        chat.tell(sent_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}))
        assert next(events).delta.text == text
    chat.tell(sent_event("message_stop"))
    assert next(events).type == "message_stop"
    chat.tell(None)
    assert list(events) == []
    assert wire.wait_for(lambda: not chat.open)


@pytest.mark.parametrize("family", HTTPX2, indirect=True)
def test_anthropic_and_a_busy_service(wire, anthropic, chat):
    """Our retries in place of the package's."""
    chat.busy = 2
    assert wire.settled(anthropic().messages.create(**ASKED_FOR_TOKENS)).content[0].text == "hello"
    assert len(chat.seen) == 3


@pytest.mark.parametrize("family", HTTPX2, indirect=True)
def test_anthropic_and_an_open_circuit(wire, anthropic, chat):
    """The package's connection error at once, ours as its cause, and nothing is sent."""
    module = importlib.import_module("anthropic")
    client = anthropic()
    client._client.circuit(chat.url).isolate()
    with pytest.raises(module.APIConnectionError) as caught:
        wire.settled(client.messages.create(**ASKED_FOR_TOKENS))
    assert isinstance(caught.value.__cause__, resilient.CircuitOpenError)
    assert chat.accepted == 0


@pytest.mark.parametrize("family", ["httpx"], indirect=True)
def test_anthropic_takes_no_client_of_httpx(wire):
    """It says so itself, naming our class's library."""
    module = importlib.import_module("anthropic")
    kind = wire.choose(module.Anthropic, module.AsyncAnthropic)
    with pytest.raises(TypeError, match="httpx2"):
        kind(api_key="k", http_client=wire.client().client)


# --- mcp: httpx2, asynchronous -----------------------------------------------------------------------------------


@pytest.fixture
def tools():
    importlib.import_module("mcp")
    from .servers.tools import Tools

    with Tools() as server:
        yield server


mcp = pytest.mark.parametrize(("family", "colour"), [(name, "async") for name in HTTPX2], indirect=True)


async def session(tools, client, script):
    """Run ``script`` with a session of the package through ``client``."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(tools.url, http_client=client) as (reader, writer, *_),
        ClientSession(reader, writer) as made,
    ):
        await made.initialize()
        return await script(made)


@mcp
def test_mcp(wire, tools):
    """A tool is found and called, over a stream of events."""

    async def script(made):
        found = await made.list_tools()
        result = await made.call_tool("add", {"a": 1, "b": 2})
        return [tool.name for tool in found.tools], result.content[0].text

    assert wire.run(session(tools, wire.client().client, script)) == (["add"], "3")


@mcp
def test_mcp_and_a_busy_server(wire, tools):
    """A POST that the server did not take is sent again, and the package never knows."""

    async def script(made):
        tools.busy = 2
        result = await made.call_tool("add", {"a": 1, "b": 2})
        return result.content[0].text

    assert wire.run(session(tools, wire.client(policies=AGAIN).client, script)) == "3"
    assert tools.busy == 0


@mcp
def test_mcp_and_an_open_circuit(wire, tools, caplog):
    """The call fails at once, as it does when a connection breaks, and nothing is sent; the reason is in the log."""
    client = wire.client(policies=AGAIN).client

    async def script(made):
        sent = len(tools.methods)
        client.circuit(tools.url).isolate()
        with pytest.raises(importlib.import_module("mcp").MCPError, match="Connection closed"):
            await made.call_tool("add", {"a": 1, "b": 2})
        assert "POST" not in tools.methods[sent:]
        client.circuit(tools.url).close()

    wire.run(session(tools, client, script))
    assert "CircuitOpenError" in caplog.text
