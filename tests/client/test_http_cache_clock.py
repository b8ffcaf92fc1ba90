"""A clock that is set while answers are kept: nothing becomes fresh again by that."""

import pytest

from .http_caching import CACHED, fresh, is_hit

DAY = 86_400


@pytest.mark.parametrize("jump", [-DAY, -3600, -30, 0])
@pytest.mark.parametrize("when", [0, 20, 59])
def test_a_clock_that_is_set_back_keeps_nothing_fresh(world, origin, jump, when):
    """A minute is over when a minute has passed, whatever the clock on the wall says."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    caller.get()
    world.clock.advance(when)
    world.clock.jump_wall(jump)
    world.clock.advance(60 - when)
    assert not is_hit(caller.get())


def test_a_clock_that_is_set_back_a_little_loses_nothing(world, origin):
    """Clocks are put right by seconds all the time: what is fresh stays so."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    caller.get()
    world.clock.jump_wall(-5)
    world.clock.advance(59)
    hit = caller.get()
    assert (is_hit(hit), hit.headers["age"]) == (True, "59")


def test_a_clock_that_is_set_forward_makes_nothing_last_longer(world, origin):
    """What comes after it is fresh for as long as it says; what came before may be asked for again."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    caller.get()
    world.clock.jump_wall(DAY)
    world.clock.advance(60)
    assert not is_hit(caller.get())
    world.clock.advance(59)
    assert is_hit(caller.get())
    world.clock.jump_wall(-DAY)
    world.clock.advance(1)
    assert not is_hit(caller.get())
