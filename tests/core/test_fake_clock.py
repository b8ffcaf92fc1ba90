"""The clock that stands still."""

import asyncio
import threading
from datetime import timedelta

import pytest

from resilient.errors import ConfigurationError
from resilient.ports import Clock
from resilient.testing import FakeClock


def test_it_starts_at_the_same_instants_every_time():
    """Traces of two runs are equal: neither clock depends on the machine's."""
    first, second = FakeClock(), FakeClock()
    assert (first.now(), first.wall()) == (second.now(), second.wall()) == (1_000.0, 1_735_689_600.0)


def test_it_is_a_clock():
    """It fits the port, by type and by behaviour."""
    clock: Clock = FakeClock()
    assert clock.now() == clock.now()


@pytest.mark.parametrize("duration", [90, 90.0, "1m30s", timedelta(seconds=90)])
def test_it_advances_by_any_duration(duration):
    """Seconds, text and timedelta mean the same; both readings move."""
    clock = FakeClock()
    clock.advance(duration)
    assert (clock.now(), clock.wall()) == (1_090.0, 1_735_689_690.0)


@pytest.mark.parametrize("duration", [-1.0, "soon", float("inf"), float("nan"), True])
def test_it_refuses_to_advance_by_nonsense(duration):
    """Time neither runs back nor ends; the error names the value."""
    with pytest.raises(ConfigurationError, match="duration="):
        FakeClock().advance(duration)


def test_the_same_instant_is_the_same_number_however_it_was_reached():
    """Ten tenths are one: sums of decimal fractions do not differ in their last bit."""
    clock = FakeClock()
    for _ in range(10):
        clock.advance(0.1)
    assert clock.now() == 1_001.0


def test_the_wall_can_jump_without_time_passing():
    """A machine whose time is set back or forward."""
    clock = FakeClock()
    clock.jump_wall(-3_600)
    assert (clock.now(), clock.wall()) == (1_000.0, 1_735_686_000.0)


def test_sleeping_moves_it_at_once():
    """No real time passes; sleeping for nothing is nothing."""
    clock = FakeClock()
    clock.sleep(3_600)
    clock.sleep(0)
    clock.sleep(-1)
    assert clock.now() == 4_600.0


def test_waiting_for_a_set_event_takes_no_time():
    """As a real wait."""
    clock, event = FakeClock(), threading.Event()
    event.set()
    assert clock.wait(event, 5.0)
    assert clock.now() == 1_000.0


def test_waiting_in_vain_takes_its_timeout():
    """Nobody else runs, so the time runs out."""
    clock = FakeClock()
    assert not clock.wait(threading.Event(), 5.0)
    assert clock.now() == 1_005.0


@pytest.mark.parametrize("timeout", [None, float("inf")])
def test_waiting_for_ever_is_an_error_that_says_what_to_do(timeout):
    """Instead of a test that hangs."""
    with pytest.raises(RuntimeError, match=r"would never end.*Simulation"):
        FakeClock().wait(threading.Event(), timeout)


def test_a_task_that_sleeps_lets_others_have_a_turn():
    """Time moves at once, and the loop goes round."""
    clock, turns = FakeClock(), []

    async def main():
        other = asyncio.create_task(asyncio.sleep(0, turns.append("other")))
        asyncio.get_running_loop().call_soon(turns.append, "callback")
        await clock.asleep(10)
        turns.append("sleeper")
        await other

    asyncio.run(main())
    assert clock.now() == 1_010.0
    assert turns[-1] == "sleeper"
    assert "callback" in turns


def test_threads_lose_no_time():
    """A thousand advances from eight threads all count."""
    clock = FakeClock()
    threads = [threading.Thread(target=lambda: [clock.advance(0.001) for _ in range(1_000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == 1_008.0
