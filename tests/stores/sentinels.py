"""A real master with its replica, and the real Sentinels that watch them."""

from __future__ import annotations

from pathlib import Path

import redis

from tests.stores.servers import PASSWORD, USER, Server, until

SERVICE = "mymaster"

# A real Sentinel looks every ten seconds who is there, and takes a pause of the machine for a reason to do nothing.
_HASTE = ("info-period 300", "ask-period 300", "publish-period 300", "slave-reconf-timeout 1000", "tilt-period 1000")


class Sentinel(Server):
    """A Sentinel, which asks for the same password as the servers do.

    Args:
        folder: where it runs.
        master: whom it watches.
        quorum: how many Sentinels have to miss the master for a failover.
        options: of its configuration.
    """

    mode = ("--sentinel",)

    def __init__(self, folder: Path, master: int, quorum: int, *options: str) -> None:
        super().__init__(folder, *options)
        self._master, self._quorum = master, quorum

    def configuration(self) -> list[str]:
        return [
            f"port {self.port}", "bind 127.0.0.1", "daemonize no",
            f'requirepass "{PASSWORD}"', f'sentinel sentinel-pass "{PASSWORD}"', *self._options,
            f"sentinel monitor {SERVICE} 127.0.0.1 {self._master} {self._quorum}",
            f'sentinel auth-pass {SERVICE} "{PASSWORD}"',
            f"sentinel down-after-milliseconds {SERVICE} 1000", f"sentinel failover-timeout {SERVICE} 2000",
        ]  # fmt: skip

    def start(self) -> None:
        super().start()
        for option in _HASTE:
            self.ask("SENTINEL", "DEBUG", *option.split())

    def names(self) -> int:
        """The port of the master, as it says."""
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def knows(self) -> tuple[int, int]:
        """How many replicas that are all right and how many other Sentinels it knows."""
        master = _fields(self.ask("SENTINEL", "MASTER", SERVICE))
        replicas = map(_fields, self.ask("SENTINEL", "REPLICAS", SERVICE))
        well = [each for each in replicas if (each[b"flags"], each[b"master-link-status"]) == (b"slave", b"ok")]
        return len(well), int(master[b"num-other-sentinels"])


class Service:
    """A master, a replica, and Sentinels.

    Args:
        folder: where they run.
        sentinels: how many.
    """

    def __init__(self, folder: Path, sentinels: int) -> None:
        both = f'masterauth "{PASSWORD}"'
        self.master = Server(folder / "master", both, "repl-diskless-sync-delay 0")
        self.replica = Server(folder / "replica", both, f"replicaof 127.0.0.1 {self.master.port}")
        quorum = sentinels // 2 + 1
        self.sentinels = [
            Sentinel(folder / f"sentinel{number}", self.master.port, quorum) for number in range(sentinels)
        ]

    @property
    def url(self) -> str:
        """By the Sentinels, for the user who may do only what the store does."""
        user = f"{USER}:{PASSWORD.replace(':', '%3A').replace('/', '%2F')}"
        return f"redis+sentinel://{user}@{','.join(f'127.0.0.1:{each.port}' for each in self.sentinels)}/{SERVICE}"

    def start(self) -> None:
        """Start all of them, and see that a failover could begin."""
        for server in (self.master, self.replica, *self.sentinels):
            server.start()
        # A replica that never had all is not promoted, and one that has not said that it has is told nothing new.
        until(lambda: self.replica.admin().info("replication").get("master_link_status") == "up")
        until(lambda: self.master.ask("WAIT", 1, 100) == 1)
        others = len(self.sentinels) - 1
        until(lambda: all(each.knows() == (1, others) for each in self.sentinels))

    def has_failed_over(self) -> bool:
        """Whether the replica says that it is the master, and a Sentinel that it is."""
        try:
            role = self.replica.admin().info("replication")["role"]
        except redis.exceptions.ConnectionError:  # whoever is promoted closes all connections
            return False
        return role == "master" and self.replica.port in [each.names() for each in self.sentinels]

    def stop(self) -> None:
        for server in (*self.sentinels, self.replica, self.master):
            server.stop()


def _fields(answer):
    """What a Sentinel says of a server; redis-py 8 has asked for a map, the one before has got a list."""
    return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
