"""``resilient cache``: what a store keeps, seen and removed from outside."""

import pytest

from resilient import Cache, Policy, ResilientClient, ResponseCache
from resilient.testing import LocalServer
from tests.stores.servers import Server

FIELDS = {
    "cache-control": "max-age=600",
    "vary": "accept-language",
    "location": "https://u:s3cret@other.test/?t=s3cret",
}


@pytest.fixture(params=["disk", "redis"])
def where(request, tmp_path):
    """An empty store."""
    if request.param == "disk":
        yield f"disk://{tmp_path / 'store'}"
        return
    server = Server(tmp_path / "redis")
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def url(request, where):
    """A store in which two answers and a value are."""
    with (
        LocalServer() as origin,
        ResilientClient(policies=Policy(cache=ResponseCache(store_budget=None)), store=where) as client,
    ):
        origin.answers(200, headers=FIELDS, body=b"hello")
        client.get(f"{origin.url}/items?key=s3cret", headers={"authorization": "Bearer s3cret"})
        client.get(f"{origin.url}/other")
        request.node.origin = origin.url
    cache = Cache()
    cache.setup(where)
    cache.blocking.set("rate:EUR", 1.08, ttl="1h")
    cache.close()
    return where


def test_a_list_names_places_and_keys_and_no_secret(run, url, request):
    """Answers by their place, values by their key."""
    status, printed, complaint = run("cache", "ls", url)
    assert (status, complaint) == (0, "")
    lines = printed.splitlines()
    assert len(lines) == 3
    assert sum(f"{request.node.origin}/items  of " in line for line in lines) == 1
    assert sum(line.endswith(f"{request.node.origin}/other") for line in lines) == 1
    assert sum(line.startswith("value") and line.endswith("rate:EUR") for line in lines) == 1
    assert "s3cret" not in printed
    _, printed, _ = run("cache", "ls", url, "--place", "*/items")
    assert len(printed.splitlines()) == 1


def test_one_is_shown_with_what_is_known_of_it(run, url):
    """Its header fields without secrets; nothing else than what was meant."""
    status, printed, _ = run("cache", "show", url, "--place", "*/items")
    assert status == 0
    assert "    cache-control: max-age=600" in printed
    assert "    location: https://REDACTED:REDACTED@other.test/?t=REDACTED" in printed
    assert "  varies by  accept-language" in printed
    assert "s3cret" not in printed
    _, printed, _ = run("cache", "show", url, "rate")
    assert printed.splitlines()[0] == "rate:EUR"
    status, _, complaint = run("cache", "show", url, "none")
    assert (status, complaint) == (1, "no such thing is kept there\n")


def test_some_are_removed_and_the_others_stay(run, url):
    """By place, by key, or all; never all by accident."""
    status, _, complaint = run("cache", "rm", url)
    assert status == 1
    assert "say what to remove" in complaint
    assert run("cache", "rm", url, "--place", "*/items")[1] == "1 removed\n"
    assert run("cache", "rm", url, "rate:")[1] == "1 removed\n"
    assert len(run("cache", "ls", url)[1].splitlines()) == 1
    assert run("cache", "rm", url, "--all")[1] == "everything was removed\n"
    assert run("cache", "ls", url)[1] == "nothing is kept there\n"


def test_what_is_kept_is_counted(run, url):
    """By kind."""
    status, printed, _ = run("cache", "stats", url)
    assert status == 0
    assert [line.split() for line in printed.splitlines()[1:]] == [
        ["answers", "200", "2"], ["values", "1"], ["fresh", "3"], ["stale", "0"],
    ]  # fmt: skip


def test_the_memory_of_another_process_cannot_be_looked_at(run):
    """It would be an empty one of this process."""
    status, _, complaint = run("cache", "ls", "mem://")
    assert status == 1
    assert "give disk:// or redis://" in complaint


def test_a_store_that_is_not_there_is_said(run):
    """Without its password."""
    status, printed, complaint = run("cache", "ls", "redis://u:s3cret@127.0.0.1:9")
    assert status == 1
    assert complaint.startswith("resilient: ")
    assert "s3cret" not in printed + complaint
