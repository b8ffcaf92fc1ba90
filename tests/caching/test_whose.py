"""A key that does not say whose the result is."""

import logging

import pytest

from resilient import Cache


@pytest.mark.parametrize("parameter", ["user", "tenant_id", "request", "token", "api_key"])
def test_a_key_that_leaves_out_whose_the_result_is_is_warned_of(parameter, caplog):
    """One user's result would be another's; it is said when the function is decorated, with the parameter's name."""
    namespace = {}
    exec(f"def fetch(page, {parameter}): return page", namespace)
    with caplog.at_level(logging.WARNING, "resilient.cache"):
        Cache("mem://")(ttl="1h", key="pages:{page}")(namespace["fetch"])
    (record,) = caplog.records
    assert record.message.endswith(f"does not name its {parameter!r}: all of them share results")


@pytest.mark.parametrize("key", ["pages:{page}:{user.id}", "pages:{page}:{hash(user)}", None])
def test_a_key_that_names_them_is_fine(key, caplog):
    """In whatever form, and the key that is made of all arguments."""

    def fetch(page, user):
        return page

    with caplog.at_level(logging.WARNING, "resilient.cache"):
        Cache("mem://")(ttl="1h", key=key)(fetch)
    assert not caplog.records
