"""Keep what a function returns; a key that people can read, and forget.

In a program it is ``from resilient import cache``, and ``cache.setup("disk:///var/cache/my-app")`` where it begins.
"""

from resilient import Cache
from resilient.testing import FakeClock

clock = FakeClock()
cache = Cache("mem://", clock=clock)
questions: list[str] = []


@cache(ttl="1h", key="stock:{item}")
def stock(item: str) -> int:
    questions.append(item)
    return 3


def main() -> None:
    for _ in range(3):
        stock("tea")
    print(f"Asked three times, the database once: {len(questions)} question")

    cache.blocking.delete("stock:tea")
    stock("tea")
    print(f"Forgotten, and asked for again: {len(questions)} questions")

    clock.advance("1h")
    stock("tea")
    print(f"An hour later it is gone by itself: {len(questions)} questions")
    print(cache.blocking.explain(stock, "tea"))


if __name__ == "__main__":
    main()
