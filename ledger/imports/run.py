"""The import of a file: every row checked first, then the good ones written, each row's commands together.

Step by step, and what a crash leaves: (1) read and check, nothing written; (2) keep the file, (3) record
``FileImported`` with the counts, (4) write rows, one submission a row. A crash before (3) leaves a file that no
entry names (swept later); after it, some rows. The same file again finds its import by derived ids, goes on
with the rows that are missing, and writes nothing twice. (5) Where a row could not be written after all, the
counts are corrected.

Several processes may import at once, the same file or another of the register: a row whose case moved on
meanwhile is planned anew by how it stands then, so that each ends with the counts of what came of its file.
"""

from __future__ import annotations

import contextlib
import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.application import Installation, Principal
from ledger.application.together import Together
from ledger.clock import melbourne_date
from ledger.codec.entry import CorrectionKind, Source, SourceKind
from ledger.domain.installation.events import FileImported
from ledger.errors import (
    AuditLedgerError,
    CommandReused,
    Conflict,
    Forbidden,
    InvalidInput,
    OutcomeUnknown,
    Unavailable,
)
from ledger.imports.cells import Document
from ledger.imports.differences import SEALED, Difference
from ledger.imports.interpret import RowCase, interpret
from ledger.imports.mapping import RegisterMapping
from ledger.imports.plan import Change, Plan, plan_changed, plan_new
from ledger.imports.reading import parse_document, read_bytes
from ledger.imports.register import CHUNK, IMPORTS, Known
from ledger.imports.result import ChangedRow, ProposedContravention, Result
from ledger.imports.standing import Standing
from ledger.store.settle import FirstReceipts
from ledger.store.submission import Submission
from ledger.vault.opening import Opened
from ledger.vault.store import KeyGone

STOP = (Unavailable, OutcomeUnknown, Forbidden)
"""What is no row's own fault: it stops the import."""
IN_FLIGHT = 64
"""Rows submitted and not yet answered: enough to make groups of, few enough to stop soon."""
TRIES = 8
"""How often a row is planned anew because its case moves on while it is written."""
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
        self._known = Known(installation, self._ledger, mapping)
        self._ids = self._known.ids

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
        earlier = self._known.imports()
        import_id, recorded = self._known.import_id(data, earlier)
        rows = interpret(document, self._mapping, self._known.organisation)
        result = Result(
            import_id, self._mapping.format, self._mapping.register, self._slug, document.stated(),
            rows=len(rows), dry_run=dry_run, unstated=self._mapping.unstated(),
        )  # fmt: skip
        planned = self._plan_all(rows, import_id)
        result.went_in_before = recorded is not None and not any(each.plan.steps for each in planned)
        others = [each for each in earlier if each is not recorded]
        if others:
            streams = {self._ids.case(row.key) for row in rows if row.key != "[]"}
            result.vanished = self._known.vanished({each.import_id for each in others}, streams)
        if open_reason is not None:
            self._open_old(planned, open_reason)
        self._settle(result, rows, planned)
        nothing = all_or_nothing and result.bad
        if not (dry_run or nothing) and result.new + result.corrected + result.unchanged:
            result.written = True
            if recorded is None:
                self._record_file(data, document, name, result, others)
            self._write(planned, import_id, result)
            self._settle(result, rows, planned)
            self._recount(result, document, name)
        self._propose(rows, result)
        return result

    # --- checking --------------------------------------------------------------------------------------------

    def _plan_all(self, rows: list[RowCase], import_id: str) -> list[_Planned]:
        planned: list[_Planned] = []
        good = [row for row in rows if not row.faults]
        for first in range(0, len(good), CHUNK):
            chunk = {self._ids.case(row.key): row for row in good[first : first + CHUNK]}
            standings = self._known.standings({stream: row.key for stream, row in chunk.items()})
            for number, (stream, row) in enumerate(chunk.items(), first):
                self._progress("checking", number, len(good))
                try:
                    planned.append(self._plan(row, standings.get(stream), import_id))
                except STOP:
                    raise
                except AuditLedgerError as error:
                    row.refuse(error)
        self._progress("checking", len(good), len(good))
        return planned

    def _plan(self, row: RowCase, standing: Standing | None, import_id: str) -> _Planned:
        source = self._source(row, import_id)
        if standing is None:
            return _Planned(row, plan_new(row, self._ids, self._together, source), "new")
        keys = self._together.content_keys(self._ids.case(row.key))
        plan = plan_changed(row, standing, self._ids, self._together, source, keys)
        if plan.steps:
            changed = ChangedRow(row.row.sheet, row.row.number, row.shown_key, plan.stream, plan.changes)
            return _Planned(row, plan, "corrected", changed)
        # A row that this import wrote before it was cut short counts as what it was then.
        if standing.opened_by == import_id:
            return _Planned(row, plan, "new")
        return _Planned(row, plan, "corrected" if standing.changed_by == import_id else "unchanged")

    def _source(self, row: RowCase, import_id: str) -> Source:
        return Source(SourceKind.IMPORT, f"{import_id}/{row.row.place}/{row.row.number}")

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
        waiting: deque[tuple[_Planned, Submission | None]] = deque()
        moved: list[_Planned] = []
        for number, each in enumerate(todo):
            self._progress("writing", number, len(todo))
            while len(waiting) >= IN_FLIGHT:
                self._await(*waiting.popleft(), result, moved)
            try:
                submission = self._submit(each, import_id)
            except STOP:
                raise
            except AuditLedgerError:
                moved.append(each)
            else:
                waiting.append((each, submission))
        while waiting:
            self._await(*waiting.popleft(), result, moved)
        for each in moved:
            self._write_anew(each, import_id, result)
        self._progress("writing", len(todo), len(todo))

    def _submit(self, each: _Planned, import_id: str) -> Submission | None:
        return self._together.submit(each.plan.stream, each.plan.steps, self._source(each.row, import_id))

    @staticmethod
    def _await(each: _Planned, submission: Submission | None, result: Result, moved: list[_Planned]) -> None:
        try:
            if not _written(submission, result):
                moved.append(each)
        except STOP:
            raise
        except AuditLedgerError:
            moved.append(each)

    def _write_anew(self, each: _Planned, import_id: str, result: Result) -> None:
        """A row that passed every check, and then was refused or there already: its case has moved on since.

        It is planned by how the case stands now; where that goes on, the row is listed with the last refusal.
        """
        stream = each.plan.stream
        try:
            for attempt in range(TRIES):
                now = self._plan(each.row, self._known.standings({stream: each.row.key}).get(stream), import_id)
                each.plan, each.word = now.plan, now.word
                each.changed = now.changed or (each.changed if now.word == "corrected" else None)
                if not now.plan.steps:
                    return
                try:
                    if _written(self._submit(each, import_id), result):
                        return
                except (Conflict, CommandReused, KeyGone):
                    if attempt == TRIES - 1:
                        raise
        except STOP:
            raise
        except AuditLedgerError as error:
            each.row.refuse(error)

    def _record_file(
        self, data: bytes, document: Document, name: str, result: Result, others: Sequence[FileImported]
    ) -> None:
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
        # Where someone else imports the same file at this moment, theirs is the record.
        with contextlib.suppress(CommandReused):
            self._file_imported(fields, "FileImported", None)

    def _recount(self, result: Result, document: Document, name: str) -> None:
        """Corrects the counts where they came out otherwise. Of several who import one file, the last says."""
        while True:
            recorded = self._recorded(result.import_id)
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
            # Someone else has corrected the same entry: theirs is looked at, and corrected in its turn.
            with contextlib.suppress(CommandReused):
                self._file_imported(fields, f"FileImported {recorded.index}", corrects)

    def _recorded(self, import_id: str) -> FileImported:
        return next(f for f in self._known.imports() if f.import_id == import_id)

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


def _written(submission: Submission | None, result: Result) -> bool:
    """Waits; False where it was recorded meanwhile: as a row of this file or of another one, its case says."""
    receipts = None if submission is None else submission.result()
    if receipts is None or isinstance(receipts, FirstReceipts):
        return False
    result.entries += len(receipts)
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
