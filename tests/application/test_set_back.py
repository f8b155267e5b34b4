"""A database that is set back behind what is published, under a service that runs: sealing notices first."""

from __future__ import annotations

import pytest

from ledger.errors import Diverged
from ledger.service import sealing
from ledger.settings import Settings
from ledger.tlog.checkpoint import Checkpoint, sign
from tests.application.conftest import House
from tests.application.test_destroying import received
from tests.waiting import until


def test_no_entry_is_added_once_sealing_has_seen_it(house: House) -> None:
    installation, ledger = house.installation, house.ledger
    settings = Settings(data_dir=installation.data_dir, seal_interval=0.05)
    published = installation.published.of(ledger)
    with sealing(installation, settings) as sealed:
        assert sealed is not None
        received(house)
        size = installation.feed.head(ledger.id).size
        until(lambda: sealed.standing().get("dffh", (0,))[0] == size)
        # As it looks from here when two entries that were sealed are gone again.
        keys = installation.published.keys.of(ledger.slug, ledger.origin)
        published.publish(str(sign(Checkpoint(ledger.origin, size + 2, bytes(32)), keys)).encode())
        received(house)
        until(lambda: sealed.standing()["dffh"].alarm is not None)
        held = installation.feed.head(ledger.id).size
        with pytest.raises(Diverged, match=f"{size + 2} entries are published, the database holds {held}"):
            received(house)
        assert installation.feed.head(ledger.id).size == held
