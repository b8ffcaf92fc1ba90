"""The tree of errors; it knows no HTTP library."""

import copy
import inspect
import pickle
import re

import pytest

import resilient
from resilient import errors

SAMPLES = [
    errors.ResilientError("x"),
    errors.ConfigurationError("ttl=0 is not right"),
    errors.CallError("x"),
    errors.CircuitOpenError("https://api.test", 1.5),
    errors.CircuitOpenError("https://api.test", float("inf")),
    errors.DeadlineExceededError(2.0),
    errors.AttemptTimeoutError(2.0),
    errors.RateLimitedError("https://api.test", 3.0),
    errors.StoreError("x", kind="full"),
    errors.StoreUnavailableError("x"),
    errors.CorruptEntryError("x", kind="corrupt"),
    errors.LeaseLostError("key"),
    errors.TransactionError("x"),
    errors.ScatteredError((("a",), ("b", "c"))),
    errors.LockedError("key"),
    errors.SuspendedError(),
]


def kinds():
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


def test_there_is_a_sample_of_every_error():
    """So that the tests below miss none."""
    assert {type(sample) for sample in SAMPLES} == set(kinds())


@pytest.mark.parametrize("error", SAMPLES, ids=repr)
def test_an_error_travels_to_another_process_whole(error):
    """Words, data and notes, whatever its constructor takes."""
    error = copy.copy(error)
    error.add_note("a note")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        arrived = pickle.loads(pickle.dumps(error, protocol))
        assert type(arrived) is type(error)
        assert (str(arrived), arrived.args) == (str(error), error.args)
        assert vars(arrived) == vars(error)
        assert arrived.__notes__ == ["a note"]


@pytest.mark.parametrize("error", SAMPLES, ids=repr)
def test_a_copy_shares_nothing_that_changes(error):
    """A note on the copy is none on the original."""
    made = copy.deepcopy(error)
    made.add_note("only here")
    assert not hasattr(error, "__notes__")
    assert str(made) == str(error)


def test_the_tree_is_as_it_is_drawn():
    """The docstring shows every class below its base."""
    drawn = {}
    path = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"([ │├└─]*)(\w+Error)\b", line)
        if found and line.startswith("    "):
            depth = (len(found[1]) - 4) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in kinds()}


def test_every_error_is_public():
    """Importable from the package itself."""
    assert {kind.__name__ for kind in kinds()} <= set(resilient.__all__)
    for kind in kinds():
        assert getattr(resilient, kind.__name__) is kind


@pytest.mark.parametrize(
    ("error", "kind"), [(errors.ConfigurationError("x"), ValueError), (errors.SuspendedError(), RuntimeError)]
)
def test_some_are_errors_of_python_too(error, kind):
    """Of those that code outside catches."""
    assert isinstance(error, kind)


def test_errors_say_what_they_know():
    """In the units of their attributes."""
    assert (
        str(errors.CircuitOpenError("https://a.test", 1.25)) == "circuit 'https://a.test' is open; next probe in 1.2 s"
    )
    assert "isolated by hand" in str(errors.CircuitOpenError("https://a.test", float("inf")))
    assert str(errors.DeadlineExceededError(2.0)) == "the call did not end within its deadline of 2 s"
    assert str(errors.AttemptTimeoutError(0.25)) == "the attempt did not end within 0.25 s"
    assert errors.StoreError("x", kind="busy").kind == "busy"
    assert errors.StoreError("x").kind == "other"


def test_a_dressed_error_is_the_same_error():
    """Words, data, cause and notes are those of the original."""

    class NativeError(errors.CircuitOpenError, OSError):
        pass

    plain = errors.CircuitOpenError("https://a.test", 2.0)
    plain.__cause__ = cause = ValueError("why")
    plain.add_note("a note")
    dressed = plain.dressed(NativeError)
    assert type(dressed) is NativeError
    assert (str(dressed), dressed.circuit, dressed.retry_in) == (str(plain), plain.circuit, plain.retry_in)
    assert dressed.__cause__ is cause
    assert dressed.__notes__ == ["a note"]
