"""Opening sealed fields: by what right, recorded before anything is seen."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Any

from ledger.application.commands import Commands
from ledger.application.destroying import sealed_in
from ledger.application.emergency import Right, right_under
from ledger.application.outcome import Outcome, Principal, asked_for, parse_command, parse_command_id
from ledger.clock import melbourne_date
from ledger.codec.commitment import REASON_PATH
from ledger.codec.declare import Sealed, sealed_fields
from ledger.codec.entry import Source, SourceKind
from ledger.domain.event import CaseEvent, decode_event
from ledger.errors import CommandReused, Forbidden, InvalidInput, Unavailable
from ledger.law.emergency import TAKERS, used_while_in_force
from ledger.law.general import CASE_WRITERS, Role
from ledger.store.feed import StoredRow
from ledger.store.ledgers import Ledger
from ledger.vault.opening import KEY_MISSING, Destroyed, Gone, Lost, Opening, SealedField, Word

NOTED_AGO = 60.0
"""Seconds for which it stands whether keys of a ledger are noted as lost: as often they are looked for."""


class Openings(Commands):
    """Commands, and the sealed fields of what they recorded."""

    def open_sealed(
        self,
        slug: str,
        wanted: Sequence[tuple[int, Sequence[str] | None]],
        *,
        reason: str,
        principal: Principal,
        command_id: str | None = None,
    ) -> list[dict[str, Opening]]:
        """For each ``(index, paths)`` the openings by path; ``None`` for all sealed fields of the entry.

        The opening is recorded before anything is opened (4-wire 'Sealed fields'), by ids and paths.
        ``command_id``: the same again on the same day adds no entry and opens the same fields, for who opened
        them and may still. Who opens them in no role may under emergency access. Raises Forbidden, NotFound,
        InvalidInput (no such field, no reason), CommandReused.
        """
        ledger = self.ledgers.get(slug)
        rows = [self.feed.entry(ledger.id, index) for index, _ in wanted]
        into = self.streams.recorded_in(ledger)
        right = self._right_to_open(ledger, into, principal, {row.stream for row in rows})
        entries = []
        named: list[tuple[int, list[str]]] = []
        for row, (index, paths) in zip(rows, wanted, strict=True):
            fields = sealed_fields_of(self._event(row))
            have = [field.path for field in fields]
            for path in paths or ():
                if path not in have:
                    raise InvalidInput("path", f"one of {', '.join(have)} (entry {index})", path)
            entries.append((index, fields))
            named.append((index, list(paths) if paths is not None else have))
        self._record_opening(ledger, into, named, reason, principal, command_id, right)
        shown = {index: set(paths) for index, paths in named}
        opened = self.opener.open(ledger.id, entries, lambda index, field: field.path in shown[index])
        return [
            {f.path: o for f, o in zip(fields, openings, strict=True) if f.path in shown[index]}
            for (index, fields), openings in zip(entries, opened, strict=True)
        ]

    def unopened_at(self, ledger_id: int, asked: Sequence[tuple[int, str]]) -> dict[tuple[int, str], str]:
        """Which of these sealed values, by (index, path), are destroyed or lost, in words; nothing is opened.

        Which are lost the vault is asked where keys of the ledger are noted as lost, and as long as it answers.
        """
        gone = self.streams.destroyed_now(ledger_id)
        if not (gone or self._some_lost(ledger_id)):
            return {}
        keys = {
            (row.index, field.path): field.key
            for row in self.feed.entries(ledger_id, {index for index, _ in asked})
            for field in sealed_fields_of(self._event(row))
        }
        known = self._gone_among(ledger_id, set(keys.values()), gone)
        return {
            at: Word.LOST.value if isinstance(known[key], Lost) else str(known[key])
            for at, key in keys.items()
            if key in known
        }

    def gone(self, ledger: Ledger, rows: Iterable[StoredRow]) -> Mapping[str, Gone]:
        """Which keys of what these entries sealed are destroyed, as entries say now, or lost, as above."""
        found = self.streams.destroyed(ledger)
        if not self._some_lost(ledger.id):
            return found
        named = {sealed.key for row in rows for sealed, _ in sealed_in(row)}
        return self._gone_among(ledger.id, named, found)

    def _gone_among(
        self, ledger_id: int, keys: set[str], destroyed: Mapping[str, Destroyed]
    ) -> dict[str, Gone]:
        """Those of these keys that are destroyed, or lost: the vault has them not, and no entry says why.

        The vault is asked where keys are noted as lost, and before the entries are asked again: a key that is
        destroyed meanwhile is not lost.
        """
        missing: set[str] = set()
        wanted = keys - destroyed.keys()
        if wanted and self._some_lost(ledger_id):
            with suppress(Unavailable):
                missing = wanted - self.shredder.present(ledger_id, wanted, whole=False).keys
        if missing:
            destroyed = self.streams.destroyed_now(ledger_id)
        found = {key: destroyed[key] for key in keys & destroyed.keys()}
        return {**dict.fromkeys(missing, KEY_MISSING), **found}

    def _some_lost(self, ledger_id: int) -> bool:
        """Whether keys of a ledger are noted as lost; not where the vault is away, which registers outlive."""
        asked_at, some = self._noted.get(ledger_id, (float("-inf"), False))
        if monotonic() - asked_at > NOTED_AGO:
            some = False
            with suppress(Unavailable):
                some = self.shredder.lost(ledger_id).keys > 0
            # Not before it has answered, or has not: one register after another would wait as long.
            self._noted[ledger_id] = (monotonic(), some)
        return some

    def emergency_right(self, ledger: Ledger, principal: Principal, streams: Collection[str]) -> Right:
        """The emergency access under which a person opens fields of these cases now. Raises Forbidden."""
        now = self.clock.now()
        role = self.streams.role_for(ledger, principal, "emergency access", TAKERS, melbourne_date(now))
        return right_under(self.emergencies.of(ledger).values(), principal, role, streams, now)

    def reader_of_sealed(self, ledger: Ledger, into: Ledger, principal: Principal) -> Role | None:
        """The role in which somebody searches sealed fields: as of opening them, but under emergency access.

        ``into``: where it is recorded, and whose grants count. Raises Forbidden.
        """
        right = self._own_right(ledger, into, principal)
        if right is None:
            raise Forbidden(
                f"searching sealed fields of {ledger.slug} takes a role that writes its cases, or an auditor's "
                "grant that names it"
            )
        return right.role

    def record_reading(
        self,
        ledger: Ledger,
        command: str,
        fields: Mapping[str, Any],
        principal: Principal,
        command_id: str | None,
        role: Role | None,
        *,
        given: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Records that somebody opens or searches, before they are shown anything; ``given`` as of ``execute``.

        Raises CommandReused under another one's command id too: every reader has an entry of their own.
        """
        today = melbourne_date(self.clock.now())
        parsed = parse_command(command, {"happened": today.isoformat(), "fields": fields})
        if given is not None:
            # Another day is another reading.
            parsed = replace(parsed, canonical=asked_for(command, {"happened": today.isoformat(), **given}))
        source = Source(SourceKind.API)
        command_id = str(uuid.uuid4()) if command_id is None else parse_command_id(command_id)
        outcome = self._execute(ledger, parsed, principal, command_id, None, source, role=role)
        if outcome.repeated:
            author = self.feed.by_command(ledger.id, command_id)[0].decoded.actor
            if (author.id, author.organisation) != (principal.person, principal.organisation):
                raise CommandReused(f"command id {command_id} is someone else's; take a new id")
        return outcome

    def _own_right(self, ledger: Ledger, into: Ledger, principal: Principal) -> Right | None:
        """By what a person reads sealed fields without an emergency; None where by nothing.

        ``into``: where it is recorded, and whose grants count. A role of None is that in which they write its
        cases: the command finds it.
        """
        today = melbourne_date(self.clock.now())
        self.streams.facts(into, "roles")
        if self.streams.roles(into, principal, today) & CASE_WRITERS:
            return Right()
        return Right(Role.AUDITOR) if self.streams.audits(ledger, principal, today) else None

    def _right_to_open(
        self, ledger: Ledger, into: Ledger, principal: Principal, streams: Collection[str]
    ) -> Right:
        """By what a person opens fields of these cases: a role, an auditor's grant, or emergency access.

        Of a closed ledger there is none of the latter: the entry of an access is one of the ledger that it was
        taken in, and of no other. Raises Forbidden.
        """
        own = self._own_right(ledger, into, principal)
        if own is not None:
            return own
        if into != ledger:
            raise Forbidden(
                f"opening sealed fields of {ledger.slug}, which is closed, takes a role that writes cases of "
                f"{into.slug}, which goes on from it, or an auditor's grant that names {ledger.slug}: there "
                "is no emergency access to a closed ledger"
            )
        try:
            return self.emergency_right(ledger, principal, streams)
        except Forbidden as error:
            raise Forbidden(
                f"opening sealed fields of {ledger.slug} takes a role that writes its cases, or an "
                f"auditor's grant that names it, or emergency access: {error}"
            ) from error

    def _record_opening(
        self,
        ledger: Ledger,
        into: Ledger,
        named: Sequence[tuple[int, Sequence[str]]],
        reason: str,
        principal: Principal,
        command_id: str | None,
        right: Right,
    ) -> None:
        if not reason.strip():
            raise InvalidInput("reason", "why the fields are opened", reason)
        fields: dict[str, Any] = {
            "opened": [{"entry": i, "paths": list(paths)} for i, paths in named],
            "reason": reason,
        }
        access = right.access
        if access is not None:
            fields["emergency_access"] = access.taken.index
        if into != ledger:
            fields["ledger"] = ledger.origin
        outcome = self.record_reading(
            into, "vault.SealedFieldsOpened", fields, principal, command_id, right.role
        )
        if access is not None:
            # The time of the ledger counts: where its entry came too late, nothing is shown.
            used_while_in_force(access.taken.index, access.until, outcome.receipts[-1].recorded_at)

    @staticmethod
    def _event(row: StoredRow) -> CaseEvent:
        return decode_event(row.decoded)


def sealed_fields_of(event: CaseEvent) -> list[SealedField]:
    """The sealed fields of a recorded event in the order of the entry: a correction's reason comes first."""
    corrects = event.header.corrects
    found = []
    if corrects is not None and isinstance(corrects.reason, Sealed):
        found.append(SealedField(REASON_PATH, corrects.reason.commitment, corrects.reason.key))
    return found + [SealedField(p, s.commitment, s.key, kind) for p, kind, s in sealed_fields(event)]
