"""Option objects: immutable, keyword-only, and clear about what is wrong with them."""

import dataclasses
import pickle

import pytest

import resilient
from resilient import ConfigurationError
from resilient.settings import nearest, settings, unknown_option


@settings
class Sample:
    """Options of a sample."""

    tokens: int = 100
    refill: float = 0.5


OBJECTS = [
    resilient.Policy(),
    resilient.Retry(),
    resilient.Budget(),
    resilient.CircuitBreaker(),
    resilient.ResponseCache(ttl=5),
    resilient.Deadline(5),
    resilient.AttemptTimeout(5),
    resilient.Fallback("https://spare.test/"),
]


@pytest.mark.parametrize("made", OBJECTS, ids=lambda made: type(made).__name__)
def test_an_option_object_never_changes(made):
    """It is shared by clients and threads; nothing can be added to it either."""
    for name in ("window", "anything", dataclasses.fields(made)[0].name):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
            setattr(made, name, 5)
    assert not hasattr(made, "__dict__")


@pytest.mark.parametrize("made", OBJECTS, ids=lambda made: type(made).__name__)
def test_an_option_object_is_a_value(made):
    """Equal to another one with the same options, and it travels to other processes."""
    assert pickle.loads(pickle.dumps(made)) == made
    assert type(made).__name__ in repr(made)
    assert " object at 0x" not in str(made)


@pytest.mark.parametrize("kind", [type(made) for made in OBJECTS], ids=lambda kind: kind.__name__)
def test_an_option_that_does_not_exist_is_refused_by_name(kind):
    """With the nearest one that does, or all of them."""
    known = [one.name for one in dataclasses.fields(kind) if one.init]
    with pytest.raises(
        ConfigurationError, match=f"{kind.__name__} has no option '{known[0]}x' .given 5.; did you mean"
    ):
        kind(**{f"{known[0]}x": 5})
    with pytest.raises(ConfigurationError, match=f"there are: .*{known[0]}"):
        kind(qqqqqq=5)


def test_options_are_named():
    """Positions would freeze their order for ever."""
    with pytest.raises(TypeError):
        Sample(5)
    assert Sample(tokens=5).tokens == 5


def test_the_signature_is_that_of_the_options():
    """For editors and for ``help()``."""
    import inspect

    assert list(inspect.signature(Sample).parameters) == ["tokens", "refill"]


def test_an_option_object_says_what_differs_from_the_defaults():
    """For people who look at a pipeline."""
    assert str(Sample()) == "as by default"
    assert str(Sample(tokens=5)) == "tokens 5"


def test_the_nearest_name_is_found():
    """Else all of them are listed, in order."""
    assert nearest("refil", ["tokens", "refill"]) == "did you mean 'refill'?"
    assert nearest("qqq", ["tokens", "refill"]) == "there are: refill, tokens"
    with pytest.raises(ConfigurationError, match=r"Client has no option 'x' \(given 5\); there are: tokens"):
        unknown_option("Client", "x", 5, ["tokens"])


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: resilient.Retry(max_attempts=0), ["max_attempts=0"]),
        (lambda: resilient.Policy(deadline="fast"), ["deadline='fast'", "1h30m"]),
        (lambda: resilient.Policy(deadline=1, attempt_timeout=2), ["attempt_timeout=2 s", "deadline=1 s"]),
        (lambda: resilient.Policy(retry=5), ["retry=5", "Retry"]),
        (lambda: resilient.Policy(cache=True), ["cache=True", "ResponseCache"]),
        (lambda: resilient.Policy(retries=5), ["retries", "did you mean 'retry'"]),
        (lambda: resilient.Policy().replace(dedline=5), ["dedline", "did you mean 'deadline'"]),
    ],
)
def test_bad_input_is_refused_at_construction(make, names):
    """The message names the option, the value and what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    for name in names:
        assert name in str(caught.value)
