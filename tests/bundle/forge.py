"""What one who attacks a bundle works with: its files, and an archive made of others whose digests fit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import fastavro

from ledger.bundle import container
from ledger.bundle.archive import Writer
from ledger.bundle.manifest import Manifest
from tests.bundle.made import trusted

CLEAN, WRONG_INPUT, CANNOT_RUN, MALFORMED, TAMPERED, UNTRUSTED, INCOMPLETE = 0, 2, 6, 7, 8, 9, 11

Members = dict[str, bytes]


@dataclass(frozen=True)
class Mutation:
    """A bundle, its verdict, and what its verifier holds: keys, a policy, an earlier checkpoint, entries."""

    name: str
    data: bytes
    code: int
    keys: Sequence[str] = tuple(map(str, trusted()))
    policy: bytes | None = None
    kept: bytes | None = None
    history: Sequence[bytes] = ()


def members(data: bytes) -> Members:
    """The files of a bundle in their order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Sequence[tuple[str, bytes]]) -> bytes:
    """An archive of these files, whatever they are."""
    out = io.BytesIO()
    archive = Writer(out)
    for name, data in files:
        archive.add(name, [data])
    archive.close()
    return out.getvalue()


def sealed(files: Members, **changed: Any) -> bytes:
    """A bundle of these files whose manifest fits them, as one who attacks makes it, with fields changed."""
    out = io.BytesIO()
    archive = Writer(out)
    for name, data in files.items():
        if name != "manifest.json":
            archive.add(name, [data])
    manifest = replace(Manifest.parse(files["manifest.json"]), files=tuple(archive.digests), **changed)
    archive.add("manifest.json", [bytes(manifest)])
    archive.close()
    return out.getvalue()


def changed(data: bytes, **files: bytes | None) -> Members:
    """The files of a bundle with some in the place of others; None takes one out."""
    found = members(data)
    for name, content in files.items():
        if content is None:
            del found[name]
        else:
            found[name] = content
    return found


def held(data: bytes) -> list[tuple[int, bytes]]:
    """The entries of a bundle."""
    return [
        (each["index"], each["entry"]) for each in fastavro.reader(io.BytesIO(members(data)["entries.avro"]))
    ]


def with_entries(data: bytes, held: Sequence[tuple[int, bytes]], **manifest: Any) -> bytes:
    """A bundle with other entries, its digests and counts to fit."""
    files = changed(data, **{"entries.avro": b"".join(container.written(held))})
    return sealed(files, **{"entries": len(held), **manifest})


def flipped(data: bytes, at: int) -> bytes:
    """The bytes with a bit of one of them turned."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
