"""A clock that is set while answers are kept: nothing becomes fresh again by that."""

import pytest

from .http_caching import CACHED, fresh, is_hit

DAY = 86_400


@pytest.mark.parametrize("jump", [-DAY, -3600, -30, 0])
def test_a_clock_that_is_set_back_keeps_nothing_fresh(world, origin, jump):
    """A minute is over when a minute has passed, whatever the clock on the wall says."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    caller.get()
    world.clock.advance(20)
    world.clock.jump_wall(jump)
    world.clock.advance(39)
    assert is_hit(caller.get())
    world.clock.advance(1)
    assert not is_hit(caller.get())


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


def test_an_age_is_never_negative(world, origin):
    """Nor smaller than the time that has passed."""
    caller = world.client(origin, CACHED)
    origin.answers(headers=fresh(60))
    caller.get()
    world.clock.jump_wall(-DAY)
    world.clock.advance(7)
    assert int(caller.get().headers["age"]) >= 7
