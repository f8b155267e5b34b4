"""Between which times the entries of a bundle appeared: by Python, by the page, and by a naive look at each."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from ledger.bundle.cover import cover
from ledger.bundle.times import Passing, noted
from ledger.bundle.verify import Verified, verify
from ledger.codec.entry import decode_entry
from ledger.tlog.brackets import Bracket, Brackets, Sighting
from ledger.tlog.note import VerifierKey
from tests.bundle import timed
from tests.bundle.forge import CLEAN, Mutation
from tests.bundle.made import BIG, MIDDLE, OF_CASE, TIME, WHOLE, WITNESS, log, trusted
from tests.bundle.verdicts import asked, policy_of

HONEST = [each for attack in timed.ALL for each in attack() if each.code == CLEAN]
KEYS = trusted()
START = datetime(2025, 7, 1, tzinfo=UTC)
FOUND = """async ({ data, keys, policy }) => {
  const raw = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const given = { bundle: new Blob([raw(data)]), keys, policy: policy && raw(policy) };
  const { found } = await verdictOn(given);
  const text = (value) => (value === null ? null : String(value));
  return found.times.map((each) => [
    each.first, each.last, text(each.notBefore), text(each.notAfter), each.outside && each.outside.at,
  ]);
}"""


def found_of(each: Mutation) -> Verified:
    return verify(each.data, map(VerifierKey.parse, each.keys), policy_of(each.policy), processes=1)


def shown(found: Verified) -> list[list[Any]]:
    def text(value: int | None) -> str | None:
        return None if value is None else str(value)

    return [
        [
            each.first, each.last, text(each.bracket.not_before), text(each.bracket.not_after),
            each.outside and each.outside.at,
        ]
        for each in found.times
    ]  # fmt: skip


def test_the_page_finds_the_same_times(page: Page) -> None:
    assert len(HONEST) > 15
    for each in HONEST:
        given_to_page = {
            "data": base64.b64encode(each.data).decode(), "keys": "\n".join(each.keys),
            "policy": each.policy and base64.b64encode(each.policy).decode(),
        }  # fmt: skip
        assert page.evaluate(FOUND, given_to_page) == shown(found_of(each)), each.name


def test_the_page_gives_every_attack_on_times_its_verdict(page: Page) -> None:
    every = [each for attack in timed.ALL for each in attack()]
    assert [code for code, _, _ in asked(page, every)] == [each.code for each in every]


def test_a_ledger_is_told_of_by_what_lies_between_cosigned_sizes() -> None:
    found = verify(log().bundle(WHOLE, times=log().times(0, 3, 7)), KEYS)
    assert [(each.first, each.last, each.bracket) for each in found.times] == [
        (0, 6, Bracket(TIME, TIME)), (7, 11, Bracket(TIME, TIME + 86_400)),
    ]  # fmt: skip
    names = [name for _, name in noted(found.times, dense=True)]
    assert names == ["the first, entry 0", "the last, entry 11", "the widest, entries 7 to 11"]


def test_of_a_case_each_entry_is_told_of() -> None:
    found = verify(log().bundle(OF_CASE, times=log().times(3, 7)), KEYS)
    assert [(each.first, each.last) for each in found.times] == [(at, at) for at in (0, 2, 4, 6, 8, 10)]
    assert [each.bracket.not_before for each in found.times] == [None, None, TIME, TIME, TIME, TIME]


def test_an_entry_that_was_backdated_is_named() -> None:
    """The witness saw three entries, and long after the time that the fourth states."""
    later = TIME + 400_000_000
    data = timed.with_times(timed.cosigned(3, (WITNESS, later)))
    found = verify(data, KEYS)
    (late,) = [each.outside for each in found.times if each.outside is not None]
    assert (late.at, late.how) == (3, "before")
    assert late.recorded_at == decode_entry(log().entries[3]).recorded_at
    text = cover(found, "x.zip", START).decode()
    assert "Entry 3 says that it was recorded at" in text
    assert "backdated, or kept from the witnesses" in text


def test_a_time_by_nobody_trusted_is_none() -> None:
    data = log().bundle(WHOLE, times=log().times(3))
    assert verify(data, KEYS[:1]).times == []
    alone = verify(log().bundle(WHOLE), KEYS)
    assert [(each.first, each.last, each.bracket) for each in alone.times] == [
        (0, 11, Bracket(None, TIME + 86_400))
    ]


def test_two_processes_find_the_same_as_one() -> None:
    big = log(BIG)
    data = big.bundle(WHOLE, times=big.times(1, 999, 1000, 1001, 2000))
    assert verify(data, KEYS, processes=2).times == verify(data, KEYS, processes=1).times
    assert [each.first for each in verify(data, KEYS).times] == [0, 1, 2000]


def test_a_range_is_told_of_within_itself() -> None:
    found = verify(log().bundle(MIDDLE, times=log().times(0, 5)), KEYS)
    assert [(each.first, each.last) for each in found.times] == [(3, 4), (5, 8)]


@given(
    times=st.lists(st.integers(0, 10_000), min_size=1, max_size=30),
    sizes=st.sets(st.integers(0, 32), max_size=6),
    cut=st.integers(0, 30),
    data=st.data(),
)
def test_stretches_hold_what_a_look_at_each_entry_does(
    times: list[int], sizes: set[int], cut: int, data: st.DataObject
) -> None:
    """However the entries are shared out to processes."""
    seen = {size: data.draw(st.integers(0, 10_000)) for size in sorted(sizes)}
    brackets = Brackets([Sighting(WITNESS.verifier, size, time) for size, time in seen.items()])
    naive = {
        (index, brackets.of(index).outside(time * 1_000_000))
        for index, time in enumerate(times)
        if brackets.of(index).outside(time * 1_000_000)
    }
    found = set()
    for begin, end in ((0, min(cut, len(times))), (min(cut, len(times)), len(times))):
        passing = Passing(sorted(sizes), apart=False)
        for index in range(begin, end):
            passing.add(index, datetime.fromtimestamp(times[index], UTC))
        for each in passing.stretches:
            bracket = brackets.of(each.first)
            assert {brackets.of(index) for index in range(each.first, each.last + 1)} == {bracket}
            for how, (recorded, at) in (("before", each.earliest), ("after", each.latest)):
                if bracket.outside(round(recorded.timestamp()) * 1_000_000) == how:
                    found.add((at, how))
    assert found <= naive
    # Not each is named, but none stays unsaid.
    assert {brackets.of(at) for at, _ in naive} == {brackets.of(at) for at, _ in found}
