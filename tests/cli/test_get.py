"""``resilient get``: one request, its answer and its journey."""

import socket

import pytest


def test_it_prints_the_answer_and_its_journey(run, server):
    """Status, header fields, body; then how it came about, a failure and its retry included."""
    server.answers(503, times=1)
    server.answers(200, body=b'{"EUR": 1.1}', headers={"content-type": "application/json"})
    status, printed, complaint = run("get", f"{server.url}/rates")
    assert (status, complaint) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == f"GET {server.url}/rates"
    assert lines[1].startswith("200 OK")
    assert "  content-type: application/json" in lines
    assert '{"EUR": 1.1}' in lines
    assert "policy '*': 2 attempts," in printed
    assert "attempt 1: answered 503 after" in printed
    assert "that is a failure (5xx); again in" in printed
    assert "attempt 2: answered 200 after" in printed


def test_no_secret_is_printed(run, server):
    """Neither users nor the values of queries, cookies and redirects."""
    server.answers(
        302,
        headers=[("set-cookie", "sid=hunter2; Path=/"), ("location", "https://u:hunter2@other.test/?key=hunter2")],
    )
    address = server.url.replace("://", "://user:hunter2@")
    status, printed, complaint = run("get", f"{address}/x?key=hunter2&b=hunter2", "-H", "X-Key: hunter2")
    assert status == 0
    assert "hunter2" not in printed + complaint
    shown = server.url.replace("://", "://REDACTED:REDACTED@")
    assert f"GET {shown}/x?key=REDACTED&b=REDACTED" in printed
    assert "  set-cookie: sid=REDACTED" in printed
    assert "  location: https://REDACTED:REDACTED@other.test/?key=REDACTED" in printed
    assert server.requests[0].headers["x-key"] == "hunter2"


def test_nothing_that_a_terminal_would_obey_is_printed(run, server):
    """An answer cannot move the cursor or ring the bell."""
    server.answers(200, body=b"a\x1b[2Jb\x07c", headers={"content-type": "text/plain"})
    _, printed, _ = run("get", server.url)
    assert "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c" in printed


def test_a_long_body_is_cut(run, server):
    """Twenty lines are a preview; the size says what is missing."""
    server.answers(200, body=b"line\n" * 1000, headers={"content-type": "text/plain"})
    _, printed, _ = run("get", server.url)
    assert printed.count("line\n") == 20
    assert "… (5,000 bytes in all)" in printed


def test_a_body_that_is_no_text_is_named(run, server):
    """Pictures are not poured over a terminal."""
    server.answers(200, body=b"\x89PNG\r\n\x1a\n\0\0", headers={"content-type": "image/png"})
    _, printed, _ = run("get", server.url)
    assert "(10 bytes of image/png)" in printed


def test_method_and_fields(run, server):
    """As they were given."""
    run("get", server.url, "--method", "delete", "-H", "X-One: 1", "-H", "x-two:2")
    received = server.requests[0]
    assert (received.method, received.headers["x-one"], received.headers["x-two"]) == ("DELETE", "1", "2")


def test_a_policy_file_applies(run, server, tmp_path):
    """One attempt, because the file says so; the answer itself says how it went, by the exit status too."""
    path = tmp_path / "resilient.toml"
    path.write_text('[policies."127.0.0.1"]\nretry = false')
    server.answers(503)
    status, printed, _ = run("get", server.url, "--policy", path)
    assert (status, server.sent) == (1, 1)
    assert "policy '127.0.0.1': 1 attempt," in printed


def test_no_answer_is_told_with_its_journey(run):
    """The error of the HTTP library, in one line, and the attempts that led to it."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    status, printed, complaint = run("get", f"http://127.0.0.1:{port}/")
    assert status == 1
    assert complaint.startswith("no answer: ConnectError: ")
    assert "3 attempts in" in complaint
    assert "attempt 3: no connection, nothing was sent" in printed
    assert "not again: that was the last attempt" in printed


@pytest.mark.parametrize("address", ["example.test", "ftp://x.test/", "http://[", "http://x.test:port/"])
def test_an_address_that_is_none(run, address):
    """One line, no traceback."""
    status, _, complaint = run("get", address)
    assert status == 1
    assert complaint.startswith("no answer: ")
    assert complaint.count("\n") == 1


def test_a_field_that_is_none(run):
    """Refused before anything is sent, and without repeating what may be a secret."""
    status, _, complaint = run("get", "http://x.test/", "-H", "Authorization hunter2")
    assert status == 2
    assert "write 'Name: value'" in complaint
    assert "hunter2" not in complaint


def test_a_wrong_policy_file_is_one_clear_line(run, tmp_path):
    """As of ``check``."""
    status, _, complaint = run("get", "http://x.test/", "--policy", tmp_path / "no.toml")
    assert status == 1
    assert "no.toml: cannot be read" in complaint
