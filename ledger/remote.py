"""Asking programs of others over HTTP: one answer a connection, of so many bytes, within so many seconds."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

from ledger.errors import SettingsError, Unavailable

TIMEOUT = 10.0
"""Seconds that there are for an answer to begin, and for each part of it."""
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

    def ask(
        self,
        method: str,
        path: str = "",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST_BYTES,
    ) -> tuple[int, bytes]:
        """Status and content, of at most ``most`` bytes. Raises Unavailable where nobody answers, or more."""
        connection = self._made(self._host, self._port, timeout=TIMEOUT)
        try:
            connection.request(method, self._path + path or "/", body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read(most + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._what}: does not answer: {error}") from error
        finally:
            connection.close()
        if len(content) > most:
            raise Unavailable(f"{self._what}: expected an answer of at most {most} bytes, got more")
        return answer.status, content
