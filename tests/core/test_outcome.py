"""What counts as a failure, decided once."""

import ssl

import httpx
import pytest

from resilient import errors
from resilient.httpx import LIBRARY
from resilient.outcome import (
    Failure,
    Outcome,
    failure_of,
    is_failed_status,
    is_throttled_status,
    outcome_of,
)


def caused(error, cause):
    error.__cause__ = cause
    return error


MEANINGS = [
    (httpx.ConnectError("x"), Failure.UNSENT),
    (httpx.ConnectTimeout("x"), Failure.UNSENT),
    (httpx.ProxyError("502 Bad Gateway"), Failure.UNSENT),
    (httpx.ProxyError("Proxy Server could not connect: refused."), Failure.UNSENT),
    (httpx.ProxyError("407 Proxy Authentication Required"), Failure.PROXY),
    (httpx.ProxyError("Invalid username/password"), Failure.PROXY),
    (httpx.ProxyError("Requested USERNAME/PASSWORD from proxy server, but got NO ACCEPTABLE METHODS."), Failure.PROXY),
    (httpx.PoolTimeout("x"), Failure.POOL),
    (httpx.ReadTimeout("x"), Failure.TIMEOUT),
    (httpx.WriteTimeout("x"), Failure.TIMEOUT),
    (httpx.ReadError("x"), Failure.BROKEN),
    (httpx.WriteError("x"), Failure.BROKEN),
    (httpx.CloseError("x"), Failure.BROKEN),
    (httpx.RemoteProtocolError("x"), Failure.BROKEN),
    (httpx.RemoteProtocolError("<StreamReset stream_id:1, error_code:7, remote_reset:True>"), Failure.UNSENT),
    (httpx.RemoteProtocolError("<StreamReset stream_id:1, error_code:8, remote_reset:True>"), Failure.BROKEN),
    (httpx.LocalProtocolError("x"), Failure.INVALID),
    (httpx.UnsupportedProtocol("x"), Failure.INVALID),
    (httpx.TooManyRedirects("x"), Failure.INVALID),
    (httpx.InvalidURL("x"), Failure.INVALID),
    (httpx.DecodingError("x"), Failure.OTHER),
    (caused(httpx.ConnectError("x"), ssl.SSLCertVerificationError("self-signed")), Failure.UNTRUSTED),
    (caused(httpx.ConnectError("x"), caused(OSError(), ssl.SSLCertVerificationError())), Failure.UNTRUSTED),
    (caused(httpx.ConnectError("x"), ssl.SSLError("handshake")), Failure.UNSENT),
    (errors.DeadlineExceededError(1), Failure.TIMEOUT),
    (errors.AttemptTimeoutError(1), Failure.TIMEOUT),
    (errors.CircuitOpenError("x", 1), Failure.REJECTED),
    (errors.RateLimitedError("x", 1), Failure.REJECTED),
    (KeyboardInterrupt(), Failure.CANCELLED),
    (GeneratorExit(), Failure.CANCELLED),
    (ValueError("x"), Failure.OTHER),
    (TimeoutError("x"), Failure.OTHER),
    (errors.StoreError("x"), Failure.OTHER),
]


@pytest.mark.parametrize(("error", "failure"), MEANINGS, ids=repr)
def test_what_an_error_means(error, failure):
    """By the nearest of its classes; what proves that nothing was sent is told from what does not."""
    assert failure_of(error, LIBRARY.failures) is failure


def test_a_subclass_means_what_its_base_does():
    """Of a transport of one's own, for example."""

    class OddError(httpx.ReadTimeout):
        pass

    assert failure_of(OddError("x"), LIBRARY.failures) is Failure.TIMEOUT


def test_a_circle_of_causes_ends():
    """An error may be its own cause, by way of another."""
    one, other = httpx.ConnectError("x"), OSError()
    one.__cause__, other.__cause__ = other, one
    assert failure_of(one, LIBRARY.failures) is Failure.UNSENT


def test_every_error_of_the_library_has_a_meaning():
    """None of its transports' errors is taken for a bug."""

    def all_of(kind):
        yield kind
        for one in kind.__subclasses__():
            if one.__module__.startswith("httpx"):
                yield from all_of(one)

    kinds = set(all_of(httpx.TransportError))
    assert len(kinds) >= 15
    for kind in kinds:
        assert failure_of(kind("x"), LIBRARY.failures) is not Failure.OTHER


def test_how_a_failed_call_is_counted():
    """Every failure has its outcome."""
    counted = {failure: outcome_of(failure) for failure in Failure}
    assert counted.pop(Failure.CANCELLED) is Outcome.CANCELLED
    assert counted.pop(Failure.TIMEOUT) is Outcome.TIMEOUT
    assert counted.pop(Failure.REJECTED) is Outcome.REJECTED
    assert set(counted.values()) == {Outcome.ERROR}


def test_which_answers_are_failures():
    """Of the server (RFC 9110 section 15.6), and a wish for fewer requests (RFC 6585 section 4)."""
    statuses = range(100, 600)
    assert [status for status in statuses if is_failed_status(status)] == list(range(500, 600))
    assert [status for status in statuses if is_throttled_status(status)] == [429]
