"""Verification of an evidence bundle: offline, with the keys and the policy of whoever verifies.

Steps, in this order; the first fault ends it (docs/bundle.md says them in words):

(1) the archive is whole and in its one form; (2) the manifest is read; (3) the files are those that it names,
by size and SHA-256; (4) the checkpoint is signed by a trusted key of its log, or one that those lead to (by no
statement that the history of the verifier lacks), at a size at which it signs, is the one of the manifest, and
enough witnesses cosigned it; (5) every schema is the one that its name says; (6) the container's blocks are
whole, with as many entries as the manifest says; (7)
each entry is one of this log, in its place; (8) it names the leaf hash before it (ledger, range), or is the
next of its case (case), and its payload reads by its schema; (9) what is disclosed is what entries commit to;
(10) no schema and no disclosure is left over; (11) the tree of the checkpoint holds them: the last one
(ledger, range) or each (case, register) is proven, and of a whole ledger the root is computed again; (12) the
checkpoint goes on from the earlier one in the bundle, and from the one that the verifier kept, and is not of
another history than the one that it saw last; (13) it goes on
from each cosigned one in ``times/``, and what trusted witnesses say there is what they signed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.bundle import container
from ledger.bundle import disclosures as opened
from ledger.bundle.archive import Archive, Source
from ledger.bundle.changes import changes_of, history_of, key_entries
from ledger.bundle.container import Block, blocks_of
from ledger.bundle.entries import Part, Work, check_blocks, check_history, follows
from ledger.bundle.manifest import (
    CHECKPOINT,
    CONSISTENCY,
    DISCLOSURES,
    ENTRIES,
    KEYS,
    LEDGER,
    MANIFEST,
    POLICY,
    RANGE,
    SINCE,
    Manifest,
    content_named,
    place,
    proof_name,
    proof_named,
    schema_named,
)
from ledger.bundle.schemas import MOST_BYTES as MOST_SCHEMA
from ledger.bundle.schemas import Schema, Texts, check_schema
from ledger.bundle.times import Seen, Stretch, seen, sizes_of
from ledger.codec.entry import ENTRY_FRAME
from ledger.codec.registry import registry
from ledger.errors import Altered, CodecError, Incomplete, ProofFailed, Tampered
from ledger.ranges import in_order
from ledger.tlog import merkle, note
from ledger.tlog.brackets import any_witness
from ledger.tlog.chain import GENESIS
from ledger.tlog.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tlog.keyhistory import Change, Keys, merged
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from ledger.tlog.proof import ConsistencyProof, InclusionProof, compared

if TYPE_CHECKING:
    from ledger.tlog.stamp import Roots

MOST_MANIFEST = 1 << 25
BLOCKS = 16
"""Blocks that a process checks at a time."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of a bundle in which nothing is wrong."""

    manifest: Manifest
    signed: SignedCheckpoint
    first: int
    last: int
    recorded: tuple[datetime, datetime]
    """When the first and the last entry got their places, by the operator's clock."""
    versions: tuple[int, int] | None
    """Of a case: its first and its last version here."""
    disclosures: Sequence[opened.Disclosure]
    since: SignedCheckpoint | None
    """The earlier checkpoint in the bundle, from which the newer one was proven to go on."""
    kept: Checkpoint | None
    """The one that the verifier kept, likewise."""
    unknown: Sequence[str]
    """Schemas that this program does not know: their texts are only what the bundle says they are."""
    policy: bool
    """Whether a policy of the verifier's was asked for."""
    untold: bool
    """Whether several keys of the log were given, and nothing but the bundle told at which sizes they sign."""
    times: Sequence[Seen]
    """Between which times entries appeared, by witnesses: of a case or register each, else where it differs.

    Empty where nobody trusted has spoken.
    """
    unjudged: int
    """Time stamps in the bundle that were not judged: no roots were given."""
    shown: Sequence[Checkpoint]
    """Earlier checkpoints of the log that the bundle shows its own to go on from."""


def verify(
    bundle: Path | bytes,
    keys: Iterable[VerifierKey],
    policy: Policy | None = None,
    from_checkpoint: bytes | None = None,
    *,
    history: Iterable[Change] = (),
    roots: Roots = (),
    seen_last: Callable[[str], Checkpoint | None] = lambda _: None,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Verified:
    """Checks a bundle, a file or its bytes.

    ``keys``: of the log and its witnesses, from another hand than the bundle; those in it are not believed.
    ``policy``: whose logs' keys count too, and how many witnesses must have cosigned. ``from_checkpoint``: the
    signed note that the verifier kept from earlier. ``history``: changes of the log's keys that the verifier
    holds, all of them up to the last: what the bundle tells counts only after it. ``roots``: of authorities
    whose time stamps (RFC 3161) count. ``seen_last``: gives the checkpoint that the verifier saw last of a log,
    by origin: it must be of the same history as far as the bundle shows its size.
    ``progress(done, all)``, in entries.

    Raises Incomplete, CodecError, Altered, Tampered, ProofFailed, Untrusted, Unavailable. Left to whoever
    verifies: that the keys are the log's, and what no bundle shows (docs/bundle.md).
    """
    archive = Archive(Source(bundle))
    manifest = _manifest(archive)
    trusted = [*keys, *(() if policy is None else policy.keys)]
    history = [*history]
    changes, held = _changes(archive, manifest, history)
    known = Keys(trusted, manifest.origin, changes)
    known.require_between(history)
    signed = _checkpoint(archive, manifest, known, policy)
    schemas = _schemas(archive)
    blocks = _blocks(archive, manifest)
    disclosed = _disclosures(archive, manifest)
    kept = None if from_checkpoint is None else _kept(from_checkpoint, manifest, known)
    found = _Run(archive, manifest, signed, schemas, disclosed, kept, seen_last(manifest.origin))
    found.entries(blocks, processes, progress)
    found.nothing_left_over(schemas, held)
    found.tree()
    return found.done(
        _since(archive, signed, known), known, policy, roots, schemas, untold=known.untold(history)
    )


def _manifest(archive: Archive) -> Manifest:
    """(2) and (3)."""
    manifest = Manifest.parse(archive.read(MANIFEST, MOST_MANIFEST))
    named = [each.name for each in manifest.files]
    if sorted(set(named), key=place) != named:
        raise CodecError(f"{MANIFEST}: files: expected each file once, in the order that bundles have")
    missing = [name for name in named if name not in archive.members]
    if missing:
        raise Incomplete(f"{missing[0]} is not in the bundle")
    if archive.names != [*named, MANIFEST]:
        raise CodecError("archive: expected the files that the manifest names, in its order, and then itself")
    for each in manifest.files:
        if archive.digest(archive.members[each.name]) != each:
            raise Altered(f"{each.name}: it does not have the size and the SHA-256 that the manifest states")
    return manifest


def _changes(
    archive: Archive, manifest: Manifest, history: Iterable[Change]
) -> tuple[list[Change], Collection[int]]:
    """What is stated of the log's keys, in order: a statement counts by its signature, whoever hands it on.

    And the indexes of the entries on keys that the bundle is of. What is missing or malformed states nothing
    here, and ends it below: of a whole ledger, none of those that were proven is passed over.
    """
    found: list[Change] = []
    entries: Mapping[int, bytes] = {}
    with suppress(Altered, CodecError, Incomplete):
        member = archive.members.get(ENTRIES)
        if member is not None:
            entries = key_entries(archive.source, blocks_of(archive.source, member), manifest.origin)
        told = {**dict(history_of(archive)), **entries}
        found.extend(changes_of(told, _texts(_schemas(archive)) if told else {}))
    return merged(history, found), entries.keys()


def _checkpoint(archive: Archive, manifest: Manifest, known: Keys, policy: Policy | None) -> SignedCheckpoint:
    """(4)."""
    signed = known.open(archive.read(CHECKPOINT, note.MOST_BYTES))
    said = signed.checkpoint
    if (said.origin, said.size, said.root.hex()) != (manifest.origin, manifest.size, manifest.root):
        raise Altered("the manifest names another checkpoint than the one in the bundle")
    known.require_added(signed)
    if policy is not None:
        policy.require(signed)
    # What the exporter trusts is read, so that what is no key and no policy is not called one; not believed.
    if KEYS in archive.members:
        _keys(archive.read(KEYS, note.MOST_BYTES))
    if POLICY in archive.members:
        Policy.parse(archive.read(POLICY, note.MOST_BYTES))
    return signed


def _keys(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if not text.endswith("\n"):
        raise CodecError(f"{KEYS}: expected a verifier key a line")
    for line in text[:-1].split("\n"):
        VerifierKey.parse(line)


def _schemas(archive: Archive) -> dict[bytes, Schema]:
    """(5), by fingerprint."""
    found: dict[bytes, Schema] = {}
    for name in archive.names:
        named = schema_named(name)
        if named is not None:
            found[named[1]] = check_schema(*named, archive.read(name, MOST_SCHEMA), name)
    return found


def _texts(schemas: Mapping[bytes, Schema]) -> Texts:
    return {each.fingerprint: (each.name, each.text) for each in schemas.values()}


def _blocks(archive: Archive, manifest: Manifest) -> list[Block]:
    """(6)."""
    member = archive.members.get(ENTRIES)
    if member is None:
        raise Incomplete(f"{ENTRIES} is not in the bundle")
    blocks = blocks_of(archive.source, member)
    count = sum(each.count for each in blocks)
    if count < manifest.entries:
        raise Incomplete(f"{ENTRIES}: the manifest states {manifest.entries} entries, {count} are there")
    if count > manifest.entries:
        raise Altered(f"{ENTRIES}: the manifest states {manifest.entries} entries, {count} are there")
    subject, size = manifest.subject, manifest.size
    expected: int | None = None
    if subject.kind == LEDGER:
        expected = size
    elif subject.start is not None and subject.end is not None:
        if not subject.start < subject.end <= size:
            raise CodecError(f"{MANIFEST}: expected a range that ends within {size} entries")
        expected = subject.end - subject.start
    if expected is not None and count != expected:
        wrong = Incomplete if count < expected else Altered
        raise wrong(f"{ENTRIES}: it is said to hold {expected} entries, {count} are there")
    return blocks


def _disclosures(archive: Archive, manifest: Manifest) -> Mapping[int, Sequence[opened.Disclosure]]:
    found: Mapping[int, Sequence[opened.Disclosure]] = {}
    if DISCLOSURES in archive.members:
        found = opened.parse(archive.read(DISCLOSURES, opened.MOST_BYTES))
    count = sum(map(len, found.values()))
    if count != manifest.disclosures:
        wrong = Incomplete if count < manifest.disclosures else Altered
        raise wrong(f"{DISCLOSURES}: the manifest states {manifest.disclosures} disclosures, {count} are there")
    return found


def _kept(data: bytes, manifest: Manifest, known: Keys) -> Checkpoint:
    kept = known.open(data).checkpoint
    if kept.origin != manifest.origin:
        raise ProofFailed(f"consistency: the kept checkpoint is of {kept.origin}, not of {manifest.origin}")
    if kept.size > manifest.size:
        raise ProofFailed(
            f"{manifest.origin}: {kept.size} entries were under the kept checkpoint, {manifest.size} are now"
        )
    return kept


def _since(archive: Archive, signed: SignedCheckpoint, known: Keys) -> SignedCheckpoint | None:
    """(12) of what is in the bundle."""
    there = [name for name in (SINCE, CONSISTENCY) if name in archive.members]
    if not there:
        return None
    before = known.open(archive.read(SINCE, note.MOST_BYTES))
    proof = ConsistencyProof.parse(archive.read(CONSISTENCY, note.MOST_BYTES))
    if proof.checkpoint != str(signed.note).encode():
        raise ProofFailed(f"{CONSISTENCY}: it leads to another checkpoint than the bundle's")
    proof.verify(before.checkpoint, known.of(proof.checkpoint))
    return before


class _Run:
    """Steps (7) to (13) of one bundle."""

    def __init__(
        self,
        archive: Archive,
        manifest: Manifest,
        signed: SignedCheckpoint,
        schemas: Mapping[bytes, Schema],
        disclosed: Mapping[int, Sequence[opened.Disclosure]],
        kept: Checkpoint | None,
        last: Checkpoint | None,
    ) -> None:
        self._archive = archive
        self._manifest = manifest
        self._signed = signed
        self._texts = _texts(schemas)
        self._disclosed = disclosed
        self._kept = kept
        self._seen_last = last
        self._roots: dict[int, bytes] = {}
        """Of a whole ledger: of the trees of the sizes that the verifier asks for."""
        self._tree = merkle.Frontier()
        self._used: set[bytes] = set()
        self._first: Part | None = None
        self._last = Part()
        self._opened = 0
        self._files = 0
        self._proven = 0
        self._stretches: list[Stretch] = []

    def entries(self, blocks: list[Block], processes: int | None, progress: Callable[[int, int], None]) -> None:
        """(7) to (9), and (11) where each entry has a proof."""
        subject, origin = self._manifest.subject, self._manifest.origin
        start = 0 if subject.kind == LEDGER else subject.start
        self._work = Work(
            self._archive.source, blocks, origin, start, subject.stream, self._texts,
            frozenset(self._disclosed), subject.kind != RANGE, sizes_of(self._archive),
        )  # fmt: skip
        done = 0
        # Where an entry comes with a proof of its own, they are few: not worth a process.
        workers = processes if subject.dense else 1
        for part in in_order(
            partial(check_blocks, self._work), range(0, len(blocks), BLOCKS), len(blocks), workers
        ):
            self._joined(part)
            for index, entry in part.disclosed:
                self._files += opened.check(self._archive, entry, self._texts, self._disclosed[index])
                self._opened += len(self._disclosed[index])
            self._take_leaves(part.leaves)
            if part.fault is not None:
                raise part.fault
            done += part.count
            progress(done, self._manifest.entries)

    def _joined(self, part: Part) -> None:
        """What a part and the one before it say of each other."""
        if not part.count:
            return
        origin, before = self._manifest.origin, self._last
        if self._first is None:
            self._first = part
            if self._work.start == 0 and part.previous != GENESIS:
                raise Tampered(origin, 0, "its previous is not 32 zero bytes")
            if self._work.stream is not None:
                follows(self._work, part.first, part.versions[0], 0)
        elif part.first <= before.last:
            raise Tampered(origin, part.first, f"it stands behind entry {before.last}")
        elif self._work.start is not None and part.previous != before.leaf:
            raise Tampered(origin, part.first, "its previous is not the leaf hash of the entry before")
        elif self._work.stream is not None:
            follows(self._work, part.first, part.versions[0], before.versions[1])
        self._last = part
        self._used |= part.used
        self._stretches += part.stretches

    def _take_leaves(self, leaves: Sequence[tuple[int, bytes]]) -> None:
        if self._manifest.subject.dense:
            for _, leaf in leaves:
                self._note_kept()
                self._tree.append(leaf)
            return
        for index, leaf in leaves:
            self._prove(index, leaf)

    def _note_kept(self) -> None:
        size = self._tree.size
        if any(each is not None and each.size == size for each in (self._kept, self._seen_last)):
            self._roots[size] = self._tree.root()

    def _prove(self, index: int, leaf: bytes) -> None:
        """(11) of one entry."""
        proof = InclusionProof.parse(self._archive.read(proof_name(index), note.MOST_BYTES))
        if proof.index != index or proof.checkpoint != str(self._signed.note).encode():
            raise ProofFailed(f"{proof_name(index)}: it is of another entry or another checkpoint")
        said = self._signed.checkpoint
        merkle.verify_inclusion(leaf, index, said.size, proof.hashes, said.root)
        self._proven += 1

    def nothing_left_over(self, schemas: Mapping[bytes, Schema], held: Collection[int]) -> None:
        """(10)."""
        beside = history_of(self._archive)
        self._used |= check_history(self._manifest.origin, self._texts, beside, held)
        framing = {ENTRY_FRAME[2:], registry().writer(container.NAME).fingerprint}
        for fingerprint, schema in schemas.items():
            if fingerprint not in self._used | framing:
                raise CodecError(f"schemas: {schema.name}: no entry in the bundle has this schema")
        if not framing <= set(schemas):
            raise Incomplete(f"schemas: ledger.v1.Entry or {container.NAME} is not in the bundle")
        if self._opened != self._manifest.disclosures:
            raise CodecError(f"{DISCLOSURES}: something is disclosed of an entry that is not in the bundle")
        files = sum(content_named(name) is not None for name in self._archive.names)
        if files != self._files:
            raise CodecError(f"attachments: expected {self._files}, got {files}")

    def tree(self) -> None:
        """(11)."""
        said = self._signed.checkpoint
        if self._manifest.subject.dense:
            self._prove(self._last.last, self._last.leaf)
        proofs = sum(proof_named(name) is not None for name in self._archive.names)
        if proofs != self._proven:
            raise CodecError(f"proofs: expected {self._proven}, got {proofs}")
        if self._manifest.subject.kind == LEDGER:
            self._note_kept()
            if self._tree.root() != said.root:
                raise ProofFailed(f"{said.origin}: the entries have the root {self._tree.root().hex()}")

    def done(
        self,
        since: SignedCheckpoint | None,
        known: Keys,
        policy: Policy | None,
        roots: Roots,
        schemas: Mapping[bytes, Schema],
        *,
        untold: bool,
    ) -> Verified:
        """(12) and (13), and what was found."""
        shown = self._shown(since)
        self._check_kept(shown)
        if self._seen_last is not None:
            compared(self._seen_last, [self._signed.checkpoint, *shown])
        met = any_witness if policy is None else policy.heard
        apart = not self._manifest.subject.dense
        judged = seen(self._archive, self._signed, known, met, self._stretches, roots, apart=apart)
        first, last = self._first, self._last
        assert first is not None
        assert first.recorded is not None
        assert last.recorded is not None
        return Verified(
            manifest=self._manifest,
            signed=self._signed,
            first=first.first,
            last=last.last,
            recorded=(first.recorded[0], last.recorded[1]),
            versions=None if self._work.stream is None else (first.versions[0], last.versions[1]),
            disclosures=[one for _, each in sorted(self._disclosed.items()) for one in each],
            since=since,
            kept=self._kept,
            unknown=sorted(each.name for each in schemas.values() if not each.known),
            policy=policy is not None,
            untold=untold,
            times=judged.times,
            unjudged=judged.unjudged,
            shown=shown,
        )

    def _shown(self, since: SignedCheckpoint | None) -> list[Checkpoint]:
        """What the checkpoint is shown to go on from."""
        roots = {0: merkle.EMPTY_ROOT, **self._roots}
        shown = [Checkpoint(self._manifest.origin, size, root) for size, root in roots.items()]
        return shown if since is None else [*shown, since.checkpoint]

    def _check_kept(self, shown: Sequence[Checkpoint]) -> None:
        kept, said = self._kept, self._signed.checkpoint
        if kept is None:
            return
        known = [each.root for each in (said, *shown) if each.size == kept.size]
        if not known:
            raise Incomplete(
                f"{said.origin}: the bundle shows nothing of the tree of {kept.size} entries that was kept: "
                "ask for one that was exported since that checkpoint"
            )
        if any(root != kept.root for root in known):
            raise ProofFailed(
                f"{said.origin}: the first {kept.size} entries are not those of the kept checkpoint"
            )
