"""A mail server that really runs, with a certificate of its own, and who trusts it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

USER, PASSWORD = "ledger", "correct horse:battery@staple"
OFFICE = "privacy@example.vic.gov.au"
SENDER = "ledger@example.vic.gov.au"


@dataclass
class Received:
    """What the server was given, and whether it takes it."""

    mails: list[Message] = field(default_factory=list)
    refuses: str | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        """Accepts a mail, or answers as it is told to."""
        if self.refuses is not None:
            return self.refuses
        assert envelope.rcpt_tos == [OFFICE]
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        return "250 accepted"


def certificate(folder: Path) -> Path:
    """A certificate for ``localhost`` that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )  # fmt: skip
    path = folder / "mail.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path


def _authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
    known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=known)


def free_port(host: str = "localhost") -> int:
    """A port that nobody listens on."""
    with socket.create_server((host, 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def postbox(
    received: Received, pem: Path | None, *, host: str = "localhost", port: int = 0, at_once: bool = False
) -> Iterator[int]:
    """The server, until the block ends; gives its port. ``pem``: it takes mail after STARTTLS and AUTH only,
    or, ``at_once``, encrypted from the first byte, from anyone; None: it offers neither."""
    options: dict[str, Any] = {}
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
        options = {"tls_context": context, "require_starttls": True, "auth_required": True}
        options = {"ssl_context": context} if at_once else {**options, "authenticator": _authenticate}
    made = Controller(received, hostname=host, port=port or free_port(host), **options)
    made.start()
    try:
        yield int(made.port)
    finally:
        made.stop()
