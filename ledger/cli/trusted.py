"""What whoever verifies brings along: keys, and files kept from earlier. It needs no store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ledger.errors import InvalidInput, NotFound
from ledger.tlog.note import VerifierKey

FAILED = 8
"""Exit codes from here on say that what was checked is not what it should be."""


def keys_of(given: Sequence[str], option: str = "--key") -> list[VerifierKey]:
    """Verifier keys, as they are or by files. Raises CodecError, NotFound, InvalidInput (of ``option``)."""
    found: list[VerifierKey] = []
    for text in given:
        # A file's name may hold a plus sign too, and no key is the name of a file.
        if os.path.isfile(text):
            file = read_file(Path(text)).decode("utf-8", "replace")
            lines = [each for each in file.splitlines() if each.strip()]
        else:
            lines = [text] if text.count("+") > 1 else []
        if not lines:
            raise InvalidInput(option, "a verifier key (name+id+key), or a file with one a line", text)
        found += map(VerifierKey.parse, lines)
    return found


def read_file(path: Path) -> bytes:
    """A file's bytes. Raises NotFound."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}") from error
