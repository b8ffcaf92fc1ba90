"""The circuit against a slow and plain reference, in random histories that Hypothesis finds."""

import math

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from resilient.mechanics.circuit import Change, Circuit, Rule, Ticket, Verdict

RULE = Rule(failures=3, min_calls=4, window=10.0, open_for=1.0, max_open=4.0, probes=2, lease=5.0, jitter=0.0)
BAD = (Verdict.FAILED, Verdict.THROTTLED, Verdict.SLOW)


class Reference:
    """Keeps every outcome and looks through all of them each time."""

    def __init__(self):
        self.state, self.until, self.relapses, self.trips = "closed", 0.0, 0, 0
        self.closed_at, self.outcomes, self.probes, self.proofs = -math.inf, [], {}, 0

    def admit(self, name, now):
        """What a call gets: whether it may go, and whether that half-opened the circuit."""
        if self.state == "closed":
            return True, False
        if now < self.until:
            return False, False
        half_opened, self.state = self.state != "half_open", "half_open"
        if len(self.holders(now)) >= max(1, RULE.probes - self.proofs):
            return False, half_opened
        self.probes[name] = now
        return True, half_opened

    def holders(self, now):
        return [name for name, since in self.probes.items() if now - since < RULE.lease]

    def settle(self, name, trips, now, verdict, asked):
        if trips != self.trips:
            return None
        self.probes.pop(name, None)
        if verdict is Verdict.NEUTRAL:
            return None
        if self.state == "half_open":
            if verdict in BAD:
                return self.open(now, "probe", asked)
            self.proofs += 1
            return self.close(now, "probe") if self.proofs >= RULE.probes else None
        self.outcomes.append((math.floor(now), verdict))
        recent = [v for second, v in self.outcomes if second > math.floor(now) - 10]
        run = 0
        for _, v in self.outcomes:
            run = run + 1 if v is Verdict.FAILED else run if v is Verdict.THROTTLED else 0
        if verdict is Verdict.FAILED and run >= 3:
            return self.open(now, "run", asked)
        bad, slow = sum(v in BAD for v in recent), recent.count(Verdict.SLOW)
        if verdict in BAD and len(recent) >= 4 and bad * 2 >= len(recent):
            return self.open(now, "ratio" if (bad - slow) * 2 >= len(recent) else "slow", asked)
        return None

    def open(self, now, cause, asked):
        if cause != "probe" and now - self.closed_at >= 10:
            self.relapses = 0
        period = (1.0, 2.0, 4.0)[min(self.relapses, 2)]
        self.relapses += 1
        period = max(period, min(4.0, asked or 0.0))
        self.shut(now + period)
        return Change("open", cause, period)

    def shut(self, until):
        self.state, self.until, self.trips = "open", until, self.trips + 1
        self.probes, self.proofs = {}, 0

    def close(self, now, cause):
        self.state, self.closed_at, self.outcomes, self.probes = "closed", now, [], {}
        return Change("closed", cause)


class Histories(RuleBasedStateMachine):
    """Calls come, end in any way and order or never, time passes, and somebody meddles."""

    calls = Bundle("calls")

    def __init__(self):
        super().__init__()
        self.circuit, self.model, self.now, self.names = Circuit(lambda: 0.0), Reference(), 1000.0, 0

    @rule(target=calls)
    def ask(self):
        self.names += 1
        answer, change = self.circuit.admit(RULE, self.now)
        admitted, half_opened = self.model.admit(self.names, self.now)
        assert isinstance(answer, Ticket) is admitted
        assert change == (Change("half_open", "probe") if half_opened else None)
        if not admitted:
            assert 0 < answer.retry_in <= (math.inf if self.model.until == math.inf else 4.0)
            return multiple()
        assert answer.probe is (self.model.state == "half_open")
        return (answer, self.names, self.model.trips)

    @rule(
        call=consumes(calls),
        verdict=st.sampled_from([*Verdict, Verdict.FAILED, Verdict.OK]),
        asked=st.sampled_from([None, None, 0.0, 2.5, 1e9]),
    )
    def end(self, call, verdict, asked):
        ticket, name, trips = call
        change = self.circuit.settle(ticket, RULE, self.now, verdict, asked=asked)
        assert change == self.model.settle(name, trips, self.now, verdict, asked)

    @rule(call=consumes(calls))
    def lose(self, call):
        """Nobody hears of it again."""

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 1.0, 2.0, 4.0, 5.0, 9.75, 10.0, 100.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def fail_until_it_opens(self):
        """A fast way to the interesting states."""
        assume(self.model.state == "closed")
        for _ in range(3):
            for call in [self.ask()]:
                self.end(call, Verdict.FAILED, None)
            if self.model.state != "closed":
                return
        raise AssertionError("three failures in a row did not open it")

    @precondition(lambda self: self.names % 7 == 3)
    @rule()
    def isolate(self):
        assert self.circuit.isolate() == Change("open", "manual", math.inf)
        self.model.shut(math.inf)

    @precondition(lambda self: self.model.state != "closed")
    @rule()
    def close(self):
        assert self.circuit.close() == self.model.close(-math.inf, "manual")

    @precondition(lambda self: self.model.state == "half_open")
    @rule()
    def probes_all_lost_never_wedge_it(self):
        """However many were sent and never heard of, after a lease there is room for one."""
        self.now += RULE.lease
        answer, _ = self.circuit.admit(RULE, self.now)
        assert isinstance(answer, Ticket)
        self.circuit.settle(answer, RULE, self.now, Verdict.NEUTRAL)

    @invariant()
    def agrees(self):
        """Never more probes under way than the rule allows, and the state is the reference's."""
        model, circuit = self.model, self.circuit
        assert len(model.holders(self.now)) <= RULE.probes
        state = circuit.state(self.now)
        if model.state == "open" and model.until == math.inf:
            assert state == "isolated"
        elif model.state == "open":
            assert state == ("open" if self.now < model.until else "half_open")
        else:
            assert state == model.state
        assert circuit.is_open(self.now) is (state in ("open", "isolated"))
        figures = circuit.snapshot(self.now)
        assert figures["openings"] == model.trips
        if state == "closed":
            recent = [v for second, v in model.outcomes if second > math.floor(self.now) - 10]
            assert figures["calls"] == len(recent)
            assert figures["failures"] == sum(v in BAD for v in recent)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=200, stateful_step_count=40, deadline=None, derandomize=True)
