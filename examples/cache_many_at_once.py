"""A function of many items is asked only for those that are not kept; a tag forgets some of them."""

import asyncio

from resilient import Cache

cache = Cache("mem://")


@cache.batch(ttl="1h", key="user:{ids}", over="ids", tags=["user:{ids}", "users"])
async def users(ids: list[int]) -> dict[int, str]:
    print("The database is asked for", ids)
    return {number: f"user {number}" for number in ids}


async def main() -> None:
    await users([1, 2, 3])
    print(await users([2, 3, 4]))

    await cache.delete_tags("user:3")
    await users([1, 2, 3, 4])


if __name__ == "__main__":
    asyncio.run(main())
