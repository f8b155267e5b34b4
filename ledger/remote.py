"""Asking programs of others over HTTP: one answer a connection, of so many bytes, within so many seconds."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Timer
from urllib.parse import urlsplit

from ledger.errors import SettingsError, Unavailable

TIMEOUT = 10.0
"""Seconds that there are to reach one of its addresses, and again for the whole of what is said there."""
MOST_BYTES = 1 << 16


class Address:
    """An http(s) address below which is asked."""

    def __init__(self, url: str, what: str) -> None:
        """``what`` names it in errors. Raises SettingsError where nothing can be asked there."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise SettingsError(f"{what}: expected an http(s) address, got {url[:200] or 'none'}")
        self._made = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port = parts.hostname, port
        self._path = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
        self._what = what

    def _safe(self, plain: socket.socket) -> socket.socket:
        if self._made is http.client.HTTPConnection:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=self._host)

    def ask(
        self,
        method: str,
        path: str = "",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST_BYTES,
    ) -> tuple[int, bytes]:
        """Status and content, of at most ``most`` bytes. Raises Unavailable where nobody answers, or more."""
        connection = self._made(self._host, self._port)
        late, late_in = Event(), f"not whole within {TIMEOUT:g} s"
        try:
            with (
                socket.create_connection((self._host, connection.port), TIMEOUT) as plain,
                _ended(plain, late),
            ):
                connection.sock = self._safe(plain)
                connection.request(method, self._path + path or "/", body, dict(headers or {}))
                answer = connection.getresponse()
                content = answer.read(most + 1)
        except (OSError, http.client.HTTPException) as error:
            said = late_in if late.is_set() else error
            raise Unavailable(f"{self._what}: does not answer: {said}") from error
        finally:
            connection.close()
        if late.is_set():
            # An answer without a length looks whole where it was cut off.
            raise Unavailable(f"{self._what}: does not answer: {late_in}")
        if len(content) > most:
            raise Unavailable(f"{self._what}: expected an answer of at most {most} bytes, got more")
        return answer.status, content


@contextmanager
def _ended(connected: socket.socket, late: Event) -> Iterator[None]:
    """Shuts a connection down after ``TIMEOUT`` seconds, whatever comes meanwhile, and sets ``late``.

    A socket's own limit is one for each part of an answer: who sends a byte a second would never meet it.
    """
    with connected.dup() as same:

        def end() -> None:
            late.set()
            # Where the other side was first there is nothing to shut down.
            with suppress(OSError):
                same.shutdown(socket.SHUT_RDWR)

        timer = Timer(TIMEOUT, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
