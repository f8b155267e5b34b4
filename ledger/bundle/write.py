"""Writing an evidence bundle, in the one form that it has; entries pass through, none is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from ledger.bundle import container, disclosures
from ledger.bundle.archive import Writer
from ledger.bundle.disclosures import Disclosure
from ledger.bundle.manifest import (
    CHECKPOINT,
    CONSISTENCY,
    DISCLOSURES,
    ENTRIES,
    KEYS,
    MANIFEST,
    POLICY,
    SINCE,
    Basis,
    Manifest,
    Subject,
    history_name,
    proof_name,
    schema_name,
    times_names,
)
from ledger.codec.avro import FRAME
from ledger.codec.entry import ENTRY_FRAME, decode_fields
from ledger.codec.registry import Registry, render
from ledger.errors import InvalidInput
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.note import Note, VerifierKey
from ledger.tlog.proof import ConsistencyProof, InclusionProof


class TimesOf(NamedTuple):
    """What tells times, of a checkpoint of a size: itself, if it is not the bundle's own, and a time stamp."""

    size: int
    note: bytes | None = None
    """As witnesses cosigned it."""
    proof: ConsistencyProof | None = None
    """That the bundle's checkpoint goes on from it."""
    stamp: bytes | None = None
    """An authority's response (RFC 3161) of its text."""


@dataclass(frozen=True, slots=True)
class Content:
    """What goes into a bundle."""

    note: bytes
    """The checkpoint as published."""
    subject: Subject
    entries: Iterable[tuple[int, bytes]]
    """(index, stored bytes) in order of the index; asked for once."""
    prove: Callable[[int], InclusionProof]
    """That the entry of an index is in the tree of that checkpoint."""
    schemas: Registry
    keys: Sequence[VerifierKey] = ()
    policy: bytes | None = None
    since: tuple[bytes, ConsistencyProof] | None = None
    """An earlier checkpoint's note, and that the newer one goes on from it."""
    history: Sequence[tuple[int, bytes]] = ()
    """Entries that tell of the log's keys, by index, which are not among ``entries``."""
    attachments: Sequence[tuple[str, Iterable[bytes]]] = ()
    """Name and content of files that are disclosed, in the order of the archive; asked for once."""
    times: Sequence[TimesOf] = ()
    """By size."""
    disclosures: Sequence[Disclosure] = ()
    basis: Basis | None = None


@dataclass(slots=True)
class _Passed:
    """What was seen of the entries on their way."""

    count: int = 0
    last: int = -1
    indexes: list[int] = field(default_factory=list)
    used: set[bytes] = field(default_factory=set)


def write(file: BinaryIO, content: Content) -> Manifest:
    """Writes a bundle to a file that can be sought in, from where it stands; gives its manifest.

    A crash in here leaves a file that no verifier takes. Raises InvalidInput where there is no entry, or more
    than a bundle can hold; UnknownSchema for an entry newer than this version; CodecError, and what the
    entries and proofs raise where they are read.
    """
    said = Checkpoint.parse(Note.parse(content.note).text)
    archive, passed = Writer(file), _Passed()
    archive.add(CHECKPOINT, [content.note])
    if content.since is not None:
        archive.add(SINCE, [content.since[0]])
        archive.add(CONSISTENCY, [bytes(content.since[1])])
    if content.policy is not None:
        archive.add(POLICY, [content.policy])
    if content.keys:
        archive.add(KEYS, ["".join(f"{each}\n" for each in content.keys).encode()])
    if content.disclosures:
        archive.add(DISCLOSURES, [disclosures.encode(content.disclosures)])
    dense = content.subject.dense
    archive.add(ENTRIES, container.written(_passing(content.entries, passed, dense)))
    if not passed.count:
        raise InvalidInput("bundle", "at least one entry", "none")
    for index in [passed.last] if dense else passed.indexes:
        archive.add(proof_name(index), [bytes(content.prove(index))])
    told = {decode_fields(entry)[-1][2:FRAME] for _, entry in content.history}
    for name, text in sorted(_schemas(content.schemas, passed.used | told).items()):
        archive.add(name, [text.encode()])
    for size, note, proof, stamp in content.times:
        names = times_names(size)
        if note is not None and proof is not None:
            archive.add(names.checkpoint, [note])
            archive.add(names.consistency, [bytes(proof)])
        if stamp is not None:
            archive.add(names.stamp, [stamp])
    for index, entry in content.history:
        archive.add(history_name(index), [entry])
    for name, chunks in content.attachments:
        archive.add(name, chunks)
    manifest = Manifest(
        origin=said.origin,
        size=said.size,
        root=said.root.hex(),
        subject=content.subject,
        entries=passed.count,
        disclosures=len(content.disclosures),
        basis=content.basis,
        files=tuple(archive.digests),
    )
    archive.add(MANIFEST, [bytes(manifest)])
    archive.close()
    return manifest


def _passing(entries: Iterable[tuple[int, bytes]], passed: _Passed, dense: bool) -> Iterator[tuple[int, bytes]]:
    for index, entry in entries:
        passed.used.add(decode_fields(entry)[-1][2:FRAME])
        passed.count, passed.last = passed.count + 1, index
        if not dense:
            passed.indexes.append(index)
        yield index, entry


def _schemas(registry: Registry, used: set[bytes]) -> dict[str, str]:
    """Text by file name: of the entry, of the container's record, and of every payload."""
    found = {}
    wanted = {ENTRY_FRAME[2:], registry.writer(container.NAME).fingerprint, *used}
    for fingerprint in wanted:
        writer = registry.of(fingerprint)
        found[schema_name(writer.name, fingerprint)] = render(writer.schema)
    return found
