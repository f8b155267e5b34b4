"""Attacks by one who has the ledger's key and signs whatever tree: what a bundle then still shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ledger.bundle.manifest import Subject, schema_name
from ledger.codec.avro import Writer
from ledger.codec.registry import Registry, registry, render
from ledger.domain.case import CaseEvent
from tests.bundle.forge import CLEAN, INCOMPLETE, TAMPERED, Mutation, held, members, sealed, with_entries
from tests.bundle.made import BIG, CASE, EVENTS, OF_CASE, OF_REGISTER, WHOLE, Log, entry, log
from tests.tlog.naive import Tree, leaf

UNKNOWN: dict[str, Any] = {
    "type": "record",
    "name": "ledger.test.v1.FromTheFuture",
    "fields": [{"name": "from", "type": "string"}, {"name": "to", "type": "string"}],
}
"""A schema that no version of this program knows."""


def chained(*parts: tuple[str, int, type[CaseEvent], dict[str, Any]]) -> Log:
    """A log of entries of these streams, versions and events, with what else is said of each."""
    entries: list[bytes] = []
    for index, (stream, version, event, more) in enumerate(parts):
        given = {"previous": leaf(entries[-1]) if entries else bytes(32), **more}
        entries.append(entry(index, given.pop("previous"), stream, version, event, **given))
    return Log(entries)


def plain(count: int) -> list[tuple[str, int, type[CaseEvent], dict[str, Any]]]:
    """A case of so many entries."""
    return [(CASE, at + 1, EVENTS[at % 4], {}) for at in range(count)]


def _signed() -> Iterator[Mutation]:
    rest = plain(6)
    begins = [(CASE, 1, EVENTS[0], {"previous": b"\x01" * 32}), *rest[1:]]
    yield Mutation("signed: a ledger that does not begin", chained(*begins).bundle(WHOLE), TAMPERED)
    foreign = [*rest[:5], (CASE, 6, EVENTS[1], {"origin": "example.org/x"})]
    yield Mutation("signed: an entry that says another ledger", _all_of(chained(*foreign)), TAMPERED)
    twice = [*rest[:3], (CASE, 3, EVENTS[3], {})]
    yield Mutation("signed: a case with a version twice", _all_of(chained(*twice)), TAMPERED)
    gap = [*rest[:3], (CASE, 5, EVENTS[3], {})]
    yield Mutation("signed: a case with a version left out", _all_of(chained(*gap)), INCOMPLETE)
    named = [*rest[:3], (CASE, 4, EVENTS[3], {"name": EVENTS[0].name})]
    yield Mutation("signed: an entry that names another event", chained(*named).bundle(WHOLE), TAMPERED)
    longer = [*rest[:3], (CASE, 4, EVENTS[3], {"payload": _payload(UNKNOWN)[:-1]})]
    future = {"schemas": _with(UNKNOWN)}
    yield Mutation("signed: a payload that is cut", chained(*longer).bundle(WHOLE, **future), TAMPERED)
    more = [*rest[:3], (CASE, 4, EVENTS[3], {"name": UNKNOWN["name"], "payload": _payload(UNKNOWN) + b"\x00"})]
    yield Mutation("signed: a byte behind a payload", chained(*more).bundle(WHOLE, **future), TAMPERED)
    unchained = [*rest[:3], (CASE, 4, EVENTS[3], {"previous": bytes(32)}), *rest[4:]]
    yield Mutation("signed: a chain that is broken", chained(*unchained).bundle(WHOLE), TAMPERED)
    yield Mutation("signed: a tree of other entries than the chain's", _two_histories(), TAMPERED)


def _all_of(made: Log) -> bytes:
    """A case bundle of every entry of a log."""
    content = made.content(Subject("range", start=0, end=made.size))
    files = members(made.bundle(Subject("range", start=0, end=made.size)))
    out: dict[str, bytes] = {}
    for name, data in files.items():
        if name.startswith("proofs/"):
            out |= {f"proofs/{at}.tlog-proof": bytes(content.prove(at)) for at in range(made.size)}
        else:
            out[name] = data
    return sealed(out, subject=OF_CASE)


def _two_histories() -> bytes:
    """The last entry is in the tree, and chained to entries that are not: only the root shows it."""
    true, other = log(), Log.of(12, offset=1)
    mixed = Log(true.entries)
    mixed.tree = Tree([*other.entries[:-1], true.entries[-1]])
    return mixed.bundle(WHOLE)


def _payload(schema: dict[str, Any]) -> bytes:
    return Writer(schema).encode({"from": "a", "to": "b"})


def _with(schema: dict[str, Any]) -> Registry:
    return Registry({**registry().texts, f"{schema['name']}.avsc": render(schema)})


def _unknown() -> Iterator[Mutation]:
    """What a program that does not know a schema is left with."""
    name = UNKNOWN["name"]
    more = {"name": name, "payload": _payload(UNKNOWN)}
    made = chained(*plain(3), (CASE, 4, EVENTS[3], more)).bundle(WHOLE, schemas=_with(UNKNOWN))
    yield Mutation("schema that this program does not know", made, CLEAN)
    swapped = {**UNKNOWN, "fields": UNKNOWN["fields"][::-1]}
    files = members(made)
    files[schema_name(name, Writer(UNKNOWN).fingerprint)] = render(swapped).encode()
    yield Mutation("schema that this program does not know, its fields swapped", sealed(files), TAMPERED)


def _several_blocks() -> Iterator[Mutation]:
    """Faults between blocks, which two processes may have read."""
    case = log(BIG).bundle(OF_CASE)
    entries = held(case)
    yield Mutation("case of several blocks", case, CLEAN)
    register = sealed(members(case), subject=OF_REGISTER)
    yield Mutation("register of several blocks", register, CLEAN)
    turned = [*entries[173:], *entries[:173]]
    yield Mutation("register of several blocks, the second first", with_entries(register, turned), TAMPERED)
    gap = _left_out(case, entries, 1000)
    yield Mutation("case of several blocks, a version left out between", gap, INCOMPLETE)
    broken = plain(1002)
    broken[1000] = (CASE, 1001, EVENTS[0], {"previous": b"\x01" * 32})
    yield Mutation(
        "ledger of several blocks, its chain broken between", chained(*broken).bundle(WHOLE), TAMPERED
    )
    beginning = Subject("range", start=1, end=BIG)
    yield Mutation("range of several blocks", log(BIG).bundle(beginning), CLEAN)


def _left_out(data: bytes, entries: Sequence[tuple[int, bytes]], at: int) -> bytes:
    files = members(with_entries(data, [*entries[:at], *entries[at + 1 :]]))
    del files[f"proofs/{entries[at][0]}.tlog-proof"]
    return sealed(files)


ALL = (_signed, _unknown, _several_blocks)
