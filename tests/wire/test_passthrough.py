"""``Policy.passthrough()``: a client without policies cannot be told from the library's own.

The same battery for both, compared field by field: what the caller gets, and what the origin sees.
"""

import gzip
import json
import re

import pytest

from resilient import Policy

from .servers.accounts import USER, Digest, basic

# --- what is compared --------------------------------------------------------------------------------------------


def shown(response, depth=0):
    """Everything that can be seen of an answer."""
    request = response.request
    fields = {
        "status": response.status_code,
        "reason": response.reason_phrase,
        "version": response.http_version,
        "headers": [item for item in response.headers.multi_items() if item[0] != "date"],
        "encoding": response.encoding,
        "url": str(response.url),
        "closed": response.is_closed,
        "consumed": response.is_stream_consumed,
        "bytes": response.num_bytes_downloaded,
        "cookies": dict(response.cookies),
        "links": response.links,
        "next": response.next_request and (response.next_request.method, str(response.next_request.url)),
        "extensions": sorted(set(response.extensions) - {"resilient"}),
        "elapsed": response.elapsed.total_seconds() > 0 if response.is_closed else None,
        "request": (request.method, str(request.url), request.headers.multi_items(), request.extensions),
        "type": type(response),
        "text": repr(response),
    }
    if response.is_closed and response.is_stream_consumed:
        fields["content"] = response.content
        fields["body"] = response.text
    if depth < 5:
        fields["history"] = [shown(one, depth + 1) for one in response.history]
    return fields


def told(error):
    """Everything that can be seen of an error."""
    request = getattr(error, "_request", None)
    return {
        "type": type(error),
        "text": str(error),
        "notes": getattr(error, "__notes__", []),
        "cause": type(error.__cause__),
        "request": request and (request.method, str(request.url), sorted(request.extensions)),
    }


def outcome(call):
    """What a call ends with, as far as it can be seen."""
    try:
        result = call()
    except Exception as error:  # noqa: BLE001 - it is what is compared
        return told(error)
    return shown(result) if hasattr(result, "status_code") else result


# --- the battery -------------------------------------------------------------------------------------------------


def streamed(client, url, way, *arguments):
    with client.stream("GET", url) as answer:
        before = shown(answer.response)
        found = list(answer.pieces(way, *arguments))
        joined = "".join(found) if way in {"text", "lines"} else b"".join(found)
        return [before, joined, shown(answer.response)]


def unread(client, url):
    with client.stream("GET", url) as answer:
        pass
    return [shown(answer.response), outcome(answer.read)]


def posted(client, url, **body):
    return client.post(url, **body)


def in_pieces(client, url, **options):
    return client.post(url, content=client.wire.one_shot([b"a", b"b"]), **options)


CALLS = {
    "get": lambda client, url: client.get(url + "/x?a=1"),
    "head": lambda client, url: client("HEAD", url),
    "options": lambda client, url: client("OPTIONS", url),
    "params": lambda client, url: client.get(url, params={"a": ["1", "2"], "b": None}),
    "json": lambda client, url: posted(client, url, json={"a": 1}),
    "form": lambda client, url: posted(client, url, data={"a": "1"}),
    "generator": in_pieces,
    "nothing": lambda client, url: client.get(url + "/nothing"),
    "packed": lambda client, url: client.get(url + "/packed"),
    "spoilt": lambda client, url: client.get(url + "/spoilt"),
    "latin": lambda client, url: client.get(url + "/latin"),
    "links": lambda client, url: client.get(url + "/links"),
    "missing": lambda client, url: client.get(url + "/missing"),
    "missing raised": lambda client, url: client.get(url + "/missing").raise_for_status(),
    "busy": lambda client, url: client.get(url + "/busy"),
    "limited": lambda client, url: client.get(url + "/limited"),
    "broken": lambda client, url: client.get(url + "/error"),
    "chunked": lambda client, url: client.get(url + "/chunked"),
    "redirect": lambda client, url: client.get(url + "/old"),
    "redirects": lambda client, url: client.get(url + "/old", follow_redirects=True),
    "redirected post": lambda client, url: client.post(url + "/kept", content=b"x", follow_redirects=True),
    "round": lambda client, url: client.get(url + "/round", follow_redirects=True),
    "cookies": lambda client, url: [client.get(url + "/login"), client.get(url)][1],
    "basic": lambda client, url: client.get(url + "/basic", auth=USER),
    "stranger": lambda client, url: client.get(url + "/basic"),
    "digest": lambda client, url: client.get(url + "/digest", auth=client.wire.http.DigestAuth("ann", "guess")),
    "streamed": lambda client, url: streamed(client, url, "bytes"),
    "streamed text": lambda client, url: streamed(client, url + "/packed", "text"),
    "streamed lines": lambda client, url: streamed(client, url + "/chunked", "lines"),
    "streamed raw": lambda client, url: streamed(client, url + "/packed", "raw"),
    "streamed in pieces": lambda client, url: streamed(client, url + "/packed", "bytes", 7),
    "unread": unread,
    "host": lambda client, url: client.get(url, headers={"host": "api.test"}),
    "accept": lambda client, url: client.get(url, headers=[("accept", "a/b"), ("x", "1"), ("x", "2")]),
    "late": lambda client, url: client.get(url + "/hangs", timeout=0.1),
    "dropped": lambda client, url: client.get(url + "/dropped"),
    "reset": lambda client, url: client.get(url + "/reset"),
    "hung up": lambda client, url: client.get(url + "/gone"),
    "streamed and dropped": lambda client, url: streamed(client, url + "/dropped", "raw"),
    "bad header": lambda client, url: client.get(url, headers={"x": "a\r\nb"}),
    "bad scheme": lambda client, url: client.get("foo://api.test/"),
    "no scheme": lambda client, url: client.get("api.test/x"),
    "bad address": lambda client, url: client.get("http://[::1"),
    "spent": lambda client, url: in_pieces(client, url + "/kept", follow_redirects=True),
    "wrong request": lambda client, url: client.send("GET"),
    "nobody there": lambda client, url: client.get("http://127.0.0.1:1/"),
}


def play(origin):
    """All that the battery meets."""
    origin.at("/nothing").answers(204)
    origin.at("/packed").answers(body=gzip.compress(b"line\n" * 50), headers={"content-encoding": "gzip"})
    origin.at("/spoilt").answers(body=b"not gzip at all", headers={"content-encoding": "gzip"})
    origin.at("/latin").answers(body="grüß".encode("latin-1"), headers={"content-type": "text/plain; charset=latin-1"})
    origin.at("/links").answers(headers={"link": '</2>; rel="next"'})
    origin.at("/missing").answers(404)
    origin.at("/busy").answers(503, retry_after=1)
    origin.at("/limited").answers(429, headers={"ratelimit": '"default";r=0;t=1'}, retry_after=1)
    origin.at("/error").answers(500)
    origin.at("/chunked").answers(body=[b"on", b"e\ntwo"], headers={"transfer-encoding": "chunked"})
    origin.at("/old").answers(301, headers={"location": "/older"})
    origin.at("/older").answers(302, headers={"location": "/x", "set-cookie": "seen=1"})
    origin.at("/kept").answers(307, headers={"location": "/x"})
    origin.at("/round").answers(302, headers={"location": "/round"})
    origin.at("/login").answers(headers={"set-cookie": "session=42; Path=/"})
    origin.at("/basic").behaves(basic)
    origin.at("/digest").behaves(Digest())
    origin.at("/hangs").hangs()
    origin.at("/dropped").answers(body=b"." * 100, drop_after=50)
    origin.at("/reset").fails(error="read")
    origin.at("/gone").fails(error="protocol")


def received(origin, since):
    return [(one.method, one.path, one.headers, one.body) for one in origin.requests[since:]]


def differences(theirs, ours, place=""):
    """Where the two are not alike, and how."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [
            found
            for name in {**theirs, **ours}
            for found in differences(theirs.get(name), ours.get(name), f"{place}.{name}")
        ]
    if isinstance(theirs, list | tuple) and type(theirs) is type(ours) and len(theirs) == len(ours):
        pairs = enumerate(zip(theirs, ours, strict=True))
        return [found for number, pair in pairs for found in differences(*pair, f"{place}[{number}]")]
    return [] if theirs == ours else [f"{place}: {theirs!r}, ours {ours!r}"]


@pytest.mark.parametrize("name", CALLS)
def test_nobody_can_tell(wire, origin, name):
    """Once each, by both clients: the same answers and errors, and at the origin the same requests."""
    play(origin)
    seen = []
    for client in (wire.theirs(max_redirects=3), wire.client(policies=Policy.passthrough(), max_redirects=3)):
        origin.at("/digest").behaves(Digest())
        since, connections = origin.sent, origin.connections
        found = outcome(lambda client=client: CALLS[name](client, origin.url))
        asked = received(origin, since)
        # One that nothing came over may not have been accepted yet.
        opened = origin.connections - connections if asked else None
        seen.append({"found": found, "received": asked, "connections": opened})
    assert differences(*map(without_dice, seen)) == []


def without_dice(seen):
    """Without the random number in the answer to a digest's challenge."""
    return json.loads(re.sub(r"(cnonce|response)=\\?\"\w+\\?\"", r"\1", json.dumps(seen, default=repr)))


def test_it_never_sends_twice(wire, origin):
    """Whatever happens: no retry, no circuit, no pause."""
    play(origin)
    client = wire.client(policies=Policy.passthrough())
    for path in ("/busy", "/limited", "/error", "/reset", "/gone") * 5:
        client.outcome("GET", origin.url + path)
    assert origin.sent == 25


def test_its_timeouts_are_the_librarys(wire, origin):
    """Five seconds for each phase, where nobody asked for more."""
    seen = []
    for client in (wire.theirs(), wire.client(policies=Policy.passthrough())):
        request = client.build("GET", origin.url)
        client.send(request)
        seen.append((request.extensions["timeout"], client.client.timeout))
    assert seen[0] == seen[1]
    assert seen[0][0] == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}


def test_properties_look_the_same(wire):
    """Each public one of a fresh client."""
    theirs, ours = wire.theirs().client, wire.client(policies=Policy.passthrough()).client
    names = [name for name in dir(type(theirs)) if isinstance(getattr(type(theirs), name), property)]
    assert "base_url" in names
    assert {name: _plain(getattr(ours, name)) for name in names} == {
        name: _plain(getattr(theirs, name)) for name in names
    }


def _plain(value):
    return value if isinstance(value, dict | str | bool | type(None)) else repr(value)
