"""What ``verify.html`` is made of, function by function, against what it follows in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from ledger.codec.avro import decode_long, encode_long
from ledger.codec.declare import Sealed, days, micros
from ledger.codec.entry import (
    Actor,
    Correction,
    CorrectionKind,
    Precision,
    Source,
    SourceKind,
    decode_fields,
    place,
    prefix,
    template,
)
from ledger.errors import AuditLedgerError, CodecError
from ledger.tlog.merkle import verify_consistency, verify_inclusion
from tests.bundle.forge import flipped
from tests.bundle.verdicts import MANY, base64_of, own_words
from tests.tlog.naive import Tree, leaf


def parts(page: Page, call: str, given: Sequence[Any]) -> list[str]:
    """What a function of the page says of each argument: an empty text, or the sentence of its fault."""
    found: list[str] = page.evaluate(
        """(given) => {
          const raw = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
          const asked = (each) => { CALL; return ""; };
          return given.map((each) => {
            try { return asked(each); } catch (error) {
              if (!(error instanceof Fault)) throw error;
              return error.message;
            }
          });
        }""".replace("CALL", call),
        given,
    )
    return found


def fault(call: Callable[[], object]) -> str:
    """The same of a call in Python."""
    try:
        call()
    except AuditLedgerError as error:
        return own_words(str(error))
    return ""


@settings(parent=MANY, max_examples=5)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.integers(-(1 << 63), (1 << 63) - 1).map(encode_long),
            st.integers(0, 9).map(lambda more: b"\xff" * more + b"\x01"),
        ),
        min_size=100,
    )
)
def test_numbers_are_read_as_python_reads_them(page: Page, data: list[bytes]) -> None:
    call = "const cursor = new Cursor(raw(each)); throw codecError(`${cursor.long()} ${cursor.at}`)"

    def read(each: bytes) -> str:
        try:
            return " ".join(map(str, decode_long(each, 0)))
        except CodecError as error:
            return str(error)

    assert parts(page, call, list(map(base64_of, data))) == [read(each) for each in data]


HAPPENED = (None, date(2025, 1, 1), date(2025, 3, 1), date(2025, 3, 9), datetime(2025, 3, 9, 1, tzinfo=UTC))


@settings(parent=MANY, max_examples=5)
@given(
    st.lists(
        st.tuples(st.sampled_from(HAPPENED), st.integers(0, 300), st.integers(0, 255), st.booleans()),
        min_size=100,
    )
)
def test_entries_are_read_as_python_reads_them(page: Page, turns: list[tuple[Any, int, int, bool]]) -> None:
    data = []
    for happened, where, bits, cut in turns:
        precision = {type(None): Precision.UNKNOWN, date: Precision.DAY, datetime: Precision.INSTANT}[
            type(happened)
        ]
        seal = Sealed(b"\x05" * 32, "key")
        entry = place(
            prefix("x"), where, b"\x01" * 32, where * 10**15,
            template(
                stream="s" * (where % 70), version=1, event="e", happened_on=happened, precision=precision,
                actor=Actor("a", "b", "c", "ü"), source=Source(SourceKind.API, "r" if cut else None),
                command="c", part=0, payload=b"p",
                corrects=Correction(1, CorrectionKind.TYPING, seal) if where % 2 else None,
            ),
        )  # fmt: skip
        at = where % len(entry)
        data += [entry, entry[:at] if cut else entry[:at] + bytes([entry[at] ^ bits]) + entry[at + 1 :]]
        data += [entry.replace(bytes([0, 8]), bytes([0, 2 * (bits % 6)]), 1)]
    found = parts(page, "decodeEntry(raw(each))", list(map(base64_of, data)))
    assert list(map(own_words, found)) == [fault(partial(decode_fields, each)) for each in data]


def test_every_precision_fits_what_python_says_it_fits(page: Page) -> None:
    made = []
    for happened in HAPPENED:
        for precision in Precision:
            tail = template(
                stream="s", version=1, event="e", happened_on=None, precision=Precision.UNKNOWN,
                actor=Actor("a", "b", "c", "d"), source=Source(SourceKind.API), command="c", part=0,
                payload=b"p", corrects=None,
            )[1]  # fmt: skip
            said = b"\x00" if happened is None else (
                b"\x04" + encode_long(micros(happened)) if isinstance(happened, datetime)
                else b"\x02" + encode_long(days(happened))
            )  # fmt: skip
            tail = said + encode_long([*Precision].index(precision)) + tail[2:]
            made.append(place(prefix("x"), 0, bytes(32), 0, (b"\x02s\x02\x02e", tail)))
    found = parts(page, "decodeEntry(raw(each))", list(map(base64_of, made)))
    assert list(map(own_words, found)) == [fault(partial(decode_fields, each)) for each in made]
    assert found.count("") == 8


def test_proofs_lead_where_python_says_they_lead(page: Page) -> None:
    entries = [bytes([at]) for at in range(20)]
    tree = Tree(entries)
    inclusion: list[tuple[int, int, list[bytes]]] = []
    consistency: list[tuple[int, int, list[bytes]]] = []
    for size in (0, 1, 2, 3, 7, 8, 13, 20):
        for old in range(size + 1):
            proofs = [tree.proof(old, size)] if 0 < old < size else [[]]
            consistency += [(old, size, each) for proof in proofs for each in _altered(proof)]
            if old < size:
                inclusion += [(old, size, each) for each in _altered(tree.path(old, 0, size))]
    inclusion.append((3, 3, []))
    consistency.append((3, 2, []))
    said = parts(
        page,
        "const [at, size, proof, leaf, root] = each;"
        "verifyInclusion(raw(leaf), at, size, proof.map(raw), raw(root))",
        [[at, size, [*map(base64_of, proof)], base64_of(leaf(entries[at])), base64_of(tree.root(size))]
         for at, size, proof in inclusion],
    )  # fmt: skip
    assert said == [
        fault(partial(verify_inclusion, leaf(entries[at]), at, size, proof, tree.root(size)))
        for at, size, proof in inclusion
    ]
    assert said.count("") == sum((1, 2, 3, 7, 8, 13, 20))
    said = parts(
        page,
        "const [old, size, proof, was, is] = each;"
        "verifyConsistency(old, size, proof.map(raw), raw(was), raw(is))",
        [[old, size, [*map(base64_of, proof)], base64_of(tree.root(old)), base64_of(tree.root(size))]
         for old, size, proof in consistency],
    )  # fmt: skip
    assert said == [
        fault(partial(verify_consistency, old, size, proof, tree.root(old), tree.root(size)))
        for old, size, proof in consistency
    ]


def _altered(proof: Sequence[bytes]) -> Iterator[list[bytes]]:
    """A proof, and what is almost it."""
    yield [*proof]
    yield [*proof, bytes(32)]
    for at in range(len(proof)):
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], flipped(proof[at], 5), *proof[at + 1 :]]
