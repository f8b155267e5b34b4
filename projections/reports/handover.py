"""Handing a report over: files, every figure and the rows behind it are kept, and what it was made from."""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, BinaryIO, Protocol, TypeVar

from psycopg import Connection

from ledger.domain.installation.events import ReportHandedOver, ReportRecipient, ReportStatus
from ledger.errors import Forbidden, InvalidInput, NotFound
from projections import sql as queries
from projections.connection import connect
from projections.doors import Door
from projections.facts import facts_of, heads
from projections.reports.catalogue import make
from projections.reports.figures import Report, ReportRefused
from projections.reports.period import Period
from projections.reports.render import FORMATS, render

COMMAND = "report.ReportHandedOver"
FIGURES_NAME = "figures.json"
EVERY_FIGURE = "every_figure.sha256"
"""Stands among the figures of the entry for all of them, those of single bodies too: the digest of their
values. An entry has a size that it cannot pass; how many bodies there are, has none."""

Result = TypeVar("Result", covariant=True)


class Submit(Protocol[Result]):
    """Records a command as who hands over. Given by the composition root."""

    def __call__(
        self, slug: str, command: str, body: Mapping[str, Any], given: Mapping[str, Any] | None = None
    ) -> Result:
        """The outcome. ``given``: what a repeat must match in place of the body. Raises as the application."""
        ...


class KeepFile(Protocol):
    """Keeps a file under a case's key before an entry names it. Given by the composition root."""

    def __call__(
        self, slug: str, stream: str, source: BinaryIO, length: int | None, *, field_path: str
    ) -> dict[str, Any]:
        """Commitment, key and length."""
        ...


class Recorded(Protocol[Result]):
    """Looks whether a command was recorded already. Given by the composition root."""

    def __call__(self, slug: str, command: str, given: Mapping[str, Any]) -> Result | None:
        """Its first outcome, or None. Raises CommandReused for other content, Forbidden."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What the composition root gives reports: what may be read, and the ways to record and to keep files."""

    door: Door
    """``slugs``: the ledgers whose reports the caller may read."""
    submit: Submit[Any]
    keep_file: KeepFile
    """Raises Forbidden where the caller may hand no report over in that ledger."""
    recorded: Recorded[Any]


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom: a kind of the vocabulary, and in words."""

    kind: ReportRecipient
    words: str


def recipient(text: str) -> Recipient:
    """'minister: the Minister for Government Services', or words alone ('other'). Raises InvalidInput."""
    kind, colon, words = text.partition(":")
    kinds = {one.value: one for one in ReportRecipient}
    if colon and kind.strip().lower() in kinds:
        found = Recipient(kinds[kind.strip().lower()], words.strip())
    elif text.strip().lower() in kinds:
        found = Recipient(kinds[text.strip().lower()], text.strip())
    else:
        found = Recipient(ReportRecipient.OTHER, text.strip())
    if not found.words:
        raise InvalidInput("hand-over", f"to whom, as '{'|'.join(kinds)}: in words'", text)
    return found


@dataclass(frozen=True, slots=True)
class Prepared:
    """A report as it is to be handed over: its files by name, and what the entry says of it."""

    files: Mapping[str, bytes]
    row_ids: bytes
    """Every figure with the rows behind it, as JSON."""
    fields: Mapping[str, Any]


def prepare(report: Report, formats: Sequence[str] = tuple(FORMATS)) -> Prepared:
    """The report, ready to be handed over; checked once more. Raises ReportRefused."""
    report.check()
    files: dict[str, bytes] = {}
    for form in formats:
        files |= render(report, form)
    fields = {
        "report": report.name,
        "period_from": str(report.period.first),
        "period_to": str(report.period.last),
        "judged_on": str(report.judged_on),
        "positions": [
            {"ledger": at.origin, "size": at.size, "head": None if at.head is None else at.head.hex()}
            for at in report.positions
        ],
        "figures": [
            {"id": figure.id, "value": figure.stated, "definition": figure.definition.reference}
            for figure in report.headline
        ]
        + [{"id": EVERY_FIGURE, "value": figures_digest(report), "definition": f"{EVERY_FIGURE}@1"}],
        "code_version": report.versions.code,
        "rules_version": report.versions.rules,
        "definitions_version": report.versions.definitions,
        "calendar_version": report.versions.calendar,
        "incomplete": bool(report.parked),
    }
    return Prepared(files, every_figure(report), fields)


def hand_over(
    submit: Submit[Result],
    keep_file: KeepFile,
    prepared: Prepared,
    to: Recipient,
    *,
    slug: str,
    happened: date,
    status: ReportStatus,
    supersedes: Mapping[str, Any] | None = None,
    embargo_until: date | None = None,
    given: Mapping[str, Any] | None = None,
) -> Result:
    """Keeps a report's files and records that it was handed over, in the ledger ``slug``.

    ``supersedes``: the hand-over before it, as a CaseRef {ledger (origin), stream, size}. ``given``: what was
    asked for, by which a repeat is told. A crash after a file is kept leaves a file that no entry names: a
    sweep finds it. Raises what ``submit`` and ``keep_file`` do.
    """
    case = str(uuid.uuid4())
    kept = []
    for place, (name, content) in enumerate(prepared.files.items()):
        form = name.rsplit(".", 1)[1]
        attached = _keep(keep_file, slug, case, content, f"files.{place}.file", name, FORMATS[form])
        kept.append({"name": name, "sha256": hashlib.sha256(content).hexdigest(), "file": attached})
    rows = _keep(keep_file, slug, case, prepared.row_ids, "row_ids", FIGURES_NAME, "application/json")
    fields = {
        **prepared.fields,
        "status": status.value,
        "recipient_kind": to.kind.value,
        "recipient": to.words,
        "files": kept,
        "row_ids": rows,
        "supersedes": None if supersedes is None else dict(supersedes),
        "embargo_until": None if embargo_until is None else str(embargo_until),
    }
    return submit(slug, COMMAND, {"case": case, "happened": str(happened), "fields": fields}, given)


def every_figure(report: Report) -> bytes:
    """Every figure as JSON: id → value, definition, and the rows behind it as [register, ledger, case, row]."""
    found = {
        figure.id: {
            "value": figure.stated,
            "definition": figure.definition.reference,
            "rows": [list(row) for row in figure.rows],
        }
        for figure in report.figures.values()
    }
    return json.dumps(found, ensure_ascii=False, sort_keys=True).encode()


def figures_digest(report: Report) -> str:
    """SHA-256 of the ids and values of every figure."""
    values = {figure.id: figure.stated for figure in report.figures.values()}
    return hashlib.sha256(json.dumps(values, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _keep(
    keep_file: KeepFile, slug: str, case: str, content: bytes, path: str, name: str, media_type: str
) -> dict[str, Any]:
    kept = keep_file(slug, case, io.BytesIO(content), len(content), field_path=path)
    return {**kept, "media_type": media_type, "title": name}


def handed_over(conninfo: str, slug: str, stream: str) -> ReportHandedOver:
    """The hand-over that a case holds, as recorded last. Raises NotFound."""
    with connect(conninfo, "auditledger report") as connection:
        ledger = next((head for head in heads(connection) if head.slug == slug), None)
        if ledger is None:
            raise NotFound(f"no ledger has the slug {slug!r}")
        facts = facts_of(connection, ledger.id, [stream], ledger.size)[stream]
    found = [fact for fact in facts if isinstance(fact, ReportHandedOver)]
    if not found:
        raise NotFound(f"ledger {slug}: case {stream} is no report handed over")
    return found[-1]


def reprint(
    conninfo: str,
    handover: ReportHandedOver,
    readable: Sequence[str] | None = None,
    kept: bytes | None = None,
) -> Report:
    """The report of a hand-over, computed again from the ledgers as at its positions.

    ``readable``: the ledgers whose reports the caller may read; None: all. ``kept``: the hand-over's attachment
    ``row_ids``, by which a figure of a single body is named that differs. Raises Forbidden; NotFound for a
    ledger that is not here; ReportRefused naming the first figure that is not as handed over, and the versions
    that differ.
    """
    with connect(conninfo, "auditledger report") as connection:
        positions = _positions(connection, handover)
    for slug in positions:
        if readable is not None and slug not in readable:
            raise Forbidden(f"ledger {slug}: you may not read reports of it")
    report = make(
        conninfo, handover.report, Period(handover.period_from, handover.period_to),
        positions=positions, ledgers=list(positions), incomplete=handover.incomplete,
    )  # fmt: skip
    then = {figure.id: figure.value for figure in handover.figures}
    now = {figure.id: figure.stated for figure in report.headline}
    every = then.pop(EVERY_FIGURE, None)
    _same(then, now, handover, report)
    if kept is not None:
        then = {identity: figure["value"] for identity, figure in json.loads(kept).items()}
        _same(then, {f.id: f.stated for f in report.figures.values()}, handover, report)
    if every is not None and every != figures_digest(report):
        raise ReportRefused(
            "a figure of a single body is not as handed over: the hand-over's kept file of row ids names it; "
            + _versions(handover, report)
        )
    return report


def _same(then: Mapping[str, str], now: Mapping[str, str], handover: ReportHandedOver, report: Report) -> None:
    for identity in sorted(then.keys() | now.keys()):
        if then.get(identity) != now.get(identity):
            was, found = (each.get(identity, "not in the report") for each in (then, now))
            raise ReportRefused(
                f"figure {identity} was handed over as {was or 'none'}, and is {found or 'none'} now; "
                + _versions(handover, report)
            )


def _positions(connection: Connection[Any], handover: ReportHandedOver) -> dict[str, int]:
    """Slug → size, where the last entry before each position is the one that was recorded."""
    known = {head.origin: head for head in heads(connection)}
    found: dict[str, int] = {}
    for position in handover.positions:
        ledger = known.get(position.ledger)
        if ledger is None:
            raise NotFound(f"ledger {position.ledger}, which the report was made from, is not here")
        row = connection.execute(queries.get("leaf_hash"), (ledger.id, position.size - 1)).fetchone()
        if (None if row is None else bytes(row[0])) != position.head:
            raise ReportRefused(
                f"ledger {position.ledger} is not the one of then: entry {position.size - 1} has another hash"
            )
        found[ledger.slug] = position.size
    return found


def _versions(handover: ReportHandedOver, report: Report) -> str:
    pairs = (
        ("code", handover.code_version, report.versions.code),
        ("rules", handover.rules_version, report.versions.rules),
        ("definitions", handover.definitions_version, report.versions.definitions),
        ("calendar", handover.calendar_version, report.versions.calendar),
    )
    found = ", ".join(f"{what} was {was}, is {now}" for what, was, now in pairs if was != now)
    return found or "by the same versions: the ledger or its reading is at fault"
