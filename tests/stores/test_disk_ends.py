"""Processes that use the disk store and end without closing it."""

from __future__ import annotations

import pytest

from resilient.runtime.clock import SystemClock

NEVER_IDLE = """
from resilient_adapters.sqlite import writer
writer.IDLE = 3600.0
"""

FORGOTTEN = {
    "a loop that ran to its end": """
async def main():
    await store.tasks.set("k", entry(b"v"))
    assert (await store.tasks.get("k")).body == b"v"
asyncio.run(main())
""",
    "many loops": """
async def main():
    await store.tasks.set("k", entry(b"v"))
    assert (await store.tasks.get("k")).body == b"v"
for _ in range(5):
    asyncio.run(main())
threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(5)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
""",
    "a loop closed with a read on its way": """
store.blocking.set("k", entry(b"v"))
reading = store.tasks.get("k")
async def start():
    return reading.send(None)
loop = asyncio.new_event_loop()
loop.run_until_complete(start())
loop.close()
reading.close()
""",
    "a loop closed while aiosqlite reads": """
from resilient_adapters.sqlite.handle import Handle
store.blocking.set("k", entry(b"v"))
fetch, gate, reads = Handle.fetch, threading.Event(), threading.Event()
Handle.fetch = lambda *args: (reads.set(), gate.wait(), fetch(*args))[2]
loop = asyncio.new_event_loop()
reading = loop.create_task(store.tasks.get("k"))
while not reads.is_set():
    loop.run_until_complete(asyncio.sleep(0.001))
reading.cancel()
loop.run_until_complete(asyncio.wait([reading]))
loop.close()
(thread,) = [thread for thread in threading.enumerate() if thread.name == "resilient-disk-reader"]
gate.set()
thread.join()
""",
    "a loop that is never closed": """
store.blocking.set("k", entry(b"v"))
loop = asyncio.new_event_loop()
assert loop.run_until_complete(store.tasks.get("k")).body == b"v"
assert [thread.name for thread in threading.enumerate()].count("resilient-disk-reader") == 1
warnings.filterwarnings("ignore", "unclosed (event loop|<socket)", ResourceWarning)  # of its own carelessness only
""",
    "a loop that runs in another thread when all ends": """
from resilient.errors import StoreUnavailableError
store.blocking.set("k", entry(b"v"))
begun = threading.Event()
async def main():
    try:
        while True:
            assert (await store.tasks.get("k")).body == b"v"
            begun.set()
    except StoreUnavailableError as error:
        assert "closed" in str(error)
        await asyncio.sleep(3600)
threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
begun.wait()
""",
    "threads that read": """
store.blocking.set("k", entry(b"v"))
threads = [threading.Thread(target=store.blocking.get, args=("k",)) for _ in range(5)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
store.blocking.get("k")
""",
    "a store that was dropped": """
import gc
store.blocking.set("k", entry(b"v"))
asyncio.run(store.tasks.get("k"))
del store
gc.collect()
store = opened(sys.argv[1] + "/other")
store.blocking.set("k2", entry(b"v"))
""",
    "a cycle that only the collector finds": """
store.blocking.set("k", entry(b"v"))
cycle = [store]
cycle.append(cycle)
del store, cycle
""",
    "a task that is cancelled by the end": """
async def main():
    asyncio.create_task(store.tasks.set("k", entry(b"v")))
    await asyncio.sleep(0)
asyncio.run(main())
""",
    "an exit from a thread that holds a connection": """
store.blocking.set("k", entry(b"v"))
threading.Thread(target=lambda: (store.blocking.get("k"), time.sleep(3600)), daemon=True).start()
sys.exit(0)
""",
}


@pytest.mark.parametrize("how", FORGOTTEN)
def test_a_store_that_nobody_closed_leaves_no_trace(script, disk, folder, how, ends_well):
    """No warning, though each is an error there; no hanging; and what was set is there."""
    ends_well(script(NEVER_IDLE + "store = opened(sys.argv[1])\n" + FORGOTTEN[how], folder))
    pair = disk(clock=SystemClock())
    assert pair.blocking.get("k").body == b"v"
    pair.blocking.close()
    # The log was written into the file, as it is when the last connection is closed in order.
    assert not (folder / "resilient.db-wal").exists()


PENDING = """
import sqlite3
store = opened(sys.argv[1], write_wait="1ms")
asyncio.run(store.tasks.set("first", entry(b"1")))
holder = sqlite3.connect(sys.argv[1] + "/resilient.db", isolation_level=None, check_same_thread=False)
holder.execute("BEGIN IMMEDIATE")
from resilient.errors import StoreUnavailableError
for number in range(100):
    try:
        store.blocking.set(f"{number}", entry(b"late"))
        print("it was not held up")
    except StoreUnavailableError as error:
        assert error.kind == "timeout"

def let_go():
    threading.main_thread().join()
    holder.execute("COMMIT")
    holder.close()

threading.Thread(target=let_go, daemon=True).start()
"""


def test_writes_that_wait_at_the_end_of_the_interpreter_are_done(script, disk, folder, ends_well):
    """A hundred that could not be written before the main thread was at its end."""
    assert ends_well(script(PENDING, folder)) == ""
    pair = disk(clock=SystemClock())
    assert len(list(pair.blocking.scan())) == 101
    pair.blocking.close()


NEVER = """
import atexit, logging, sqlite3
holders = []
atexit.register(lambda: holders.pop().close())  # after the store's own turn, which was registered later
from resilient_adapters.sqlite import disk
disk.Disk.close.__defaults__ = (0.1,)
logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
store = opened(sys.argv[1], write_wait="1ms")
asyncio.run(store.tasks.set("first", entry(b"1")))
holders.append(sqlite3.connect(sys.argv[1] + "/resilient.db", isolation_level=None))
holders[0].execute("BEGIN IMMEDIATE")
try:
    store.blocking.set("k", entry(b"late"))
except Exception as error:
    print(error.kind)
"""


def test_the_end_of_the_interpreter_waits_only_so_long(script, folder):
    """Where others never let it write, it says how many writes are lost, and ends."""
    out, err = script(NEVER, folder).communicate(timeout=100)
    assert out == "timeout\n"
    assert err == (
        "resilient.store ERROR the disk store was closed with 1 writes undone: others did not let it write\n"
    )
