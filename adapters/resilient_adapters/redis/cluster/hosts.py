"""The nodes that a URL names, of which any one tells of all others."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from resilient.errors import ConfigurationError
from resilient.stores.parameters import server_urls
from resilient_adapters.redis.address import Address


class Node(NamedTuple):
    """Where a node of a cluster is."""

    host: str
    port: int


def node_urls(url: str) -> list[str]:
    """The URL of each node that ``redis+cluster://user:password@host1:7000,host2:7001`` names, as for one server.

    Raises:
        ConfigurationError: it names none.
    """
    urls = server_urls(url)
    if not all(urlsplit(each).hostname for each in urls):
        raise ConfigurationError("a redis+cluster:// URL names nodes, as in redis+cluster://host1:7000,host2:7001")
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
