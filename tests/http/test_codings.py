"""Codings, RFC 9110 section 12.5.3."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.codings import is_acceptable


@pytest.mark.parametrize(
    ("coding", "accepted", "acceptable"),
    [
        (None, None, True),
        ("", "br", True),
        ("identity", "br", True),
        ("gzip", "gzip, deflate", True),
        ("GZIP", "deflate, GZip", True),
        ("gzip", "gzip;q=1.0", True),
        ("gzip", "gzip ; Q=0.5", True),
        ("gzip", "*", True),
        ("gzip", "*;q=0.1", True),
        ("gzip, br", "br, gzip", True),
        ("gzip,", "gzip", True),
        ("x-odd", "gzip, deflate", True),
        ("gzip", None, False),
        ("gzip", "", False),
        ("gzip", "deflate, br", False),
        ("gzip", "gzip;q=0", False),
        ("gzip", "gzip;q=0.000", False),
        ("gzip", "*, gzip;q=0", False),
        ("gzip", "*;q=0", False),
        ("gzip, br", "gzip", False),
    ],
)
def test_whether_a_coding_is_accepted(coding, accepted, acceptable):
    """All codings that a client would take off have to be; a name counts before the star; a weight of zero means no."""
    assert is_acceptable(coding, accepted) is acceptable


@settings(deadline=None)
@given(st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()))
def test_any_codings_are_judged(coding, accepted):
    """Never an error."""
    assert is_acceptable(coding, accepted) in {True, False}
