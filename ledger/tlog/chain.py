"""Leaf hashes and the ``previous`` chain (RFC 6962 section 2.1 leaf prefix)."""

from __future__ import annotations

from hashlib import sha256

HASH_LENGTH = 32
GENESIS = bytes(HASH_LENGTH)
"""``previous`` of entry 0: 32 zero bytes."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(00 ‖ entry bytes), 32 bytes: RFC 6962 section 2.1, so that chain and tree share one hash."""
    return sha256(b"\x00" + entry).digest()
