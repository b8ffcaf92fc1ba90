"""The tests of the public suite: what each of them sends, has answered, and expects.

``suite.json`` holds them as the npm package ``http-cache-tests`` defines them, under the licence beside it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("suite.json")

OF_SHARED_CACHES = {"auth", "cc-freshness"}
"""Groups whose tests that no browser runs are about shared caches ..."""
ALSO_OF_SHARED_CACHES = {"cc-resp-private-shared", "stale-close-proxy-revalidate", "stale-close-s-maxage=2"}
"""... and single tests."""


@dataclass(frozen=True)
class Case:
    """One test: some requests in turn, the second by an answer that the cache may have kept.

    Attributes:
        id: its name.
        group: of which group it is.
        kind: "required"; "optimal" if it is good to have; "check" if it only records what a cache does.
        requests: each with what the origin answers, and what is to be seen.
        needs: tests without which this one proves nothing.
    """

    id: str
    group: str
    kind: str
    requests: list[dict[str, Any]]
    needs: tuple[str, ...]


def definitions() -> list[dict[str, Any]]:
    """Everything, as it is defined."""
    return json.loads(FILE.read_text())


def write(groups: list[dict[str, Any]]) -> None:
    """Write it anew, a test a line, so that one can see what has changed."""
    lines = []
    for group in groups:
        head = json.dumps({name: value for name, value in group.items() if name != "tests"})
        tests = ",\n".join(json.dumps(test) for test in group["tests"])
        lines.append(f'{head[:-1]}, "tests": [\n{tests}\n]}}')
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def private_cases() -> list[Case]:
    """The tests of a private cache: what the suite runs in a browser, and what a page's script could not see there."""
    return [
        Case(test["id"], group["id"], test.get("kind", "required"), test["requests"], tuple(test.get("depends_on", ())))
        for group in definitions()
        for test in group["tests"]
        if not _is_of_shared_caches(group["id"], test)
    ]


def _is_of_shared_caches(group: str, test: dict[str, Any]) -> bool:
    return bool(test.get("browser_skip")) and (group in OF_SHARED_CACHES or test["id"] in ALSO_OF_SHARED_CACHES)
