"""A file that is looked at again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resilient.call import Host
from resilient.config.reading import PathLike, Stamp, load, read, stamp_of
from resilient.errors import ConfigurationError
from resilient.events import ConfigChanged, ConfigFailed
from resilient.messages import URL
from resilient.policies import Policies, Route
from resilient.ports import Clock
from resilient.runtime.clock import SystemClock
from resilient.sinks import Sinks
from resilient.telemetry import Sink

LOOK_EVERY = 1.0
"""Seconds between two looks at a watched file."""

logger = logging.getLogger("resilient.config")


class WatchedPolicies(Policies):
    """The policies of a file, read anew when it changes; what was learned about origins is kept.

    The file is looked at when a call begins, at most once a second, and read once it has looked the same twice, so
    that nothing half-written counts. A file that cannot be used changes nothing: it is logged once, and told as an
    event.

    Args:
        path: the file.
        telemetry: who hears of changes.
        clock: what tells the time between two looks, the machine's if not given.

    Raises:
        ConfigurationError: the file is wrong at the start.

    Attributes:
        config: what the file said when it could last be used.
    """

    def __init__(self, path: PathLike, *, telemetry: Sequence[Sink] = (), clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._tell = Sinks(telemetry)
        self._now = (clock or SystemClock()).now
        self._looking = threading.Lock()
        self.config, self._used = read(self._path)
        self._seen: Stamp | None = self._used
        self._next_look = self._now() + LOOK_EVERY
        super().__init__(self.config.policies)

    def find(self, method: str, url: URL) -> tuple[Route, Host]:
        """As always, after a look at the file if the last one was a second ago."""
        if self._now() >= self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return super().find(method, url)

    def _look(self) -> None:
        self._next_look = self._now() + LOOK_EVERY
        try:
            stamp = stamp_of(self._path.stat())
        except OSError:
            return  # being replaced, or gone; what is known is better than nothing
        was, self._seen = self._seen, stamp
        if stamp == self._used or stamp != was:
            return
        self._used = stamp
        try:
            config, _ = read(self._path)
            self.reload(config.policies)
        except ConfigurationError as error:
            logger.error("the changed policies are not used: %s", error)
            self._tell(ConfigFailed(file=self._path.name, error=str(error)))
            return
        if config.client != self.config.client:
            logger.warning("%s: [client] has changed, which takes effect with a new client only", self._path)
        self.config = config
        self._tell(ConfigChanged(file=self._path.name, policies=len(config.policies)))


def client_options(path: PathLike, watch: bool, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a client that a file configures; what is ``given`` beside it counts more than the file.

    Raises:
        ConfigurationError: the file is wrong, or policies are given beside it.
    """
    if "policies" in given:
        raise ConfigurationError("policies=... stands beside a file of policies; give one of the two")
    if not watch:
        config = load(path)
        return {**config.client, **given, "policies": Policies(config.policies)}
    policies = WatchedPolicies(path, telemetry=given.get("telemetry", ()), clock=given.get("clock"))
    # A cache may be wanted only later, and a client gets its store when it is made.
    return {"store": "mem://", **policies.config.client, **given, "policies": policies}
