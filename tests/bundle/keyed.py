"""Attacks by who has a key that signs no more, or makes one of their own; and what honest keys lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

from ledger.bundle.manifest import Subject
from ledger.domain.event import CaseEvent, encode_payload
from ledger.domain.keys.events import KeyReason, SigningKeyAdded, SigningKeyRetired
from ledger.tlog.keyhistory import ADDED, RETIRED, state
from ledger.tlog.note import ED25519, Note, SigningKey
from ledger.tlog.proof import ConsistencyProof
from tests.bundle.forge import (
    CLEAN,
    INCOMPLETE,
    MALFORMED,
    TAMPERED,
    UNTRUSTED,
    Mutation,
    flipped,
    held,
    members,
    sealed,
    with_entries,
)
from tests.bundle.made import KEY, MIDDLE, OF_CASE, OF_REGISTER, ORIGIN, OTHER_KEY, WHOLE, WITNESS, Log, written
from tests.bundle.operator import chained, plain
from tests.golden.build import HEADER, MOMENT

SECOND = SigningKey(ORIGIN, ED25519, sha256(b"test key that came second").digest())
FIRST_ONLY = (str(KEY.verifier), str(WITNESS.verifier))
SECOND_ONLY = (str(SECOND.verifier), str(WITNESS.verifier))
BOTH = (*FIRST_ONLY, str(SECOND.verifier))
ADDITION, RETIREMENT, SIZE = 4, 7, 10
"""Of the log here: the entries that record the changes, and how many there are."""
UNTIL = 7
"""The first size that the first key does not sign."""
OF_KEYS = Subject("case", stream="keys")
EVIL = SigningKey(ORIGIN, ED25519, sha256(b"test key of a thief").digest())

Row = tuple[str, int, type[CaseEvent], dict[str, Any]]


def added(version: int, key: SigningKey, size: int, *by: SigningKey, **more: Any) -> Row:
    """The entry in which a key is added."""
    statement = str(state(ORIGIN, ADDED, key, size, by))
    given = {"key": str(key.verifier), "fingerprint": bytes(32), "valid_from": size, "statement": statement}
    return _row(version, SigningKeyAdded, {**given, **more})


def retired(version: int, key: SigningKey, size: int, *by: SigningKey) -> Row:
    """The entry in which a key is retired."""
    statement = str(state(ORIGIN, RETIRED, key.verifier, size, by))
    given = {"key": str(key.verifier), "fingerprint": bytes(32), "valid_until": size, "statement": statement}
    return _row(version, SigningKeyRetired, given)


def _row(version: int, event: type[CaseEvent], given: dict[str, Any]) -> Row:
    fact = event("keys", version, MOMENT, HEADER, reason=KeyReason.SCHEDULED, remarks=None, **given)
    return "keys", version, event, {"payload": encode_payload(fact, _none_sealed)}


def _none_sealed(path: str, *_: Any) -> Any:
    raise AssertionError(path)


def keyed(*changes: tuple[int, Row], size: int = SIZE, by: SigningKey = SECOND) -> Log:
    """A log with these entries at these places, signed by a key."""
    rows: list[Row] = list(plain(size))
    for at, row in changes:
        rows[at] = row
    return Log(chained(*rows).entries, key=by)


def rotated(by: SigningKey, size: int = SIZE) -> Log:
    """A log whose first key was followed by a second, and retired."""
    return keyed(
        (ADDITION, added(1, SECOND, ADDITION + 1, KEY)),
        (RETIREMENT, retired(2, KEY, UNTIL, SECOND)),
        size=size, by=by,
    )  # fmt: skip


def _retired() -> Iterator[Mutation]:
    stolen = rotated(KEY)
    whole = stolen.bundle(WHOLE)
    yield Mutation("retired key: a whole ledger, both trusted", whole, UNTRUSTED, BOTH)
    yield Mutation("retired key: a whole ledger, it alone trusted", whole, UNTRUSTED, FIRST_ONLY)
    range_ = stolen.bundle(MIDDLE)
    yield Mutation("retired key: a range with its retirement", range_, UNTRUSTED, BOTH)
    earlier = stolen.bundle(Subject("range", start=0, end=RETIREMENT))
    yield Mutation("retired key: a range that does not tell of it", earlier, UNTRUSTED, BOTH)
    before = stolen.bundle(Subject("range", start=0, end=ADDITION))
    yield Mutation("retired key: a range that tells of no key", before, CLEAN, BOTH)
    shown = [(RETIREMENT, stolen.entries[RETIREMENT])]
    yield Mutation(
        "retired key: the bundle brings its retirement", stolen.bundle(OF_CASE, history=shown), UNTRUSTED, BOTH
    )
    both = str(Note.parse(stolen.note(5)).also(Note.parse(rotated(SECOND).note(5)).signatures)).encode()
    overlap = replace(stolen.content(Subject("range", start=0, end=5)), note=both)
    fits = replace(overlap, prove=lambda index: replace(stolen.prove_at(index, 5), checkpoint=both))
    yield Mutation("overlap: both keys sign", written(fits), CLEAN, FIRST_ONLY)
    alone = stolen.note(5)
    lacks = replace(overlap, note=alone, prove=lambda index: stolen.prove_at(index, 5))
    yield Mutation("overlap: the first key signs alone", written(lacks), UNTRUSTED, FIRST_ONLY)
    late = keyed(
        (ADDITION, added(1, SECOND, ADDITION + 1, KEY)), (SIZE - 1, retired(2, KEY, SIZE, SECOND)), by=KEY
    )
    yield Mutation("retired key: from the last entry on", late.bundle(WHOLE), UNTRUSTED, BOTH)
    good = keyed(
        (ADDITION, added(1, SECOND, ADDITION + 1, KEY)), (SIZE - 1, retired(2, KEY, UNTIL, SECOND)),
        (SIZE - 2, retired(3, KEY, SIZE, KEY)), by=KEY,
    )  # fmt: skip
    yield Mutation("retired key: it puts off its own retirement", good.bundle(WHOLE), UNTRUSTED, BOTH)
    again = keyed(
        (ADDITION, added(1, SECOND, ADDITION + 1, KEY)), (5, retired(2, KEY, 6, SECOND)),
        (6, added(3, KEY, 7, SECOND)), by=KEY,
    )  # fmt: skip
    yield Mutation("retired key: it is added again", again.bundle(WHOLE), UNTRUSTED, BOTH)
    nobody = keyed((RETIREMENT, retired(1, KEY, UNTIL, OTHER_KEY)), by=KEY)
    yield Mutation("retired key: by nobody trusted", nobody.bundle(WHOLE), CLEAN, FIRST_ONLY)
    big = rotated(KEY, 1_500)
    yield Mutation("retired key: a ledger of several blocks", big.bundle(WHOLE), UNTRUSTED, BOTH)


def _followed() -> Iterator[Mutation]:
    made = rotated(SECOND)
    whole = made.bundle(WHOLE)
    yield Mutation("first key follows to the last", whole, CLEAN, FIRST_ONLY)
    yield Mutation("second key alone", whole, CLEAN, SECOND_ONLY)
    policy = f"log {KEY.verifier}\nwitness w {WITNESS.verifier} https://witness.example/\nquorum w\n".encode()
    yield Mutation("first key follows to the last, by a policy", whole, CLEAN, (), policy)
    yield Mutation("first key follows in a range", made.bundle(MIDDLE), CLEAN, FIRST_ONLY)
    later = made.bundle(Subject("range", start=5, end=SIZE))
    yield Mutation("first key is not followed where nothing tells of it", later, UNTRUSTED, FIRST_ONLY)
    yield Mutation("first key follows in a register", made.bundle(OF_REGISTER), CLEAN, FIRST_ONLY)
    yield Mutation("first key follows in the case of the keys", _of_keys(made), CLEAN, FIRST_ONLY)
    third = keyed(
        (3, added(1, SECOND, 4, KEY)), (4, retired(2, KEY, 4, SECOND)), (6, added(3, OTHER_KEY, 7, SECOND)),
        (1_100, retired(4, SECOND, 8, OTHER_KEY)), size=1_200, by=OTHER_KEY,
    )  # fmt: skip
    yield Mutation("first key follows to a third, in several blocks", third.bundle(WHOLE), CLEAN, FIRST_ONLY)
    files = members(whole)
    for name in [each for each in files if SigningKeyAdded.name in each]:
        del files[name]
    yield Mutation("first key is not followed without a schema", sealed(files), UNTRUSTED, FIRST_ONLY)
    yield Mutation("second key, a statement without its schema", sealed(files), INCOMPLETE, SECOND_ONLY)


def _of_keys(made: Log) -> bytes:
    content = made.content(OF_REGISTER)
    chosen = [(at, made.entries[at]) for at in (ADDITION, RETIREMENT)]
    return written(replace(content, subject=OF_KEYS, entries=chosen))


def _nobody() -> Iterator[Mutation]:
    """A key that someone adds who may not, or not so."""
    size = ADDITION + 1
    stranger = keyed((ADDITION, added(1, SECOND, size, OTHER_KEY)))
    yield Mutation("key added by nobody trusted", stranger.bundle(WHOLE), UNTRUSTED, FIRST_ONLY)
    itself = keyed((ADDITION, added(1, SECOND, size, SECOND)))
    yield Mutation("key added by itself", itself.bundle(WHOLE), UNTRUSTED, FIRST_ONLY)
    ahead = keyed((ADDITION, added(1, SECOND, size + 1, KEY)))
    yield Mutation("key added for sizes to come", ahead.bundle(WHOLE), UNTRUSTED, FIRST_ONLY)
    statement = str(state(ORIGIN, ADDED, SECOND, size, [KEY]))
    false = flipped(statement.encode(), len(statement.encode()) - 30).decode()
    for name, text in (
        ("a false signature", false),
        ("no statement", "added\n"),
        ("another header", statement.replace("key/v1", "key/v2")),
        ("another size", statement.replace(f"\n{size}\n", f"\n{size - 1}\n")),
        ("a size in another form", statement.replace(f"\n{size}\n", f"\n0{size}\n")),
        ("a line more", statement.replace("added\n", "added\nadded\n")),
        ("a space more", statement.replace(f"{KEY.verifier}\n", f"{KEY.verifier} \n")),
    ):
        forged = keyed((ADDITION, added(1, SECOND, size, KEY, statement=text)))
        yield Mutation(f"key added with {name}", forged.bundle(WHOLE), UNTRUSTED, FIRST_ONLY)
    by_retired = keyed(
        (2, added(1, OTHER_KEY, 3, KEY)), (3, retired(2, KEY, 3, OTHER_KEY)), (4, added(3, SECOND, 5, KEY))
    )
    yield Mutation("key added by one that is retired", by_retired.bundle(WHOLE), UNTRUSTED, FIRST_ONLY)
    _, _, event, payload = added(1, SECOND, size, KEY)
    elsewhere = keyed((ADDITION, ("case", 1, event, payload)))
    yield Mutation("key added in another stream", elsewhere.bundle(WHOLE), UNTRUSTED, FIRST_ONLY)
    made = rotated(SECOND)
    entries = held(made.bundle(MIDDLE))
    entries[ADDITION - 3] = (ADDITION, entries[ADDITION - 3][1][:-1])
    cut = with_entries(made.bundle(MIDDLE), entries)
    yield Mutation("key added by an entry that is cut", cut, UNTRUSTED, FIRST_ONLY)


def _told() -> Iterator[Mutation]:
    """What entries from elsewhere tell, where the bundle does not."""
    made, stolen = rotated(SECOND), rotated(KEY)
    addition, retirement = made.entries[ADDITION], made.entries[RETIREMENT]
    later = Subject("range", start=5, end=SIZE)
    bundle = made.bundle(later)
    for name, code, told in (
        ("the entry that adds it", CLEAN, (addition,)),
        ("both entries, the last first", CLEAN, (retirement, addition)),
        ("another entry", UNTRUSTED, (made.entries[0], retirement)),
        ("an entry that is cut", MALFORMED, (addition[:-1],)),
        ("what is no entry", MALFORMED, (b"added",)),
    ):
        yield Mutation(f"second key, told by {name}", bundle, code, FIRST_ONLY, history=told)
    earlier = stolen.bundle(Subject("range", start=0, end=RETIREMENT))
    yield Mutation("retired key, told", earlier, UNTRUSTED, BOTH, history=(addition, retirement))
    fork = keyed(by=KEY).bundle(WHOLE)
    yield Mutation("retired key: a ledger without its retirement", fork, CLEAN, BOTH)
    yield Mutation("retired key: the same, told", fork, UNTRUSTED, BOTH, history=(addition, retirement))
    whole = made.bundle(WHOLE)
    yield Mutation("second key, told twice", whole, CLEAN, FIRST_ONLY, history=(addition, addition))


def _earlier() -> Iterator[Mutation]:
    """Checkpoints from before the change."""
    made, before = rotated(SECOND), rotated(KEY)
    whole = made.bundle(WHOLE)
    for size, by, code in (
        (5, before, CLEAN),
        (6, before, CLEAN),
        (8, before, UNTRUSTED),
        (3, made, UNTRUSTED),
    ):
        key = "first" if by is before else "second"
        note = by.note(size)
        name = f"of {size} entries by the {key} key"
        yield Mutation(f"kept checkpoint {name}", whole, code, FIRST_ONLY, kept=note)
        proof = ConsistencyProof(size, tuple(made.tree.proof(size, made.size)), made.note())
        bundle = made.bundle(MIDDLE, since=(note, proof))
        yield Mutation(f"earlier checkpoint {name}", bundle, code, FIRST_ONLY)


def _brought() -> Iterator[Mutation]:
    """Entries on keys that a bundle brings beside those that it is of."""
    made = rotated(SECOND)
    told = [(at, made.entries[at]) for at in (ADDITION, RETIREMENT)]
    content = made.content(OF_REGISTER, history=told)
    data = written(replace(content, subject=OF_CASE, entries=[(at, made.entries[at]) for at in range(4)]))
    files = members(data)
    addition, retirement = (f"history/{at}.entry" for at in (ADDITION, RETIREMENT))
    yield Mutation("brought: a case, the first key follows", data, CLEAN, FIRST_ONLY)
    yield Mutation("brought: a case, the second key alone", data, CLEAN, SECOND_ONLY)
    yield Mutation("brought: a case, both keys", data, CLEAN, BOTH)
    later = made.bundle(Subject("range", start=RETIREMENT, end=SIZE), history=told[:1])
    yield Mutation("brought: a range, the first key follows", later, CLEAN, FIRST_ONLY)
    twice = made.bundle(MIDDLE, history=told)
    yield Mutation("brought: entries that are there already", twice, MALFORMED, FIRST_ONLY)

    def other(name: str, content: bytes) -> bytes:
        return sealed({**files, name: content})

    def without(*names: str) -> bytes:
        return sealed({name: content for name, content in files.items() if name not in names})

    yield Mutation("brought: without what adds the second key", without(addition), UNTRUSTED, FIRST_ONLY)
    yield Mutation("brought: a schema that nothing needs", without(addition), MALFORMED, SECOND_ONLY)
    schema = next(name for name in files if SigningKeyRetired.name in name)
    yield Mutation("brought: without a schema", without(schema), INCOMPLETE, SECOND_ONLY)
    for name, entry in (
        ("of another index", made.entries[RETIREMENT]),
        ("an entry that is cut", made.entries[ADDITION][:-1]),
        ("what is no entry", b"added"),
    ):
        yield Mutation(f"brought: {name}", other(addition, entry), TAMPERED, SECOND_ONLY)
    yield Mutation("brought: too large for an entry", other(retirement, bytes(1 << 16)), MALFORMED, SECOND_ONLY)
    elsewhere = rotated(SECOND)
    elsewhere.entries[1] = Log.of(4, origin="example.org/x").entries[1]
    yield Mutation(
        "brought: of another ledger",
        made.bundle(OF_REGISTER, history=[(2, elsewhere.entries[1]), told[1]]),
        TAMPERED,
        SECOND_ONLY,
    )
    plain_ = made.bundle(OF_REGISTER, history=[(2, made.entries[2]), told[1]])
    yield Mutation("brought: an entry of another stream", plain_, MALFORMED, SECOND_ONLY)
    renamed = {name.replace("history/4.", "history/04."): content for name, content in files.items()}
    yield Mutation("brought: a name in another form", sealed(renamed), MALFORMED, SECOND_ONLY)


def _back_indexed() -> Iterator[Mutation]:
    """A thief of the first key makes a false ledger, with statements at indexes before its true retirement; the
    verifier holds the true history."""
    made, size = rotated(SECOND), ADDITION + 1
    true = (made.entries[ADDITION], made.entries[RETIREMENT])

    def refused(name: str, data: bytes, keys: tuple[str, ...] = BOTH) -> Mutation:
        return Mutation(f"back-indexed: {name}", data, UNTRUSTED, keys, history=true)

    given = (("first", FIRST_ONLY), ("second", SECOND_ONLY), ("both", BOTH))
    for at in (ADDITION, 5, 6, RETIREMENT):
        fork = keyed((at, retired(1, SECOND, size, KEY)), by=KEY).bundle(WHOLE)
        for word, keys in given:
            yield refused(f"the successor retired at {at}, {word} trusted", fork, keys)
    for at in (1, ADDITION, 5, 6):
        fork = keyed((at, added(1, EVIL, at + 1, KEY)), by=EVIL).bundle(WHOLE)
        for word, keys in (given[0], given[2]):
            yield refused(f"a key added at {at}, {word} trusted", fork, keys)
    both = keyed((5, retired(1, SECOND, 5, KEY)), (6, added(2, EVIL, 6, KEY)), by=EVIL)
    yield refused("the successor retired and a key added", both.bundle(WHOLE))
    yield refused("the same, by who has the first key alone", both.bundle(WHOLE), FIRST_ONLY)
    large = keyed((5, retired(1, SECOND, 5, KEY)), size=1_200, by=KEY)
    yield refused("a ledger of several blocks", large.bundle(WHOLE))
    beside = Subject("range", start=20, end=40)
    brought = large.bundle(beside, history=[(5, large.entries[5])])
    yield refused("brought in history/ beside a range", brought)
    tie = keyed((ADDITION, retired(1, SECOND, size, KEY)), by=KEY).bundle(WHOLE)
    held = "back-indexed: the successor retired at 4, its addition alone given"
    yield Mutation(held, tie, UNTRUSTED, BOTH, history=true[:1])
    yield Mutation("back-indexed: the same, with no history", brought, CLEAN, BOTH)
    bare = large.bundle(beside)
    yield refused("nothing brought beside the range", bare)
    # All of it is to be given: of the honest bundle too, whose addition nobody could tell from a thief's.
    whole = made.bundle(WHOLE)
    yield Mutation("the honest ledger, its retirement alone given", whole, UNTRUSTED, BOTH, history=true[1:])
    yield Mutation("the honest ledger, its addition alone given", whole, CLEAN, BOTH, history=true[:1])
    yield Mutation("the honest ledger, all given", whole, CLEAN, BOTH, history=true)
    after = keyed(
        (ADDITION, added(1, SECOND, size, KEY)), (RETIREMENT, retired(2, KEY, UNTIL, SECOND)),
        (RETIREMENT + 1, added(3, OTHER_KEY, RETIREMENT + 2, SECOND)),
        (RETIREMENT + 2, retired(4, SECOND, RETIREMENT + 3, OTHER_KEY)), by=OTHER_KEY,
    )  # fmt: skip
    yield Mutation("keys changed after those given", after.bundle(WHOLE), CLEAN, FIRST_ONLY, history=true)
    nobody = keyed(
        (2, added(1, EVIL, 3, OTHER_KEY)), (ADDITION, added(2, SECOND, size, KEY)),
        (RETIREMENT, retired(3, KEY, UNTIL, SECOND)), by=SECOND,
    )  # fmt: skip
    told = (nobody.entries[ADDITION], nobody.entries[RETIREMENT])
    yield Mutation("in between, stated by nobody trusted", nobody.bundle(WHOLE), CLEAN, BOTH, history=told)


ALL = (_brought, _retired, _followed, _nobody, _told, _earlier, _back_indexed)
