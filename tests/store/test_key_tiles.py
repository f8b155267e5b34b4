"""Published files by who stole a key: while two are in force both sign, and a retired one signs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.domain.keys.standing import changes_in
from ledger.errors import Untrusted
from ledger.store.followed import followed
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import TileFolder
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import Note, SigningKey, VerifierKey
from tests.bundle.keyed import (
    ADDITION,
    BOTH,
    EVIL,
    FIRST_ONLY,
    RETIREMENT,
    SECOND,
    SECOND_ONLY,
    added,
    keyed,
    retired,
    rotated,
)
from tests.bundle.made import KEY, Log
from tests.store.published import files_of
from tests.tlog.naive import Tree

GIVEN = [FIRST_ONLY, SECOND_ONLY, BOTH]
SECOND_ADDED = (ADDITION, added(1, SECOND, ADDITION + 1, KEY))
THIRD = EVIL


def published(folder: Path, log: Log, *more: SigningKey) -> TileFolder:
    """The files of a log, whose checkpoint others sign too."""
    for path, data in files_of(Tree(log.entries), len(log.entries)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    note = Note.parse(log.note())
    lines = sign(Checkpoint.parse(note.text), more).signatures if more else ()
    (folder / "checkpoint").write_text(str(note.also(lines)))
    return TileFolder(folder)


@pytest.mark.parametrize("given", GIVEN, ids=["first", "second", "both"])
def test_published_files_that_one_key_of_an_overlap_signed_alone(
    tmp_path: Path, given: tuple[str, ...]
) -> None:
    log = keyed(SECOND_ADDED, by=KEY)
    keys = [VerifierKey.parse(each) for each in given]
    assert verify_tiles(published(tmp_path / "both", log, SECOND), keys, processes=1).checkpoint.size == 10
    with pytest.raises(Untrusted):
        verify_tiles(published(tmp_path / "first", log), keys, processes=1)


def test_what_is_said_of_an_overlap_names_the_key_that_is_missing(tmp_path: Path) -> None:
    log = keyed(SECOND_ADDED, by=KEY)
    with pytest.raises(
        Untrusted, match=f"each key that was added, .*{SECOND.verifier.id.hex()} signs sizes from 5"
    ):
        verify_tiles(published(tmp_path, log), [KEY.verifier], processes=1)


def test_who_is_led_through_an_overlap_asks_for_each_key(tmp_path: Path) -> None:
    """Also where entries are read just to know whose checkpoint it is."""
    log = keyed(
        (2, added(1, SECOND, 3, KEY)),
        (3, retired(2, KEY, 4, SECOND)),
        (5, added(3, THIRD, 6, SECOND)),
        by=SECOND,
    )
    with pytest.raises(Untrusted, match="each key that was added"):
        followed(published(tmp_path / "second", log), [KEY.verifier])
    known = followed(published(tmp_path / "all", log, THIRD), [KEY.verifier])
    assert {each.key for each in known.ranges if each.until is None} == {SECOND.verifier, THIRD.verifier}


FORGED = [
    keyed(by=KEY),
    keyed((5, retired(1, SECOND, 5, KEY)), by=KEY),
    keyed((ADDITION, retired(1, SECOND, 5, KEY)), by=KEY),
    keyed((1, added(1, EVIL, 2, KEY)), by=EVIL),
    keyed((5, retired(1, SECOND, 5, KEY)), (6, added(2, EVIL, 6, KEY)), by=EVIL),
]


@pytest.mark.parametrize("given", [FIRST_ONLY, BOTH], ids=["first", "both"])
@pytest.mark.parametrize("forged", FORGED, ids=["untold", "retired", "at the tie", "added", "both"])
def test_a_false_folder_of_a_retired_key_is_refused_by_who_holds_the_true_entries(
    tmp_path: Path, forged: Log, given: tuple[str, ...]
) -> None:
    keys, true = [VerifierKey.parse(each) for each in given], rotated(SECOND)
    held = changes_in(true.entries[at] for at in (ADDITION, RETIREMENT))
    honest = published(tmp_path / "true", true)
    assert verify_tiles(honest, keys, held=held, processes=1).checkpoint.size == 10
    tiles = published(tmp_path / "false", forged)
    assert verify_tiles(tiles, keys, processes=1).checkpoint.size == 10
    with pytest.raises(Untrusted):
        verify_tiles(tiles, keys, held=held, processes=1)


def test_who_is_led_on_by_what_is_published_holds_all_up_to_the_last(tmp_path: Path) -> None:
    true = rotated(SECOND)
    tiles = published(tmp_path, true)
    held = changes_in([true.entries[RETIREMENT]])
    for check in (followed, verify_tiles):
        with pytest.raises(Untrusted, match=f"entry {ADDITION}: .* is not among the entries given"):
            check(tiles, [KEY.verifier], held=held)


@pytest.mark.parametrize(
    ("forged", "what"),
    [(FORGED[0], "each key that was added"), (FORGED[2], f"entry {ADDITION}: .* not among the entries given")],
    ids=["untold", "at the tie"],
)
def test_a_false_folder_of_a_key_in_force_is_refused_by_who_holds_what_adds_its_successor(
    tmp_path: Path, forged: Log, what: str
) -> None:
    """No entry is read to know whose checkpoint it is: what they tell comes once all are."""
    tiles, held = published(tmp_path, forged), changes_in([rotated(SECOND).entries[ADDITION]])
    assert followed(tiles, [KEY.verifier], held=held).passed_over == []
    with pytest.raises(Untrusted, match=what):
        verify_tiles(tiles, [KEY.verifier], held=held, processes=1)
