"""A ledger in memory: facts are judged, sealed, made into entry bytes and read back, with no store.

What a case holds has gone through the bytes, so its sealed fields are ``Sealed``: a rule that looked at an
earlier fact's words would fail here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from ledger.clock import melbourne_date
from ledger.codec.declare import CaseRef, Sealed
from ledger.codec.entry import (
    Actor,
    Correction,
    CorrectionKind,
    Source,
    SourceKind,
    decode_entry,
    place,
    prefix,
    template,
)
from ledger.codec.jsonform import parse_happened
from ledger.domain.case import Case, Context, case_class_of
from ledger.domain.event import CaseEvent, Header, decode_event, encode_payload
from ledger.errors import NotFound
from ledger.law.calendar import seeded_calendar
from ledger.tlog.note import VerifierKey

LEDGER = "example.vic.gov.au/dffh"
OWN = "5a6f4f1e-0000-4000-8000-000000000001"
"""Id of the organisation that the ledger belongs to."""
NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
CALENDAR = seeded_calendar(date(2014, 1, 1))


def seal(path: str, kind: str, subject: str, value: Any) -> Sealed:
    """A commitment to the value; the value itself is gone."""
    return Sealed(hashlib.sha256(f"{path}:{kind}:{value}".encode()).digest(), f"key-{subject}")


class Book:
    """Cases in memory, and the Lookup that rules see them through."""

    def __init__(self, now: datetime = NOW, ledger: str = LEDGER, organisation_id: str = OWN) -> None:
        self.now, self.ledger, self.organisation_id = now, ledger, organisation_id
        self.cases: dict[str, Case] = {}
        self.organisations: dict[str, Any] = {}
        self.elsewhere: Mapping[tuple[str, str], Case] = {}
        self.regulators = True
        self.signers: set[VerifierKey] = set()
        """The keys that have signed what is published."""
        self.unreviewed: Collection[int] = ()
        """The entries that took emergency access that is not reviewed."""
        self.next_index = 0

    def organisation(self, organisation: str) -> Any:
        """The organisation's case, or None."""
        return self.organisations.get(organisation)

    def case(self, ref: CaseRef) -> Case:
        """A case of this ledger, or one put in ``elsewhere``."""
        found = self.cases.get(ref.stream) if ref.ledger == self.ledger else None
        found = found or self.elsewhere.get((ref.ledger, ref.stream))
        if found is None:
            raise NotFound(f"case {ref.stream} of {ref.ledger}")
        return found

    def size_of(self, origin: str) -> int:
        """Of any ledger but one that is named as not being there."""
        if origin.endswith("/nowhere"):
            raise NotFound(f"no ledger has the origin {origin!r}")
        return 1000

    def predecessors(self, _origin: str) -> Collection[str]:
        return ()

    def unreviewed_accesses(self, _origin: str) -> Collection[int]:
        return self.unreviewed

    def before(self, origin: str, _heir: str) -> Sequence[str]:
        return (origin,)

    def signers_of(self, _origin: str, named: Iterable[VerifierKey]) -> set[VerifierKey]:
        """Those of the named keys that are among ``signers``."""
        return self.signers & {*named}

    def context(self, *, role: str = "officer", imported: bool = False) -> Context:
        """What a command is judged in."""
        return Context(
            now=self.now,
            today=melbourne_date(self.now),
            actor=Actor("a1", role, self.organisation_id, "test"),
            calendar=CALENDAR,
            imported=imported,
            ledger=self.ledger,
            organisation_id=self.organisation_id,
            regulators=self.regulators,
            lookup=self,
        )

    def record(
        self,
        event: type[CaseEvent],
        stream: str = "case-1",
        on: str | None = "2025-06-11",
        *,
        role: str = "officer",
        imported: bool = False,
        corrects: int | None = None,
        why: CorrectionKind = CorrectionKind.TYPING,
        **fields: Any,
    ) -> CaseEvent:
        """Judges the fact by its case and adds it; raises what the case raises, adding nothing.

        ``on``: when it happened, as a person says it. ``corrects``: the index of the corrected entry;
        ``why``: the kind of correction.
        """
        case = self.cases.get(stream) or case_class_of(event).blank(stream)
        happened_on, precision = parse_happened(on)
        context = self.context(role=role, imported=imported)
        header = Header(
            happened_on,
            precision,
            context.actor,
            Source(SourceKind.IMPORT, "sheet 1 row 2") if imported else Source(SourceKind.TYPED),
            f"command-{self.next_index}",
            0,
            None if corrects is None else Correction(corrects, why, "as the file shows"),
        )
        proposed = event(
            originator_id=stream,
            originator_version=case.version + 1,
            timestamp=self.now,
            header=header,
            **fields,
        )
        case.judge(proposed, context)
        return self._add(case, proposed)

    def _add(self, case: Case, proposed: CaseEvent) -> CaseEvent:
        header = proposed.header
        corrects = header.corrects
        if corrects is not None:
            corrects = replace(
                corrects, reason=seal("entry.corrects.reason", "string", "case", corrects.reason)
            )
        data = place(
            prefix(self.ledger),
            self.next_index,
            bytes(32),
            1_700_000_000_000_000 + self.next_index,
            template(
                stream=case.id,
                version=proposed.originator_version,
                event=proposed.name,
                happened_on=header.happened_on,
                precision=header.precision,
                actor=header.actor,
                source=header.source,
                command=header.command,
                part=header.part,
                corrects=corrects,
                payload=encode_payload(proposed, seal),
            ),
        )
        fact = decode_event(decode_entry(data))
        self.cases[case.id] = fact.mutate(case if case.facts else None)
        self.next_index += 1
        return fact
