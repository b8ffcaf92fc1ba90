"""The circuit: when it opens, for how long, and what its probes decide. Time is a number here."""

import math
import random
import sys
import threading

import pytest

from resilient.errors import ConfigurationError
from resilient.mechanics.circuit import Change, Circuit, Refusal, Rule, Ticket, Verdict

OK, FAILED, THROTTLED, SLOW, NEUTRAL = Verdict
RULE = Rule(jitter=0.0)


def never() -> float:
    return 0.0


def call(circuit, now, verdict, rule=RULE, *, asked=None):
    """Admit and settle at one instant; every change on the way."""
    ticket, half_opened = circuit.admit(rule, now)
    assert isinstance(ticket, Ticket), ticket
    settled = circuit.settle(ticket, rule, now, verdict, asked=asked)
    return [change for change in (half_opened, settled) if change]


def tripped(now=0.0, rule=RULE, *, rand=never):
    circuit = Circuit(rand)
    for _ in range(rule.failures):
        changes = call(circuit, now, FAILED, rule)
    assert [change.to for change in changes] == ["open"]
    return circuit


def refused(circuit, now, rule=RULE):
    answer, change = circuit.admit(rule, now)
    assert isinstance(answer, Refusal)
    assert change is None
    return answer.retry_in


# --- opening ------------------------------------------------------------------------------------------------


def test_ten_failures_in_a_row_open_it():
    """The tenth failure of an origin that fails always opens the circuit, not the ninth or eleventh."""
    circuit = Circuit(never)
    for _ in range(9):
        assert call(circuit, 0.0, FAILED) == []
    assert call(circuit, 0.0, FAILED) == [Change("open", "run", 1.0)]
    assert circuit.state(0.5) == "open"
    assert circuit.is_open(0.5)
    assert refused(circuit, 0.25) == 0.75


@pytest.mark.parametrize(("between", "opens"), [(OK, False), (SLOW, False), (THROTTLED, True), (NEUTRAL, True)])
def test_only_an_answer_ends_a_run(between, opens):
    """Nine failures, something else, one failure: a 429 or nothing at all leaves the run as it was."""
    circuit = Circuit(never)
    for _ in range(9):
        call(circuit, 0.0, FAILED)
    assert call(circuit, 0.0, between) == []
    assert bool(call(circuit, 0.0, FAILED)) is opens


def test_half_of_twenty_calls_opens_it():
    """The ratio speaks from the twentieth call on, and a success never opens the circuit."""
    circuit = Circuit(never)
    for _ in range(9):
        assert call(circuit, 0.0, FAILED) == []
        assert call(circuit, 0.0, OK) == []
    assert call(circuit, 0.0, FAILED) == []  # 10 of 19
    assert call(circuit, 0.0, OK) == []  # 10 of 20
    assert call(circuit, 0.0, FAILED) == [Change("open", "ratio", 1.0)]


def test_throttled_answers_count_for_the_ratio_only():
    """429s alone never make a run, and open the circuit once the window holds enough of them."""
    circuit = Circuit(never)
    for _ in range(19):
        assert call(circuit, 0.0, THROTTLED) == []
    assert call(circuit, 0.0, THROTTLED, asked=5.0) == [Change("open", "ratio", 5.0)]


def test_slow_answers_are_named_as_the_cause():
    """What would not have opened the circuit without the slow answers says so; what would, does not."""
    circuit = Circuit(never)
    for _ in range(19):
        call(circuit, 0.0, SLOW)
    assert call(circuit, 0.0, SLOW) == [Change("open", "slow", 1.0)]
    circuit = Circuit(never)
    for verdict in [THROTTLED, SLOW] * 9 + [THROTTLED]:
        call(circuit, 0.0, verdict)
    assert call(circuit, 0.0, THROTTLED) == [Change("open", "ratio", 1.0)]


def test_the_ratio_forgets_what_is_older_than_its_window():
    """Nineteen bad answers are worth nothing ten seconds later, and everything just before."""
    for later, opens in ((9.0, True), (10.0, False)):
        circuit = Circuit(never)
        for _ in range(19):
            call(circuit, 0.0, THROTTLED)
        assert bool(call(circuit, later, THROTTLED)) is opens


def test_what_proves_nothing_counts_nowhere():
    """Cancelled calls are neither calls nor failures."""
    circuit = Circuit(never)
    for _ in range(100):
        call(circuit, 0.0, NEUTRAL)
    assert circuit.snapshot(0.0) == {
        "state": "closed",
        "run": 0,
        "calls": 0,
        "failures": 0,
        "slow": 0,
        "retry_in": 0.0,
        "probes": 0,
        "openings": 0,
    }


# --- how long -----------------------------------------------------------------------------------------------


def test_the_open_period_doubles_up_to_its_cap():
    """Each failed probe doubles the period: 1, 2, 4, 8, 16, 30, 30 seconds."""
    circuit, now, periods = tripped(), 0.0, [1.0]
    for _ in range(7):
        now += periods[-1]
        half_opened, opened = call(circuit, now, FAILED)
        assert half_opened == Change("half_open", "probe")
        assert opened.cause == "probe"
        periods.append(opened.open_for)
    assert periods == [1, 2, 4, 8, 16, 30, 30, 30]


def test_five_thousand_failed_probes_overflow_nothing():
    """The exponent is clamped."""
    circuit, now = tripped(), 0.0
    for _ in range(5000):
        now += 30.0
        assert call(circuit, now, FAILED)[-1].open_for <= 30.0


@pytest.mark.parametrize(("closed_for", "period"), [(0.0, 4.0), (9.9, 4.0), (10.0, 1.0), (1e6, 1.0)])
def test_doubling_starts_again_after_a_whole_window_of_health(closed_for, period):
    """An origin that fails soon after it recovered has not recovered."""
    circuit = tripped()
    call(circuit, 1.0, FAILED)  # open for 2 s
    assert call(circuit, 3.0, OK)[-1] == Change("closed", "probe")
    for _ in range(9):
        call(circuit, 3.0 + closed_for, FAILED)
    assert call(circuit, 3.0 + closed_for, FAILED) == [Change("open", "run", period)]


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.999])
def test_jitter_only_shortens(drawn):
    """A period is never longer than it says, so a test or a person that waits so long meets a probe."""
    rule = Rule()
    circuit = tripped(0.0, rule, rand=lambda: drawn)
    assert refused(circuit, 0.0, rule) == pytest.approx(1.0 - 0.1 * drawn)
    assert isinstance(circuit.admit(rule, 1.0)[0], Ticket)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (None, 0.9, 1.0),
        (0.0, 0.9, 1.0),
        (0.95, 0.95, 1.045),
        (7.0, 7.0, 7.7),
        (29.0, 29.0, 30.0),
        (1e9, 30.0, 30.0),
        (math.inf, 30.0, 30.0),
    ],
)
def test_retry_after_raises_the_period(asked, least, most):
    """It is obeyed, never early, up to ``max_open``; a hostile one cannot keep the circuit open for ever."""
    drawn = random.Random(7)
    for _ in range(200):
        circuit = Circuit(drawn.random)
        for _ in range(9):
            call(circuit, 0.0, FAILED, Rule())
        assert least <= call(circuit, 0.0, FAILED, Rule(), asked=asked)[0].open_for <= most


def test_who_was_told_the_same_instant_comes_spread_out():
    """After it, by up to the jitter."""
    circuit = Circuit(lambda: 0.5)
    for _ in range(9):
        call(circuit, 0.0, FAILED, Rule())
    assert call(circuit, 0.0, FAILED, Rule(), asked=10.0) == [Change("open", "run", 10.5)]


# --- probes -------------------------------------------------------------------------------------------------


def test_one_probe_closes_it():
    """After the period one call goes; its success lets all others go, nothing being held against it."""
    circuit = tripped()
    probe, change = circuit.admit(RULE, 1.0)
    assert probe.probe
    assert change == Change("half_open", "probe")
    assert circuit.state(1.0) == "half_open"
    assert not circuit.is_open(1.0)
    assert refused(circuit, 1.0) == 1.0  # nobody knows: open_for at most
    assert circuit.settle(probe, RULE, 1.2, OK) == Change("closed", "probe")
    assert call(circuit, 1.2, FAILED) == []
    assert circuit.snapshot(1.2)["calls"] == 1


@pytest.mark.parametrize("verdict", [FAILED, THROTTLED, SLOW])
def test_a_probe_that_is_not_ok_opens_it_again(verdict):
    """What counts against the origin, counts against a probe."""
    assert call(tripped(), 1.0, verdict)[-1] == Change("open", "probe", 2.0)


def test_a_neutral_probe_frees_its_place():
    """A cancelled probe proves nothing: the next call probes."""
    circuit = tripped()
    probe, _ = circuit.admit(RULE, 1.0)
    assert circuit.settle(probe, RULE, 1.0, NEUTRAL) is None
    another, change = circuit.admit(RULE, 1.0)
    assert another.probe
    assert change is None


def test_a_lost_probe_frees_its_place_after_its_lease():
    """A probe that was never heard of again does not wedge the circuit."""
    circuit = tripped()
    circuit.admit(RULE, 1.0)
    assert refused(circuit, 30.5) == 0.5
    assert circuit.admit(RULE, 31.0)[0].probe


def test_a_probe_slower_than_its_lease_still_counts():
    """Else an origin that needs a minute for each answer could never close its circuit."""
    circuit = tripped()
    slow, _ = circuit.admit(RULE, 1.0)
    circuit.admit(RULE, 31.0)
    assert circuit.settle(slow, RULE, 61.0, OK) == Change("closed", "probe")


def test_several_probes_must_all_succeed():
    """With ``probes=3`` three go at once, no fourth, and the third success closes the circuit."""
    rule = Rule(jitter=0.0, probes=3)
    circuit = tripped(0.0, rule)
    probes = [circuit.admit(rule, 1.0)[0] for _ in range(3)]
    refused(circuit, 1.0, rule)
    assert circuit.settle(probes[0], rule, 1.0, OK) is None
    refused(circuit, 1.0, rule)  # one proved, two under way: no more are needed
    assert circuit.settle(probes[1], rule, 1.0, NEUTRAL) is None
    probes[1] = circuit.admit(rule, 1.0)[0]
    assert circuit.settle(probes[1], rule, 1.0, OK) is None
    assert circuit.settle(probes[2], rule, 1.0, OK) == Change("closed", "probe")


def test_one_of_several_probes_that_fails_opens_it_again():
    """And its siblings, begun before, say nothing any more."""
    rule = Rule(jitter=0.0, probes=3)
    circuit = tripped(0.0, rule)
    one, two, three = (circuit.admit(rule, 1.0)[0] for _ in range(3))
    assert circuit.settle(one, rule, 1.0, OK) is None
    assert circuit.settle(two, rule, 1.0, FAILED) == Change("open", "probe", 2.0)
    assert circuit.settle(three, rule, 1.0, FAILED) is None
    assert refused(circuit, 1.0, rule) == 2.0
    assert len([t for t, _ in (circuit.admit(rule, 3.0) for _ in range(9)) if isinstance(t, Ticket)]) == 3


def test_fewer_probes_by_a_reload_do_not_wedge_it():
    """Two successes of three, then a rule that wants one: the next probe decides."""
    three, one = Rule(jitter=0.0, probes=3), RULE
    circuit = tripped(0.0, three)
    for _ in range(2):
        assert call(circuit, 1.0, OK, three)[-1:] in ([], [Change("half_open", "probe")])
    assert call(circuit, 1.0, OK, one) == [Change("closed", "probe")]


def test_outcomes_of_calls_begun_before_it_opened_are_ignored():
    """Neither a late failure nor a late success moves an open, half-open or closed circuit."""
    circuit = Circuit(never)
    early = [circuit.admit(RULE, 0.0)[0] for _ in range(40)]
    for ticket in early[:10]:
        circuit.settle(ticket, RULE, 0.0, FAILED)
    seen = circuit.snapshot(0.5)
    assert circuit.settle(early[10], RULE, 0.5, OK) is None
    assert circuit.settle(early[11], RULE, 0.5, FAILED) is None
    assert circuit.snapshot(0.5) == seen
    probe, _ = circuit.admit(RULE, 1.0)
    assert circuit.settle(early[12], RULE, 1.0, OK) is None
    assert circuit.state(1.0) == "half_open"
    circuit.settle(probe, RULE, 1.0, OK)
    for ticket in early[13:]:
        assert circuit.settle(ticket, RULE, 1.0, FAILED) is None
    assert circuit.snapshot(1.0)["failures"] == 0


def test_a_body_that_breaks_after_its_call_was_settled_counts_on_its_own():
    """Answers that start well and break off open the circuit by their ratio, the probe's body included."""
    circuit = tripped()
    probe, _ = circuit.admit(RULE, 1.0)
    circuit.settle(probe, RULE, 1.0, OK)
    circuit.settle(probe, RULE, 1.0, FAILED)
    assert circuit.snapshot(1.0)["failures"] == 1
    changes = []
    while not changes:
        ticket, _ = circuit.admit(RULE, 1.0)
        changes = [c for v in (OK, FAILED) if (c := circuit.settle(ticket, RULE, 1.0, v))]
    assert changes == [Change("open", "ratio", 2.0)]


# --- by hand ------------------------------------------------------------------------------------------------


def test_isolated_until_closed_by_hand():
    """No time frees an isolated circuit, and nothing that was under way changes it."""
    circuit = Circuit(never)
    early, _ = circuit.admit(RULE, 0.0)
    assert circuit.isolate() == Change("open", "manual", math.inf)
    assert refused(circuit, 1e9) == math.inf
    assert circuit.state(1e9) == "isolated"
    assert circuit.is_open(1e9)
    assert circuit.settle(early, RULE, 1.0, OK) is None
    assert circuit.close() == Change("closed", "manual")
    assert circuit.close() is None
    assert circuit.snapshot(1e9)["retry_in"] == 0
    assert call(circuit, 1e9, OK) == []


def test_closing_by_hand_forgets_everything():
    """Half-way through a probe, of a circuit open for the third time: the run and the doubling start anew."""
    circuit = tripped()
    call(circuit, 1.0, FAILED)
    probe, _ = circuit.admit(RULE, 3.0)
    assert circuit.close() == Change("closed", "manual")
    assert circuit.snapshot(3.0)["probes"] == 0
    assert circuit.settle(probe, RULE, 3.0, FAILED) is None
    for _ in range(8):
        assert call(circuit, 3.0, FAILED) == []
    assert call(circuit, 3.0, FAILED) == [Change("open", "run", 1.0)]


# --- options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("failures", value) for value in (0, 2.5, True, "10")],
        *[("min_calls", value) for value in (0, -1)],
        *[("probes", value) for value in (0, None)],
        *[("ratio", value) for value in (0.0, 1.1, None)],
        *[("window", value) for value in (0, "10s")],
        *[("open_for", value) for value in (0, -1.0)],
        *[("max_open", value) for value in (0, 0.5, math.inf)],
        *[("slow", value) for value in (0.0, 10**400)],
        *[("jitter", value) for value in (-0.1, 1.0)],
        *[("lease", value) for value in (math.inf, math.nan)],
    ],
)
def test_an_option_out_of_range_is_named(option, value):
    """At construction, with the value and what would be right."""
    with pytest.raises(ConfigurationError, match=rf"{option}=.* is not right; give "):
        Rule(**{option: value})


def test_a_new_rule_applies_to_what_is_known():
    """State holds no configuration: after a reload the sixth failure opens, the run of five being kept."""
    circuit = Circuit(never)
    for _ in range(5):
        call(circuit, 0.0, FAILED)
    assert call(circuit, 0.0, FAILED, Rule(jitter=0.0, failures=6)) == [Change("open", "run", 1.0)]


# --- threads ------------------------------------------------------------------------------------------------


@pytest.fixture
def restless():
    """Threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(count, work):
    """Run ``work(barrier)`` in so many real threads; what each returned."""
    barrier, results = threading.Barrier(count), []
    threads = [threading.Thread(target=lambda: results.append(work(barrier))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count
    return results


@pytest.mark.parametrize("probes", [1, 3])
def test_sixty_four_threads_send_exactly_so_many_probes(probes, restless):
    """In each of 30 half-open phases 64 threads ask at once: N are admitted, one sees it become half-open."""
    rule = Rule(jitter=0.0, probes=probes)
    circuits = [tripped(0.0, rule) for _ in range(30)]

    def ask(barrier):
        answers = []
        for circuit in circuits:
            barrier.wait()
            answers.append(circuit.admit(rule, 1.0))
        return answers

    for answers in zip(*in_threads(64, ask), strict=True):
        assert sum(isinstance(answer, Ticket) for answer, _ in answers) == probes
        assert sum(change is not None for _, change in answers) == 1


def test_sixty_four_threads_lose_no_outcome(restless):
    """64 x 2,000 outcomes: the window holds every one, and the run was ended by each success."""
    circuit, rule = Circuit(never), Rule(ratio=1.0, failures=10**9)

    def work(barrier):
        barrier.wait()
        for turn in range(2000):
            ticket, _ = circuit.admit(rule, 5.0)
            circuit.settle(ticket, rule, 5.0, FAILED if turn % 2 else OK)

    in_threads(64, work)
    figures = circuit.snapshot(5.0)
    assert (figures["calls"], figures["failures"]) == (128_000, 64_000)


def test_sixty_four_threads_open_it_once(restless):
    """All fail at once: exactly one of them is told that the circuit opened."""

    def fail(circuit, tickets, barrier):
        barrier.wait()
        return circuit.settle(tickets.pop(), RULE, 0.0, FAILED)

    for _ in range(5):
        circuit = Circuit(never)
        tickets = [circuit.admit(RULE, 0.0)[0] for _ in range(64)]
        changes = in_threads(64, lambda barrier, c=circuit, t=tickets: fail(c, t, barrier))
        assert [change for change in changes if change] == [Change("open", "run", 1.0)]


class Overtaken:
    """A lock that somebody else gets first."""

    def __init__(self, circuit, act):
        self.circuit, self.act, self.lock, self.happened = circuit, act, circuit._lock, False
        circuit._lock = self

    def __enter__(self):
        self.circuit._lock = self.lock
        self.act()
        self.happened = True
        self.lock.acquire()

    def __exit__(self, *error):
        self.lock.release()


def test_a_call_that_waits_for_the_lock_sees_what_happened_meanwhile():
    """The probe of another thread closes the circuit, or opens it again, just before this call's turn."""
    for verdict, expected in ((OK, Ticket(1)), (FAILED, Refusal(2.0))):
        circuit = tripped()
        meanwhile = Overtaken(circuit, lambda c=circuit, v=verdict: call(c, 1.0, v))
        assert circuit.admit(RULE, 1.0) == (expected, None)
        assert meanwhile.happened


def test_an_outcome_that_waits_for_the_lock_sees_what_happened_meanwhile():
    """Another thread opens the circuit just before this outcome is counted: it came too late."""
    circuit = Circuit(never)
    ticket, _ = circuit.admit(RULE, 0.0)
    meanwhile = Overtaken(circuit, lambda: [call(circuit, 0.0, FAILED) for _ in range(10)])
    assert circuit.settle(ticket, RULE, 0.0, FAILED) is None
    assert meanwhile.happened
    assert circuit.snapshot(0.0)["run"] == 10


def test_a_neutral_verdict_never_waits_for_the_lock():
    """The garbage collector may settle an abandoned probe while this very thread is inside the circuit."""
    circuit = tripped()
    probe, _ = circuit.admit(RULE, 1.0)
    with circuit._lock:
        circuit.settle(probe, RULE, 1.0, NEUTRAL)
    assert circuit.admit(RULE, 1.0)[0].probe


# --- in virtual time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [5, 20, 100, 1000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_origin_that_fails_every_tenth_time_is_never_cut_off(rate, seed):
    """10^5 calls with 10 % random failures: the circuit never opens."""
    draw, rule = random.Random(seed).random, Rule()
    circuit = Circuit(draw)
    for number in range(100_000):
        now = number / rate
        ticket, _ = circuit.admit(rule, now)
        assert circuit.settle(ticket, rule, now, FAILED if draw() < 0.1 else OK) is None


@pytest.mark.parametrize("rate", [2, 20, 300])
@pytest.mark.parametrize("outage", [0.7, 5.0, 40.0, 300.0])
def test_a_recovered_origin_is_found_within_the_open_period(rate, outage):
    """It opens within 10 failures; the first success comes within an open period and a call of recovery.

    During a long outage the origin gets those ten calls, a few probes, and then one probe in 27 s or more.
    """
    for seed in range(5):
        draw, rule = random.Random(seed).random, Rule()
        circuit, begins, sent, period = Circuit(draw), 60.0, [], 0.0
        ends = begins + outage
        for number in range(int((ends + 40) * rate)):
            now = (number + draw()) / rate
            ticket, _ = circuit.admit(rule, now)
            if isinstance(ticket, Refusal):
                continue
            down = begins <= now < ends
            if down:
                sent.append(now)
            elif now >= ends:
                break
            change = circuit.settle(ticket, rule, now, FAILED if down else OK)
            period = change.open_for if change else period
        else:
            pytest.fail("never found")
        assert now <= ends + period + 2 / rate
        assert len(sent) <= 10 + 5 + outage / 27
        assert len(sent) >= min(10, int(outage * rate) - 2)
