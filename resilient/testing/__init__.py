"""Virtual time, scripted origins and fault transports, for our tests and for yours."""

from resilient.testing.clock import FakeClock
from resilient.testing.httpx import Origin, faulty
from resilient.testing.ledger import Received
from resilient.testing.loop import VirtualLoop, virtual_run
from resilient.testing.proxy import FaultProxy
from resilient.testing.reply import Reply
from resilient.testing.server import LocalServer
from resilient.testing.simulation import Simulation
from resilient.testing.threads import VirtualThreads
from resilient.testing.virtual import DeadlockError, VirtualClock

# In the order in which a reader meets them.
__all__ = [  # noqa: RUF022
    "FakeClock",
    "Origin",
    "Reply",
    "Received",
    "faulty",
    "LocalServer",
    "FaultProxy",
    "Simulation",
    "VirtualClock",
    "VirtualLoop",
    "virtual_run",
    "VirtualThreads",
    "DeadlockError",
]
