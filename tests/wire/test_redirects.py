"""Redirects and cookies: followed as the library follows them, one call from the first hop to the last."""

import pytest

import resilient
from resilient import Deadline, Policy


def hop(origin, path, to, status=302, **headers):
    origin.at(path).answers(status, headers={"location": to, **headers})


# --- redirects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "methods"),
    [
        (301, {"GET": "GET", "POST": "GET", "PUT": "PUT", "HEAD": "HEAD"}),
        (302, {"GET": "GET", "POST": "GET", "PUT": "GET", "HEAD": "HEAD"}),
        (303, {"GET": "GET", "POST": "GET", "PUT": "GET", "HEAD": "HEAD"}),
        (307, {"GET": "GET", "POST": "POST", "PUT": "PUT", "HEAD": "HEAD"}),
        (308, {"GET": "GET", "POST": "POST", "PUT": "PUT", "HEAD": "HEAD"}),
    ],
)
def test_methods_and_bodies_over_a_redirect(client_of, origin, status, methods):
    """Who may change the method does; with the method goes the body."""
    hop(origin, "/old", "/new?a=1", status)
    client = client_of(follow_redirects=True)
    for method, becomes in methods.items():
        content = b"body" if method in {"POST", "PUT"} else None
        answer = client(method, origin.url + "/old", content=content)
        last = origin.requests[-1]
        assert (answer.status_code, last.method, last.path) == (200, becomes, "/new")
        assert last.body == (content if becomes == method and content else b"")
        assert [one.status_code for one in answer.history] == [status]
        assert str(answer.url) == origin.url + "/new?a=1"
        assert str(answer.history[0].url) == origin.url + "/old"


def test_redirects_are_followed_where_asked(client_of, origin):
    """By the client or by the request; else the redirect is the answer, and says where it goes."""
    hop(origin, "/old", "/new")
    assert client_of().get(origin.url + "/old").status_code == 302
    assert client_of().get(origin.url + "/old", follow_redirects=True).status_code == 200
    answer = client_of(follow_redirects=True).get(origin.url + "/old", follow_redirects=False)
    assert (answer.status_code, answer.has_redirect_location) == (302, True)
    assert str(answer.next_request.url) == origin.url + "/new"
    assert client_of().send(answer.next_request).status_code == 200


def test_a_history_is_complete(client_of, origin):
    """Each hop with its request, its answer and its body."""
    for number in range(4):
        hop(origin, f"/{number}", f"/{number + 1}", 301 + number % 2)
    answer = client_of(follow_redirects=True).get(origin.url + "/0", headers={"x-mine": "1"})
    assert [one.url.path for one in answer.history] == ["/0", "/1", "/2", "/3"]
    assert [one.status_code for one in answer.history] == [301, 302, 301, 302]
    assert all(one.is_closed and one.content == b"ok" for one in answer.history)
    assert answer.json()["headers"]["x-mine"] == "1"
    assert len(answer.history[-1].history) == 3


def test_redirects_have_an_end(client_of, origin):
    """After as many as were allowed, by the library's own error."""
    hop(origin, "/round", "/round")
    client = client_of(follow_redirects=True, max_redirects=3)
    with pytest.raises(client.wire.http.TooManyRedirects) as caught:
        client.get(origin.url + "/round")
    assert (origin.sent, str(caught.value.request.url)) == (4, origin.url + "/round")


def test_credentials_stay_at_home(client_of, origin, second):
    """They do not follow to another port; on the way to the same origin they do."""
    hop(origin, "/away", second.url + "/")
    hop(origin, "/here", "/")
    client = client_of(follow_redirects=True, auth=("ann", "secret"))
    assert "authorization" in client.get(origin.url + "/here").json()["headers"]
    assert "authorization" not in client.get(origin.url + "/away").json()["headers"]


def test_a_bad_address_is_an_error_of_the_library(client_of, origin):
    """At once, and of the same type."""
    hop(origin, "/bad", "ftp://api.test/")
    with pytest.raises(client_of.http.UnsupportedProtocol):
        client_of(follow_redirects=True).get(origin.url + "/bad")
    assert origin.sent == 1


def test_a_one_shot_body_is_not_sent_to_the_new_place(client_of, origin):
    """There is nothing left of it, and the library says so."""
    hop(origin, "/old", "/new", 307)
    client = client_of(follow_redirects=True)
    with pytest.raises(client.wire.http.StreamConsumed):
        client.post(origin.url + "/old", content=client.wire.one_shot([b"a"]))
    assert origin.sent == 1


def test_every_hop_has_its_attempts_and_all_are_one_call(wire, origin, second):
    """One journey; the policy, circuit and budget of each hop's own origin."""
    origin.at("/old").answers(503, times=1)
    hop(origin, "/old", second.url + "/new")
    second.answers(503, times=1)
    client = wire.client(follow_redirects=True)
    answer = client.get(origin.url + "/old")
    assert (answer.status_code, origin.sent, second.sent) == (200, 2, 2)
    assert len(answer.extensions["resilient"].attempts) == 4
    assert {key.split()[1] for key in client.client.state()} == {origin.url, second.url}


def test_the_deadline_is_for_all_hops_together(wire, origin):
    """A round of redirects, each of them quick, ends with it."""
    origin.at("/round").answers(302, headers={"location": "/round"}, latency=0.03)
    client = wire.client(follow_redirects=True, max_redirects=1_000, policies=Policy(deadline=Deadline("600ms")))
    with pytest.raises(resilient.DeadlineExceededError):
        client.get(origin.url + "/round")
    assert 1 < origin.sent < 40


# --- cookies -----------------------------------------------------------------------------------------------------


def test_cookies_are_kept_and_sent(client_of, origin):
    """Those given to the client, and those that the origin sets, on redirects too; each where it belongs."""
    origin.at("/login").answers(302, headers=[("location", "/home"), ("set-cookie", "session=42; Path=/")])
    origin.at("/deep").answers(headers={"set-cookie": "deep=1; Path=/deep"})
    client = client_of(cookies={"theme": "dark"}, follow_redirects=True)
    answer = client.get(origin.url + "/login")
    assert answer.json()["headers"]["cookie"] in {"theme=dark; session=42", "session=42; theme=dark"}
    assert answer.history[0].cookies["session"] == "42"
    assert client.client.cookies["session"] == "42"
    client.get(origin.url + "/deep")
    assert "deep" not in client.get(origin.url).json()["headers"]["cookie"]


def test_a_cookie_is_taken_back(client_of, origin):
    """One that expired is not sent any more."""
    origin.at("/logout").answers(headers={"set-cookie": "session=; Max-Age=0; Path=/"})
    origin.at("/login").answers(headers={"set-cookie": "session=42; Path=/"})
    client = client_of()
    for path, cookie in (("/login", "session=42"), ("/logout", None)):
        client.get(origin.url + path)
        assert client.get(origin.url).json()["headers"].get("cookie") == cookie


def test_cookies_of_an_attempt_that_failed(wire, origin):
    """A swallowed answer leaves none; the one that is handed over does."""
    origin.at("/login").answers(503, headers={"set-cookie": "lost=1; Path=/"}, times=1)
    origin.at("/login").answers(headers={"set-cookie": "kept=1; Path=/"})
    client = wire.client()
    client.get(origin.url + "/login")
    assert dict(client.client.cookies) == {"kept": "1"}
