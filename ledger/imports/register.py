"""What the ledger knows of a register: its earlier files, its cases, and whom its words name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import islice

from ledger.application import Installation
from ledger.domain.case import command_table
from ledger.domain.event import effective
from ledger.domain.installation.events import FileImported
from ledger.domain.organisation.events import OrganisationRegistered, OrganisationRenamed
from ledger.errors import InvalidInput
from ledger.imports.mapping import RegisterMapping, word
from ledger.imports.result import Vanished
from ledger.imports.standing import Ids, Standing, standing_of
from ledger.store.feed import StoredRow
from ledger.store.ledgers import COMMON, Ledger
from ledger.vault.sealing import LEDGER_STREAM

IMPORT_KEY = "import"
"""Subject of the vault key that ids of imports are derived under."""
IMPORTS = "imports"
"""The stream of ``FileImported``."""
CHUNK = 500
"""Cases loaded at once."""


class Known:
    """One register in one ledger, as recorded."""

    def __init__(self, installation: Installation, ledger: Ledger, mapping: RegisterMapping) -> None:
        self._installation = installation
        self._ledger = ledger
        self._mapping = mapping
        # The one thing that a dry run may leave: a key that no entry names yet.
        _, key = installation.vault_keys.ensure(ledger.id, LEDGER_STREAM, IMPORT_KEY)
        self.ids = Ids(key, ledger.origin, mapping.format)
        self._organisations: dict[str, str] | None = None

    def imports(self) -> list[FileImported]:
        """The register's imports so far, as corrected, in order."""
        facts = effective(self._installation.streams.facts(self._ledger, IMPORTS))
        return [f for f in facts if isinstance(f, FileImported) and f.format == self._mapping.format]

    def import_id(self, data: bytes, earlier: Sequence[FileImported]) -> tuple[str, FileImported | None]:
        """The import's id, and its record where the register's last import was of this file and mapping."""
        digests = hashlib.sha256(data).hexdigest(), self._mapping.digest.hex()
        number = len(earlier)
        if earlier and earlier[-1].import_id == self.ids.file(*digests, number - 1):
            return earlier[-1].import_id, earlier[-1]
        return self.ids.file(*digests, number), None

    def standings(self, keys: Mapping[str, str]) -> dict[str, Standing]:
        """How the cases stand, by stream; ``keys``: the row key of each. Those not recorded are left out."""
        out: dict[str, Standing] = {}
        streams = iter(keys)
        while chunk := list(islice(streams, CHUNK)):
            found: dict[str, list[StoredRow]] = {}
            for row in self._installation.feed.streams(self._ledger.id, chunk):
                found.setdefault(row.stream, []).append(row)
            for stream, rows in found.items():
                standing = standing_of(rows, self.ids, keys[stream])
                if standing is not None:
                    out[stream] = standing
        return out

    def vanished(self, imports: set[str], streams: set[str]) -> list[Vanished]:
        """Cases that these imports opened and the file does not hold, but for those that were ended by hand."""
        opens = [
            spec.event.name
            for name, specs in command_table().items()
            for spec in specs
            if spec.opens and name.split(".")[0] == self._mapping.register
        ]
        gone: list[Vanished] = []
        after = -1
        while batch := self._installation.feed.read(self._ledger.id, after, events=opens):
            after = batch[-1].index
            for row in batch:
                reference = row.decoded.source.reference
                if row.version != 1 or reference is None or row.stream in streams:
                    continue
                import_id, _, place = reference.partition("/")
                sheet, _, number = place.rpartition("/")
                if import_id in imports and number.isdigit():
                    gone.append(Vanished(row.stream, import_id, sheet, int(number)))
        standings = self.standings({each.case: "" for each in gone})
        return [each for each in gone if not standings[each.case].ended]

    def organisation(self, name: str) -> str:
        """The id of an organisation of ``common``, by any name it has or had. Raises InvalidInput."""
        if self._organisations is None:
            self._organisations = self._read_organisations()
        try:
            return self._organisations[word(name)]
        except KeyError:
            raise InvalidInput("organisation", "a name that 'organisation list' shows", name) from None

    def _read_organisations(self) -> dict[str, str]:
        found: dict[str, str] = {}
        common = self._installation.ledgers.get(COMMON)
        after, events = -1, [OrganisationRegistered.name]
        while batch := self._installation.feed.read(common.id, after, events=events):
            after = batch[-1].index
            for stream in {row.stream: None for row in batch}:
                for fact in effective(self._installation.streams.facts(common, stream)):
                    if isinstance(fact, OrganisationRegistered | OrganisationRenamed):
                        for name in (fact.legal_name, fact.short_name):
                            if name:
                                found[word(name)] = stream
        return found
