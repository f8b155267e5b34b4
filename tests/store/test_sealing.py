"""A ledger grows into the tiles and roots that the definitions give, and one at a time seals it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ledger.errors import Tampered, Unavailable
from ledger.store import growing
from ledger.store import sealing as sealing_module
from ledger.store.database import Role
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.prover import Prover
from tests.store.published import SIZE, Place, place, sealed
from tests.waiting import until

__all__ = ["place", "sealed"]

# --- growing ---------------------------------------------------------------------------------------------


def test_a_new_ledger_publishes_size_0_and_the_empty_root(place: Place) -> None:
    assert place.seal() == Checkpoint(place.ledger.origin, 0, sha256(b"").digest())
    assert place.note.startswith(
        b"example.vic.gov.au/dffh\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"
    )
    assert place.check() == 0


@pytest.mark.parametrize(
    "batches",
    [[1], [255], [256], [257], [600], [1, 254, 1, 1, 300], [256, 256], [0, 3, 252, 2, 511], [1200]],
    ids=str,
)
def test_however_it_grows_it_is_the_naive_tree_and_everything_can_be_proven(
    place: Place, batches: list[int]
) -> None:
    notes, sizes = [], [0]
    for batch in batches:
        place.fill(batch)
        sizes.append(place.seal().size)
        notes.append(place.note)
    size = place.check(*sizes)
    assert size == sum(batches)
    tree, tiles = place.tree(), place.published.of(place.ledger)
    trusted = [key.verifier for key in place.published.keys.of(place.ledger.slug, place.ledger.origin)]
    for note in notes:
        prover = Prover(tiles.read, note)
        reached = prover.checkpoint.size
        for before in sizes:
            if before <= reached:
                old = Checkpoint(place.ledger.origin, before, tree.root(before))
                assert prover.consistency(before).verify(old, trusted).checkpoint.size == reached
                assert not before or prover.root(before) == old.root
    for index in range(size):
        assert prover.entry(index) == tree.entries[index]
        prover.inclusion(index).verify(tree.entries[index], trusted)


def test_a_seal_of_nothing_new_writes_and_signs_nothing(sealed: Place) -> None:
    sealed.seal()
    files, signed = sealed.files(), sealed.signed()
    times = {path: (sealed.data / path).stat().st_mtime_ns for path in files}
    with sealed.database.connect_admin() as connection:
        at = connection.execute("SELECT xmin, signed_at FROM ledger.checkpoints").fetchall()
        steps: list[str] = []
        sealed.seal(steps.append)
        assert connection.execute("SELECT xmin, signed_at FROM ledger.checkpoints").fetchall() == at
    assert (steps, sealed.files(), sealed.signed()) == ([], files, signed)
    assert times == {path: (sealed.data / path).stat().st_mtime_ns for path in files}
    assert sealed.check(SIZE - 10, SIZE) == SIZE + 10


def test_what_waits_is_signed_and_published_batch_by_batch(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing_module, "BATCH", 256)
    place.fill(100)
    place.seal()
    place.fill(600)
    told: list[int] = []

    def step(name: str) -> None:
        if name == "published":
            told.append(place.told().size)

    assert place.seal(step).size == 700
    assert told == [256, 512, 700]
    assert place.check(100, 256, 512) == 700


@pytest.mark.parametrize("room", [1, 20_000, 60_000])
def test_a_batch_has_room_for_so_many_bytes(place: Place, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """However large its entries are; one at least, and none that is missing is taken for the end."""
    monkeypatch.setattr(growing, "ROOM", room)
    place.fill(12, b"x" * 9_000)
    place.fill(20, b"y" * 100)
    told: list[int] = []
    place.seal(lambda name: told.append(place.told().size) if name == "published" else None)
    assert told[1:] == {1: [*range(1, 33)], 20_000: [3, 6, 9, 12, 32], 60_000: [7, 32]}[room]
    place.fill(30, b"z" * 1_000)
    with place.database.connect_admin() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM ledger.entries WHERE index = 33")
    with pytest.raises(Tampered, match="it is missing") as refused:
        place.seal()
    assert refused.value.index == 33


def test_a_sealer_goes_on_from_where_it_was_and_takes_what_came_meanwhile(place: Place) -> None:
    with place.sealer() as sealer:
        for _ in range(3):
            place.fill(130)
            until(sealer.seal)
            assert sealer.check().size == place.told().size
    assert place.check(130, 260) == 390


# --- who may ---------------------------------------------------------------------------------------------


def test_of_two_sealers_the_second_waits_until_the_first_lets_go(place: Place) -> None:
    place.fill(5)
    with place.sealer() as first, place.sealer() as second:
        assert first.seal() is not None
        place.fill(5)
        assert second.seal() is None
        assert second.check().size == 10
        assert place.told().size == 5
        first.close()
        assert until(second.seal)
        assert first.seal() is None
    assert place.check(5) == 10


@pytest.mark.parametrize("at", ["key", "tiles"])
def test_one_that_lost_its_lease_signs_nothing_beside_the_one_that_has_it(place: Place, at: str) -> None:
    if at == "tiles":
        place.seal()
    place.fill(300)

    def overtaken(name: str) -> None:
        if name == at:
            # As if the lease had been lost with its connection.
            with other, place.database.connect(Role.SEALER) as connection:
                other._link._connection = connection
                other._link.leases.add(place.ledger.id)
                assert other.seal() is not None
                place.fill(10)
                assert other.seal() is not None

    other = place.sealer()
    with (
        place.sealer(overtaken) as sealer,
        pytest.raises(Unavailable, match="has signed a checkpoint"),
    ):
        until(sealer.seal)
    assert place.check(300) == 310
