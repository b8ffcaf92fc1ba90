"""From a URL to a store, and what is said when there is no way."""

from __future__ import annotations

import importlib.metadata
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from resilient.errors import ConfigurationError
from resilient.ports import StorePair
from resilient.stores import registry
from resilient.stores.memory import open_memory
from resilient.stores.parameters import bytes_of, count_of, flag_of, span_of
from resilient.stores.registry import open_store

SECRET = "hunter2"


@pytest.fixture
def offer(monkeypatch):
    """Offers a factory under a scheme, as an installed package would."""

    def offer(scheme, factory):
        class Offered(EntryPoint):
            def load(self):
                return factory()

        point = Offered(scheme, "somewhere:something", registry.GROUP)
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda group, name=scheme: [point] if name == scheme else []
        )

    return offer


def test_our_own_stores_open_without_installed_metadata(folder, monkeypatch):
    """In a source tree that nobody has installed there are no entry points."""
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [])
    assert open_store("mem://").blocking.name == "mem"
    pair = open_store(f"disk://{folder}")
    assert pair.blocking.name == "disk"
    pair.blocking.close()


def test_our_own_table_says_what_the_package_says():
    """The table for uninstalled trees and the package's entry points are the same lines."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    declared = project["project"]["entry-points"][registry.GROUP]
    assert registry.OWN.items() <= declared.items()


def test_an_installed_package_offers_a_store(offer):
    """Its factory gets the URL without the query, the clock, the record and the options."""
    given = {}

    def factory(url, *, clock, record, depth=1):
        given.update(url=url, clock=clock, record=record, depth=depth)
        return open_memory(clock=clock)

    offer("lake", lambda: factory)
    assert isinstance(open_store(f"lake://user:{SECRET}@host/1?depth=5"), StorePair)
    assert (given["url"], given["depth"]) == (f"lake://user:{SECRET}@host/1", "5")


def test_a_package_that_cannot_be_imported_says_why(offer):
    """As where an extra is not installed."""

    def broken():
        raise ImportError("no lakes here; pip install 'lakes'")

    offer("lake", broken)
    with pytest.raises(ConfigurationError, match=r"lake://.*pip install 'lakes'"):
        open_store("lake://")


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("memm://", {}, "no store has the scheme 'memm'; did you mean 'mem'"),
        ("mem", {}, "starts with a scheme"),
        ("mem://?sise=5", {}, r"mem:// has no option 'sise' \(given '5'\); did you mean 'size'"),
        ("mem://", {"max_byte": 7}, r"has no option 'max_byte' \(given 7\); did you mean 'max_bytes'"),
        ("mem://?size=5", {"size": 6}, "'size' is given twice"),
        ("mem://?url=x", {}, "has no option 'url'"),
        ("disk:///tmp/x?clock=x", {}, "has no option 'clock'"),
        (7, {}, "is text"),
    ],
)
def test_mistakes_are_named_with_what_is_right(url, options, message):
    """The option, the value, and the nearest right one."""
    with pytest.raises(ConfigurationError, match=message):
        open_store(url, **options)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"redist://:{SECRET}@host:6379/0", {}),
        (f"mem://:{SECRET}@host", {}),
        (f"mem//:{SECRET}@host", {}),
        (f"mem://:{SECRET}#@host", {}),
        (f"mem://:{SECRET}@[host", {}),
        (f"mem://:{SECRET}@host:port", {}),
        (f"mem://:{SECRET}\u2100@host", {}),
        (f"disk://:{SECRET}@host/x", {}),
        ("mem://", {"password": SECRET}),
        ("mem://", {"pasword": SECRET}),
        (f"mem://?pasword={SECRET}", {}),
        ("mem://", {"auth_token": SECRET}),
    ],
)
def test_no_password_gets_into_a_message(url, options):
    """Whatever is wrong with the URL or the options, and in what the error says of its cause."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url, **options)
    error = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (bytes_of, "64MiB", 64 * 2**20),
        (bytes_of, "1 gb", 10**9),
        (bytes_of, "12", 12),
        (bytes_of, 12, 12),
        (count_of, "12", 12),
        (flag_of, "true", True),
        (flag_of, False, False),
        (span_of, "0.05", 0.05),
        (span_of, "50ms", 0.05),
        (span_of, 2, 2.0),
    ],
)
def test_options_are_read_as_people_write_them(parse, text, value):
    """The same words in a URL and in Python."""
    assert parse(text, option="x") == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (bytes_of, "64 parsecs"),
        (bytes_of, 0),
        (bytes_of, True),
        (bytes_of, "٣"),
        (bytes_of, "9" * 5000),
        (count_of, "1.5"),
        (count_of, -1),
        (count_of, None),
        (flag_of, "maybe"),
        (span_of, "-1"),
        (span_of, None),
    ],
)
def test_other_words_are_refused_by_name(parse, text):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match="x="):
        parse(text, option="x")
