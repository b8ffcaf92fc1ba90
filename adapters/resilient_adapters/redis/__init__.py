"""A store in Redis or Valkey: all processes of all machines that know the server share it."""

from __future__ import annotations

import re
from typing import Any

try:
    import redis as _  # noqa: F401 # asked for first, so that a missing extra is one clear line
except ImportError as error:
    raise ImportError("the Redis store needs redis-py: pip install 'resilient-client[redis]'") from error

from resilient.errors import ConfigurationError
from resilient.ports import Clock, StorePair
from resilient.stores.memory import MAX_BYTES, MAX_ENTRIES
from resilient.stores.parameters import Record, bytes_of, count_of, flag_of, span_of
from resilient_adapters.records.codecs import codec_named
from resilient_adapters.records.records import MAX_DECODED
from resilient_adapters.redis.address import Address, address_of
from resilient_adapters.redis.cluster.commands import commands_of_a_cluster
from resilient_adapters.redis.cluster.hosts import node_urls
from resilient_adapters.redis.commands import Settings, commands_of_a_server
from resilient_adapters.redis.copying import MAX_STALENESS, copying_of
from resilient_adapters.redis.keys import Keys
from resilient_adapters.redis.sentinels import master_of
from resilient_adapters.redis.store import AsyncRedisStore, RedisStore

__all__ = ["AsyncRedisStore", "RedisStore", "open_redis"]

_SPACE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def open_redis(
    url: str,
    *,
    clock: Clock,
    record: Record | None = None,
    namespace: object = "resilient",
    username: object = None,
    password: object = None,
    db: object = None,
    minsize: object = 1,
    maxsize: object = 50,
    socket_timeout: object = 0.05,
    socket_connect_timeout: object = 5.0,
    retry_on_timeout: object = False,
    ssl: object = False,
    ssl_certfile: object = None,
    ssl_keyfile: object = None,
    ssl_password: object = None,
    ssl_ca_certs: object = None,
    ssl_cert_reqs: object = "required",
    ssl_check_hostname: object = True,
    sentinel_username: object = None,
    sentinel_password: object = None,
    sentinel_ssl: object = None,
    compress: str | None = "gzip",
    max_decoded: object = MAX_DECODED,
    client_side: object = False,
    max_staleness: object = MAX_STALENESS,
    local: object = None,
    local_size: object = MAX_ENTRIES,
    local_max_bytes: object = MAX_BYTES,
) -> StorePair:
    """The store at ``redis://user:password@host:6379/0``, ``rediss://`` for TLS, or ``unix:///path/to/socket``.

    ``redis+cluster://user:password@host1:7000,host2:7001`` is the one in a Redis Cluster, of which it names some nodes.

    ``redis+sentinel://user:password@host1:26379,host2:26379/service/0``, ``rediss+sentinel://`` for TLS, is the one at
    the master of that service, for which these Sentinels are asked whenever a connection is opened.

    Nothing is connected and no certificate is read before the first command. Closing either colour closes both.

    Args:
        url: names the server, the user, the password and the number of the database; all but the server may be left
            out, or be given as options.
        clock: what tells the time. The machine's stands for the server's, which then ends entries and leases.
        record: hears of damaged entries of which no caller does.
        namespace: how all keys of this store start in Redis; those who give another one share nothing.
        username: of an ACL user.
        password: as text; digits are text too.
        db: the number of the database.
        minsize: connections that are kept however long nobody needs them; others are closed after a minute.
        maxsize: connections at most, for all threads together and for each event loop; in a cluster to each node.
        socket_timeout: how long threads wait to read and write entries and for leases where their cache has no budget
            and no timeout; for other commands 5 s, or this long if it is more. Tasks are bounded from outside.
        socket_connect_timeout: how long each step of opening a connection takes at most. It is opened behind, so a
            call waits no longer for that than for anything else.
        retry_on_timeout: whether opening a connection is tried once more after that.
        ssl: whether to use TLS, as ``rediss://`` does.
        ssl_certfile: the client's certificate, a PEM file.
        ssl_keyfile: its key.
        ssl_password: of its key.
        ssl_ca_certs: who is trusted to certify servers, a PEM file; as the system says if it is not given.
        ssl_cert_reqs: ``"required"``, ``"optional"`` or ``"none"``: whether the server has to prove who it is.
        ssl_check_hostname: whether its certificate has to name the host.
        sentinel_username: of an ACL user of the Sentinels; user and password in the URL are the master's.
        sentinel_password: of the Sentinels, where they ask for one.
        sentinel_ssl: whether to use TLS for the Sentinels, with the same certificates; as for the master if not given.
        compress: how bodies above 1 KiB are compressed: ``"gzip"``, ``"zstd"`` with the extra of that name, or None.
        max_decoded: bodies larger than this are neither written nor read.
        client_side: whether copies of what was read are served from this process's memory, of whose changes the server
            tells. Needs a server of version 6.2 or newer.
        max_staleness: how long such a copy is served at most before the server is asked again. If the server cannot
            be heard, none is served after three seconds.
        local: for how long copies are served without asking and without being told: for so long this process may not
            see what others have written or removed. Its own changes it sees at once.
        local_size: how many copies there are at most, of either kind.
        local_max_bytes: how much they take at most: bytes, or text such as ``"64MiB"``.

    Raises:
        ConfigurationError: an option is wrong; says why, and what is right.
    """
    scheme = url.partition("://")[0].lower()
    is_cluster, has_sentinels = scheme.endswith("+cluster"), scheme.endswith("+sentinel")
    if not has_sentinels and not (sentinel_username is sentinel_password is sentinel_ssl is None):
        raise ConfigurationError("options of Sentinels are given, but none of them; write redis+sentinel://")
    tls = flag_of(ssl, option="ssl") or scheme.startswith("rediss")
    sentinel_tls = has_sentinels and (tls if sentinel_ssl is None else flag_of(sentinel_ssl, option="sentinel_ssl"))
    certificates = {
        "ssl_certfile": _text(ssl_certfile, "ssl_certfile"),
        "ssl_keyfile": _text(ssl_keyfile, "ssl_keyfile"),
        "ssl_password": _text(ssl_password, "ssl_password", secret=True),
        "ssl_ca_certs": _text(ssl_ca_certs, "ssl_ca_certs"),
        "ssl_cert_reqs": _requirement(ssl_cert_reqs),
        "ssl_check_hostname": flag_of(ssl_check_hostname, option="ssl_check_hostname"),
    }
    if not (tls or sentinel_tls) and (ssl_certfile or ssl_keyfile or ssl_ca_certs):
        raise ConfigurationError("certificates are given, but no TLS; write rediss://, or ssl=True")
    opening: dict[str, Any] = {
        "socket_connect_timeout": span_of(socket_connect_timeout, option="socket_connect_timeout"),
        "retry_on_timeout": flag_of(retry_on_timeout, option="retry_on_timeout"),
    }
    options: dict[str, Any] = {
        "tls": tls,
        "db": None if db is None else _number(db, "db"),
        "username": _text(username, "username"),
        "password": _text(password, "password", secret=True),
        **opening,
        **(certificates if tls else {}),
    }
    if has_sentinels:
        sentinel_options = {
            "username": _text(sentinel_username, "sentinel_username"),
            "password": _text(sentinel_password, "sentinel_password", secret=True),
            **opening,
            **(certificates if sentinel_tls else {}),
        }
        addresses: list[Address] = [master_of(url, sentinel_options, sentinel_tls=sentinel_tls, **options)]
    else:
        addresses = [address_of(each, **options) for each in (node_urls(url) if is_cluster else [url])]
    least, most = _number(minsize, "minsize"), count_of(maxsize, option="maxsize")
    if least > most:
        raise ConfigurationError(f"minsize={least} is more than maxsize={most}")
    settings = Settings(
        codec=codec_named(compress),
        max_decoded=bytes_of(max_decoded, option="max_decoded"),
        sizes=(least, most),
        socket_timeout=span_of(socket_timeout, option="socket_timeout"),
        record=record,
        copying=copying_of(
            url,
            client_side=client_side,
            max_staleness=max_staleness,
            local=local,
            local_size=local_size,
            local_max_bytes=local_max_bytes,
        ),
    )
    keys = Keys(_space(namespace))
    if is_cluster:
        commands = commands_of_a_cluster(addresses, keys, clock, settings)
    else:
        commands = commands_of_a_server(addresses[0], keys, clock, settings)
    return StorePair(blocking=RedisStore(commands), tasks=AsyncRedisStore(commands))


def _text(value: object, option: str, *, secret: bool = False) -> str | None:
    if value is None or isinstance(value, str):
        return value
    shown = "***" if secret else repr(value)
    raise ConfigurationError(f"{option}={shown} is not right; give text")


def _number(value: object, option: str) -> int:
    """A whole number, unlike most also zero."""
    return 0 if str(value) == "0" else count_of(value, option=option)


def _requirement(value: object) -> str:
    if value not in ("required", "optional", "none"):
        raise ConfigurationError(f"ssl_cert_reqs={value!r} is not right; give 'required', 'optional' or 'none'")
    return str(value)


def _space(namespace: object) -> str:
    if not isinstance(namespace, str) or not _SPACE.fullmatch(namespace):
        raise ConfigurationError(
            f"namespace={namespace!r} is not right; give up to 64 letters, digits and '_', '.', ':', '-'"
        )
    return namespace
