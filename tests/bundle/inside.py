"""Attacks on the archive, the manifest, the entries and their container."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from ledger.bundle import container
from ledger.bundle.manifest import Subject, proof_name
from ledger.codec.avro import encode_long
from tests.bundle.forge import (
    CLEAN,
    INCOMPLETE,
    MALFORMED,
    TAMPERED,
    Members,
    Mutation,
    changed,
    flipped,
    held,
    members,
    sealed,
    with_entries,
    zipped,
)
from tests.bundle.made import BIG, OTHER_CASE, SIZE, WHOLE, Log, golden, log


def _archives() -> Iterator[Mutation]:
    whole = golden()["range"]
    files = [*members(whole).items()]
    manifest = ("manifest.json", members(whole)["manifest.json"])
    yield Mutation("nothing at all", b"", INCOMPLETE)
    yield Mutation("not a zip", b"this is not a bundle", MALFORMED)
    yield Mutation("cut by one byte", whole[:-1], INCOMPLETE)
    yield Mutation("cut in the middle", whole[: len(whole) // 2], INCOMPLETE)
    yield Mutation("cut before the directory", whole[: whole.index(b"PK\x01\x02")], INCOMPLETE)
    yield Mutation("a byte behind the end", whole + b"\x00", MALFORMED)
    yield Mutation("another archive behind the end", whole + golden()["case"], MALFORMED)
    yield Mutation("a byte before the beginning", b"\x00" + whole, MALFORMED)
    yield Mutation("a member's size lies", _size_lies(whole), MALFORMED)
    yield Mutation("a member named twice", zipped([files[0], *files]), MALFORMED)
    yield Mutation("a member that bundles do not have", zipped([("run.me", b""), *files]), MALFORMED)
    yield Mutation("a member above the folder", zipped([("../../evil", b"x"), *files]), MALFORMED)
    yield Mutation("a member with a root path", zipped([("/etc/evil", b"x"), *files]), MALFORMED)
    yield Mutation("members in another order", zipped([files[1], files[0], *files[2:]]), MALFORMED)
    yield Mutation("no manifest", zipped(files[:-1]), INCOMPLETE)
    yield Mutation("only a manifest", zipped([manifest]), INCOMPLETE)
    yield Mutation("bytes between members", _bytes_between(whole), MALFORMED)
    yield Mutation("compressed, a bomb perhaps", _compressed(whole), MALFORMED)
    yield Mutation("a comment of the archive", _commented(whole), MALFORMED)
    yield Mutation("a byte of an entry turned", flipped(whole, whole.index(b"\xc3\x01") + 40), TAMPERED)
    yield Mutation("a CRC that is not of the bytes", _crc_lies(whole, "entries.avro"), TAMPERED)
    yield Mutation("a CRC that is not of the manifest", _crc_lies(whole, "manifest.json"), TAMPERED)
    yield Mutation("a header with another time than the directory", flipped(whole, 12), MALFORMED)
    both = dict([files[1], files[0], *files[2:]])
    yield Mutation("members in another order, the manifest to fit", sealed(both), MALFORMED)
    yield Mutation("a CRC turned", flipped(whole, 14), MALFORMED)


def _size_lies(data: bytes) -> bytes:
    """The first member is said to be a byte shorter, in its header and in the directory."""
    size = len(members(data)["checkpoint"])
    for mark, offset in ((b"PK\x03\x04", 18), (b"PK\x01\x02", 20)):
        at = data.index(mark) + offset
        data = data[:at] + (size - 1).to_bytes(4, "little") * 2 + data[at + 8 :]
    return data


def _crc_lies(data: bytes, name: str) -> bytes:
    """Header and directory state another CRC-32 of a member than its bytes have."""
    for mark, names, crc in ((b"PK\x03\x04", 30, 14), (b"PK\x01\x02", 46, 16)):
        at = 0
        while data[(at := data.index(mark, at)) + names :][: len(name)] != name.encode():
            at += 1
        data = flipped(data, at + crc)
    return data


def _bytes_between(data: bytes) -> bytes:
    """Something hidden between the last member and the directory."""
    at = data.index(b"PK\x01\x02")
    end = data[-22:]
    offset = int.from_bytes(end[16:20], "little") + 4
    return data[:at] + b"hide" + data[at:-22] + end[:16] + offset.to_bytes(4, "little") + end[20:]


def _compressed(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members(data).items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _commented(data: bytes) -> bytes:
    return data[:-2] + b"\x05\x00hello"


def _manifests() -> Iterator[Mutation]:
    whole = golden()["range"]
    files = members(whole)
    said = files["manifest.json"]

    def other(text: bytes) -> bytes:
        return zipped([*changed(whole, **{"manifest.json": text}).items()])

    yield Mutation("manifest with spaces", other(said.replace(b'"entries":6', b'"entries": 6')), MALFORMED)
    yield Mutation("manifest with a field twice", other(b'{"basis":null,' + said[1:]), MALFORMED)
    yield Mutation("manifest with a field more", other(said[:-1] + b',"zz":1}'), MALFORMED)
    yield Mutation("manifest without its count", other(said.replace(b'"entries":6,', b"")), MALFORMED)
    yield Mutation("manifest that is no JSON", other(b"entries: 6"), MALFORMED)
    yield Mutation("manifest of another format", other(said.replace(b"v1.Evid", b"v2.Evid")), MALFORMED)
    yield Mutation("changed manifest: another digest", other(_digest_turned(said)), TAMPERED)
    yield Mutation("changed manifest: more entries", sealed(files, entries=7), INCOMPLETE)
    yield Mutation("changed manifest: fewer entries", sealed(files, entries=5), TAMPERED)
    yield Mutation("changed manifest: another root", sealed(files, root="00" * 32), TAMPERED)
    yield Mutation("changed manifest: another size", sealed(files, size=SIZE + 1), TAMPERED)
    yield Mutation("changed manifest: another origin", sealed(files, origin="example.org/x"), TAMPERED)
    wider = Subject("range", start=3, end=10)
    yield Mutation("changed manifest: a wider range", sealed(files, subject=wider), INCOMPLETE)
    moved = Subject("range", start=4, end=10)
    yield Mutation("changed manifest: a range moved on", sealed(files, subject=moved), TAMPERED)
    yield Mutation("changed manifest: it is all", sealed(files, subject=WHOLE), INCOMPLETE)
    beyond = Subject("range", start=3, end=SIZE + 1)
    yield Mutation("changed manifest: a range beyond the end", sealed(files, subject=beyond), MALFORMED)
    yield Mutation("changed manifest: fewer disclosures", sealed(files, disclosures=3), TAMPERED)
    yield Mutation("changed manifest: more disclosures", sealed(files, disclosures=5), INCOMPLETE)


def _digest_turned(said: bytes) -> bytes:
    at = said.index(b'"sha256":"') + 10
    return said[:at] + (b"0" if said[at : at + 1] != b"0" else b"1") + said[at + 1 :]


def _entries() -> Iterator[Mutation]:
    """What is done to the entries; one who attacks makes every digest and count fit."""
    whole, range_ = golden()["ledger"], golden()["range"]
    entries = held(range_)
    shorter = Subject("range", start=3, end=8)
    yield Mutation("missing last entry", with_entries(range_, entries[:-1], entries=6), INCOMPLETE)
    yield Mutation(
        "missing last entry, range and proof to fit", _shorter(range_, entries[:-1], shorter), TAMPERED
    )
    yield Mutation(
        "missing middle entry", with_entries(range_, [*entries[:2], *entries[3:]], entries=6), INCOMPLETE
    )
    gone = [*entries[:2], *entries[3:]]
    yield Mutation(
        "missing middle entry, counts to fit", with_entries(range_, gone, subject=shorter), INCOMPLETE
    )
    renumbered = [(3 + at, each) for at, (_, each) in enumerate(gone)]
    yield Mutation(
        "missing middle entry, indexes to fit", with_entries(range_, renumbered, subject=shorter), TAMPERED
    )
    swapped = [(index, entries[at][1]) for (index, _), at in zip(entries, (0, 2, 1, 3, 4, 5), strict=True)]
    yield Mutation("entry swapped with another", with_entries(range_, swapped), TAMPERED)
    yield Mutation("entries in another order", with_entries(range_, [*entries[1:], entries[0]]), INCOMPLETE)
    twice = [*entries[:3], entries[2], *entries[4:]]
    yield Mutation("an entry twice in the place of another", with_entries(range_, twice), TAMPERED)
    for at in (0, 2, 5):
        index, entry = entries[at]
        altered = [*entries]
        altered[at] = index, flipped(entry, len(entry) - 3)
        yield Mutation(f"altered entry {index}", with_entries(range_, altered), TAMPERED)
    altered = [*entries]
    altered[3] = 6, flipped(entries[3][1], 30)
    yield Mutation("altered entry, header", with_entries(range_, altered), TAMPERED)
    altered[3] = 6, entries[3][1] + b"\x00"
    yield Mutation("a byte behind an entry", with_entries(range_, altered), TAMPERED)
    forged = Log.of(SIZE, offset=1)
    yield Mutation("a ledger forged whole", with_entries(whole, [*enumerate(forged.entries)]), TAMPERED)
    other = Log.of(SIZE, origin="golden.example.vic.gov.au/other")
    yield Mutation("entries of another ledger", with_entries(whole, [*enumerate(other.entries)]), TAMPERED)
    big = log(BIG).bundle(WHOLE)
    yield Mutation("a bundle of several blocks", big, CLEAN)
    yield from _containers(big)


def _shorter(data: bytes, entries: Sequence[tuple[int, bytes]], subject: Subject) -> bytes:
    """A range that is said to end earlier, with the last entry's proof under the name of the new last one."""
    files: Members = {}
    for name, content in members(data).items():
        new = proof_name(entries[-1][0]) if name.startswith("proofs/") else name
        files[new] = content.replace(b"index 8\n", b"index 7\n") if name.startswith("proofs/") else content
    files["entries.avro"] = b"".join(container.written(entries))
    return sealed(files, entries=len(entries), subject=subject)


def _containers(big: bytes) -> Iterator[Mutation]:
    """What is done to the container, digests to fit."""
    data = members(big)["entries.avro"]
    blocks = data.split(container.SYNC)

    def other(content: bytes, **manifest: Any) -> bytes:
        return sealed(changed(big, **{"entries.avro": content}), **manifest)

    yield Mutation("container cut inside a block", other(data[: len(data) - 400]), INCOMPLETE)
    yield Mutation("container cut inside a block, count to fit", other(data[:-400], entries=2000), INCOMPLETE)
    yield Mutation(
        "container cut between blocks", other(container.SYNC.join(blocks[:3]) + container.SYNC), INCOMPLETE
    )
    two = container.SYNC.join(blocks[:3]) + container.SYNC
    yield Mutation("container cut between blocks, count to fit", other(two, entries=2000), INCOMPLETE)
    again = data + blocks[3] + container.SYNC
    yield Mutation("container with an extra block", other(again), MALFORMED)
    first = two + blocks[2] + container.SYNC + blocks[3] + container.SYNC
    yield Mutation("container with a block twice", other(first), TAMPERED)
    yield Mutation("container with blocks swapped", other(_joined(blocks, 0, 2, 1, 3)), INCOMPLETE)
    yield Mutation("container with another sync marker", other(data[:-1] + b"\x00"), MALFORMED)
    yield Mutation("container with another header", other(data.replace(b"null", b"nill", 1)), MALFORMED)
    yield Mutation("container without blocks", other(container.HEADER), INCOMPLETE)
    yield Mutation("container cut in its header", other(container.HEADER[:20]), INCOMPLETE)
    wrong = blocks[1][:2] + flipped(blocks[1], 2)[2:]
    yield Mutation(
        "container with a length that lies",
        other(_joined([blocks[0], wrong, *blocks[2:]], 0, 1, 2, 3)),
        MALFORMED,
    )
    padded = blocks[3][:2] + encode_long(len(blocks[3]) - 5 + 1) + blocks[3][5:] + b"\x00"
    yield Mutation(
        "bytes behind the entries of a block", other(_joined([*blocks[:3], padded], 0, 1, 2, 3)), MALFORMED
    )
    missing = held(big)
    gone = missing[:1500] + missing[1501:]
    yield Mutation("an entry missing in the second block", with_entries(big, gone, entries=BIG), INCOMPLETE)
    altered = missing[:]
    altered[1999] = 1999, flipped(missing[1999][1], len(missing[1999][1]) - 2)
    yield Mutation("altered entry at the end of a block", with_entries(big, altered), TAMPERED)


def _joined(blocks: Sequence[bytes], *order: int) -> bytes:
    return b"".join(blocks[at] + container.SYNC for at in order)


def _cases() -> Iterator[Mutation]:
    case, register = golden()["case"], golden()["register"]
    entries = held(case)
    made = log()
    other = made.entries[1]
    yield Mutation("case with an entry of another case", _with_proof(case, 1, other), TAMPERED)
    yield Mutation(
        "case said to be another", sealed(members(case), subject=Subject("case", stream=OTHER_CASE)), TAMPERED
    )
    yield Mutation("case without its first entry", _without(case, entries, 0), INCOMPLETE)
    yield Mutation("case without a middle entry", _without(case, entries, 2), INCOMPLETE)
    yield Mutation(
        "register without an entry, count as it was",
        with_entries(register, held(register)[:2], entries=3),
        INCOMPLETE,
    )
    yield Mutation(
        "register with an entry altered", with_entries(register, _last_flipped(held(register))), TAMPERED
    )
    backwards = held(register)[::-1]
    yield Mutation("register with its entries backwards", with_entries(register, backwards), TAMPERED)


def _last_flipped(entries: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    index, entry = entries[-1]
    return [*entries[:-1], (index, flipped(entry, len(entry) - 3))]


def _without(data: bytes, entries: Sequence[tuple[int, bytes]], at: int) -> bytes:
    """A case without one of its entries and its proof; counts fit."""
    files = changed(data, **{proof_name(entries[at][0]): None})
    left = [*entries[:at], *entries[at + 1 :]]
    files["entries.avro"] = b"".join(container.written(left))
    return sealed(files, entries=len(left))


def _with_proof(data: bytes, index: int, entry: bytes) -> bytes:
    """A case with a true entry of the same ledger put in, and its true proof."""
    entries = sorted([*held(data), (index, entry)])
    files: Members = {}
    for name, content in members(data).items():
        if name == proof_name(2):
            files[proof_name(index)] = bytes(log().prove(index))
        files[name] = content
    files["entries.avro"] = b"".join(container.written(entries))
    return sealed(files, entries=len(entries))


ALL = (_archives, _manifests, _entries, _cases)
