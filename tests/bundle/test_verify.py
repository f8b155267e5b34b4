"""What a verifier needs and does not need, what it says of a clean bundle, and how it works on a large one."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.bundle import archive
from ledger.bundle.archive import Writer
from ledger.bundle.cover import cover
from ledger.bundle.verify import Verified, verify
from ledger.errors import InvalidInput, Tampered, Unavailable
from ledger.tlog.policy import Policy
from tests.bundle.forge import flipped, held, with_entries
from tests.bundle.made import (
    BASIS,
    CASE,
    DISCLOSED,
    MIDDLE,
    OF_CASE,
    POLICY,
    SINCE,
    SIZE,
    TIME,
    WHOLE,
    WITNESS,
    disclosure,
    golden,
    log,
    trusted,
)

GOLDEN = golden()


def found(name: str, **given: object) -> Verified:
    return verify(GOLDEN[name], trusted(), Policy.parse(POLICY), processes=1, **given)


def test_what_is_found_of_a_range() -> None:
    said = found("range", from_checkpoint=log().note(SINCE))
    assert (said.first, said.last, said.manifest.subject, said.versions) == (3, 8, MIDDLE, None)
    assert said.signed.checkpoint.root == log().tree.root(SIZE)
    assert [each.time for each in said.signed.signed] == [None, TIME + 86_400]
    assert said.since is not None
    assert [each.time for each in said.since.signed] == [None, TIME]
    assert said.kept is not None
    assert said.kept.size == SINCE
    assert said.disclosures == sorted(DISCLOSED)
    assert (said.unknown, said.policy) == ([], True)
    assert said.recorded[0] < said.recorded[1]


def test_what_is_found_of_a_case() -> None:
    said = found("case")
    assert (said.first, said.last, said.versions) == (0, 10, (1, 6))
    assert (said.manifest.subject.stream, said.manifest.basis) == (CASE, BASIS)


def test_no_network_no_database_and_nothing_of_the_operators_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a verifier asks nobody")

    monkeypatch.setattr(socket, "socket", refused)
    assert found("ledger").manifest.entries == SIZE
    loaded = subprocess.run(
        [sys.executable, "-c", "import json, sys, ledger.bundle.verify; print(json.dumps([*sys.modules]))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = ("ledger.store", "ledger.vault", "ledger.domain", "ledger.law")
    forbidden = ("psycopg", "eventsourcing", "fastapi", *ours)
    assert not [name for name in json.loads(loaded.stdout) if name.startswith(forbidden)]


def test_a_fault_that_another_process_finds_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.bundle.verify.BLOCKS", 1)
    big = log(6_000).bundle(WHOLE)
    entries = held(big)
    index = 4_003
    entries[index] = index, flipped(entries[index][1], len(entries[index][1]) - 2)
    path = tmp_path / "bundle.zip"
    path.write_bytes(with_entries(big, entries))
    with pytest.raises(Tampered, match="entry 4004: its previous is not the leaf hash") as raised:
        verify(path, trusted(), processes=2)
    assert raised.value.index == index + 1


def test_memory_is_flat_however_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.bundle.verify.BLOCKS", 1)
    peaks = []
    for size in (6_000, 12_000):
        path = tmp_path / f"{size}.zip"
        path.write_bytes(log(size).bundle(WHOLE))
        verify(path, trusted(), processes=1)
        tracemalloc.start()
        verify(path, trusted(), processes=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2
    assert peaks[1] < 8_000_000


def test_a_file_that_is_not_there_could_not_be_verified(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read: No such file"):
        verify(tmp_path / "nowhere.zip", trusted())


def test_a_bundle_has_at_least_one_entry() -> None:
    with pytest.raises(InvalidInput, match="at least one entry"):
        log().bundle(type(MIDDLE)("range", start=4, end=4))


@pytest.mark.parametrize(("limit", "value"), [("MOST_BYTES", 20_000), ("MOST_MEMBERS", 8)])
def test_what_no_zip_can_hold_is_not_written(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    assert len(GOLDEN["case"]) > 20_000
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(InvalidInput, match="choose ranges"):
        log().bundle(OF_CASE)


def test_a_member_in_pieces_is_the_member_whole(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("w+b") as file:
        writer = Writer(file)
        writer.add("keys", [b"one", b"", b"two"])
        writer.close()
    found = archive.Archive(archive.Source(tmp_path / "a.zip"))
    assert found.read("keys", 6) == b"onetwo"
    assert [found.digest(each) for each in found.members.values()] == writer.digests


# --- the cover sheet -----------------------------------------------------------------------------------


NOW = datetime(2025, 7, 3, 4, 5, 6, tzinfo=UTC)


def page(said: Verified) -> str:
    return " ".join(cover(said, "evidence.zip", NOW).decode().split())


def test_the_sheet_says_in_words_what_was_proven_and_what_not() -> None:
    said = page(found("range", from_checkpoint=log().note(SINCE)))
    for each in (
        "verified on 3 July 2025, 14:05:06 in Melbourne (2025-07-03T04:05:06Z)",
        "Every entry from 3 to 8: 6.",
        "No entry between the first and the last of them is left out, put in or changed",
        "The witness witness.example saw this checkpoint at 2025-07-02T02:00:00Z, by its own clock",
        "Since the ledger had 5 entries it was only added to; the witness witness.example saw it so at",
        "2025-07-01T02:00:00Z. Entries from 5 on were not among those.",
        "It goes on from the checkpoint of 5 entries that whoever verified had kept.",
        "as many as the policy of whoever verified asks for",
        "That what the entries state is true.",
        "That everything that happened was recorded.",
    ):
        assert each in said, each
    assert "no witness whose key was given" not in said


def test_the_sheet_of_a_case_does_not_say_that_it_ends_there() -> None:
    said = page(found("case"))
    assert f"The case <code>{CASE}</code>, versions 1 to 6: 6 entries between 0 and 10." in said
    assert "No version of the case up to 6 is left out." in said
    assert "That the ledger holds no later entry of this case." in said
    assert "as the exporter states it: PDPA s 120(3)(a), s 112." in said
    assert "put in or changed" not in said


def test_the_sheet_of_a_register_says_whose_word_the_query_is() -> None:
    said = page(found("register"))
    assert "the register <code>requests</code> names for <code>scheme=vps</code>: that is what" in said


def test_the_sheet_of_a_ledger_says_that_it_is_all() -> None:
    assert "They are all entries under the checkpoint" in page(found("ledger"))


def test_without_a_witness_the_sheet_says_so() -> None:
    said = page(verify(GOLDEN["ledger"], [trusted()[0]], processes=1))
    assert "no witness whose key was given cosigned it" in said
    assert WITNESS.verifier.name not in said


def test_whatever_a_bundle_says_stands_in_the_sheet_as_text() -> None:
    subject = type(MIDDLE)("register", register="<script>alert(1)</script>", query={"a<b": "\"'><img src=x>"})
    made = log().bundle(subject, disclosures=[disclosure(4, "purpose")])
    said = cover(verify(made, trusted(), processes=1), "<b>.zip", NOW).decode()
    assert not [each for each in ("<script", "<img", "<b>", "<b ") if each in said]
    assert "what purpose holds: &#39;Ω &amp; &lt;b&gt;&#39;" in said
