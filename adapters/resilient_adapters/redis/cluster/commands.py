"""What a store in a cluster can do, made once for both colours."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.ports import Clock
from resilient_adapters.records.life import Lives
from resilient_adapters.redis.address import Address
from resilient_adapters.redis.asking import Scripts
from resilient_adapters.redis.cluster.changing import ClusterChanging, NearClusterChanging
from resilient_adapters.redis.cluster.generations import IN_A_SLOT, VERSION, Generations
from resilient_adapters.redis.cluster.hosts import node_of
from resilient_adapters.redis.cluster.tasks import ClusterTasks
from resilient_adapters.redis.cluster.threads import ClusterThreads
from resilient_adapters.redis.cluster.topology import Topology
from resilient_adapters.redis.commands import Commands, Settings
from resilient_adapters.redis.copies import Copies
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.leases import Leases
from resilient_adapters.redis.line import Line
from resilient_adapters.redis.near import NearLeases, NearReading
from resilient_adapters.redis.pool import Pool
from resilient_adapters.redis.puts import Puts
from resilient_adapters.redis.reading import Reading
from resilient_adapters.redis.times import Times


def commands_of_a_cluster(addresses: Sequence[Address], keys: Keys, clock: Clock, settings: Settings) -> Commands:
    """The commands of one store in a cluster.

    Args:
        addresses: where some of its nodes are.
        keys: where everything lies.
        clock: what tells the time.
        settings: what else the store was told; connections are counted for each node.

    Raises:
        ConfigurationError: an address has a database of its own.
    """
    scripts = Scripts(IN_A_SLOT, keys, Times(clock))
    groups = Generations(keys, scripts)
    most, copying = settings.max_decoded, settings.copying
    reads = keys, scripts, groups, Lives(clock), most, settings.record
    puts = Puts(clock, settings.codec, most, VERSION)
    copies: Copies | None = None
    if copying is None:
        reading = Reading(*reads)
        changing = ClusterChanging(keys, scripts, groups, reading, puts)
        leases = Leases(keys, scripts, fences=())
    else:
        copies = copying.copies(clock)
        reading = NearReading(copies, None, *reads)
        changing = NearClusterChanging(copies, keys, scripts, groups, reading, puts)
        leases = NearLeases(copies, keys, scripts, ())
    topology = Topology([node_of(address) for address in addresses])
    threads = ClusterThreads(addresses[0], topology, lambda: Pool[Line](*settings.sizes))
    tasks = ClusterTasks(addresses[0], topology, settings.sizes)
    return Commands(reading, changing, leases, threads, tasks, settings.socket_timeout, copies, None)
