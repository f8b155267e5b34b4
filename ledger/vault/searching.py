"""The blind index: exact search on sealed identifiers, by tokens that say nothing without the search key.

token = HMAC-SHA256(key = the ledger's search key, "ledger.v1.Search" ‖ 00 ‖ the normalised value in UTF-8). The
search key is a vault key of its own, one a ledger, used for nothing else. A row of the index goes with the key
that its value is sealed under.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger.codec.commitment import hmac_sha256
from ledger.vault.sealing import LEDGER_STREAM
from ledger.vault.store import Connect, VaultKeys, fetch

SUBJECT = "search"
"""Whose key it is, among those of the ledger itself: no destruction reaches it."""
PREFIX = b"ledger.v1.Search\0"
NORMALISATION = f"1 {unicodedata.unidata_version}"
"""Version of ``normalised``, and of the Unicode tables that it goes by: under others the tokens are others."""
_SPACE = re.compile(r"\s+")


def normalised(text: str) -> str:
    """What of an identifier counts in a search: Unicode NFKC, case folded, white space collapsed.

    Twice over the first two, as one may undo the other; normalising again changes nothing. Accents, hyphens and
    full stops count: 'J. Doe' is not 'J Doe'.
    """
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def token(key: bytes, text: str) -> bytes:
    """By what an identifier is found: 32 bytes, the same for the same normalised value under the same key."""
    return hmac_sha256(key, PREFIX + normalised(text).encode())


class Position(NamedTuple):
    """How far an index is: the first ``size`` entries are in it, the last of them has the leaf hash ``head``.

    ``form``: by what it was made; ``unread``: values and entries among them that could not be read.
    """

    form: str
    size: int = 0
    head: bytes = b""
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """An identifier of an entry: its token, the entry's index, dotted path, the key that it is sealed under."""

    token: bytes
    index: int
    path: str
    key: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A sealed field that holds what was searched for."""

    index: int
    path: str
    key: str


class SearchIndex:
    """The index in the vault's tables. ``connect`` as of an ``Opener``: the writer's role has no part in it."""

    def __init__(self, connect: Connect, keys: VaultKeys) -> None:
        self._connect = connect
        self._keys = keys

    def key(self, ledger: int) -> tuple[str, bytes]:
        """Id and clear bytes of a ledger's search key, made if there is none. Raises VaultError."""
        return self._keys.ensure(ledger, LEDGER_STREAM, SUBJECT)

    def key_id(self, ledger: int) -> str:
        """The id of that key. Nothing is wrapped or unwrapped for it, which may be another program's work."""
        found = [key.id for key in self._keys.keys_of(ledger, LEDGER_STREAM) if key.subject == SUBJECT]
        return found[0] if found else self.key(ledger)[0]

    def position(self, ledger: int, form: str) -> Position:
        """How far the index of a ledger is; ``form`` is that of one that is begun now."""
        while not (found := fetch(self._connect, "search_position", (ledger,))):
            fetch(self._connect, "search_begin", (ledger, form))
        return Position(*found[0])

    def add(self, ledger: int, at: Position, to: Position, rows: Sequence[Row]) -> bool:
        """Adds rows and moves from ``at`` to ``to``, both or neither; False where the index is elsewhere now.

        Nothing is added under a key that is gone, and none goes before what is added here is there to go with
        it. A crash before the commit leaves all as it was, one after it both.
        """
        parameters = {
            "ledger": ledger, "form": at.form, "from_size": at.size, "from_head": at.head,
            "size": to.size, "head": to.head, "unread": to.unread - at.unread,
            "held": sorted({row.key for row in rows}),
            "tokens": [row.token for row in rows], "indexes": [row.index for row in rows],
            "paths": [row.path for row in rows], "keys": [row.key for row in rows],
        }  # fmt: skip
        return bool(fetch(self._connect, "search_add", parameters)[0][0])

    def over(self, ledger: int, at: Position, form: str) -> bool:
        """Empties the index, to be made by ``form`` from the first entry on; False as of ``add``."""
        return bool(fetch(self._connect, "search_over", (form, ledger, *at[:3]))[0][0])

    def hits(
        self, ledger: int, wanted: bytes, first: int, end: int, gone: Collection[str], most: int
    ) -> tuple[Position | None, list[Hit]]:
        """Where the index is, and at that moment the fields under a token in the entries from ``first`` to
        before ``end``: of the first ``most`` of these entries, none under the keys ``gone``."""
        parameters = {
            "ledger": ledger, "token": wanted, "first": first, "end": end, "gone": list(gone), "most": most,
        }  # fmt: skip
        rows = fetch(self._connect, "search_hits", parameters)
        if not rows:
            return None, []
        return Position(*rows[0][:4]), [Hit(*row[4:]) for row in rows if row[4] is not None]
