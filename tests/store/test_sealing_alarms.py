"""What is not one history with what was signed is never signed: each attack is found, and nothing written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import AuditLedgerError, Diverged, SettingsError, Tampered, Unavailable, VaultError
from ledger.tlog.checkpoint import Checkpoint, sign
from ledger.tlog.note import SigningKey
from tests.store.published import SIZE, Place, place, sealed
from tests.waiting import until

__all__ = ["place", "sealed"]

LAST = SIZE + 9
"""The last entry of ``sealed``: recorded, and not sealed yet."""


def refused(place: Place, kind: type[AuditLedgerError], match: str, *, check: bool = True) -> None:
    """The sealer stops with this, again and again, and nothing is signed, published or written."""
    files, signed = place.files(), place.signed()
    steps: list[str] = []
    with place.sealer(steps.append) as sealer:
        # The second time from nothing: the first may have stopped in the middle of reading.
        for _ in range(2):
            with pytest.raises(kind, match=match) as caught:
                until(sealer.seal)
            assert caught.type is kind
            assert set(steps) <= {"key"}
            if check:
                with pytest.raises(kind, match=match):
                    sealer.check()
            assert (place.files(), place.signed()) == (files, signed)


def rewritten(note: bytes, old: bytes, new: bytes) -> bytes:
    assert old in note
    return note.replace(old, new)


def other_note(place: Place, *, size: int | None = None, origin: str = "", root: bytes = b"") -> bytes:
    """A checkpoint signed by the ledger's own key, as who stole it could make one."""
    (path,) = place.published.keys.folder.glob("*.key")
    key = SigningKey.parse(path.read_text())
    told = place.told()
    found = Checkpoint(
        origin or told.origin, told.size if size is None else size, root or told.root
    )  # fmt: skip
    return str(sign(found, [key if not origin else SigningKey.generate(origin)])).encode()


def by_another_key(place: Place) -> bytes:
    """The published checkpoint, signed by a key of the same name."""
    return str(sign(place.told(), [SigningKey.generate(place.ledger.origin)])).encode()


def test_entries_cut_off_below_the_signed_size(sealed: Place) -> None:
    with sealed.superuser() as connection:
        connection.execute("DELETE FROM ledger.entries WHERE index >= 200")
        connection.execute("UPDATE ledger.heads SET size = 200")
    refused(sealed, Diverged, "the database holds 200 entries, 300 are signed")


def test_entries_cut_off_under_a_head_that_still_counts_them(sealed: Place) -> None:
    sealed.change("DELETE FROM ledger.entries WHERE index >= 200")
    refused(sealed, Diverged, "entry 299 in the database is not the one that was sealed: a fork")


def test_the_signed_checkpoint_deleted(sealed: Place) -> None:
    sealed.forget()
    refused(sealed, Diverged, "a checkpoint is published, and the database has signed none")


def test_the_head_of_the_ledger_deleted(sealed: Place) -> None:
    sealed.change("DELETE FROM ledger.heads")
    refused(sealed, Diverged, "holds no head of this ledger")


def test_the_database_set_back_to_an_older_checkpoint(place: Place) -> None:
    place.fill(20)
    place.seal()
    older = place.signed()
    assert older is not None
    place.fill(20)
    place.seal()
    place.change("UPDATE ledger.checkpoints SET size = %s, root = %s, note = %s", *older)
    refused(place, Diverged, "40 entries are published, 20 signed here: the database is an older one")


def test_the_last_sealed_entry_rewritten_forks_at_the_edge(sealed: Place) -> None:
    sealed.alter(SIZE - 1, b"payload", b"Payload", with_hash=True)
    refused(sealed, Diverged, "entry 299 in the database is not the one that was sealed: a fork")


def test_a_new_history_from_before_the_edge(sealed: Place) -> None:
    """Entries from 280 on removed and others recorded by the program itself, whole and chained."""
    tree = sealed.tree()
    with sealed.superuser() as connection:
        connection.execute("DELETE FROM ledger.entries WHERE index >= 280")
        connection.execute("UPDATE ledger.heads SET size = 280, hash = %s", (tree.mth(279, 280),))
    sealed.fill(50)
    refused(sealed, Diverged, "a fork")


@pytest.mark.parametrize(
    ("attack", "index", "what"),
    [
        (lambda place: place.alter(305, b"payload", b"Payload"), 305, "expected leaf hash"),
        (lambda place: place.alter(305, b"payload", b"Payload", with_hash=True), 306, "its previous"),
        (
            lambda place: place.alter(300, place.tree().mth(299, 300), bytes(32), with_hash=True),
            300, "its previous",
        ),
        (lambda place: place.alter(305, b"vic.gov.au", b"vic.gov.uk", with_hash=True), 305, "its previous"),
        (lambda place: place.alter(305, b"payload", bytes(70_000), with_hash=True), 305, "at most 65535 bytes"),
        (lambda place: place.change("DELETE FROM ledger.entries WHERE index = 305"), 305, "it is missing"),
        (lambda place: place.change("DELETE FROM ledger.entries WHERE index = 300"), 300, "it is missing"),
        (lambda place: place.change("DELETE FROM ledger.entries WHERE index >= 307"), 307, "it is missing"),
        (lambda place: place.change("DELETE FROM ledger.entries WHERE index >= 300"), 300, "it is missing"),
        (
            lambda place: place.change("UPDATE ledger.entries SET leaf_hash = 'short' WHERE index = 305"),
            305, "not of 32 bytes",
        ),
        (
            lambda place: place.change("UPDATE ledger.entries SET leaf_hash = '', entry = '' WHERE index=305"),
            305, "not of 32 bytes",
        ),
        (lambda place: place.change("UPDATE ledger.entries SET entry = '' WHERE index=305"), 305, "leaf hash"),
        # Nothing is chained to the last one yet: the head row alone vouches for it.
        (lambda place: place.alter(LAST, b"payload", b"Payload", with_hash=True), LAST, "the head row's hash"),
        (lambda place: place.change("UPDATE ledger.heads SET hash = sha256('')"), LAST, "the head row's hash"),
    ],
    ids=[
        "bytes", "with hash", "previous", "origin", "too large", "missing", "first missing", "end missing",
        "all missing", "short hash", "empty", "no bytes",
        "the last with hash", "the head",
    ],
)  # fmt: skip
def test_an_entry_altered_before_it_was_sealed(
    sealed: Place, attack: Callable[[Place], None], index: int, what: str
) -> None:
    attack(sealed)
    refused(sealed, Tampered, f"entry {index}: .*{what}", check=False)
    # What is sealed already is as it was.
    with sealed.sealer() as sealer:
        assert sealer.check().signed == sealed.told()


def test_two_entries_swapped_before_they_were_sealed(sealed: Place) -> None:
    for old, new in ((303, -1), (305, 303), (-1, 305)):
        sealed.change("UPDATE ledger.entries SET index = %s WHERE index = %s", new, old)
    refused(sealed, Tampered, "entry 303: its previous", check=False)


EDGE = ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"]


@pytest.mark.parametrize("path", EDGE)
@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda data: None, "a tile that was signed is missing"),
        (lambda data: data[:-32], "a tile that was signed is not what it was"),
        (lambda data: data + bytes(32), "a tile that was signed is not what it was"),
        (lambda data: b"", "a tile that was signed is not what it was"),
        (
            lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
            "another root|is not what its tile",
        ),
        (
            lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
            "another root|is not what its tile",
        ),
    ],
    ids=["missing", "cut", "longer", "empty", "altered at the end", "altered at the beginning"],
)
def test_a_tile_at_the_edge_spoilt(
    sealed: Place, path: str, spoil: Callable[[bytes], bytes | None], what: str
) -> None:
    data = spoil((sealed.folder / path).read_bytes())
    (sealed.folder / path).unlink()
    if data is not None:
        (sealed.folder / path).write_bytes(data)
    refused(sealed, Diverged, what)


def test_a_tile_that_cannot_be_read_now_is_no_alarm(sealed: Place) -> None:
    path = sealed.folder / EDGE[0]
    path.rename(sealed.folder / "aside")
    path.mkdir()
    refused(sealed, Unavailable, "cannot be read")
    path.rmdir()
    (sealed.folder / "aside").rename(path)
    sealed.seal()
    assert sealed.check(SIZE - 10, SIZE) == SIZE + 10


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda place: by_another_key(place), "not ours"),
        (lambda place: other_note(place, origin="example.org/other"), "not ours"),
        (lambda place: other_note(place, root=bytes(32)), "the published root of 300 entries is another"),
        (lambda place: other_note(place, size=301), "301 entries are published, 300 signed here"),
        (lambda place: other_note(place, size=299), "the published root of 299 entries is not of the 300"),
        (lambda place: other_note(place, size=0), "the published root of 0 entries is not of the 300"),
        (lambda place: rewritten(place.note, b"\n300\n", b"\n290\n"), "not ours"),
        (lambda place: place.note[:-9], "not ours"),
        (lambda place: b"", "not ours"),
    ],
    ids=[
        "other key", "other origin", "other root", "ahead", "an older fork", "an older fork of nothing",
        "altered", "cut", "empty",
    ],
)  # fmt: skip
def test_the_published_checkpoint_replaced(sealed: Place, spoil: Callable[[Place], bytes], what: str) -> None:
    (sealed.folder / "checkpoint").write_bytes(spoil(sealed))
    refused(sealed, Diverged, what)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: other_note(place, root=bytes(32)),
        lambda place: other_note(place, size=299),
        lambda place: by_another_key(place),
        lambda place: rewritten(place.note, b"\n300\n", b"\n30\n"),
        lambda place: b"no note",
    ],
    ids=["other root", "other size", "other key", "altered", "no note"],
)
def test_the_note_in_the_database_is_not_of_its_row(sealed: Place, spoil: Callable[[Place], bytes]) -> None:
    sealed.change("UPDATE ledger.checkpoints SET note = %s", spoil(sealed).decode())
    refused(sealed, Diverged, "kept in the database is not|kept or published is not ours")


def test_the_signed_row_altered_but_for_its_note(sealed: Place) -> None:
    sealed.change("UPDATE ledger.checkpoints SET root = %s", bytes(32))
    refused(sealed, Diverged, "the signed note kept in the database is not of the checkpoint beside it")


def test_a_whole_other_history_signed_by_another_key_is_not_ours(sealed: Place) -> None:
    (path,) = sealed.published.keys.folder.glob("*.key")
    path.unlink()
    refused(sealed, VaultError, "expected a file in .*, got none, and checkpoints were signed; restore it")
    sealed.published.keys.first(sealed.ledger.slug, sealed.ledger.origin)
    refused(sealed, Diverged, "not ours")


@pytest.mark.parametrize(
    ("text", "mode", "what"),
    [
        (None, 0o644, "expected mode 0600, got 0644"),
        (None, 0o620, "expected mode 0600, got 0620"),
        ("PRIVATE+KEY+x", 0o600, "signing key: expected"),
        ("", 0o600, "signing key: expected"),
        (SigningKey.generate("example.org/other").secret_text, 0o600, "expected a key of"),
    ],
    ids=["readable", "writable", "malformed", "empty", "other origin"],
)
@pytest.mark.parametrize("first", [False, True])
def test_a_signing_key_that_is_not_what_it_should_be(
    place: Place, text: str | None, mode: int, what: str, *, first: bool
) -> None:
    place.published.keys.first(place.ledger.slug, place.ledger.origin)
    if not first:
        place.fill(3)
        place.seal()
    (path,) = place.published.keys.folder.glob("*.key")
    assert path.stat().st_mode & 0o777 == 0o600
    if text is not None:
        path.write_text(text)
    path.chmod(mode)
    refused(place, SettingsError, what, check=not first)


def test_other_bytes_at_the_place_of_a_tile(sealed: Place) -> None:
    place = sealed.folder / "tile/entries/001.p/54"
    place.write_bytes(b"not it")
    before = sealed.signed(), sealed.note
    with (
        sealed.sealer() as sealer,
        pytest.raises(Diverged, match="other bytes than the"),
    ):
        until(sealer.seal)
    assert (sealed.signed(), sealed.note) == before
    assert place.read_bytes() == b"not it"
    place.unlink()
    sealed.seal()
    assert sealed.check(SIZE - 10, SIZE) == SIZE + 10


@pytest.mark.parametrize("left", ["none", "older", "empty"])
def test_a_checkpoint_signed_and_not_published_is_published(place: Place, left: str) -> None:
    notes = {}
    for name in ("empty", "older"):
        place.seal()
        notes[name] = place.note
        place.fill(150)
    place.seal()
    last = place.note
    (place.folder / "checkpoint").unlink()
    if left in notes:
        (place.folder / "checkpoint").write_bytes(notes[left])
    with place.sealer() as sealer:
        assert sealer.check().note == last
    steps: list[str] = []
    place.seal(steps.append)
    assert (steps, place.note) == (["published"], last)
    assert place.check(150) == 300
