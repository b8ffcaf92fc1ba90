"""From a store's URL to the store."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult, parse_qsl, urlsplit

from resilient.errors import ConfigurationError
from resilient.ports import Clock, StorePair
from resilient.runtime.clock import SystemClock
from resilient.settings import nearest
from resilient.stores.parameters import Record, server_urls

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "resilient.stores"
"""The entry points by which packages offer stores: each named by its URL's scheme, for a :class:`Factory`."""

OWN = {
    "mem": "resilient.stores.memory:open_memory",
    "disk": "resilient_adapters.sqlite:open_disk",
    "redis": "resilient_adapters.redis:open_redis",
    "rediss": "resilient_adapters.redis:open_redis",
    "redis+sentinel": "resilient_adapters.redis:open_redis",
    "rediss+sentinel": "resilient_adapters.redis:open_redis",
    "unix": "resilient_adapters.redis:open_redis",
    "redis+cluster": "resilient_adapters.redis:open_redis",
}
"""Our own entry points once more, for a source tree that nobody has installed."""

_GIVEN = ("url", "clock", "record")
_SECRETS = ("password", "passwd", "pass", "pwd", "secret", "token", "auth", "credentials")


class Factory(Protocol):
    """Opens a store. Its other keyword-only parameters are the store's options; no others are accepted."""

    def __call__(self, url: str, *, clock: Clock, record: Record | None, **options: Any) -> StorePair: ...


def open_store(url: str, *, clock: Clock | None = None, record: Record | None = None, **options: object) -> StorePair:
    """The store at ``url``, as both colours see it.

    Args:
        url: ``mem://``, ``disk:///var/cache/my-app``, ``mem://?size=1000``; its query holds options.
        clock: what tells the time, the machine's if not given.
        record: hears what happens inside, such as evictions.
        options: the store's options.

    Raises:
        ConfigurationError: no store has that scheme, it has no such option, or it cannot be used.
    """
    factory, options = _planned(url, options)
    return factory(url.partition("?")[0], clock=clock or SystemClock(), record=record, **options)


def check_store(url: str) -> None:
    """Refuse a URL for which there is no store, or whose store has no such options; opens nothing.

    Raises:
        ConfigurationError: as :func:`open_store`, but for the values of options and the state of the disk.
    """
    _planned(url, {})


def _planned(url: str, options: Mapping[str, object]) -> tuple[Factory, dict[str, object]]:
    parts = _split(url)
    factory = _factory(parts.scheme)
    merged = _merged(parts, options)
    _check(factory, parts.scheme, merged)
    return factory, merged


def _split(url: str) -> SplitResult:
    if not isinstance(url, str):
        raise ConfigurationError(f"a store's URL is text, such as 'mem://', not {url!r}")
    scheme, found, _ = url.partition("://")
    if not found:
        # What stands here may hold a password, so it is not repeated.
        raise ConfigurationError("a store's URL starts with a scheme, as 'mem://' and 'disk:///var/cache/app' do")
    try:
        parts = [urlsplit(each) for each in server_urls(url)]
        _ = [each.port for each in parts]
    except ValueError:
        raise ConfigurationError(f"the address in the {scheme}:// URL of the store is malformed") from None
    if "#" in url:
        raise ConfigurationError(f"write '#' as %23 in the {scheme}:// URL of the store")
    return parts[0]


def _factory(scheme: str) -> Factory:
    point = _entry_point(scheme)
    if point is None:
        raise ConfigurationError(f"no store has the scheme {scheme!r}; {nearest(scheme, _schemes())}")
    try:
        factory: Factory = point.load()
    except ImportError as error:
        raise ConfigurationError(f"the store for {scheme}:// cannot be loaded: {error}") from error
    return factory


def _entry_point(scheme: str) -> EntryPoint | None:
    from importlib.metadata import EntryPoint, entry_points

    # Reading the metadata of everything installed takes milliseconds; the memory store needs none of it.
    if scheme != "mem":
        for point in entry_points(group=GROUP, name=scheme):
            return point
    return EntryPoint(scheme, OWN[scheme], GROUP) if scheme in OWN else None


def _schemes() -> Collection[str]:
    from importlib.metadata import entry_points

    return {*OWN, *(point.name for point in entry_points(group=GROUP))}


def _merged(parts: SplitResult, options: Mapping[str, object]) -> dict[str, object]:
    merged = dict(options)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in merged:
            raise ConfigurationError(f"the store's option {name!r} is given twice; give it once")
        merged[name] = value
    return merged


def _check(factory: Factory, scheme: str, options: Mapping[str, object]) -> None:
    parameters = inspect.signature(factory).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return
    known = [one.name for one in parameters if one.name not in _GIVEN]
    for name, value in options.items():
        if name not in known:
            shown = "***" if _may_be_secret(name.lower()) else repr(value)
            hint = nearest(name, known)
            raise ConfigurationError(f"{scheme}:// has no option {name!r} (given {shown}); {hint}")


def _may_be_secret(name: str) -> bool:
    """Whether an option that does not exist may be a misspelt password."""
    return any(word in name for word in _SECRETS) or bool(difflib.get_close_matches(name, _SECRETS, n=1))
