"""Tests of code that calls a server: the server fails when you say so, and time passes when you say so.

Run it with ``pytest examples/test_your_code.py``.
"""

import httpx
import pytest

from resilient import CircuitOpenError, Policy, ResilientClient, ResponseCache
from resilient.testing import FakeClock, Origin


class Shop:
    """Your code."""

    def __init__(self, client: ResilientClient) -> None:
        self.client = client

    def stock(self, item: int) -> int:
        return self.client.get(f"https://shop.example/items/{item}").raise_for_status().json()["stock"]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def server(clock):
    server = Origin(clock=clock)
    server.answers(body=b'{"stock": 3}')
    return server


@pytest.fixture
def shop(clock, server):
    policies = {"shop.example": Policy(cache=ResponseCache.failover(ttl="1h"))}
    with ResilientClient(transport=server, clock=clock, policies=policies) as client:
        yield Shop(client)


def test_two_failures_are_survived(shop, server):
    server.fails(status=503, times=2)
    assert shop.stock(7) == 3
    assert server.sent == 3


def test_a_slow_answer_is_cut_and_asked_for_again(shop, server, clock):
    server.hangs(times=1)
    before = clock.now()
    assert shop.stock(7) == 3
    assert 10 <= clock.now() - before < 11  # an attempt has ten seconds


def test_in_an_outage_the_last_stock_stands_in(shop, server, clock):
    assert shop.stock(7) == 3
    server.goes_away()
    clock.advance(600)
    assert shop.stock(7) == 3


def test_without_anything_kept_an_outage_ends_in_refusals(shop, server):
    server.goes_away()
    for _ in range(5):
        with pytest.raises(httpx.HTTPError):
            shop.stock(7)
    with pytest.raises(CircuitOpenError):
        shop.stock(7)
    assert server.sent <= 12
