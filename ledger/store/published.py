"""Where a data directory publishes its ledgers' trees, and keeps the keys that sign them."""

from __future__ import annotations

from pathlib import Path

from ledger.store.ledgers import Ledger
from ledger.store.sealing import Link, Sealer
from ledger.store.tiles import TileFolder
from ledger.vault.signing import FOLDER, SigningKeys

TILES = "tiles"


class Published:
    """The published files and the signing keys of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.keys = SigningKeys(data_dir / FOLDER)
        self._folder = data_dir / TILES

    def of(self, ledger: Ledger) -> TileFolder:
        """The published files of a ledger."""
        return TileFolder(self._folder / ledger.slug)

    def sealer(self, link: Link, ledger: Ledger) -> Sealer:
        """What seals a ledger; its link is to be closed by who asks."""
        return Sealer(link, ledger, self.of(ledger), self.keys)
