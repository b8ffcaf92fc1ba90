"""Paths of an origin that ask who is there, and that hand out cookies."""

import base64
import hashlib
import re

from resilient.testing import Reply

USER = ("ann", "open sesame")


def basic(request, _number, _now):
    """Basic authentication (RFC 7617)."""
    expected = "Basic " + base64.b64encode(":".join(USER).encode()).decode()
    if request.headers.get("authorization") == expected:
        return Reply(body=b"welcome " + request.body)
    return Reply(status=401, headers={"www-authenticate": 'Basic realm="here"'})


class Digest:
    """Digest authentication (RFC 7616), a new nonce for each stranger.

    Attributes:
        nonces: how many were handed out.
    """

    def __init__(self):
        self.nonces = 0

    def __call__(self, request, _number, _now):
        given = request.headers.get("authorization", "")
        if given.startswith("Digest ") and self._is_right(request, given):
            return Reply(body=b"welcome " + request.body)
        self.nonces += 1
        asked = f'Digest realm="here", nonce="n{self.nonces}", qop="auth", algorithm=SHA-256, opaque="o"'
        return Reply(status=401, headers={"www-authenticate": asked})

    def _is_right(self, request, given):
        field = dict(re.findall(r'(\w+)="?([^",]*)"?', given))
        who = _hash(f"{USER[0]}:here:{USER[1]}")
        what = _hash(f"{request.method}:{request.target}")
        right = _hash(f"{who}:{field['nonce']}:{field['nc']}:{field['cnonce']}:{field['qop']}:{what}")
        return field["nonce"] == f"n{self.nonces}" and field["response"] == right


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()
