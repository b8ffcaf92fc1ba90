"""An old value is better than an error: failover over a cache that asks every five minutes."""

from resilient import Cache
from resilient.testing import FakeClock

clock = FakeClock()
cache = Cache("mem://", clock=clock)
source: dict[str, float] = {"EUR": 1.08}


@cache.failover(ttl="12h", retry_after="30s", key="rates:{currency}")
@cache.locked(ttl="5m", key="rates:{currency}")
def rate(currency: str) -> float:
    if not source:
        raise ConnectionError("the source is down")
    return source[currency]


def main() -> None:
    print("From the source:", rate("EUR"))

    source.clear()
    clock.advance("2m")
    print("Two minutes later, without asking:", rate("EUR"))

    clock.advance("3h")
    with cache.detect() as detected:
        print("The source is down:", rate("EUR"))
    ages = [call.age for call in detected if call.outcome == "stale"]
    print(f"That value is {ages[0]:.0f} s old")

    clock.advance("12h")
    try:
        rate("EUR")
    except ConnectionError as error:
        print("After twelve hours there is nothing left:", error)


if __name__ == "__main__":
    main()
