"""A secret goes to the origin that it is for, and is seen nowhere else: planted in all places, sought in all."""

import json
import logging
from base64 import b64encode
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from resilient import Cache, CallError, CircuitBreaker, Policy, ResponseCache, Retry, options
from resilient.cli import main
from resilient.errors import StoreError
from resilient.events import StoreFailed
from resilient.live import Live
from resilient.live.record import line_of
from resilient.logs import JsonFormatter
from resilient.logs.limit import Limit
from resilient.ports import StorePair
from resilient.testing import LocalServer, Reply
from resilient_adapters.prometheus import Prometheus
from tests.client.test_response_cache import Bad, BadForTasks
from tests.conftest import COLOURS, FAMILIES, World
from tests.soaking import sizes
from tests.tracing import Spans

SIGNS = st.sampled_from(
    ["abcdefgh0123456789", "ABCxyz019-_", "0123456789abcdef", "aB3+/=", "aB3 &=;#?@:/%", "aB3\"'<>{}[]", "äöüé€漢字"]
)
SECRETS = SIGNS.flatmap(lambda signs: st.text(signs, min_size=12, max_size=40)).filter(lambda text: len(set(text)) > 4)
"""Long enough to be found nowhere by chance."""
PARTITIONS = st.booleans()


def forms_of(secret):
    """How a secret may be seen: as it is, escaped or encoded, in whole."""
    raw = secret.encode()
    yield from (secret, quote(secret, safe=""), quote(secret), b64encode(raw).decode().rstrip("="), raw.hex())
    yield from (
        b64encode(b"ann:" + raw).decode().rstrip("="),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        repr(raw)[2:-1],
    )
    yield str(httpx.QueryParams({"k": secret}))[2:]


class Seen(logging.Handler):
    """Hears and keeps all that anybody may see of a program."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.spans = Spans()
        self.registry = CollectorRegistry()
        self.live = Live()
        self.live._open = lambda: None  # nobody looks in; what would be sent is looked at
        self.events = []
        self.said = []
        self.sinks = [self.spans.sink(key_hash=True), Prometheus(self.registry), self.live, self.events.append]

    def emit(self, record):
        self.said += [logging.Formatter().format(record), JsonFormatter().format(record), repr(record.__dict__)]

    def notes(self, error):
        """What an error of ours says, wherever it is printed."""
        if isinstance(error, CallError):
            self.said += [str(error), repr(error), *getattr(error, "__notes__", [])]
        self.journey(getattr(error, "journey", None))

    def journey(self, journey):
        self.said += [str(journey), repr(journey)]

    def everything(self):
        """By where it was seen."""
        return {
            "spans": "\n".join(span.to_json() for span in self.spans.spans),
            "points": repr(self.spans.metrics()),
            "prometheus": generate_latest(self.registry).decode(),
            "live": b"".join(map(line_of, self.live.recent())).decode(),
            "events": repr(self.events),
            "log and errors": "\n".join(self.said),
        }


@pytest.fixture
def seen(monkeypatch):
    """Makes what keeps all that is seen, and listens to the log."""
    root = logging.getLogger("resilient")
    before = root.level
    root.setLevel(logging.DEBUG)

    def seen():
        monkeypatch.setattr("resilient.logs.logs._limit", Limit())
        made = Seen()
        root.handlers[1:] = [made]
        return made

    yield seen
    root.setLevel(before)
    root.handlers[1:] = []


def check(seen, secret):
    """It is nowhere; and there is much where it could be."""
    found = seen.everything()
    assert all(found.values())
    for where, text in found.items():
        for form in forms_of(secret):
            assert form not in text, (where, form, text[max(0, text.find(form) - 100) : text.find(form) + 100])


# --- calls ---

ANSWERS = {
    "well": lambda library, secret: Reply(headers=fields(secret), body=secret.encode()),
    "kept": lambda library, secret: Reply(
        headers={**fields(secret), "cache-control": "max-age=60", "vary": "x-api-key"}, body=secret.encode()
    ),
    "failing": lambda library, secret: Reply(status=503, headers=fields(secret), body=secret.encode()),
    "busy": lambda library, secret: Reply(status=429, headers={**fields(secret), "retry-after": ascii(secret)}),
    "elsewhere": lambda library, secret: Reply(
        status=302, headers={"location": f"https://bob:{quote(secret, safe='')}@b.test/?token={quote(secret)}"}
    ),
    "raising": lambda library, secret: library.ConnectError(secret),
    "breaking": lambda library, secret: library.ReadError(f"https://ann:{secret}@api.test/?token={secret}"),
    "with a bug": lambda library, secret: RuntimeError(secret),
}


def fields(secret):
    """An answer's, each with the secret."""
    text = quote(secret)
    challenge = f'Basic realm="{text}"'
    return {"set-cookie": f"session={text}", "etag": f'"{text}"', "x-token": text, "www-authenticate": challenge}


CACHES = {
    "none": None,
    "ttl": ResponseCache(ttl=60),
    "standard": ResponseCache(),
    "soft": ResponseCache.soft(ttl=60, soft_ttl=5),
    "early": ResponseCache.early(ttl=60, early_ttl=5),
    "failover": ResponseCache.failover(ttl=60),
}
PLANS = st.fixed_dictionaries(
    {
        "secret": SECRETS,
        "colour": st.sampled_from(COLOURS),
        "family": st.sampled_from(sorted(FAMILIES)),
        "cache": st.sampled_from(sorted(CACHES)),
        "answers": st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=6),
        "methods": st.lists(st.sampled_from(["GET", "GET", "POST", "HEAD"]), min_size=1, max_size=4),
        "store_fails": st.booleans(),
        "streams": st.booleans(),
    }
)


def played(plan, seen):
    """Some calls that have a secret in all places where one can be."""
    secret, world = plan["secret"], World(plan["colour"], FAMILIES[plan["family"]])
    escaped = quote(secret, safe="")
    origin = world.origin()
    for name in plan["answers"]:
        origin.behaves(lambda *_, name=name: answered(ANSWERS[name](world.http, secret)), times=1)
    origin.answers()
    policy = Policy(
        cache=CACHES[plan["cache"]],
        retry=Retry(max_attempts=2),
        breaker=CircuitBreaker(failures=3),
        fallback=f"https://eve:{escaped}@c.test/?token={escaped}",
    )

    def fails(*_):
        raise RuntimeError(secret)

    store = StorePair(Bad(fails, "get"), BadForTasks(fails, "get")) if plan["store_fails"] else None
    caller = world.client(origin, policy, store=store, telemetry=seen.sinks, name="shop", auth=("ann", secret))
    url = f"https://ann:{escaped}@api.test/items?token={escaped}&{escaped}#{escaped}"
    given = {
        "headers": {"x-api-key": escaped, "cookie": f"session={escaped}", "x-token": escaped},
        "extensions": options(partition=secret, idempotency_key=escaped),
    }

    async def script():
        for method in plan["methods"]:
            content = secret.encode() if method == "POST" else None
            try:
                answer = await caller.ask(
                    method, url, content=content, stream=plan["streams"], follow_redirects=True, **given
                )
                if plan["streams"]:
                    await caller.read(answer)
                seen.journey(answer.extensions.get("resilient"))
            except Exception as error:  # noqa: BLE001 - whatever it ends with, it says no secret
                seen.notes(error)
            await world.sleep(20)

    world.do(script)
    seen.said += [repr(caller.client.state()), caller.client.describe(url), repr(policy), str(policy)]


def answered(reply):
    if isinstance(reply, Exception):
        raise reply
    return reply


@sizes(examples=(50, 1000))
def test_no_secret_of_a_call_is_seen(examples, seen):
    """In an address, a field, a body, an error's text, an option: not in spans, metrics, lines, events, journeys."""
    played_once = 0

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(PLANS)
    def each(plan):
        nonlocal played_once
        made = seen()
        played(plan, made)
        check(made, plan["secret"])
        played_once += 1

    each()
    assert played_once >= examples / 2


# --- functions and stores ---


@sizes(examples=(50, 1000))
def test_no_secret_of_a_function_is_seen(examples, seen):
    """In an argument, a result, an error's text, a tag, the address of a store that is away."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(SECRETS, st.sampled_from(["simple", "failover", "soft"]), st.booleans())
    def each(secret, strategy, away):
        made = seen()
        url = f"redis://ann:{quote(secret, safe='')}@127.0.0.1:1/0" if away else "mem://"
        cache = Cache(url, name="shop", telemetry=made.sinks)
        more = {"soft": {"soft_ttl": 1e-9}}.get(strategy, {})
        decorate = {"simple": cache, "failover": cache.failover, "soft": cache.soft}[strategy]

        @decorate(ttl=60, tags=["of:{token}"], **more)
        def function(token, fails):
            if fails:
                raise LookupError(token)
            return token

        for fails in (False, False, True):
            try:
                function(secret, fails)
            except LookupError as error:
                made.notes(error)
        try:
            cache.blocking.get(secret)
        except StoreError as error:
            made.said += [str(error), repr(error), *getattr(error, "__notes__", [])]
        made.said += [repr(cache), repr(cache._core.mounts.of("k").pair)]
        cache.close()
        check(made, secret)
        assert bool([one for one in made.events if isinstance(one, StoreFailed)]) == away

    each()


# --- the command line ---


@sizes(examples=(10, 100))
def test_no_secret_is_printed(examples, capsys):
    """By the commands that send a request, if it is answered, or fails, or goes to a host that is not there."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(SECRETS, st.sampled_from(["get", "explain"]), st.sampled_from([200, 404, 503, None]))
    def each(secret, command, status):
        escaped = quote(secret, safe="")
        with LocalServer() as server:
            if status is None:
                server.fails(error="protocol")
            else:
                server.answers(status, headers={"set-cookie": f"s={escaped}"})
            address = server.url.replace("//", f"//ann:{escaped}@")
            capsys.readouterr()
            main([command, f"{address}/?token={escaped}&{escaped}#{escaped}", "-H", f"authorization: Bearer {escaped}"])
        printed = "".join(capsys.readouterr())
        assert "http://" in printed
        for form in forms_of(secret):
            assert form not in printed

    each()
