"""Attacks on what vouches for the entries: proofs, keys, schemas, disclosures, checkpoints kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from ledger.bundle.manifest import canonical, place, proof_name
from ledger.tlog.note import SigningKey
from ledger.tlog.proof import ConsistencyProof, InclusionProof
from tests.bundle.forge import (
    CLEAN,
    INCOMPLETE,
    MALFORMED,
    TAMPERED,
    UNTRUSTED,
    Members,
    Mutation,
    changed,
    members,
    sealed,
)
from tests.bundle.made import (
    DISCLOSED,
    KEY,
    MIDDLE,
    OTHER_KEY,
    POLICY,
    SINCE,
    SIZE,
    WHOLE,
    WITNESS,
    Log,
    disclosure,
    golden,
    log,
    trusted,
)


def _proofs() -> Iterator[Mutation]:
    range_, case = golden()["range"], golden()["case"]
    made, name = log(), proof_name(8)
    proof = made.prove(8)
    other = Log.of(SIZE, offset=1)

    def with_proof(data: bytes) -> bytes:
        return sealed(changed(range_, **{name: data}))

    yield Mutation("proof of another ledger spliced in", with_proof(bytes(other.prove(8))), TAMPERED)
    spliced = InclusionProof(8, other.prove(8).hashes, proof.checkpoint)
    yield Mutation("proof of another ledger, its checkpoint to fit", with_proof(bytes(spliced)), TAMPERED)
    yield Mutation("proof of another entry", with_proof(bytes(made.prove(7))), TAMPERED)
    short = InclusionProof(8, proof.hashes[:-1], proof.checkpoint)
    yield Mutation("proof with a hash too few", with_proof(bytes(short)), TAMPERED)
    long = InclusionProof(8, (*proof.hashes, proof.hashes[0]), proof.checkpoint)
    yield Mutation("proof with a hash too many", with_proof(bytes(long)), TAMPERED)
    yield Mutation("proof that is none", with_proof(b"proof of everything\n"), MALFORMED)
    plain = made.prove(8, made.note(witness=None))
    yield Mutation("proof at the checkpoint without its cosignature", with_proof(bytes(plain)), TAMPERED)
    yield Mutation("proof missing", sealed(changed(range_, **{name: None})), INCOMPLETE)
    extra: Members = {}
    for each, content in members(range_).items():
        if each == name:
            extra[proof_name(7)] = bytes(made.prove(7))
        extra[each] = content
    yield Mutation("a proof that nothing asks for", sealed(extra), MALFORMED)
    yield Mutation("case with a proof missing", sealed(changed(case, **{proof_name(4): None})), INCOMPLETE)
    yield Mutation(
        "case with two proofs swapped",
        sealed({**members(case), proof_name(4): bytes(made.prove(6)), proof_name(6): bytes(made.prove(4))}),
        TAMPERED,
    )


def _trust() -> Iterator[Mutation]:
    range_ = golden()["range"]
    forged = Log.of(SIZE, offset=1, key=OTHER_KEY)
    whole = forged.bundle(WHOLE)
    yield Mutation("embedded key trusted by mistake", whole, UNTRUSTED)
    yield Mutation("no key trusted at all", golden()["ledger"], UNTRUSTED, keys=())
    yield Mutation(
        "only the witness's key trusted", golden()["ledger"], UNTRUSTED, keys=(str(WITNESS.verifier),)
    )
    note = forged.note()
    yield Mutation(
        "another checkpoint spliced in, signed by a stranger", _noted(golden()["ledger"], note), UNTRUSTED
    )
    mixed = Log(log().entries, key=OTHER_KEY).note()
    yield Mutation("re-signed with another key", _noted(golden()["ledger"], mixed), UNTRUSTED)
    turned = log().note().replace(b"\n12\n", b"\n13\n")
    yield Mutation(
        "checkpoint altered under its signature", _noted(golden()["ledger"], turned, size=13), UNTRUSTED
    )
    older = log().note(SINCE)
    yield Mutation(
        "another checkpoint of the ledger spliced in",
        _noted(range_, older, size=SINCE, root=log().tree.root(SINCE).hex()),
        MALFORMED,
    )
    yield Mutation("another checkpoint, manifest as it was", _noted(range_, older), TAMPERED)
    yield Mutation("checkpoint that is no note", _noted(range_, b"all is well\n"), MALFORMED)
    bare = log().note(witness=None)
    alone = _noted(golden()["ledger"], bare, proofs=bare)
    yield Mutation("without a witness, none asked for", alone, CLEAN)
    yield Mutation("without a witness, policy asks for one", alone, UNTRUSTED, policy=POLICY)
    weak = f"log {KEY.verifier}\nquorum none\n".encode()
    easy = sealed({**members(alone), "policy": weak})
    yield Mutation("replaced policy in the bundle, its own asks for none", easy, UNTRUSTED, policy=POLICY)
    yield Mutation(
        "policy in the bundle that is none", sealed({**members(range_), "policy": b"quorum\n"}), MALFORMED
    )
    yield Mutation(
        "keys in the bundle that are none", sealed({**members(range_), "keys": b"trust me\n"}), MALFORMED
    )
    fake = SigningKey("witness.example", 4, b"\x07" * 32)
    untrue = log().note(witness=fake)
    yield Mutation(
        "cosigned by a key that has the witness's name",
        _noted(golden()["ledger"], untrue, proofs=untrue),
        UNTRUSTED,
        policy=POLICY,
    )


def _noted(data: bytes, note: bytes, proofs: bytes | None = None, **manifest: Any) -> bytes:
    """A bundle with another checkpoint; with ``proofs``, that one in each proof too."""
    files = changed(data, checkpoint=note)
    for name, content in files.items():
        if proofs is not None and name.startswith("proofs/"):
            files[name] = bytes(replace(InclusionProof.parse(content), checkpoint=proofs))
    return sealed(files, **manifest)


def _schemas() -> Iterator[Mutation]:
    range_ = golden()["range"]
    files = members(range_)
    notice = next(name for name in files if "NoticeServed" in name)
    received = next(name for name in files if "RequestReceived" in name)
    entry = next(name for name in files if name.startswith("schemas/ledger.v1.Entry."))

    def other(name: str, text: bytes) -> bytes:
        return sealed({**files, name: text})

    yield Mutation("swapped schema", other(notice, files[received]), TAMPERED)
    renamed = files[notice].replace(b"left_with_adult_there", b"left_with_nobody_here")
    yield Mutation("schema with a field renamed", other(notice, renamed), TAMPERED)
    doc = files[notice].replace(b'"doc": "', b'"doc": "Not ', 1)
    yield Mutation("schema with other words of the same fingerprint", other(notice, doc), TAMPERED)
    yield Mutation("schema missing", sealed(changed(range_, **{notice: None})), INCOMPLETE)
    yield Mutation("schema of the entry missing", sealed(changed(range_, **{entry: None})), INCOMPLETE)
    yield Mutation("schema that is no JSON", other(notice, b"record NoticeServed"), MALFORMED)
    yield Mutation("schema that holds itself", other(notice, _recursive()), MALFORMED)
    yield Mutation("schema that grows as it is read", other(notice, _billion()), MALFORMED)
    yield Mutation("schema with types too deep in each other", other(notice, _deep()), MALFORMED)
    for name, items in _of_no_bytes().items():
        yield Mutation(f"schema of values of no bytes: {name}", other(notice, _list_of(items)), MALFORMED)
    said = json.loads(files[notice])
    hinted = {**said, "__fastavro_parsed": True, "__named_schemas": 5}
    yield Mutation("schema that says it was parsed", other(notice, json.dumps(hinted).encode()), TAMPERED)
    named = files[notice].replace(b'"boolean"', b'{"type": "boolean", "name": "boolean"}', 1)
    yield Mutation(
        "schema that names a primitive type: other words of the same fingerprint",
        other(notice, named),
        TAMPERED,
    )
    case = members(golden()["register"])
    more = {**{n: c for n, c in case.items() if n != "manifest.json"}}
    extra = dict(sorted({**more, received: files[received], notice: files[notice]}.items(), key=_rank))
    yield Mutation(
        "schema that no entry has", sealed({**extra, "manifest.json": case["manifest.json"]}), MALFORMED
    )


def _rank(item: tuple[str, bytes]) -> tuple[int, Any]:
    return place(item[0])


def _recursive() -> bytes:
    name = "ledger.notice.v1.NoticeServed"
    return json.dumps({"type": "record", "name": name, "fields": [{"name": "a", "type": name}]}).encode()


def _of_no_bytes() -> dict[str, Any]:
    """Types of which a few bytes would be any number of values, which fill a reader's memory."""
    return {
        "null": "null",
        "an object of null": {"type": "null"},
        "a record without fields": {"type": "record", "name": "x.Nothing", "fields": []},
        "a record of nulls": {"type": "record", "name": "x.Nulls", "fields": [{"name": "a", "type": "null"}]},
    }


def _list_of(items: Any) -> bytes:
    field = {"name": "a", "type": {"type": "array", "items": items}}
    return json.dumps({"type": "record", "name": "ledger.notice.v1.NoticeServed", "fields": [field]}).encode()


def _deep() -> bytes:
    """Lists of lists, more than a compiler takes loops in each other."""
    inner: Any = "long"
    for _ in range(30):
        inner = {"type": "array", "items": inner}
    fields = [{"name": "a", "type": inner}]
    return json.dumps({"type": "record", "name": "ledger.notice.v1.NoticeServed", "fields": fields}).encode()


def _billion() -> bytes:
    """Fourteen records, each of which holds the one before it twice."""
    inner: Any = {"type": "record", "name": "x.R0", "fields": [{"name": "a", "type": "long"}]}
    for at in range(1, 14):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"x.R{at - 1}"}]
        inner = {"type": "record", "name": f"x.R{at}", "fields": fields}
    return json.dumps({**inner, "name": "ledger.notice.v1.NoticeServed"}).encode()


def _disclosures() -> Iterator[Mutation]:
    made = log()

    def other(*said: Any) -> bytes:
        return made.bundle(MIDDLE, disclosures=said)

    true = disclosure(4, "purpose")
    yield Mutation("disclosure with a false value", other(replace(true, value="Another purpose")), TAMPERED)
    yield Mutation("disclosure with another salt", other(replace(true, salt=b"\x01" * 32)), TAMPERED)
    yield Mutation("guess of a value without its salt", other(replace(true, salt=bytes(32))), TAMPERED)
    yield Mutation(
        "disclosure of another field's value",
        other(replace(disclosure(4, "public_benefit"), path="purpose")),
        TAMPERED,
    )
    yield Mutation("disclosure of another entry's value", other(replace(true, index=8)), TAMPERED)
    yield Mutation("disclosure of a field that is not sealed", other(replace(true, path="scheme")), MALFORMED)
    yield Mutation(
        "disclosure of a field that is not there", other(replace(true, path="purpose.name")), MALFORMED
    )
    yield Mutation(
        "disclosure of an entry that is not in the bundle", other(disclosure(0, "purpose")), MALFORMED
    )
    yield Mutation(
        "disclosure of a reason that is none", other(disclosure(4, "entry.corrects.reason")), MALFORMED
    )
    yield Mutation("disclosure twice", _disclosed(true, true), MALFORMED)
    yield Mutation("disclosures in another order", _disclosed(*sorted(DISCLOSED)[::-1]), MALFORMED)
    yield Mutation(
        "disclosures missing", sealed(changed(golden()["range"], **{"disclosures.json": None})), INCOMPLETE
    )
    yield Mutation("a disclosure left out", _disclosed(*sorted(DISCLOSED)[:-1], count=4), INCOMPLETE)


def _disclosed(*said: Any, count: int | None = None) -> bytes:
    listed = canonical([{**asdict(each), "salt": each.salt.hex()} for each in said])
    files = changed(golden()["range"], **{"disclosures.json": listed})
    return sealed(files, disclosures=len(said) if count is None else count)


def _kept() -> Iterator[Mutation]:
    whole, range_, case = golden()["ledger"], golden()["range"], golden()["case"]
    fork = Log([*log().entries[:3], *Log.of(20, offset=1).entries[3:]])
    yield Mutation("fork: the kept checkpoint is of other entries", whole, TAMPERED, kept=fork.note(7))
    yield Mutation("fork of the same size", whole, TAMPERED, kept=fork.note(SIZE))
    yield Mutation("fork, shown by the proof in the bundle", range_, TAMPERED, kept=fork.note(SINCE))
    yield Mutation("rolled back: more was kept than there is", whole, TAMPERED, kept=fork.note(SIZE + 1))
    yield Mutation(
        "kept checkpoint of a size that the bundle does not reach", case, INCOMPLETE, kept=log().note(7)
    )
    yield Mutation(
        "kept checkpoint of another ledger", whole, UNTRUSTED, kept=Log.of(3, origin="example.org/x").note()
    )
    yield Mutation(
        "kept checkpoint that a stranger signed",
        whole,
        UNTRUSTED,
        kept=Log(log().entries, key=OTHER_KEY).note(7),
    )
    proof = ConsistencyProof(SINCE, tuple(fork.tree.proof(SINCE, SIZE)), log().note())
    yield Mutation(
        "proof of consistency of another history",
        sealed({**members(range_), "since/consistency": bytes(proof)}),
        TAMPERED,
    )
    yield Mutation(
        "earlier checkpoint of another history",
        sealed({**members(range_), "since/checkpoint": fork.note(SINCE)}),
        TAMPERED,
    )
    yield Mutation(
        "earlier checkpoint without its proof",
        sealed(changed(range_, **{"since/consistency": None})),
        INCOMPLETE,
    )
    yield Mutation(
        "proof of consistency without its checkpoint",
        sealed(changed(range_, **{"since/checkpoint": None})),
        INCOMPLETE,
    )


def _kept_elsewhere() -> Iterator[Mutation]:
    range_, whole = golden()["range"], golden()["ledger"]
    bare = ConsistencyProof(SINCE, log().since(SINCE)[1].hashes, log().note(witness=None))
    yield Mutation(
        "consistency with the checkpoint as it was without its cosignature",
        sealed({**members(range_), "since/consistency": bytes(bare)}),
        TAMPERED,
    )
    other = Log.of(3, origin="example.org/x")
    both = (*map(str, trusted()), str(other.key.verifier))
    yield Mutation(
        "kept checkpoint of an empty ledger that is trusted too", whole, TAMPERED, both, kept=other.note(0)
    )


ALL = (_proofs, _trust, _schemas, _disclosures, _kept, _kept_elsewhere)
