"""TLS: whom a client trusts, and how it shows who it is."""

import ssl

import pytest
import trustme

from .servers.front import Front
from .servers.wayward import Mute

# --- verify ------------------------------------------------------------------------------------------------------


def context_of(authority, *_):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def file_of(authority, folder):
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


TRUSTING = [
    pytest.param(context_of, id="context"),
    # A path is deprecated in httpx, and still has its meaning.
    pytest.param(file_of, id="file", marks=pytest.mark.filterwarnings("ignore::DeprecationWarning")),
    pytest.param(lambda *_: False, id="nobody is asked"),
]


@pytest.mark.parametrize("verify", TRUSTING)
def test_a_private_authority_can_be_trusted(client_of, secure, authority, tmp_path, verify):
    """By a context or by a file; or everybody is."""
    client = client_of(verify=verify(authority, tmp_path))
    assert client.get(secure.url + "/x").json()["target"] == "/x"
    assert secure.handshakes == ["localhost"]


@pytest.mark.parametrize("verify", [True, "other authority"])
def test_who_is_not_trusted_is_refused_once(client_of, secure, origin, verify):
    """By the library's own error, and at once: another attempt would meet the same certificate."""
    client = client_of(verify=verify if verify is True else context_of(trustme.CA()))
    http = client.wire.http
    with pytest.raises(http.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        client.get(secure.url)
    assert (len(secure.handshakes), origin.sent) == (1, 0)


def test_a_certificate_of_another_name_is_refused_once(client_of, origin, authority, server_tls):
    """The name in the address counts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.test").configure_cert(context)
    with Front(origin.port, tls=context) as server:
        with pytest.raises(client_of().wire.http.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client_of().get(server.url)
        assert len(server.handshakes) == 1


# --- client certificates -----------------------------------------------------------------------------------------


@pytest.fixture
def guarded(origin, server_tls, authority):
    """An origin that lets in only who has a certificate."""
    with Front(origin.port, tls=server_tls(client_authority=authority)) as server:
        yield server


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("parts", [1, 2])
def test_a_client_shows_its_certificate(client_of, guarded, authority, tmp_path, parts):
    """From one file, or from two; deprecated in httpx, and of meaning still."""
    mine = authority.issue_cert("ann@api.test")
    chain, key = tmp_path / "ann.pem", tmp_path / "ann.key"
    if parts == 1:
        mine.private_key_and_cert_chain_pem.write_to_path(chain)
    else:
        mine.cert_chain_pems[0].write_to_path(chain)
        mine.private_key_pem.write_to_path(key)
    cert = str(chain) if parts == 1 else (str(chain), str(key))
    client = client_of(verify=context_of(authority), cert=cert)
    assert client.get(guarded.url).status_code == 200
    assert guarded.visitors == ["ann@api.test"]


def test_a_certificate_in_the_context_is_shown(client_of, guarded, authority):
    """The way that is not deprecated."""
    context = context_of(authority)
    authority.issue_cert("bob@api.test").configure_cert(context)
    assert client_of(verify=context).get(guarded.url).status_code == 200
    assert guarded.visitors == ["bob@api.test"]


def test_without_a_certificate_there_is_no_answer(client_of, guarded, origin):
    """In TLS 1.3 the refusal comes after the handshake, as a broken connection."""
    client = client_of()
    with pytest.raises(client.wire.http.TransportError):
        client.get(guarded.url)
    assert origin.sent == 0


# --- names -------------------------------------------------------------------------------------------------------


def test_the_server_name_can_be_chosen_for_one_request(client_of, secure):
    """``sni_hostname`` goes to the handshake; the certificate has to have that name."""
    client = client_of()
    address = secure.address("https")
    answer = client.get(address, headers={"host": "api.test"}, extensions={"sni_hostname": "api.test"})
    assert answer.json()["headers"]["host"] == "api.test"
    assert secure.handshakes == ["api.test"]


def test_a_server_that_never_shakes_hands_is_a_timeout(client_of):
    """Of the connection's phase, so nothing was sent."""
    with Mute() as server:
        client = client_of(timeout=0.15)
        with pytest.raises(client.wire.http.ConnectTimeout):
            client.get(server.address("https"))
        assert client.wire.wait_for(lambda: not server.open)
