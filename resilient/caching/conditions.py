"""Whether a result is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Literal, Protocol, TypeAlias

from resilient.caching.arguments import signature_of
from resilient.caching.callbacks import Callback, need_plain
from resilient.errors import ConfigurationError

ConditionOption: TypeAlias = Literal["not_none"] | Callable[..., object] | None
"""``"not_none"``, or a function of the result, or one that names any of ``result``, ``args``, ``kwargs``, ``key``."""

_OFFERED = ("result", "args", "kwargs", "key")


class Condition(Protocol):
    """Says whether the result of a call is kept."""

    def __call__(self, *, result: object, args: tuple[object, ...], kwargs: Mapping[str, object], key: str) -> bool:
        """Whether ``result`` is kept.

        Args:
            result: what the call returned, or the exception that it raised, where exceptions may be kept.
            args: the positional arguments of the call.
            kwargs: its other arguments.
            key: its key.
        """
        ...


def condition_of(condition: ConditionOption, *, option: str = "condition") -> Condition | None:
    """What ``condition`` means; None: every result is kept.

    A function with one parameter gets the result, whatever that parameter is called; one that has more names what
    it wants. Parameters with other names keep their defaults.

    Raises:
        ConfigurationError: it is none of the accepted forms, or names something else, or is async.
    """
    if condition is None:
        return None
    if condition == "not_none":
        return _not_none
    if not callable(condition):
        raise ConfigurationError(
            f"{option}={condition!r} is not right; give 'not_none', or a function such as lambda result: bool(result)"
        )
    need_plain(condition, option)
    return _of_result(condition) if _takes_result_alone(condition) else _of_names(condition, option)


def _takes_result_alone(condition: Callable[..., object]) -> bool:
    try:
        parameters = signature_of(condition).parameters.values()
    except ConfigurationError:
        return True  # written in C, such as bool
    by_place = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    if not by_place:
        return any(one.kind is one.VAR_POSITIONAL for one in parameters)
    first, *others = by_place
    if not others:
        return all(one.default is not Parameter.empty for one in parameters if one.kind is one.KEYWORD_ONLY)
    return first.name not in _OFFERED and all(
        one.default is not Parameter.empty and one.name not in _OFFERED for one in others
    )


def _not_none(*, result: object, args: tuple[object, ...], kwargs: Mapping[str, object], key: str) -> bool:
    return result is not None


def _of_result(condition: Callable[..., object]) -> Condition:
    def holds(*, result: object, args: tuple[object, ...], kwargs: Mapping[str, object], key: str) -> bool:
        return bool(condition(result))

    return holds


def _of_names(condition: Callable[..., object], option: str) -> Condition:
    callback = Callback(condition, _OFFERED, option=option)

    def holds(*, result: object, args: tuple[object, ...], kwargs: Mapping[str, object], key: str) -> bool:
        return bool(callback({"result": result, "args": args, "kwargs": kwargs, "key": key}))

    return holds
