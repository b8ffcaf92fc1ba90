"""Requests and answers for tests, made of few words."""

from resilient.http.answer import answer
from resilient.http.asking import asking
from resilient.http.dates import format_date
from resilient.http.fields import Fields
from resilient.http.vary import selecting, vary_names

NOW = 1_700_000_000.0
"""The moment at which answers of tests come, seconds since the epoch: Tue, 14 Nov 2023 22:13:20 GMT."""


def fields(*lines, **named):
    """Header fields, from ``"Name: value"`` or ``name_with_dashes="value"``; a number is a date, seconds from now."""
    pairs = [line.split(": ", 1) for line in lines] + [
        (name.replace("_", "-"), format_date(NOW + value) if isinstance(value, int) else value)
        for name, value in named.items()
    ]
    return Fields([(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs])


def kept(*lines, status=200, request=None, took=0.0, ttl=None, received=NOW, **named):
    """A kept answer with these fields, that came just now; ``request`` are the fields that asked for it."""
    given = fields(*lines, **named)
    return answer(
        status,
        given,
        requested_at=received - took,
        received_at=received,
        selecting=selecting(vary_names(given), request or fields()),
        ttl=ttl,
    )


def asked(method="GET", *lines, path=b"/a", **named):
    """A request to http://example.test."""
    return asking(method, "http://example.test", path, fields(*lines, **named).raw)
