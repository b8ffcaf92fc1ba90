"""What a correct private cache may fail, and why; and what ours does where the suite only asks.

Every test of the kinds "required" and "optimal" has to pass but those in ``MAY_FAIL``.
"""

_MALFORMED = "the 206 declares six bytes and carries five, so that a cache does right to refuse it"
_COOKIE = "a cookie is a credential: whoever asked gets it, and it is never kept"
_SHARED = "binds shared caches only (RFC 9111 sections 5.2.2.8 and 5.2.2.10)"

MAY_FAIL: dict[str, str] = {
    "headers-store-Transfer-Encoding": "h11 refuses a transfer coding other than chunked before a cache sees it",
    "headers-store-Set-Cookie": _COOKIE,
    "headers-store-Set-Cookie2": _COOKIE,
    "304-etag-update-response-Set-Cookie": _COOKIE,
    "304-etag-update-response-Set-Cookie2": _COOKIE,
    "other-cookie": "a cookie says whose answer it is: with another one, or none, one gets an answer of one's own",
    "stale-close-proxy-revalidate": _SHARED,
    "stale-close-s-maxage=2": _SHARED,
    "conditional-lm-fresh-no-lm": "RFC 9111 section 4.3.2 has the stored Date compared, which is later: 200 is right",
    "partial-store-partial-reuse-partial": _MALFORMED,
    "partial-store-partial-reuse-partial-byterange": _MALFORMED,
    "partial-store-partial-reuse-partial-absent": _MALFORMED,
    "partial-store-partial-reuse-partial-suffix": _MALFORMED,
    "partial-store-partial-complete": "parts are not put together without a strong validator in common (RFC 9111 3.4)",
}

_STALE = "judged only where stale answers stand in for failures, which is what these must not do"

NEEDS_FAILOVER: dict[str, str] = {
    "stale-close-must-revalidate": _STALE,
    "stale-close-no-cache": _STALE,
    "ccreq-max-stale-age": "what comes stale and cannot be confirmed is kept only where it may stand in for a failure",
}
"""What else a cache without failover may fail."""


def _all(*tests: str, answer: bool) -> dict[str, bool]:
    return dict.fromkeys(tests, answer)


POLICY: dict[str, bool] = {
    # An answer that says nothing of how long it may be kept is asked for again.
    "freshness-none": True,
    # A Date in the past counts towards the age.
    "freshness-max-age-date": True,
    # Of two max-age the smaller one counts; one that cannot be read means stale.
    **_all(
        "freshness-max-age-two-fresh-stale-sameline", "freshness-max-age-two-fresh-stale-sepline",
        "freshness-max-age-two-stale-fresh-sameline", "freshness-max-age-two-stale-fresh-sepline",
        "freshness-max-age-decimal-zero", "freshness-max-age-decimal-five",
        "freshness-max-age-a100", "freshness-max-age-100a",
        answer=False,
    ),
    "freshness-max-age-quoted": True,
    # What a request says about caches is honoured.
    **_all(
        "ccreq-ma0", "ccreq-ma1", "ccreq-magreaterage", "ccreq-max-stale", "ccreq-max-stale-age", "ccreq-min-fresh",
        "ccreq-min-fresh-age", "ccreq-no-cache", "ccreq-no-cache-lm", "ccreq-no-cache-etag", "ccreq-no-store",
        "ccreq-oic",
        answer=True,
    ),
    "pragma-request-no-cache": False,
    "pragma-request-extension": True,
    "pragma-response-no-cache": True,
    "pragma-response-extension": True,
    # Stale answers stand in for failures where the origin permits it.
    "stale-sie-close": True,
    "stale-sie-503": True,
    # Warning is obsolete.
    "stale-warning-stored": False,
    "stale-warning-become": False,
    # no-cache="field" keeps that field from being reused, and nothing else.
    "headers-omit-headers-listed-in-Cache-Control-no-cache-single": True,
    "headers-omit-headers-listed-in-Cache-Control-no-cache": True,
    # A caller's own conditions reach the origin where nothing is kept.
    "conditional-etag-forward": True,
    "conditional-etag-forward-unquoted": False,
    "conditional-etag-strong-generate-unquoted": False,
    "conditional-etag-strong-respond-obs-text": True,
    # A 304 changes every field but those that describe the bytes that are kept.
    **_all(
        "304-etag-update-response-Content-Encoding", "304-etag-update-response-Content-Range",
        answer=False,
    ),
    **_all(
        "304-etag-update-response-Content-Location", "304-etag-update-response-Content-MD5",
        "304-etag-update-response-Content-Security-Policy", "304-etag-update-response-Clear-Site-Data",
        "304-etag-update-response-Expires", "304-etag-update-response-Public-Key-Pins",
        "304-etag-update-response-Set-Cookie", "304-etag-update-response-X-Frame-Options",
        "304-etag-update-response-X-XSS-Protection",
        answer=True,
    ),
    # A HEAD that has to be asked for freshens what is kept.
    "head-writethrough": True,
    "head-200-freshness-update": True,
    "head-200-update": True,
    "head-410-update": False,
    # Whatever an unsafe request says has moved or was made is asked for anew.
    **_all(
        *(f"invalidate-{method}-location" for method in ("POST", "PUT", "DELETE", "M-SEARCH")),
        *(f"invalidate-{method}-cl" for method in ("POST", "PUT", "DELETE", "M-SEARCH")),
        answer=True,
    ),
    "other-date-update-expires-update": True,
    "other-heuristic-content-disposition-attachment": True,
    "other-fresh-content-disposition-attachment": True,
}  # fmt: skip
