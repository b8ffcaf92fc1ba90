"""Locks that survive a fork."""

import os
import subprocess
import sys

import pytest

# Both before and after the library's own hooks there are others, which take their time: forks do overlap.
FORKS = """
import os, sys, threading, time, warnings
warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
os.register_at_fork(before=lambda: time.sleep(0.002), after_in_parent=lambda: time.sleep(0.001))
from resilient import locks
os.register_at_fork(before=lambda: time.sleep(0.001))

made = [locks.fork_safe_lock() for _ in range(20)]
value = [0, 0]
stop = []

def work():
    while not stop:
        for lock in made[:20]:
            with lock:
                # A child that found them different would have been born in the middle.
                if lock is made[0]:
                    value[0] += 1
                    time.sleep(0)
                    value[1] += 1
                # What a lock guards may be made under it, with a lock of its own.
                made.append(locks.fork_safe_lock())
                made[-1].acquire()
            made[-1].release() if len(threads) == 1 else None
        del made[20:]

def fork():
    for _ in range(15):
        child = os.fork()
        if not child:
            free = all(lock.acquire(timeout=5) for lock in list(made[:20]))
            another = locks.fork_safe_lock().acquire(timeout=5)
            os._exit(0 if free and another and value[0] == value[1] else 1)
        ended.append(os.waitpid(child, 0)[1])

ended = []
threads = [threading.Thread(target=work)]
forks = [threading.Thread(target=fork) for _ in range(4)]
for thread in threads + forks:
    thread.start()
for thread in forks:
    thread.join()
stop.append(True)
threads[0].join()
assert ended == [0] * 60, ended
assert not any(lock.locked() for lock in made[:20])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_threads_that_fork_at_once_take_turns():
    """Four threads fork while another holds and makes locks: in every child all are free and what they guard whole."""
    subprocess.run([sys.executable, "-X", "dev", "-c", FORKS], check=True, timeout=100)
