"""Cache-Status, RFC 9211."""

import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.http.status import CacheStatus, Forwarded
from resilient.http.structured import list_of


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"hit": True, "ttl": 376}, "resilient; hit; ttl=376"),
        ({"hit": True, "ttl": -12, "detail": "soft"}, "resilient; hit; ttl=-12; detail=soft"),
        ({"fwd": "stale", "fwd_status": 304, "ttl": 60}, "resilient; fwd=stale; fwd-status=304; ttl=60"),
        (
            {"fwd": "stale", "fwd_status": 503, "detail": "failover"},
            "resilient; fwd=stale; fwd-status=503; detail=failover",
        ),
        ({"fwd": "uri-miss", "stored": True, "ttl": 60}, "resilient; fwd=uri-miss; stored; ttl=60"),
        ({"fwd": "vary-miss"}, "resilient; fwd=vary-miss"),
        ({"fwd": "uri-miss", "collapsed": True}, "resilient; fwd=uri-miss; collapsed"),
        ({"fwd": "request"}, "resilient; fwd=request"),
        ({"fwd": "method"}, "resilient; fwd=method"),
        ({"fwd": "bypass", "detail": "store_down"}, "resilient; fwd=bypass; detail=store_down"),
        ({"hit": True, "fwd": "miss", "stored": True, "collapsed": True, "fwd_status": 200}, "resilient; hit"),
        ({"stored": True, "collapsed": True, "fwd_status": 200}, "resilient"),
        ({"cache": "my cache", "hit": True}, '"my cache"; hit'),
        ({"cache": "cache.example:80", "hit": True}, "cache.example:80; hit"),
        ({"hit": True, "detail": 'a "b"\n\u20ac'}, r'resilient; hit; detail="a \"b\"??"'),
        ({"hit": True, "ttl": 10**20}, "resilient; hit; ttl=999999999999999"),
    ],
)
def test_what_is_written(status, text):
    """Section 2: a hit excludes why it was forwarded, and what depends on that; a large number is cut off."""
    assert str(CacheStatus(**status)) == text


WORDS = st.one_of(st.none(), st.text(max_size=8))


@settings(deadline=None)
@given(
    st.builds(
        CacheStatus, cache=st.text(max_size=8), hit=st.booleans(),
        fwd=st.sampled_from([None, *typing.get_args(Forwarded)]),
        fwd_status=st.one_of(st.none(), st.integers(100, 999)), stored=st.booleans(), collapsed=st.booleans(),
        ttl=st.one_of(st.none(), st.integers()), detail=WORDS,
    )
)  # fmt: skip
def test_it_is_one_member_of_a_list(status):
    """Whatever is in it: no name and no detail can add a member, or break those of other caches."""
    assert list_of(f"other; hit, {status}")[0] == "other"
    assert len(list_of(f"other; hit, {status}")) == 2
