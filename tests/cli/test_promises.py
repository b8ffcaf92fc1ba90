"""What the demo judges, by made-up figures: no clock, no socket."""

import pytest

from resilient.cli.demo.lines import ORDERS, PLAIN, READS, CallRecord, lines, percentile
from resilient.cli.demo.promises import Outage
from resilient.cli.demo.script import AWAY, BACK, Script


class Counted:
    """An origin that has counted so many attempts of each line."""

    def __init__(self, **counts):
        self.counts = {PLAIN: 200, READS: 15, ORDERS: 15} | counts

    def attempts(self, line, phase=None):
        return self.counts[line]


def a_run(*, reads="stale", plain="failed", opens_after=3, back_after=0.5, orders_sent=15):
    """An outage from second 100 to 110 at 20 calls a second, as the demo takes it down; good if not told otherwise."""
    rows = lines()
    for row, end in zip(rows, (plain, reads, "failed"), strict=True):
        for number in range(200):
            began = 100 + number / 20
            row.calls.append(CallRecord(AWAY, began, began + 0.001, end))
        for number in range(80):
            began = 110 + number / 20
            back = not row.resilient or began >= 110 + back_after
            row.calls.append(CallRecord(BACK, began, began + 0.001, "answered" if back else "failed"))
        if row.resilient and opens_after is not None:
            row.openings += [(100 + (opens_after - 0.5) / 20, 1.0), (108.9, 2.0)]
    return Outage(rows, {AWAY: 100.0, BACK: 110.0}, Counted(**{ORDERS: orders_sent}))


def broken(outage):
    return [promise.text for promise in outage.promises() if not promise.holds]


def test_a_run_as_it_should_be():
    """Every promise holds, and each is a sentence with its figures."""
    outage = a_run()
    assert broken(outage) == []
    assert [promise.text for promise in outage.promises()] == [
        "httpx failed 200 of 200 calls",
        "resilient /rates answered 200 of 200 reads, 200 of them from its store",
        "resilient /orders sent 15 attempts for 200 calls: 0.07 a call",
        "the circuit of resilient /rates opened within 3 calls",
        "the circuit of resilient /orders opened within 3 calls",
        "resilient /rates was back 501 ms after the server (open period: 2 s)",
        "resilient /orders was back 501 ms after the server (open period: 2 s)",
    ]


@pytest.mark.parametrize(
    ("differs", "sentences"),
    [
        ({"plain": "answered"}, ["httpx failed 0 of 200 calls"]),
        ({"reads": "failed"}, ["resilient /rates answered 0 of 200 reads, 0 of them from its store"]),
        ({"orders_sent": 221}, ["resilient /orders sent 221 attempts for 200 calls: 1.10 a call"]),
        (
            {"opens_after": 11},
            [f"the circuit of resilient {path} opened within 11 calls" for path in ("/rates", "/orders")],
        ),
        (
            {"back_after": 2.2},
            [f"resilient {path} was back 2.2 s after the server (open period: 2 s)" for path in ("/rates", "/orders")],
        ),
        ({"back_after": 99}, [f"resilient {path} was not back" for path in ("/rates", "/orders")]),
    ],
)
def test_a_promise_that_does_not_hold_is_told(differs, sentences):
    """Each by itself, by what was measured."""
    assert broken(a_run(**differs)) == sentences


def test_a_circuit_that_did_not_open_is_told():
    """Not taken for one that opened at once."""
    texts = broken(a_run(opens_after=None))
    assert [text for text in texts if "did not open" in text] == [
        f"the circuit of resilient {path} did not open" for path in ("/rates", "/orders")
    ]


def test_a_call_that_outlives_the_outage_is_not_part_of_it():
    """It had the server back before its end."""
    outage = a_run()
    outage._lines[PLAIN].calls.append(CallRecord(AWAY, 109.99, 110.2, "answered"))
    assert outage.of(PLAIN).calls == 200


def test_the_script_is_under_half_a_minute():
    """With the time to start and to sum up."""
    script = Script()
    assert script.seconds <= 28
    assert script.at(0)[0].name == "works"
    assert script.at(script.seconds) is None
    assert next(phase.seconds for phase in script.phases if phase.name == AWAY) == 10


@pytest.mark.parametrize(("values", "p50", "p99"), [([], None, None), ([3.0], 3.0, 3.0), (range(101), 50, 99)])
def test_percentiles(values, p50, p99):
    """Also of nothing and of one call."""
    assert (percentile(values, 50), percentile(values, 99)) == (p50, p99)
