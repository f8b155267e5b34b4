"""One mail to the privacy officer over SMTP; nothing goes over a network that is not encrypted."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Self
from urllib.parse import unquote, urlsplit

from ledger.errors import SettingsError, Unavailable
from ledger.settings import Settings

TIMEOUT = 20.0
"""Seconds that a server may be silent."""
_PORTS = {"smtp": 587, "smtps": 465}
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
"""This machine: what is sent to it crosses no network."""


@dataclass(frozen=True, slots=True, repr=False)
class Letterbox:
    """A mail server, and from whom to whom. It has no ``repr``: a password stands in it."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None
    sender: str
    to: str

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The one of the settings; None where none is set. Raises SettingsError."""
        if settings.smtp_url is None or settings.mail_sender is None or settings.privacy_officer_email is None:
            return None
        where = f"smtp_url (set in {settings.sources.get('smtp_url', 'default')})"
        expected = (
            f"{where}: expected smtp://HOST:PORT or smtps://HOST:PORT, perhaps with USER:PASSWORD@ before"
        )
        try:
            url = urlsplit(settings.smtp_url.get_secret_value())
            port = url.port or _PORTS.get(url.scheme, 0)
        except ValueError:
            raise SettingsError(expected) from None
        if url.scheme not in _PORTS or not url.hostname or url.path.strip("/") or url.query or url.fragment:
            raise SettingsError(expected)
        user, password = (None if part is None else unquote(part) for part in (url.username, url.password))
        if (user is None) != (password is None):
            raise SettingsError(f"{where}: expected a user and a password, or neither")
        if not _can_be_looked_up(url.hostname):
            raise SettingsError(f"{where}: expected the name or address of a host, got another text")
        if not f"{user or ''}{password or ''}".isascii():
            raise SettingsError(f"{where}: expected a user and a password of ASCII characters alone")
        return cls(
            url.scheme, url.hostname, port, user, password, settings.mail_sender, settings.privacy_officer_email
        )

    def send(self, subject: str, text: str, headers: Mapping[str, str]) -> None:
        """Returns once the server has accepted the mail. Raises Unavailable with what it said instead.

        (1) connect; (2) encrypt: at once by ``smtps``, else by STARTTLS, which only a server on this machine
        may do without; (3) sign in, where a user is set; (4) hand over. The server's certificate has to be
        one that this machine trusts, of that host.
        """
        try:
            message = EmailMessage()
            message["Subject"], message["From"], message["To"] = subject, self.sender, self.to
            for name, value in headers.items():
                message[name] = value
            message.set_content(text)
            with self._connected() as server:
                if self.user is not None and self.password is not None:
                    server.login(self.user, self.password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"mail server {self.host}:{self.port}: {_said(error)}") from error
        except ValueError as error:
            # It may hold the password: of such an error nothing is said but its kind.
            raise Unavailable(
                f"mail server {self.host}:{self.port}: host, user, password or an address cannot be sent "
                f"({type(error).__name__})"
            ) from None

    def _connected(self) -> smtplib.SMTP:
        trusted = ssl.create_default_context()
        if self.scheme == "smtps":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=trusted)
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        try:
            server.ehlo_or_helo_if_needed()
            if server.has_extn("starttls"):
                server.starttls(context=trusted)
            elif self.host not in _HERE:
                raise smtplib.SMTPNotSupportedError("it offers no STARTTLS: nothing is sent to it in clear")
        except BaseException:
            server.close()
            raise
        return server


def _can_be_looked_up(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _said(error: Exception) -> str:
    """What went wrong, in one line; never an address, which some refusals repeat."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = sorted({str(code) for code, _ in error.recipients.values()})
            return f"it refused the recipient ({', '.join(codes)})"
        case smtplib.SMTPSenderRefused():
            return f"it refused the sender ({error.smtp_code})"
        case smtplib.SMTPResponseException():
            return f"it answered {error.smtp_code}"
        case _:
            return " ".join(str(error).split()) or type(error).__name__
