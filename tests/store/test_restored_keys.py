"""Restoring where the signing key was changed: what follows from the set, and what only its keeper can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import Untrusted
from ledger.store.backup import back_up
from ledger.store.restore import restore
from ledger.tlog.keyfile import write_key
from ledger.tlog.keyhistory import ADDED, RETIRED
from ledger.tlog.note import SigningKey, VerifierKey
from tests.store.published import Place, place
from tests.store.sets import MakeDatabase, another, keys_of, settings_of
from tests.store.test_key_history import ids, told

__all__ = ["another", "place"]


def rotated(place: Place) -> VerifierKey:
    """The ledger's key is another from here on; gives the one before."""
    (old,) = place.published.keys.of(place.ledger.slug, place.ledger.origin)
    new = SigningKey.generate(place.ledger.origin)
    write_key(place.published.keys.path(place.ledger.slug, new.verifier), new)
    told(place, 1, ADDED, new, place.seal().size + 1, old)
    place.seal()
    place.fill(5)
    until = place.seal().size + 1
    told(place, 2, RETIRED, old, until, new)
    place.fill(5)
    place.seal()
    place.published.keys.path(place.ledger.slug, old.verifier).unlink()
    assert ids(place.note) == {new.verifier.id.hex()}
    return old.verifier


def test_who_has_the_first_key_alone_is_led_on_by_what_the_set_tells(
    place: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    place.fill(10)
    place.seal()
    first = rotated(place)
    back_up(place.database, place.data, tmp_path / "set")
    size = place.seal().size
    place.fill(5)
    place.seal()
    found = restore(
        tmp_path / "set", settings_of(tmp_path / "new", another()), notes=[place.note], keys=[first]
    )
    assert [(each.size, each.lost) for each in found.ledgers] == [(size, 5)]
    stranger = SigningKey.generate(place.ledger.origin).verifier
    with pytest.raises(Untrusted, match="of a trusted key"):
        restore(tmp_path / "set", settings_of(tmp_path / "n2", another()), notes=[place.note], keys=[stranger])
    assert place.check(*_sizes(place)) == size + 5


def test_a_key_changed_since_the_set_is_known_by_what_is_published_or_has_to_be_named(
    place: Place, tmp_path: Path, another: MakeDatabase
) -> None:
    place.fill(10)
    size = place.seal().size
    back_up(place.database, place.data, tmp_path / "set")
    rotated(place)
    # The set holds no entry that tells of it, and a checkpoint alone holds none.
    with pytest.raises(Untrusted, match="changed since the set was made, name the new one by --key"):
        restore(tmp_path / "set", settings_of(tmp_path / "new"), notes=[place.note])
    assert [*(tmp_path / "new").rglob("*")] == []
    for number, given in enumerate(
        ({"published": place.data / "tiles"}, {"keys": keys_of(place) + _keys_of_set(tmp_path / "set")})
    ):
        found = restore(
            tmp_path / "set", settings_of(tmp_path / f"n{number}", another()), notes=[place.note], **given
        )
        assert [(each.size, each.lost) for each in found.ledgers] == [(size, 12)]


def _keys_of_set(folder: Path) -> list[VerifierKey]:
    from ledger.store.manifest import Manifest

    return [VerifierKey.parse(key) for each in Manifest.read(folder)[0].ledgers for key in each.keys]


def _sizes(place: Place) -> list[int]:
    """Of the seals, by the partial bundles that they left."""
    return sorted(int(path.name) for path in place.folder.glob("tile/entries/000.p/*"))
