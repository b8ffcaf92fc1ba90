"""Policies and a client's options from a TOML file.

::

    [client]
    store = "disk:///var/cache/app"

    [policies."api.exchange.com"]
    deadline = "2s"
    cache = { strategy = "failover", ttl = "6h" }
    retry = { max_attempts = 2, methods = ["POST"] }
    breaker = false                                    # off

    [policies."*"]
    preset = "background"

A table under ``policies`` has the fields of :class:`resilient.Policy`, and the table of a stage has that stage's
own options: both are read from the classes themselves.
"""

from resilient.config.reading import Config, PathLike, load
from resilient.config.watching import WatchedPolicies, client_options

__all__ = ["Config", "PathLike", "WatchedPolicies", "client_options", "load"]
