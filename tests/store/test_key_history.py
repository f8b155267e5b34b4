"""Which keys sign a checkpoint of which size, where sealing has fallen behind, and what the history costs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256
from uuid import uuid4

import pytest

from ledger.codec.entry import Precision
from ledger.domain.event import Header, encode_payload
from ledger.domain.keys.events import KeyReason, SigningKeyAdded, SigningKeyRetired
from ledger.domain.keys.standing import STREAM
from ledger.errors import SettingsError, VaultError
from ledger.store import sealing as sealing_module
from ledger.store.submission import draft
from ledger.store.tilecheck import verify_tiles
from ledger.store.tiles import TileFolder
from ledger.store.writer import Writer
from ledger.tlog.keyfile import write_key
from ledger.tlog.keyhistory import ADDED, RETIRED, state
from ledger.tlog.note import Note, SigningKey
from tests.store.published import Place, place
from tests.support import ACTOR, SOURCE, check_ledger
from tests.waiting import until

__all__ = ["place"]


def told(place: Place, version: int, what: str, key: SigningKey, size: int, by: SigningKey) -> None:
    """Records a change of keys, as a command would."""
    named = key if what == ADDED else key.verifier
    kind, field = (SigningKeyAdded, "valid_from") if what == ADDED else (SigningKeyRetired, "valid_until")
    command = str(uuid4())
    header = Header(date(2025, 6, 11), Precision.DAY, ACTOR, SOURCE, command, 0)
    fields = {
        "key": str(key.verifier), "fingerprint": sha256(key.verifier.public).digest(), field: size,
        "statement": str(state(place.ledger.origin, what, named, size, [by])), "reason": KeyReason.SCHEDULED,
    }  # fmt: skip
    event = kind(
        originator_id=STREAM, originator_version=version, timestamp=datetime.now(UTC), header=header, **fields
    )
    one = draft(
        stream=STREAM, version=version, event=kind.name, happened_on=header.happened_on,
        precision=header.precision, actor=ACTOR, source=SOURCE, command=command, part=0,
        payload=encode_payload(event),
    )  # fmt: skip
    with Writer(place.database) as writer:
        writer.submit(place.ledger.id, [one]).result(30)


def ids(note: bytes) -> set[str]:
    return {line.id.hex() for line in Note.parse(note).signatures}


def test_behind_by_batches_each_size_is_signed_by_its_own_keys(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing_module, "BATCH", 256)
    place.fill(10)
    place.seal()
    (first,) = place.published.keys.of(place.ledger.slug, place.ledger.origin)
    second = SigningKey.generate(place.ledger.origin)
    write_key(place.published.keys.path(place.ledger.slug, second.verifier), second)
    place.fill(290)
    told(place, 1, ADDED, second, 11, first)
    place.fill(300)
    signed: dict[int, set[str]] = {}

    def step(name: str) -> None:
        if name == "published":
            signed[place.told().size] = ids(place.note)

    place.seal(step)
    one, two = first.verifier.id.hex(), second.verifier.id.hex()
    # Its statement says from 11 on; it signs once its entry, of index 300, is under the tree.
    assert signed == {256: {one}, 512: {one, two}, 601: {one, two}}
    told(place, 2, RETIRED, first, 602, second)
    place.fill(400)
    signed.clear()
    place.seal(step)
    assert signed == {768: {two}, 1002: {two}}
    for key in (first, second):
        assert verify_tiles(TileFolder(place.folder), [key.verifier], processes=1).checkpoint.size == 1002
    assert check_ledger(place.database, place.ledger) == 1002


def test_one_sealer_that_goes_on_reads_of_the_history_only_what_is_new(place: Place) -> None:
    place.fill(3)
    with place.sealer() as sealer:
        until(sealer.seal)
        (first,) = place.published.keys.of(place.ledger.slug, place.ledger.origin)
        before = first
        for version in range(1, 7, 2):
            after = SigningKey.generate(place.ledger.origin)
            write_key(place.published.keys.path(place.ledger.slug, after.verifier), after)
            size = sealer.keys().size
            told(place, version, ADDED, after, size + 1, before)
            assert sealer.seal() is not None
            assert ids(place.note) == {before.verifier.id.hex(), after.verifier.id.hex()}
            told(place, version + 1, RETIRED, before, size + 2, after)
            assert sealer.seal() is not None
            assert ids(place.note) == {after.verifier.id.hex()}
            before = after
        assert len(sealer._changes) == 6
        statements: list[str] = []
        connection = sealer._link.open()
        connection.execute("SELECT 1")
        real = connection.execute
        connection.execute = lambda *a, **k: statements.append(str(a[1:])) or real(*a, **k)
        sealer.seal()
        assert [each for each in statements if "'after': 6" in each and STREAM in each]
    assert verify_tiles(TileFolder(place.folder), [first.verifier], processes=1).checkpoint.size == 9
    assert check_ledger(place.database, place.ledger) == 9


def test_where_no_held_key_signs_that_size_nothing_is_signed(place: Place) -> None:
    place.fill(3)
    place.seal()
    (first,) = place.published.keys.of(place.ledger.slug, place.ledger.origin)
    second = SigningKey.generate(place.ledger.origin)
    path = place.published.keys.path(place.ledger.slug, second.verifier)
    write_key(path, second)
    told(place, 1, ADDED, second, 4, first)
    place.seal()
    told(place, 2, RETIRED, first, 5, second)
    path.unlink()
    before = place.note
    with pytest.raises(VaultError, match="of a key that signs size 5, got only keys that do not"):
        place.seal()
    assert place.note == before
    write_key(path, second)
    place.seal()
    assert ids(place.note) == {second.verifier.id.hex()}
    check_ledger(place.database, place.ledger)


def test_of_two_files_before_the_first_seal_none_is_taken_for_the_ledgers_key(place: Place) -> None:
    for _ in range(2):
        key = SigningKey.generate(place.ledger.origin)
        write_key(place.published.keys.path(place.ledger.slug, key.verifier), key)
    with pytest.raises(SettingsError, match="expected one key of"):
        place.seal()
    assert place.signed() is None
