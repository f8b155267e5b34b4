"""Where an installation publishes its ledgers' trees, and keeps the keys that sign them."""

from __future__ import annotations

from pathlib import Path

from ledger.errors import InvalidInput
from ledger.settings import Settings, place_of, without_secrets
from ledger.store.growing import Grow, grow
from ledger.store.ledgers import Ledger
from ledger.store.sealing import Link, Sealer
from ledger.store.tiles import TileFolder, Tiles
from ledger.vault.signing import FOLDER, SigningKeys

TILES = "tiles"


class Published:
    """The published files and the signing keys of an installation.

    The keys lie in its data directory; so do the files, where no ``url`` says where else.
    """

    def __init__(self, data_dir: Path, url: str | None = None) -> None:
        """Raises SettingsError where the URL's driver is not installed."""
        self.keys = SigningKeys(data_dir / FOLDER)
        self._place = str(data_dir / TILES) if url is None else url
        self.named("")

    @classmethod
    def by(cls, settings: Settings) -> Published:
        """As the settings say. Raises SettingsError."""
        return cls(settings.data_dir, settings.tiles_url)

    def of(self, ledger: Ledger) -> Tiles:
        """The published files of a ledger."""
        return self.named(ledger.slug)

    def named(self, slug: str) -> Tiles:
        """The published files of the ledger with this slug."""
        return tiles_at(f"{self._place}/{slug}")

    def sealer(self, link: Link, ledger: Ledger, grow: Grow = grow) -> Sealer:
        """What seals a ledger; its link is to be closed by who asks."""
        return Sealer(link, ledger, self.of(ledger), self.keys, grow=grow)


def tiles_at(place: str, given_by: str = "tiles_url") -> Tiles:
    """The published files of a ledger in a folder, or below a URL. Raises InvalidInput, SettingsError."""
    try:
        found = place_of(place)
    except ValueError as error:
        expected = str(error).removeprefix("expected ")
        raise InvalidInput(given_by, expected, without_secrets(place)) from None
    if isinstance(found, Path):
        return TileFolder(found)
    # Who publishes into a folder, as by default, needs no driver of object stores.
    from ledger.store.objects import TileObjects

    return TileObjects(found)
