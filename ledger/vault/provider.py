"""Key-encryption keys that something else keeps: chosen by the setting ``kek_provider``.

A provider is an entry point of the group ``auditledger.kek``, or ``module:factory``: a function that takes the
setting ``kek_argument`` and gives a ``KeyEncryptionKey``, perhaps with a
method ``close``. The provider ``program`` is here: it speaks with a
program of the operator's choice, which is where a cloud's KMS, an HSM or a smart card comes in.

The program is started once and asked on its standard input, one JSON object a line, and answers each on its
standard output, in order: ``{"op": "name"}`` → ``{"kek_id"}``; ``{"op": "wrap", "key_id", "key"}`` →
``{"kek_id", "wrapped"}``; ``{"op": "unwrap", "key_id", "wrapped", "kek_id"}`` → ``{"key"}``; bytes in base64.
What goes wrong is ``{"error": "unavailable" | "denied" | "wrong-key" | "altered", "detail"}``; ``detail`` is
shown. Each question has an ``"id"``, a number that its answer repeats: an answer to another question would be
another key.
"""

from __future__ import annotations

import base64
import binascii
import json
import select
import shlex
import subprocess
from importlib import import_module
from importlib.metadata import entry_points
from itertools import count
from threading import Lock
from typing import IO, Any, NoReturn

from ledger.errors import SettingsError, Unavailable, VaultError
from ledger.vault.kek import KEY_BYTES, KekDenied, KeyEncryptionKey, Wrapped, WrongKek

GROUP = "auditledger.kek"
TIMEOUT = 10.0
"""Seconds that a program has for an answer."""
MOST_BYTES = 1 << 16
_CHUNK = 4096
_KINDS: dict[str, type[Unavailable] | type[VaultError]] = {
    "unavailable": Unavailable,
    "denied": KekDenied,
    "wrong-key": WrongKek,
    "altered": VaultError,
}


def provided(name: str, argument: str | None) -> KeyEncryptionKey:
    """The key-encryption key of a provider. Raises SettingsError where there is none of that name."""
    known = {each.name: each for each in entry_points(group=GROUP)}
    expected = f"kek_provider: expected module:function or one of {', '.join(sorted(known))}, got {name!r}"
    if ":" not in name and name not in known:
        raise SettingsError(expected)
    try:
        if ":" in name:
            module, _, function = name.partition(":")
            factory: Any = getattr(import_module(module), function)
        else:
            factory = known[name].load()
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"{expected} ({error})") from error
    made: KeyEncryptionKey = factory(argument)
    return made


def program(argument: str | None) -> KeyEncryptionKey:
    """The provider ``program``: ``argument`` is its command line. Raises SettingsError where there is none."""
    try:
        command = shlex.split(argument or "")
    except ValueError as error:
        raise SettingsError(
            f"kek_argument: expected a command line, got one that ends early: {error}"
        ) from error
    if not command:
        raise SettingsError(
            "kek_argument: expected the command line of the program that keeps the key, got none"
        )
    return ProgramKek(command)


class ProgramKek:
    """A key-encryption key that a program keeps; it is started when it is first needed, and again when it ends.

    Thread-safe: one is asked after the other.
    """

    def __init__(self, command: list[str], *, timeout: float = TIMEOUT) -> None:
        self._command = command
        self._timeout = timeout
        self._lock = Lock()
        self._ids = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def kek_id(self) -> str:
        """What the program calls the key that wraps now."""
        return self._text(self._ask({"op": "name"}), "kek_id")

    def wrap(self, key_id: str, key: bytes) -> Wrapped:
        """Asks the program. Raises Unavailable, KekDenied, VaultError."""
        answer = self._ask({"op": "wrap", "key_id": key_id, "key": _encoded(key)})
        return Wrapped(self._text(answer, "kek_id"), self._bytes(answer, "wrapped"))

    def unwrap(self, key_id: str, wrapped: bytes, kek_id: str) -> bytes:
        """Asks the program. Raises WrongKek, KekDenied, Unavailable, VaultError (altered)."""
        asked = {"op": "unwrap", "key_id": key_id, "wrapped": _encoded(wrapped), "kek_id": kek_id}
        key = self._bytes(self._ask(asked), "key")
        if len(key) != KEY_BYTES:
            self._confused(f"a key of {KEY_BYTES} bytes", f"{len(key)} bytes")
        return key

    def close(self) -> None:
        """Ends the program."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()
            process.wait()

    def _ask(self, asked: dict[str, str]) -> dict[str, Any]:
        with self._lock:
            this = next(self._ids)
            try:
                line = self._answer(json.dumps({"id": this, **asked}).encode() + b"\n")
            except OSError as error:
                self.close()
                raise Unavailable(f"{self._command[0]}, which keeps the key-encryption key: {error}") from error
            except BaseException:
                # Interrupted: the answer may come yet, and the next question is not to find it.
                self.close()
                raise
            try:
                answer = json.loads(line)
            except ValueError:
                answer = None
            if not isinstance(answer, dict):
                self._confused("a JSON object a line", "other output")
            if type(answer.get("id")) is not int or answer["id"] != this:
                self._confused("the id of the question in its answer", "none, or another")
        if (kind := answer.get("error")) is not None:
            error_class = _KINDS.get(kind) if isinstance(kind, str) else None
            if error_class is None:
                self._confused(f"an error of {', '.join(_KINDS)}", "another")
            raise error_class(f"key-encryption key: {' '.join(str(answer.get('detail', kind)).split())[:300]}")
        return answer

    def _answer(self, asked: bytes) -> bytes:
        """One line for one line. Raises OSError where the program ends, is silent, or cannot be started."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(  # noqa: S603 (the operator's own command)
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(asked)
        return self._line(self._process.stdout)

    def _line(self, output: IO[bytes]) -> bytes:
        found = b""
        while not found.endswith(b"\n"):
            ready, _, _ = select.select([output], [], [], self._timeout)
            if not ready:
                raise TimeoutError(f"no answer in {self._timeout:g} seconds")
            chunk = output.read(_CHUNK)
            if not chunk:
                raise ConnectionError("it has ended")
            found += chunk
            if len(found) > MOST_BYTES:
                raise ConnectionError(f"it answers more than {MOST_BYTES} bytes")
        return found

    def _text(self, answer: dict[str, Any], field: str) -> str:
        value = answer.get(field)
        if not isinstance(value, str) or not value or len(value) > MOST_BYTES:
            self._confused(f"text in {field}", "none")
        return value

    def _bytes(self, answer: dict[str, Any], field: str) -> bytes:
        try:
            return base64.b64decode(self._text(answer, field), validate=True)
        except (binascii.Error, ValueError):
            self._confused(f"base64 in {field}", "other text")

    def _confused(self, expected: str, got: str) -> NoReturn:
        """What it said may hold a key: it is never repeated."""
        self.close()
        raise Unavailable(
            f"{self._command[0]}, which keeps the key-encryption key: expected {expected}, got {got}"
        )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
