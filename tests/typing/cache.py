"""The cache as people write it, read by type checkers and never run.

A decorated function is, for a checker, the function that it was: its parameters, its result, and whether it is
awaited. A line that a checker must refuse is marked for both of them; a mark without an error is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from resilient import Cache, Command, cache
from resilient.caching.figures import Stats

# --- functions ---------------------------------------------------------------------------------------------------


@cache(ttl="1h", key="items:{category}:{page}", tags=["items"], condition=bool)
async def basic(category: str, page: int = 1) -> list[int]:
    return [page]


@cache.early(ttl="1h", early_ttl="50m")
async def early(category: str, *, page: int = 1) -> list[int]:
    return [page]


@cache.soft(ttl=timedelta(hours=1), soft_ttl=1800)
async def soft(category: str) -> str | None:
    return category


@cache.locked(ttl=3600.0, jitter=0.1)
async def locked(category: str) -> str:
    return category


@cache.failover(ttl="6h", exceptions=(OSError, ValueError), retry_after=10)
async def failover(category: str) -> str:
    return category


@cache.hit(ttl="1h", cache_hits=10, update_after=5)
async def hit(category: str) -> str:
    return category


@cache.dynamic()
async def dynamic(category: str) -> str:
    return category


@cache.invalidate("items:{category}:*")
async def change(category: str) -> bool:
    return True


@cache.transact(isolation="SERIALIZABLE")
async def transacted(category: str) -> bool:
    return True


@cache.failover(ttl="6h")
@cache.locked(ttl="1h")
async def stacked(category: str) -> str:
    return category


async def calls_of_tasks() -> None:
    assert_type(await basic("books"), list[int])
    assert_type(await basic("books", page=2), list[int])
    assert_type(await early("books", page=2), list[int])
    assert_type(await soft("books"), str | None)
    assert_type(await locked("books"), str)
    assert_type(await failover("books"), str)
    assert_type(await hit("books"), str)
    assert_type(await dynamic("books"), str)
    assert_type(await change("books"), bool)
    assert_type(await transacted("books"), bool)
    assert_type(await stacked("books"), str)
    await basic(5)  # type: ignore[arg-type]
    await early("books", 2)  # type: ignore[call-arg]
    await stacked()  # type: ignore[call-arg]


@cache(ttl=60, lock=True, errors=LookupError, protected=False)
def plain(category: str, page: int = 1) -> list[int]:
    return [page]


@cache.soft(ttl=60, soft_ttl=30)
@cache.failover(ttl=60)
def plain_stacked(*categories: str, **more: int) -> dict[str, int]:
    return more


@cache.transact()
def plain_transacted(category: str) -> int:
    return 1


def calls_of_threads() -> None:
    assert_type(plain("books"), list[int])
    assert_type(plain_stacked("books", page=1), dict[str, int])
    assert_type(plain_transacted("books"), int)
    plain(page=1)  # type: ignore[call-arg]


# --- generators --------------------------------------------------------------------------------------------------


@cache.iterator(ttl="30m")
async def stream(channel: str) -> AsyncIterator[bytes]:
    yield channel.encode()


@cache.iterator(ttl="30m")
def plain_stream(channel: str) -> Iterator[bytes]:
    yield channel.encode()


@cache.locked(ttl="30m")
async def collected(channel: str) -> AsyncIterator[bytes]:
    yield channel.encode()


async def streams() -> None:
    assert_type([event async for event in stream("c")], list[bytes])
    assert_type([event async for event in collected("c")], list[bytes])
    assert_type(list(plain_stream("c")), list[bytes])


# --- methods -----------------------------------------------------------------------------------------------------


@dataclass
class Shop:
    name: str

    @cache(ttl=60, key="{self.name}:{item}")
    async def method(self, item: int) -> str:
        return f"{self.name} {item}"

    @cache.soft(ttl=60, soft_ttl=30, key="{self.name}:{item}")
    def plain_method(self, item: int) -> str:
        return f"{self.name} {item}"

    @classmethod
    @cache.early(ttl=60, early_ttl=30)
    async def of_class(cls, item: int) -> str:
        return f"{cls.__name__} {item}"

    @staticmethod
    @cache.failover(ttl=60)
    async def of_nothing(item: int) -> str:
        return str(item)

    @cache.iterator(ttl=60, key="{self.name}")
    async def items(self) -> AsyncIterator[int]:
        yield 1


async def methods(shop: Shop) -> None:
    assert_type(await shop.method(1), str)
    assert_type(shop.plain_method(item=1), str)
    assert_type(await Shop.of_class(1), str)
    assert_type(await shop.of_nothing(1), str)
    assert_type([item async for item in shop.items()], list[int])
    await shop.method("1")  # type: ignore[arg-type]


# --- options -----------------------------------------------------------------------------------------------------


def seconds(user_type: str) -> str:
    return "4h" if user_type == "premium" else "30m"


def worth(result: list[int], key: str) -> bool:
    return bool(result)


def options() -> None:
    cache(ttl=seconds, condition="not_none")
    cache(ttl=seconds, condition=worth)
    cache()  # type: ignore[call-arg]
    cache(ttl=None)  # type: ignore[arg-type]
    cache(ttl=5, condition="none")  # type: ignore[arg-type]
    cache(ttl=5, jiter=0.1)  # type: ignore[call-arg]
    cache.early(ttl=5)  # type: ignore[call-arg]
    cache.transact(isolation="READ")  # type: ignore[arg-type]
    cache.setup("mem://", prefix="users:", disable=["get", Command.SET], store_budget=None, size=10_000)


# --- commands ----------------------------------------------------------------------------------------------------


async def commands(other: Cache) -> None:
    assert_type(await other.set("k", 1, "1h", tags=["t"]), bool)
    assert_type(await other.delete("k"), bool)
    assert_type(await other.exists("k"), bool)
    assert_type(await other.incr("k", 5), int)
    assert_type(await other.get_expire("k"), float | None)
    assert_type(await other.delete_match("k*"), int)
    assert_type(await other.delete_tags("t"), int)
    assert_type([key async for key in other.scan("k*")], list[str])
    assert_type(await other.stats(), Stats)
    pairs: Mapping[str, Any] = {key: value async for key, value in other.get_match()}
    await other.set_many(pairs)
    assert_type(other.blocking.set("k", 1), bool)
    assert_type(list(other.blocking.scan()), list[str])
    async with other.disabling("get"), other.transact() as transaction:
        assert_type(await transaction.commit(), None)
    with other.disabling(Command.GET), other.transact() as blocking_transaction:
        assert_type(blocking_transaction.rollback(), None)
    with other.detect() as detected:
        assert_type([call.key for call in detected], list[str])
    await other.set(5, 1)  # type: ignore[arg-type]
