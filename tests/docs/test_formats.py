"""What ``schemas/README.md`` says of the bytes, done by hand and held against the code."""

from __future__ import annotations

import hashlib
import hmac
import re

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.codec.commitment import commitment
from ledger.codec.entry import ENTRY_FRAME, MAX_ENTRY, entry_schema
from ledger.domain.case import command_table
from ledger.tlog.chain import GENESIS, leaf_hash
from ledger.vault.sealing import pack
from tests.docs.generate import ROOT

PAGE = (ROOT / "schemas" / "README.md").read_text("utf-8")


def section(heading: str) -> str:
    """The text under a heading."""
    return PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_the_table_of_the_entry_names_its_fields_in_order() -> None:
    shown = re.findall(r"^\| `(\w+)` \|", section("The entry: `ledger.v1.Entry`"), re.MULTILINE)
    assert shown == [field["name"] for field in entry_schema()["fields"]]
    assert f"{MAX_ENTRY:,} bytes" in PAGE


def test_the_named_streams_are_those_of_the_commands() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `stream` |"))
    shown = set(re.findall(r"`(\w+)`", row)) - {"stream"}
    assert shown == {spec.stream for specs in command_table().values() for spec in specs if spec.stream}


def test_frame_and_leaf_hash_are_as_described() -> None:
    assert ENTRY_FRAME[:2] == bytes.fromhex("C301")
    assert leaf_hash(b"entry") == hashlib.sha256(b"\x00entry").digest()
    assert bytes(32) == GENESIS


def test_a_commitment_is_the_mac_described() -> None:
    salt, path, value = bytes(range(32)), b"parties.0.name", b"\x08Noah"
    said = b"ledger.v1.Sealed\x00" + len(path).to_bytes(2, "big") + path + value
    assert commitment(salt, path.decode(), value) == hmac.new(salt, said, hashlib.sha256).digest()


def test_a_vault_row_opens_as_described() -> None:
    key, nonce = b"k" * 32, b"n" * 12
    fields = [(b"c" * 32, b"s" * 32, b"one"), (b"d" * 32, b"t" * 32, b"three")]
    row = pack(AESGCM(key), fields, nonce)
    plain = AESGCM(key).decrypt(row[:12], row[12:], b"c" * 32 + b"d" * 32)
    assert plain == b"s" * 32 + b"\0\0\0\x03one" + b"t" * 32 + b"\0\0\0\x05three"
