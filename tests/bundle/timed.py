"""Attacks on the times that witnesses' signatures give the entries of a bundle, and honest ones that differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ledger.bundle.write import TimesOf
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import COSIGNATURE, Note, SignatureLine, SigningKey
from ledger.tlog.proof import ConsistencyProof
from tests.bundle.forge import (
    CLEAN,
    INCOMPLETE,
    MALFORMED,
    TAMPERED,
    UNTRUSTED,
    Members,
    Mutation,
    members,
    sealed,
    zipped,
)
from tests.bundle.made import (
    BIG,
    KEY,
    MIDDLE,
    OF_CASE,
    OF_REGISTER,
    POLICY,
    SIZE,
    TIME,
    WHOLE,
    WITNESS,
    Log,
    log,
)

SECOND = SigningKey("second.example", COSIGNATURE, bytes([2] * 32))
SIZES = (0, 3, 7)
BOTH = (
    f"log {KEY.verifier}\nwitness w {WITNESS.verifier} https://witness.example/\n"
    f"witness v {SECOND.verifier} https://second.example/\ngroup g all w v\nquorum g\n"
).encode()
"""Two witnesses, believed together."""


def cosigned(
    size: int, *witnesses: tuple[SigningKey, int], by: Log | None = None, key: SigningKey = KEY
) -> bytes:
    """The checkpoint of a size, cosigned at these times."""
    made = by or log()
    said = Checkpoint(made.origin, size, made.tree.root(size))
    note = sign(said, [key])
    lines = [SignatureLine.parse(key.sign(said.text, time)[:-1]) for key, time in witnesses]
    return str(note.also(lines)).encode()


def with_times(*notes: bytes) -> bytes:
    """The ledger with these checkpoints around its entries."""
    given = []
    for note in notes:
        size = Checkpoint.parse(Note.parse(note).text).size
        given.append(TimesOf(size, note, log().since(size)[1]))
    return log().bundle(WHOLE, times=given)


def _clean() -> Iterator[Mutation]:
    made = log()
    for name, subject in (
        ("ledger", WHOLE), ("range", MIDDLE), ("case", OF_CASE), ("register", OF_REGISTER)
    ):  # fmt: skip
        data = made.bundle(subject, times=made.times(*SIZES))
        yield Mutation(f"times: of a {name}", data, CLEAN)
        yield Mutation(f"times: of a {name}, by a policy", data, CLEAN, policy=POLICY)
    data = made.bundle(WHOLE, times=made.times(*SIZES))
    yield Mutation("times: no witness is trusted", data, CLEAN, keys=(str(KEY.verifier),))
    big = log(BIG)
    several = big.bundle(WHOLE, times=big.times(1, 999, 1000, 1001, 2000))
    yield Mutation("times: of several blocks", several, CLEAN)
    later = TIME + 400_000_000
    yield Mutation("times: a backdated entry", with_times(cosigned(3, (WITNESS, later))), CLEAN)
    yield Mutation("times: a clock that ran ahead", with_times(cosigned(3, (WITNESS, 1))), CLEAN)
    yield Mutation("times: of no calendar", with_times(cosigned(3, (WITNESS, (1 << 63) - 1))), CLEAN)
    two = with_times(
        cosigned(3, (WITNESS, TIME), (SECOND, TIME + 5)), cosigned(7, (SECOND, TIME + 9), (WITNESS, TIME + 6))
    )
    keys = (str(KEY.verifier), str(WITNESS.verifier), str(SECOND.verifier))
    yield Mutation("times: by two witnesses, any of them", two, CLEAN, keys)
    both = Note.parse(log().note()).also(
        [SignatureLine.parse(SECOND.sign(Note.parse(log().note()).text, TIME + 99)[:-1])]
    )
    yield Mutation("times: by two witnesses, both of them", _under(two, str(both).encode()), CLEAN, (), BOTH)
    one = with_times(cosigned(3, (WITNESS, TIME)), cosigned(7, (SECOND, TIME + 9)))
    yield Mutation("times: by one of two that are believed", _under(one, str(both).encode()), CLEAN, (), BOTH)
    other = SigningKey(KEY.verifier.name, KEY.verifier.kind, b"\x09" * 32)
    unsigned = with_times(cosigned(3, (WITNESS, TIME), key=other))
    yield Mutation("times: not signed by a key of the log", unsigned, CLEAN)
    stranger = SigningKey("witness.example", COSIGNATURE, b"\x08" * 32)
    yield Mutation(
        "times: by a stranger with the witness's name", with_times(cosigned(3, (stranger, 5))), CLEAN
    )
    fits = with_times(cosigned(SIZE, (WITNESS, TIME)))
    yield Mutation("times: of the bundle's own size", fits, CLEAN)


def _under(data: bytes, note: bytes) -> bytes:
    """The bundle under the same checkpoint, with more signatures."""
    files = members(data)
    old = files["checkpoint"]
    return sealed({name: content.replace(old, note) for name, content in files.items()})


def _forged() -> Iterator[Mutation]:
    data = log().bundle(WHOLE, times=log().times(*SIZES))
    files = members(data)

    def other(name: str, content: bytes) -> bytes:
        return sealed({**files, name: content})

    note = log().note(3)
    line = Note.parse(note).signatures[1]
    for name, at in (("time", 5), ("signature", 40)):
        turned = line._replace(signature=_turned(line.signature, at))
        forged = str(Note.parse(note)._replace(signatures=(turned,))).encode()
        yield Mutation(f"times: altered {name}", other("times/3.checkpoint", forged), UNTRUSTED, policy=POLICY)
    replayed = Note.parse(note)._replace(signatures=Note.parse(log().note(7)).signatures)
    yield Mutation(
        "times: cosignature of another checkpoint",
        other("times/3.checkpoint", str(replayed).encode()),
        UNTRUSTED,
        policy=POLICY,
    )
    both_lines = Note.parse(note).signatures[0], Note.parse(log().note(7)).signatures[1]
    alone = Note.parse(note)._replace(signatures=both_lines)
    yield Mutation(
        "times: the witness's line of another checkpoint",
        other("times/3.checkpoint", str(alone).encode()),
        UNTRUSTED,
        policy=POLICY,
    )
    yield Mutation(
        "times: a larger checkpoint than its name says",
        other("times/3.checkpoint", log().note(4)),
        TAMPERED,
        policy=POLICY,
    )
    yield Mutation("times: a smaller one", other("times/3.checkpoint", log().note(2)), TAMPERED, policy=POLICY)
    elsewhere = Log.of(4, origin="example.org/x").note(3)
    yield Mutation(
        "times: checkpoint of another ledger", other("times/3.checkpoint", elsewhere), TAMPERED, policy=POLICY
    )
    fork = Log.of(SIZE, offset=1)
    forked = cosigned(3, (WITNESS, TIME - 100), by=fork)
    yield Mutation("times: checkpoint of a fork", other("times/3.checkpoint", forked), TAMPERED, policy=POLICY)
    both = {
        "times/3.checkpoint": forked,
        "times/3.consistency": bytes(ConsistencyProof(3, fork.since(3)[1].hashes, log().note())),
    }
    yield Mutation(
        "times: checkpoint of a fork, with its proof", sealed({**files, **both}), TAMPERED, policy=POLICY
    )
    empty = Note.parse(log().note(0)).text
    rooted = empty.replace(empty.split("\n")[2], Note.parse(note).text.split("\n")[2])
    signed = f"{rooted}\n{WITNESS.sign(rooted, TIME)}".encode()
    yield Mutation(
        "times: an empty ledger that was not empty",
        other("times/0.checkpoint", signed),
        TAMPERED,
        policy=POLICY,
    )
    same = with_times(cosigned(SIZE, (WITNESS, TIME)))
    files_of_same = {**members(same), f"times/{SIZE}.checkpoint": cosigned(SIZE, (WITNESS, TIME), by=fork)}
    yield Mutation("times: a fork of the bundle's own size", sealed(files_of_same), TAMPERED, policy=POLICY)
    _, proof = log().since(3)
    for name, changed in (
        ("of another size", bytes(replace(proof, old=4))),
        ("with a hash too few", bytes(replace(proof, hashes=proof.hashes[:-1]))),
        (
            "to the checkpoint without its cosignature",
            bytes(replace(proof, checkpoint=log().note(witness=None))),
        ),
    ):
        yield Mutation(f"times: proof {name}", other("times/3.consistency", changed), TAMPERED, policy=POLICY)
    yield Mutation("times: no note", other("times/3.checkpoint", b"three o'clock\n"), MALFORMED)
    yield Mutation("times: no proof", other("times/3.consistency", b"trust me\n"), MALFORMED)


def _turned(signature: bytes, at: int) -> bytes:
    return signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]


def _files() -> Iterator[Mutation]:
    data = log().bundle(WHOLE, times=log().times(*SIZES))
    files = members(data)

    def without(*names: str) -> Members:
        return {name: content for name, content in files.items() if name not in names}

    yield Mutation(
        "times: checkpoint without its proof", sealed(without("times/3.consistency")), INCOMPLETE, policy=POLICY
    )
    yield Mutation(
        "times: proof without its checkpoint", sealed(without("times/3.checkpoint")), INCOMPLETE, policy=POLICY
    )
    pair = ("times/3.checkpoint", "times/3.consistency")
    yield Mutation("times: one left out wholly", sealed(without(*pair)), CLEAN)
    rest = without("manifest.json")
    manifest = members(sealed(without(*pair)))["manifest.json"]
    unlisted = zipped([*rest.items(), ("manifest.json", manifest)])
    yield Mutation("times: files that the manifest does not name", unlisted, MALFORMED)
    turned = {**without(*pair, "manifest.json"), **{name: files[name] for name in pair}}
    turned["manifest.json"] = files["manifest.json"]
    yield Mutation("times: in another order", sealed(turned), MALFORMED)
    for name in ("times/03.checkpoint", "times/x.checkpoint", "times/3.note", "times/-1.checkpoint"):
        more = {**without("manifest.json"), name: log().note(3), "manifest.json": files["manifest.json"]}
        yield Mutation(f"times: a file named {name}", sealed(more), MALFORMED)
    ahead = {**without("manifest.json"), "times/13.checkpoint": Log.of(SIZE + 1).note()}
    proof = ConsistencyProof(SIZE + 1, (), log().note())
    ahead |= {"times/13.consistency": bytes(proof), "manifest.json": files["manifest.json"]}
    yield Mutation(
        "times: of more entries than the bundle's checkpoint has", sealed(ahead), TAMPERED, policy=POLICY
    )


def _stamped() -> Iterator[Mutation]:
    """Time stamps, of which nobody who is given no roots judges more than where they stand."""
    made = log()
    stamps = [TimesOf(3, *made.since(3), b"a stamp"), TimesOf(SIZE, stamp=b"another")]
    data = made.bundle(WHOLE, times=stamps)
    yield Mutation("stamps: not judged", data, CLEAN)
    yield Mutation("stamps: not judged, no witness", data, CLEAN, keys=(str(KEY.verifier),))
    alone = made.bundle(WHOLE, times=[TimesOf(3, stamp=b"a stamp")])
    yield Mutation("stamps: without the checkpoint", alone, INCOMPLETE)
    large = made.bundle(WHOLE, times=[TimesOf(SIZE, stamp=bytes((1 << 16) + 1))])
    yield Mutation("stamps: too large", large, MALFORMED)


ALL = (_clean, _forged, _files, _stamped)
