"""Cancellation at a chosen moment."""

import asyncio


class CancelledAt:
    """Awaits ``job`` and cancels its own task at the wait with this ``step``; after it at every one of ``more``."""

    def __init__(self, job, step, more=0):
        self.job = job
        self.steps = range(step, step + 1 + more)
        self.taken = 0

    def __await__(self):
        inner = self.job.__await__()
        send, value = inner.send, None
        while True:
            try:
                waits_for = send(value)
            except StopIteration as done:
                return done.value
            self.taken += 1
            if self.taken in self.steps:
                asyncio.current_task().cancel()
            try:
                value = yield waits_for
                send = inner.send
            except BaseException as error:  # noqa: BLE001 - the job decides what becomes of it
                send, value = inner.throw, error
