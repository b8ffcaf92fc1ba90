"""What is said of a store, as lines for people."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping

from resilient.cli.cache.looking import Kept, Looking
from resilient.cli.text import printable
from resilient.durations import shown
from resilient.redaction import without_secrets


def say_list(looking: Looking, arguments: argparse.Namespace) -> int:
    """A line for each, the latest first."""
    found = sorted(looking.all(arguments.key, arguments.place), key=lambda one: -one.entry.stored_at)
    for one in found:
        what = "value" if one.answer is None else str(one.answer.status)
        whose = "" if one.answer is None or one.answer.partition is None else f"  of {one.answer.partition[:8]}"
        age, size = shown(one.entry.age(looking.now)), f"{len(one.entry.body):,} B"
        print(f"{what:>5}  {age:>9} old  {_life(one, looking.now):<24}  {size:>12}  {_name(one)}{whose}")
    if not found:
        print("nothing is kept there")
    return 0


def say_each(looking: Looking, arguments: argparse.Namespace) -> int:
    """All that is known of each; 1 if there is none."""
    found = list(looking.all(arguments.key, arguments.place))
    for one in found:
        print(_name(one))
        for name, fact in _facts(one, looking.now).items():
            if fact:
                print(f"  {name:<10} {printable(fact)}")
        if one.answer is not None:
            for name, value in one.answer.headers.items():
                print(f"    {name}: {printable(without_secrets(value))}")
    if not found:
        print("no such thing is kept there", file=sys.stderr)
    return 0 if found else 1


def _facts(one: Kept, now: float) -> Mapping[str, str]:
    facts = {
        "key": one.key,
        "stored": _instant(one.entry.stored_at),
        "is": _life(one, now),
        "gone": _instant(one.entry.expires_at),
        "size": f"{len(one.entry.body):,} B",
        "tags": ", ".join(one.entry.tags),
    }
    if (answer := one.answer) is not None:
        facts |= {
            "status": str(answer.status),
            "for": "everybody" if answer.is_public else answer.partition or "whoever has no credentials",
            "varies by": ", ".join(answer.varies_by),
            "kept by": answer.note or "",
        }
    return facts


def say_removed(looking: Looking, arguments: argparse.Namespace) -> int:
    """How many were removed; 1 if nothing was said of which."""
    if arguments.all:
        looking.clear()
        print("everything was removed")
        return 0
    if not arguments.key and not arguments.place:
        print("say what to remove: a key, --place or --all", file=sys.stderr)
        return 1
    print(f"{looking.remove(looking.all(arguments.key, arguments.place))} removed")
    return 0


def say_stats(looking: Looking, arguments: argparse.Namespace) -> int:
    """How much is kept, and of what."""
    usage = looking.usage()
    print(f"{usage.entries:,} entries, {usage.size:,} bytes")
    found = list(looking.all())
    kinds = Counter("values" if one.answer is None else f"answers {one.answer.status}" for one in found)
    for kind, count in sorted(kinds.items()):
        print(f"  {kind:<14} {count:,}")
    fresh = sum(one.entry.is_fresh(looking.now) for one in found)
    print(f"  {'fresh':<14} {fresh:,}\n  {'stale':<14} {len(found) - fresh:,}")
    return 0


SAYINGS: Mapping[str, Callable[[Looking, argparse.Namespace], int]] = {
    "ls": say_list,
    "show": say_each,
    "rm": say_removed,
    "stats": say_stats,
}


def _name(one: Kept) -> str:
    return printable(one.key if one.answer is None else one.answer.place)


def _life(one: Kept, now: float) -> str:
    if one.entry.fresh_until > now:
        left = one.entry.fresh_until - now
        return "fresh for ever" if left == math.inf else f"fresh for {shown(left)}"
    return f"stale since {shown(now - one.entry.fresh_until)}"


def _instant(at: float) -> str:
    return "never" if at == math.inf else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
