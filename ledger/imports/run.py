"""The import of a file: every row checked first, then the good ones written, each row's commands together.

Step by step, and what a crash leaves: (1) read and check, nothing written; (2) keep the file, (3) record
``FileImported`` with the counts, (4) write rows, one submission a row. A crash before (3) leaves a file that no
entry names (swept later); after it, some rows. The same file again finds its import by derived ids, goes on
with the rows that are missing, and writes nothing twice. (5) Where a row could not be written after all, the
counts are corrected.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.application import Installation, Principal
from ledger.application.together import Together
from ledger.clock import melbourne_date
from ledger.codec.entry import CorrectionKind, Source, SourceKind
from ledger.domain.case import command_table
from ledger.domain.event import effective
from ledger.domain.installation.events import FileImported
from ledger.domain.organisation.events import OrganisationRegistered, OrganisationRenamed
from ledger.errors import AuditLedgerError, InvalidInput, OutcomeUnknown, Unavailable
from ledger.imports.cells import Document
from ledger.imports.differences import SEALED, Difference
from ledger.imports.interpret import RowCase, fault_of, interpret
from ledger.imports.mapping import RegisterMapping, word
from ledger.imports.plan import Change, Plan, plan_changed, plan_new
from ledger.imports.reading import parse_document, read_bytes
from ledger.imports.result import ChangedRow, ProposedContravention, Result, Vanished
from ledger.imports.standing import Ids, Standing, standing_of
from ledger.store.feed import END, StoredRow
from ledger.store.ledgers import COMMON
from ledger.store.submission import Receipt
from ledger.vault.opening import Opened
from ledger.vault.sealing import LEDGER_STREAM

IMPORT_KEY = "import"
"""Subject of the vault key that ids of imports are derived under."""
IMPORTS = "imports"
IN_FLIGHT = 64
"""Rows submitted and not yet answered: enough to make groups of, few enough to stop soon."""
CHUNK = 500
"""Cases loaded at once."""
RECOUNTED = "The rows were counted again when all of them had been written."

Progress = Callable[[str, int, int], None]
"""Told (what is being done, rows done, rows in all)."""


def _silent(_what: str, _done: int, _total: int) -> None:
    """No progress is shown."""


@dataclass(slots=True)
class _Planned:
    row: RowCase
    plan: Plan
    word: str
    """``new``, ``corrected`` or ``unchanged``."""
    changed: ChangedRow | None = None


def import_file(
    installation: Installation,
    slug: str,
    path: Path,
    mapping: RegisterMapping,
    *,
    principal: Principal,
    all_or_nothing: bool = False,
    dry_run: bool = False,
    open_reason: str | None = None,
    progress: Progress = _silent,
) -> Result:
    """Brings a file of a past register into a ledger, or with ``dry_run`` says what that would do.

    ``open_reason``: opens the sealed old values of changed rows to show them; that is recorded, in a dry run
    too. Bad rows are listed in the result and do not raise. Raises InvalidInput for a file that cannot be
    read, NotFound, Forbidden, Unavailable and OutcomeUnknown (import the same file again: it goes on).
    """
    data = read_bytes(path)
    document = read_mapped(data, mapping, path.name)
    return _Import(installation, slug, mapping, principal, progress).run(
        document, data, path.name, all_or_nothing=all_or_nothing, dry_run=dry_run, open_reason=open_reason
    )


def read_mapped(data: bytes, mapping: RegisterMapping, name: str) -> Document:
    """The file's sheets, each of which has every column of the mapping. Raises InvalidInput."""
    columns = mapping.columns()
    document = parse_document(
        data,
        header=mapping.header,
        sheets=mapping.sheets,
        encoding=mapping.encoding,
        delimiter=mapping.delimiter,
        columns=columns,
    )
    if not document.sheets:
        raise InvalidInput(name, "at least one sheet with headings", "none")
    for sheet in document.sheets:
        for column in columns:
            if column not in sheet.letters:
                found = ", ".join(sheet.letters)
                raise InvalidInput(f"{name}, sheet {sheet.name}", f"a column {column!r}", f"columns {found}")
    return document


class _Import:
    def __init__(
        self,
        installation: Installation,
        slug: str,
        mapping: RegisterMapping,
        principal: Principal,
        progress: Progress,
    ) -> None:
        self._installation = installation
        self._slug = slug
        self._mapping = mapping
        self._principal = principal
        self._progress = progress
        self._ledger = installation.ledgers.get(slug)
        self._together = Together(installation, slug, principal)
        _, key = installation.vault_keys.ensure(self._ledger.id, LEDGER_STREAM, IMPORT_KEY)
        self._ids = Ids(key, self._ledger.origin, mapping.format)
        self._organisations: dict[str, str] | None = None

    def run(
        self,
        document: Document,
        data: bytes,
        name: str,
        *,
        all_or_nothing: bool,
        dry_run: bool,
        open_reason: str | None,
    ) -> Result:
        earlier = self._earlier()
        import_id, recorded = self._import_id(data, earlier)
        rows = interpret(document, self._mapping, self._organisation)
        result = Result(
            import_id, self._mapping.format, self._mapping.register, self._slug, document.stated(),
            rows=len(rows), dry_run=dry_run, unstated=self._mapping.unstated(),
        )  # fmt: skip
        planned = self._plan_all(rows, import_id)
        others = [each for each in earlier if each is not recorded]
        if others:
            streams = {self._ids.case(row.key) for row in rows if row.key != "[]"}
            result.vanished = self._vanished({each.import_id for each in others}, streams)
        if open_reason is not None:
            self._open_old(planned, open_reason)
        self._settle(result, rows, planned)
        nothing = all_or_nothing and result.bad
        if not (dry_run or nothing) and result.new + result.corrected + result.unchanged:
            result.written = True
            file_imported = self._record_file(data, document, name, result, recorded, others)
            self._write(planned, import_id, result)
            self._settle(result, rows, planned)
            self._recount(result, file_imported, document, name)
        self._propose(rows, result)
        return result

    # --- what the ledger knows of the register ---------------------------------------------------------------

    def _earlier(self) -> list[FileImported]:
        facts = effective(self._installation.streams.facts(self._ledger, IMPORTS))
        return [f for f in facts if isinstance(f, FileImported) and f.format == self._mapping.format]

    def _import_id(self, data: bytes, earlier: Sequence[FileImported]) -> tuple[str, FileImported | None]:
        """The import's id, and its record where the register's last import was of this file and mapping."""
        digests = hashlib.sha256(data).hexdigest(), self._mapping.digest.hex()
        number = len(earlier)
        if earlier and earlier[-1].import_id == self._ids.file(*digests, number - 1):
            return earlier[-1].import_id, earlier[-1]
        return self._ids.file(*digests, number), None

    def _vanished(self, imports: set[str], streams: set[str]) -> list[Vanished]:
        """Cases that these imports opened and the file does not hold, but for those that were ended by hand."""
        area = self._mapping.register
        opens = [
            spec.event.name
            for name, specs in command_table().items()
            for spec in specs
            if spec.opens and name.split(".")[0] == area
        ]
        gone: list[Vanished] = []
        after = -1
        feed, ledger_id = self._installation.feed, self._ledger.id
        while batch := feed.read(ledger_id, after, events=opens):
            after = batch[-1].index
            for row in batch:
                reference = row.decoded.source.reference
                if row.version != 1 or reference is None or row.stream in streams:
                    continue
                import_id, _, place = reference.partition("/")
                sheet, _, number = place.rpartition("/")
                if import_id in imports and number.isdigit():
                    gone.append(Vanished(row.stream, import_id, sheet, int(number)))
        standing = self._standings([each.case for each in gone], dict.fromkeys((g.case for g in gone), "[]"))
        return [each for each in gone if (known := standing.get(each.case)) is None or not known.ended]

    def _standings(self, streams: Sequence[str], keys: dict[str, str]) -> dict[str, Standing]:
        out: dict[str, Standing] = {}
        for first in range(0, len(streams), CHUNK):
            found: dict[str, list[StoredRow]] = {}
            chunk = streams[first : first + CHUNK]
            for row in self._installation.feed.streams(self._ledger.id, chunk, until=END):
                found.setdefault(row.stream, []).append(row)
            for stream, rows in found.items():
                standing = standing_of(rows, self._ids, keys[stream])
                if standing is not None:
                    out[stream] = standing
        return out

    def _organisation(self, name: str) -> str:
        if self._organisations is None:
            self._organisations = {}
            common = self._installation.ledgers.get(COMMON)
            after, events = -1, [OrganisationRegistered.name, OrganisationRenamed.name]
            while batch := self._installation.feed.read(common.id, after, events=events):
                after = batch[-1].index
                for row in batch:
                    for fact in self._installation.streams.facts(common, row.stream):
                        if isinstance(fact, OrganisationRegistered | OrganisationRenamed):
                            for known in (fact.legal_name, fact.short_name):
                                if known:
                                    self._organisations[word(known)] = row.stream
        try:
            return self._organisations[word(name)]
        except KeyError:
            raise InvalidInput("organisation", "a name that 'organisation list' shows", name) from None

    # --- checking --------------------------------------------------------------------------------------------

    def _plan_all(self, rows: list[RowCase], import_id: str) -> list[_Planned]:
        planned: list[_Planned] = []
        good = [row for row in rows if not row.faults]
        for first in range(0, len(good), CHUNK):
            chunk = {self._ids.case(row.key): row for row in good[first : first + CHUNK]}
            standings = self._standings(list(chunk), {stream: row.key for stream, row in chunk.items()})
            for number, (stream, row) in enumerate(chunk.items(), first):
                self._progress("checking", number, len(good))
                try:
                    planned.append(self._plan(row, standings.get(stream), import_id))
                except (Unavailable, OutcomeUnknown):
                    raise
                except AuditLedgerError as error:
                    row.faults.append(fault_of(row.row, error))
        self._progress("checking", len(good), len(good))
        return planned

    def _plan(self, row: RowCase, standing: Standing | None, import_id: str) -> _Planned:
        source = self._source(row, import_id)
        if standing is None:
            return _Planned(row, plan_new(row, self._ids, self._together, source), "new")
        key = self._together.content_key(self._ids.case(row.key))
        plan = plan_changed(row, standing, self._ids, self._together, source, key)
        if plan.steps:
            changed = ChangedRow(row.row.sheet, row.row.number, row.shown_key, plan.stream, plan.changes)
            return _Planned(row, plan, "corrected", changed)
        # A row that this import wrote before it was cut short counts as what it was then.
        if standing.opened_by == import_id:
            return _Planned(row, plan, "new")
        return _Planned(row, plan, "corrected" if standing.changed_by == import_id else "unchanged")

    def _source(self, row: RowCase, import_id: str) -> Source:
        return Source(SourceKind.IMPORT, f"{import_id}/{row.row.sheet}/{row.row.number}")

    def _settle(self, result: Result, rows: Sequence[RowCase], planned: Sequence[_Planned]) -> None:
        """Counts the rows and lists the faults, in the order of the file."""
        result.faults = [fault for row in rows for fault in row.faults]
        result.bad = sum(bool(row.faults) for row in rows)
        result.changed = [each.changed for each in planned if each.changed and not each.row.faults]
        for name in ("new", "corrected", "unchanged"):
            setattr(result, name, sum(each.word == name and not each.row.faults for each in planned))

    # --- writing ---------------------------------------------------------------------------------------------

    def _write(self, planned: Sequence[_Planned], import_id: str, result: Result) -> None:
        todo = [each for each in planned if each.plan.steps]
        waiting: deque[tuple[_Planned, Future[list[Receipt]]]] = deque()
        for number, each in enumerate(todo):
            self._progress("writing", number, len(todo))
            while len(waiting) >= IN_FLIGHT:
                self._await(*waiting.popleft(), result)
            with _Listing(each.row):
                future = self._together.submit(
                    each.plan.stream, each.plan.steps, self._source(each.row, import_id)
                )
                waiting.append((each, future))
        while waiting:
            self._await(*waiting.popleft(), result)
        self._progress("writing", len(todo), len(todo))

    def _await(self, each: _Planned, future: Future[list[Receipt]], result: Result) -> None:
        with _Listing(each.row):
            result.entries += len(future.result())

    def _record_file(
        self,
        data: bytes,
        document: Document,
        name: str,
        result: Result,
        recorded: FileImported | None,
        others: Sequence[FileImported],
    ) -> FileImported:
        if recorded is not None:
            return recorded
        kept = self._installation.keep_file(self._slug, IMPORTS, io.BytesIO(data), len(data), field_path="file")
        fields: dict[str, Any] = {
            "import_id": result.import_id,
            "format": result.format,
            "register": result.register,
            **result.counts(),
            "mapping_digest": self._mapping.digest.hex(),
            "file": {**kept, "media_type": document.media_type, "title": name},
        }
        if others:
            fields["previous_import"] = others[-1].import_id
        self._file_imported(fields, "FileImported", None)
        return self._recorded(result.import_id)

    def _recount(self, result: Result, recorded: FileImported, document: Document, name: str) -> None:
        counts = result.counts()
        if all(getattr(recorded, field) == value for field, value in counts.items()):
            return
        fields: dict[str, Any] = {
            "import_id": recorded.import_id,
            "format": recorded.format,
            "register": recorded.register,
            **counts,
            "mapping_digest": self._mapping.digest.hex(),
        }
        if recorded.file is not None:
            fields["file"] = {
                "commitment": recorded.file.commitment.hex(),
                "key": recorded.file.key,
                "media_type": document.media_type,
                "length": recorded.file.length,
                "title": name,
            }
        if recorded.previous_import is not None:
            fields["previous_import"] = recorded.previous_import
        corrects = {"index": recorded.index, "kind": CorrectionKind.TYPING.value, "reason": RECOUNTED}
        self._file_imported(fields, f"FileImported {recorded.index}", corrects)

    def _file_imported(self, fields: dict[str, Any], step: str, corrects: dict[str, Any] | None) -> None:
        body: dict[str, Any] = {
            "happened": melbourne_date(self._installation.clock.now()).isoformat(),
            "fields": fields,
        }
        if corrects is not None:
            body["corrects"] = corrects
        self._installation.execute(
            self._slug,
            "import.FileImported",
            body,
            principal=self._principal,
            command_id=self._ids.command(fields["import_id"], step, 1),
            source=Source(SourceKind.IMPORT, fields["import_id"]),
        )

    def _recorded(self, import_id: str) -> FileImported:
        return next(each for each in self._earlier() if each.import_id == import_id)

    # --- what is for a person --------------------------------------------------------------------------------

    def _open_old(self, planned: Sequence[_Planned], reason: str) -> None:
        """Puts the opened old values where 'sealed' stands; recorded as one opening."""
        rows = [(each, each.changed) for each in planned if each.changed is not None]
        entries = sorted(
            {
                change.entry
                for _, row in rows
                for change in row.changes
                if change.entry is not None and any(d.old == SEALED for d in change.differences)
            }
        )
        if not entries:
            return
        opened = self._installation.open_sealed(
            self._slug, [(entry, None) for entry in entries], reason=reason, principal=self._principal
        )
        by_entry: dict[int | None, dict[str, Any]] = dict(zip(entries, opened, strict=True))
        for each, row in rows:
            changes = [_with_opened(change, by_entry.get(change.entry, {})) for change in row.changes]
            each.changed = replace(row, changes=changes)

    def _propose(self, rows: Sequence[RowCase], result: Result) -> None:
        size = self._installation.feed.head(self._ledger.id).size
        for row in rows:
            for each in row.proposed:
                fields = dict(each.body["fields"])
                if result.written and not row.faults:
                    about = {"ledger": self._ledger.origin, "stream": self._ids.case(row.key), "size": size}
                    fields["about"] = about
                body = {"happened": each.body["happened"], "fields": fields}
                result.proposed.append(ProposedContravention(each.sheet, each.row, each.key, body))


class _Listing:
    """A refusal inside is listed with the row; what would stop every row is raised."""

    def __init__(self, row: RowCase) -> None:
        self._row = row

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, AuditLedgerError) or isinstance(error, Unavailable | OutcomeUnknown):
            return False
        self._row.faults.append(fault_of(self._row.row, error))
        return True


def _with_opened(change: Change, opened: dict[str, Any]) -> Change:
    def differences() -> Iterator[Difference]:
        for each in change.differences:
            value = opened.get(each.field)
            if each.old != SEALED or value is None:
                yield each
            elif not isinstance(value, Opened):
                yield replace(each, old=value.word.value)
            elif value.value != each.new:
                yield replace(each, old=value.value, certain=True)

    return replace(change, differences=tuple(differences()))
