"""``disclosures.json``: sealed fields that were opened for whom the bundle is, each checked by itself.

A list of {index, path, value, salt}, by index and path. The value of a text stands as it is, a number in
decimal, bytes in base64; the salt in hexadecimal. Of an attachment's content (path ``<field>.content``) the
value is the name of its file in the bundle. What is not in the list stays sealed: nothing of it can be told.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ledger.bundle.archive import Archive
from ledger.bundle.manifest import DISCLOSURES, MOST, canonical, content_name, parse_canonical
from ledger.bundle.schemas import Sealing, Texts, read_payload, sealed_at
from ledger.codec.avro import encode_bytes, encode_long, encode_string
from ledger.codec.commitment import REASON_PATH, SALT_BYTES, commitment, committing
from ledger.codec.declare import Sealed
from ledger.codec.entry import decode_entry
from ledger.errors import Altered, CodecError, Incomplete
from ledger.tlog.note import decode_base64

MOST_BYTES = 1 << 26
_SALT = re.compile(f"[0-9a-f]{{{2 * SALT_BYTES}}}")
_NUMBER = re.compile("0|-?[1-9][0-9]{0,18}")
_FIELDS = {"index", "path", "value", "salt"}


@dataclass(frozen=True, slots=True, order=True)
class Disclosure:
    """An opened field: of which entry, where in it, what it held, and the salt that shows it."""

    index: int
    path: str
    value: str
    salt: bytes


def encode(disclosures: Iterable[Disclosure]) -> bytes:
    """The file. Raises InvalidInput."""
    return canonical([{**asdict(each), "salt": each.salt.hex()} for each in sorted(disclosures)])


def parse(data: bytes) -> Mapping[int, Sequence[Disclosure]]:
    """By index, the disclosures of a file. Raises CodecError."""
    said = parse_canonical(data, DISCLOSURES)
    if not isinstance(said, list) or not said:
        raise CodecError(f"{DISCLOSURES}: expected a list that is not empty")
    found: dict[int, list[Disclosure]] = defaultdict(list)
    last = (-1, "")
    for each in said:
        one = _one(each)
        here = one.index, one.path
        if here <= last:
            raise CodecError(f"{DISCLOSURES}: expected them by index and path, each once")
        last = here
        found[one.index].append(one)
    return found


def _one(said: Any) -> Disclosure:
    if not isinstance(said, dict) or set(said) != _FIELDS:
        raise CodecError(f"{DISCLOSURES}: expected objects of {', '.join(sorted(_FIELDS))}")
    index, path, value, salt = (said[name] for name in ("index", "path", "value", "salt"))
    if type(index) is not int or not 0 <= index <= MOST:
        raise CodecError(f"{DISCLOSURES}: index: expected a number from 0 to {MOST}")
    if not isinstance(path, str) or not 0 < len(path.encode()) <= 0xFFFF or not isinstance(value, str):
        raise CodecError(f"{DISCLOSURES}: entry {index}: expected a path and a value in text")
    if not isinstance(salt, str) or _SALT.fullmatch(salt) is None:
        raise CodecError(f"{DISCLOSURES}: entry {index}: salt: expected {2 * SALT_BYTES} hexadecimal digits")
    return Disclosure(index, path, value, bytes.fromhex(salt))


def check(archive: Archive, entry: bytes, texts: Texts, disclosures: Iterable[Disclosure]) -> int:
    """Checks that an entry's fields held these values: each one's commitment is of path, value and salt.

    Gives how many of them are files. Raises Altered where one is not, Incomplete for a file that is not there,
    CodecError for a path or a form of value that the field cannot have.
    Left to the caller: that the entry is in the tree, and that its payload reads.
    """
    found = decode_entry(entry)
    _, schema, payload = read_payload(texts, found.event, found.payload)
    files = 0
    for each in disclosures:
        path, where = each.path, f"{DISCLOSURES}: entry {each.index}: {each.path[:80]}"
        if path == REASON_PATH and found.corrects is not None and isinstance(found.corrects.reason, Sealed):
            sealing = Sealing("string", found.corrects.reason.commitment)
        else:
            sealing = sealed_at(schema, payload, path)
        if sealing.length is not None:
            files += 1
            made = _committed(archive, each, sealing.length, where)
        else:
            made = commitment(each.salt, path, _encoded(sealing.kind, each.value, where))
        if made != sealing.commitment:
            raise Altered(f"{where}: this value and salt are not what the entry commits to")
    return files


def _committed(archive: Archive, disclosure: Disclosure, length: int, where: str) -> bytes:
    """The commitment that a file in the bundle has, read in pieces."""
    name = content_name(disclosure.index, disclosure.path)
    if disclosure.value != name:
        raise CodecError(f"{where}: expected the file {name}, got {disclosure.value[:80]!r}")
    member = archive.members.get(name)
    if member is None:
        raise Incomplete(f"{name} is not in the bundle")
    if member.size != length:
        raise Altered(f"{name}: expected the {length} bytes that the entry states, got {member.size}")
    made = committing(disclosure.salt, disclosure.path, length)
    for chunk in archive.source.chunks(member.at, member.size):
        made.update(chunk)
    return made.digest()


def _encoded(kind: str, value: str, where: str) -> bytes:
    """Avro binary of a disclosed value in the type that the schema declares."""
    match kind:
        case "string":
            return encode_string(value)
        case "long" if _NUMBER.fullmatch(value):
            return encode_long(int(value))
        case "bytes":
            return encode_bytes(decode_base64(value, where))
    raise CodecError(f"{where}: expected a value of type {kind[:40]}")
