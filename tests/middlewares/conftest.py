"""What tests of cache middlewares stand on: scripts in both colours on memory and disk, and a store that can break."""

import asyncio
import inspect

import pytest

from resilient import StoreUnavailableError
from resilient.ports import StorePair
from resilient.runtime.lift import Lifted
from resilient.stores.memory import MemoryStore
from tests.caching.conftest import Place, colour, heard

__all__ = ["breaking", "colour", "heard"]


class Breaking:
    """A store in memory. While ``broken``, every operation but its end fails; ``asked`` are the operations so far."""

    def __init__(self, clock):
        self._store = MemoryStore(clock=clock)
        self.name = "breaking"
        self.broken = False
        self.asked = []

    def __getattr__(self, operation):
        def ask(*args, **kwargs):
            self.asked.append(operation)
            if self.broken and operation != "close":
                raise StoreUnavailableError("it is broken", kind="other")
            return getattr(self._store, operation)(*args, **kwargs)

        return ask


@pytest.fixture
def breaking(colour):
    """A place whose ``store`` can break."""
    with asyncio.Runner() as runner:
        place = Place(colour, "mem://", None, runner, heard=True)
        place.store = Breaking(place.clock)
        place.cache.setup(StorePair(place.store, Lifted(place.store)), store_budget=None)
        yield place
        place.do(place.aclose)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a script in the colour of the place that it asks for."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    [place] = [one for one in given.values() if isinstance(one, Place)]
    place.do(lambda: pyfuncitem.obj(**given))
    return True


def said(caplog):
    """What was written into the log, beside the lines of events."""
    return [record.getMessage() for record in caplog.records if not hasattr(record, "event")]
