"""The nodes that a URL names, of which any one tells of all others."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from resilient.errors import ConfigurationError
from resilient_adapters.redis.address import Address


class Node(NamedTuple):
    """Where a node of a cluster is."""

    host: str
    port: int


def node_urls(url: str) -> list[str]:
    """The URL of each node that ``redis+cluster://user:password@host1:7000,host2:7001`` names, as for one server.

    Raises:
        ConfigurationError: it names none, or a port is no number.
    """
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if not all(hosts.split(",")):
        raise ConfigurationError("a redis+cluster:// URL names nodes, as in redis+cluster://host1:7000,host2:7001")
    urls = [f"redis://{user}{at}{host}{parts.path}" for host in hosts.split(",")]
    for each in urls:
        try:
            _ = urlsplit(each).port
        except ValueError:
            raise ConfigurationError("a port in the redis+cluster:// URL of the store is no number") from None
    return urls


def node_of(address: Address) -> Node:
    """The node that is there.

    Raises:
        ConfigurationError: the address has a database of its own, which a cluster does not have.
    """
    if address.options["db"]:
        raise ConfigurationError(f"a Redis Cluster has one database, 0; there is no {address.options['db']}")
    return Node(address.options["host"], address.options["port"])


def address_of(node: Node, like: Address) -> Address:
    """Where ``node`` is, spoken to as another one is."""
    options = {**like.options, "host": node.host, "port": node.port}
    return replace(like, where=f"{node.host}:{node.port}", options=options)
