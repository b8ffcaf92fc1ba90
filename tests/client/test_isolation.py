"""What one origin does to another: nothing. And who shares what was learned."""

from contextlib import suppress

import pytest

import resilient
from resilient import Budget, Policies, Policy
from resilient.policies import MAX_ORIGINS


@pytest.mark.parametrize("outage", ["hangs", "fails", "is away", "is slow and throttles"])
def test_an_outage_of_one_host_takes_nothing_from_another(world, outage):
    """The calls to B are answered as fast and as often as if A did not exist."""
    sick, healthy = world.origin(), world.origin().answers(latency=0.02)
    if outage == "hangs":
        sick.hangs()
    elif outage == "fails":
        sick.answers(503)
    elif outage == "is away":
        sick.goes_away()
    else:
        sick.answers(429, retry_after=3, latency=1.0, headers={"ratelimit": '"default";r=0;t=5'})
    client = world.client(None, mounts={"https://a.test": sick, "https://b.test": healthy})

    async def ask_a():
        await client.ask(url="https://a.test/")

    async def ask_b():
        began = world.now
        status = (await client.ask(url="https://b.test/")).status_code
        return status, round(world.now - began, 6)

    outcomes = world.run([ask_a, ask_b] * 300, every=0.025, return_errors=True)
    assert outcomes[1::2] == [(200, 0.02)] * 300
    assert healthy.sent == 300
    state = client.client.state()
    assert state["* https://b.test"]["circuit"]["state"] == "closed"
    assert state["* https://b.test"]["circuit"]["failures"] == 0
    assert "budget" not in state["* https://b.test"] or state["* https://b.test"]["budget"]["level"] == 100
    assert sick.sent < 650


ORIGINS = ["https://api.test/", "http://api.test/", "https://api.test:8443/", "https://www.api.test/"]


def test_an_origin_is_scheme_host_and_port(world, origin):
    """Each has a circuit of its own; paths and queries have not."""
    client = world.client(origin)
    client.client.circuit(ORIGINS[0]).isolate()
    assert [client.circuit(url) for url in ORIGINS] == ["isolated", "closed", "closed", "closed"]
    assert client.circuit("https://api.test/any?x=1") == "isolated"
    assert client.circuit("https://API.test/") == "isolated"
    for url in ORIGINS[1:]:
        assert client.get(url).status_code == 200
    with pytest.raises(resilient.CircuitOpenError):
        client.get(ORIGINS[0])


def test_each_entry_learns_for_itself(world, origin):
    """Writes may fail while reads go well: two entries for one host are two circuits and two budgets."""
    client = world.client(origin, {"POST api.test": Policy(), "*": Policy()})
    origin.behaves(lambda request, number, now: 500 if request.method == "POST" else 200)
    for _ in range(10):
        client.post()
    assert client.client.circuit("https://api.test/", "POST").state == "open"
    assert client.client.circuit("https://api.test/", "GET").state == "closed"
    assert client.get().status_code == 200


def opens_for(world, client):
    """Fail ten times through ``client``."""
    for _ in range(10):
        client.outcome()
    assert client.circuit() == "open"


def test_clients_share_what_they_learned_through_one_policies_object(world, origin):
    """What one learns, the other knows: the circuit, and the budget too."""
    shared = Policies(Policy(budget=Budget(refill=0)))
    one, two = world.client(origin, shared), world.client(origin, shared)
    origin.answers(503, times=3)
    one.get()
    assert two.tokens() == one.tokens() == 80
    origin.answers(500)
    opens_for(world, one)
    assert two.circuit() == "open"
    with pytest.raises(resilient.CircuitOpenError):
        two.get()


@pytest.mark.parametrize("policies", [None, Policy(), {"*": Policy()}])
def test_equal_policies_in_two_clients_share_nothing(world, origin, policies):
    """A policy is a value; what it learns lives with the client that made it its own."""
    one, two = world.client(origin, policies), world.client(origin, policies)
    origin.answers(500)
    opens_for(world, one)
    assert (one.circuit(), two.circuit()) == ("open", "closed")


def test_both_colours_may_share_one_policies_object(family):
    """A blocking and an async client of one process know the same origin."""
    shared = Policies()
    clients = []
    for kind in (family.door.ResilientClient, family.door.AsyncResilientClient):
        clients.append(kind(policies=shared, transport=family.kit.Origin()))
    clients[0].circuit("https://api.test/").isolate()
    assert clients[1].circuit("https://api.test/").state == "isolated"


# --- bounded memory ----------------------------------------------------------------------------------------------


def test_ten_thousand_origins_are_known_and_no_more(family):
    """The least used are forgotten first; those whose circuit is open, or probes, or was isolated, last."""
    policies = Policies()

    def touch(name):
        return policies.find("GET", family.http.URL(f"https://{name}.test/"))[1]

    client = family.door.ResilientClient(policies=policies, transport=family.kit.Origin().answers(500))
    for number in range(150):
        client.circuit(f"https://open{number}.test/").isolate()
    for _ in range(4):
        with suppress(resilient.CircuitOpenError):
            client.get("https://tripped.test/")
    touch("busy")
    for number in range(MAX_ORIGINS + 500):
        touch(f"host{number}")
        if number % 1_000 == 0:
            touch("busy")
    known = {host.origin for _, host in policies.known()}
    assert len(known) == MAX_ORIGINS
    assert {f"https://open{number}.test" for number in range(150)} <= known
    assert {"https://tripped.test", "https://busy.test", f"https://host{MAX_ORIGINS + 499}.test"} <= known
    assert "https://host0.test" not in known
    assert client.circuit("https://open0.test/").state == "isolated"


def test_even_open_circuits_are_forgotten_when_there_is_nothing_else(family, monkeypatch):
    """The bound is a bound."""
    monkeypatch.setattr("resilient.policies.MAX_ORIGINS", 20)
    client = family.door.ResilientClient(transport=family.kit.Origin())
    for number in range(50):
        client.circuit(f"https://open{number}.test/").isolate()
    assert len(client.state()) == 20
    assert client.circuit("https://open49.test/").state == "isolated"
    assert client.circuit("https://open0.test/").state == "closed"


def test_a_call_under_way_keeps_what_it_knows(world, monkeypatch):
    """An origin that is forgotten in the midst of a call is no accident: the call ends as it would have."""
    monkeypatch.setattr("resilient.policies.MAX_ORIGINS", 2)
    origin = world.origin().answers(503, latency=1.0, times=1)
    client = world.client(origin)

    async def others():
        await world.sleep(0.5)
        for number in range(5):
            await client.ask(url=f"https://host{number}.test/")

    answer, _ = world.run([client.ask, others])
    assert answer.status_code == 200
    assert len(client.client.state()) == 2
