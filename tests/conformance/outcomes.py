"""What the results of all tests come to."""

from collections.abc import Mapping
from dataclasses import dataclass

from .expectations import MAY_FAIL, POLICY
from .running import Result
from .suite import Case


@dataclass(frozen=True)
class Judged:
    """One test's outcome: whether it has passed, or if it is a check, whether the cache does what it asks."""

    case: Case
    passed: bool
    why: str = ""


def judge(cases: list[Case], results: Mapping[str, Result]) -> list[Judged]:
    """A test without those that it needs proves nothing, and has not passed."""
    known = {case.id: case for case in cases}
    return [_judged(case, known, results) for case in cases]


def _judged(case: Case, known: Mapping[str, Case], results: Mapping[str, Result]) -> Judged:
    result = results[case.id]
    if result is not None:
        return Judged(case, False, ": ".join(result))
    for need in case.needs:
        if need not in known or not _judged(known[need], known, results).passed:
            return Judged(case, False, f"needs {need}")
    return Judged(case, True)


def score(judged: list[Judged], kind: str) -> str:
    """How many of a kind have passed, of how many."""
    passed = [one.passed for one in judged if one.case.kind == kind]
    return f"{sum(passed)} of {len(passed)}"


def surprises(judged: list[Judged], may_fail: Mapping[str, str] = MAY_FAIL) -> list[str]:
    """What is not as it has to be: the gate. No test may fail but those that are named, with a reason each."""
    found = []
    for one in judged:
        wanted = POLICY.get(one.case.id, one.passed) if one.case.kind == "check" else True
        if one.passed != wanted and one.case.id not in may_fail:
            found.append(f"{one.case.id} ({one.case.kind}): {one.passed}, not {wanted}. {one.why}")
    return found
