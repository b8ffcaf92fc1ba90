"""A real Redis Cluster: three masters, each with a replica, all of them processes of the test's own."""

from __future__ import annotations

from pathlib import Path

from redis.crc import key_slot

from tests.stores.servers import COMMANDS, PASSWORD, USER, Server, free_port, until

SLOTS = 16384
CLUSTER_COMMANDS = (*COMMANDS, "hdel", "asking", "cluster|slots")
"""What the store asks a cluster for; the page about Redis lists what it asks for more."""


class Node(Server):
    """One server of a cluster."""

    commands = CLUSTER_COMMANDS

    def __init__(self, folder: Path, *options: str) -> None:
        self.bus = free_port()
        super().__init__(
            folder,
            "cluster-enabled yes",
            f"cluster-port {self.bus}",
            "cluster-node-timeout 1000",
            "cluster-replica-validity-factor 0",
            "repl-diskless-sync-delay 0",
            "repl-ping-replica-period 1",
            f'masterauth "{PASSWORD}"',
            *options,
        )

    @property
    def id(self) -> str:
        return str(self.ask("CLUSTER", "MYID"), "ascii")

    def role(self) -> str:
        return self.admin().info("replication")["role"]

    def owns(self) -> set[int]:
        """The slots that it says are its own."""
        (line,) = [line for line in self.lines() if "myself" in line[2]]
        found = set()
        for words in line[8:]:
            if not words.startswith("["):
                first, _, last = words.partition("-")
                found |= set(range(int(first), int(last or first) + 1))
        return found

    def lines(self) -> list[list[str]]:
        """What it says of all nodes, each in words."""
        return [line.split() for line in str(self.ask("CLUSTER", "NODES"), "ascii").splitlines()]


class Cluster:
    """Six nodes, of which the first three begin as masters, and each of the others as a replica of one.

    Args:
        folder: where they run.
        options: of the configuration of each.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.nodes = [Node(folder / f"node{number}", *options) for number in range(6)]

    @property
    def url(self) -> str:
        """With all nodes, for the user who may do only what the store does."""
        return self.url_of(*self.nodes)

    @staticmethod
    def url_of(*nodes: Node) -> str:
        password = PASSWORD.replace(":", "%3A").replace("/", "%2F")
        return f"redis+cluster://{USER}:{password}@" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)

    def start(self) -> None:
        """Start all and make them one cluster; returns once it works and its replicas have what their masters have."""
        for node in self.nodes:
            node.start()
        first, masters = self.nodes[0], self.nodes[:3]
        for number, node in enumerate(masters):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)
        for node in self.nodes[1:]:
            first.ask("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus)
        until(lambda: all(len(node.lines()) == 6 for node in self.nodes))
        for master, replica in zip(masters, self.nodes[3:], strict=True):
            until(lambda master=master, replica=replica: master.id in [line[0] for line in replica.lines()])
            replica.ask("CLUSTER", "REPLICATE", master.id)
        self.wait()

    def wait(self) -> None:
        """Until all nodes that run say that the cluster works, and each replica has a link to its master."""
        for node in self.running():
            until(lambda node=node: b"cluster_state:ok" in node.ask("CLUSTER", "INFO"))
            until(lambda node=node: node.role() == "master" or _is_linked(node))
            until(lambda node=node: sum("slave" in line[2] for line in node.lines()) == 3)

    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.runs()]

    def masters(self) -> list[Node]:
        """Those that have slots now, as each says itself."""
        return [node for node in self.running() if node.role() == "master" and node.owns()]

    def owner(self, name: bytes) -> Node:
        """Who has the key of that name now."""
        (owner,) = [node for node in self.masters() if key_slot(name) in node.owns()]
        return owner

    def ask(self, *words: object) -> object:
        """What the owner of the key that is the second word answers."""
        name = words[1]
        return self.owner(name if isinstance(name, bytes) else str(name).encode()).ask(*words)

    def flush(self) -> None:
        for node in self.masters():
            node.ask("FLUSHALL")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def _is_linked(node: Node) -> bool:
    return node.admin().info("replication").get("master_link_status") == "up"
