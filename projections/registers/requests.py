"""Information requests, and what came of them: disclosures, refusals (1-law A)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.domain.event import CaseEvent
from ledger.domain.request.events import RequestForm, RequestMade, RequestReceived, RequestReferred
from ledger.law.requests import FINAL
from projections.base import Column, Kind, Register, Row, StreamInfo, case_of, pointer
from projections.views.days import days_from, ended_on, exact_day
from projections.views.request import RequestView, formal_due, request_view


class Requests(Register):
    """Every information request, one row each."""

    name = "requests"
    title = "Information requests"
    columns = (
        Column(
            "side", Kind.TEXT, "provider: received here; requester: the requester's own record, not counted"
        ),
        Column("scheme", Kind.TEXT, "vps, nsw or other"),
        Column("form", Kind.TEXT, "informal or formal, of VPS requests"),
        Column("requester", Kind.TEXT, "the requesting organisation"),
        Column("requester_name", Kind.SEALED, "its name, where it is not registered"),
        Column("provider", Kind.TEXT, "the organisation asked"),
        Column("provider_name", Kind.SEALED, "its name, where it is not registered"),
        Column("information_sought", Kind.SEALED, "what was asked for"),
        Column("purpose", Kind.SEALED, "what for"),
        Column("own_reference", Kind.SEALED, "the organisation's own number"),
        Column("made_on", Kind.DATE, "the day on which it was made"),
        Column("received_on", Kind.DATE, "the day on which it was received"),
        Column(
            "formal_on", Kind.DATE, "the day on which the formal request was received: the 14 days run from it"
        ),
        Column("required_by", Kind.DATE, "when the requester needs it"),
        Column("recurring", Kind.BOOL, "whether a recurring supply was asked for"),
        Column("acknowledged_on", Kind.DATE, "the day on which it was acknowledged: no response"),
        Column("parts", Kind.INT, "how many parts it has"),
        Column("parts_open", Kind.INT, "how many of them have no outcome yet"),
        Column(
            "outcome",
            Kind.TEXT,
            "provided, provided in part, refused, out of scope, closed, referred, withdrawn",
        ),
        Column("response_on", Kind.DATE, "the day on which the response was complete"),
        Column("response_index", Kind.INT, "the entry that completed it"),
        Column(
            "response_days", Kind.INT, "days from receipt (of the formal request, where formal) to the response"
        ),
        Column("due_on", Kind.DATE, "the last of the 14 days of a formal VPS request"),
        Column(
            "late", Kind.BOOL, "whether the response came after it; empty while open, or a day is not known"
        ),
        Column("grounds", Kind.TEXTS, "grounds of refusal"),
        Column("referred_to", Kind.TEXT, "the registered organisation that it was referred to"),
        Column("disputed_on", Kind.DATE, "the day on which the requester first disputed an outcome"),
        Column("gipa_on", Kind.DATE, "the day of an application under the GIPA Act, of NSW requests"),
        Column("copy_owed", Kind.INT, "refusals of a formal VPS request"),
        Column("copy_sent", Kind.INT, "… of which a copy went to the Secretary, DPC"),
        Column("taken_over", Kind.TEXT, "the predecessor's case that goes on here"),
        Column("restricted", Kind.BOOL, "whether some part is restricted data, out of the Policy's scope"),
    )
    opened_by = (RequestReceived, RequestMade)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a request."""
        view = about.view(request_view, facts)
        if view is not None:
            yield Row(view.opening, _request(view, about, facts))


def _request(view: RequestView, about: StreamInfo, facts: Sequence[CaseEvent]) -> dict[str, object]:
    opening = view.opening
    received = opening if isinstance(opening, RequestReceived) else None
    counted_from = exact_day(view.formal or received)
    response = view.response
    response_on = ended_on(response)
    due = about.view(formal_due, facts)
    copies_owed = view.refused_formally
    return {
        "side": "provider" if received is not None else "requester",
        "scheme": opening.scheme,
        "form": view.form,
        "requester": opening.requester,
        "requester_name": None if received is None else pointer(received, "requester_name"),
        "provider": opening.provider,
        "provider_name": pointer(opening, "provider_name") if isinstance(opening, RequestMade) else None,
        "information_sought": pointer(opening, "information_sought"),
        "purpose": pointer(opening, "purpose"),
        "own_reference": pointer(opening, "own_reference"),
        "made_on": opening.happened_date if received is None else received.made_on,
        "received_on": None if received is None else received.happened_date,
        "formal_on": None if view.formal is None else view.formal.happened_date,
        "required_by": opening.required_by,
        "recurring": opening.recurring,
        "acknowledged_on": None if view.acknowledged is None else view.acknowledged.happened_date,
        "parts": len(view.states),
        "parts_open": sum(state not in FINAL for state in view.states.values()),
        "outcome": view.outcome,
        "response_on": response_on,
        "response_index": None if response is None else response.index,
        "response_days": days_from(counted_from, response_on),
        "due_on": None if due is None else due.due,
        "late": None if due is None or response_on is None else response_on > due.due,
        "grounds": list(dict.fromkeys(g for r in view.refused for g in r.grounds)) or None,
        "referred_to": view.ended.to_organisation if isinstance(view.ended, RequestReferred) else None,
        "disputed_on": None if view.disputed is None else view.disputed.happened_date,
        "gipa_on": None if view.gipa is None else view.gipa.happened_date,
        "copy_owed": len(copies_owed),
        "copy_sent": sum(view.copy_of(refusal) is not None for refusal in copies_owed),
        "taken_over": None if received is None else case_of(received.taken_over),
        "restricted": bool(view.out_of_scope),
    }


class Disclosures(Register):
    """Every disclosure, one row each."""

    name = "disclosures"
    title = "Disclosures"
    columns = (
        Column("scheme", Kind.TEXT, "under what it was asked for: vps, nsw or other"),
        Column("parts", Kind.TEXTS, "the parts of the request that it answers"),
        Column("requester", Kind.TEXT, "who had asked"),
        Column("recipient", Kind.TEXT, "the organisation that received it"),
        Column("recipient_name", Kind.SEALED, "its name, where it is not registered"),
        Column("description", Kind.SEALED, "what was disclosed"),
        Column("variables", Kind.SEALED, "its variables"),
        Column("format", Kind.SEALED, "its format"),
        Column("volume", Kind.SEALED, "how much"),
        Column("transferred_by", Kind.TEXT, "how it went over"),
        Column("transfer_words", Kind.SEALED, "… in words"),
        Column("bases", Kind.TEXTS, "the legal bases stated"),
        Column("basis_words", Kind.SEALED, "the law behind 'other law'"),
        Column("written_note", Kind.SEALED, "the written note of IPP 2.2"),
        Column("authority", Kind.SEALED, "the written authorisation and certificate of IPP 2.1(h)"),
        Column("agreement", Kind.TEXT, "the agreement's case, where there is one"),
        Column("de_identified", Kind.BOOL, "whether anything was de-identified"),
        Column("techniques", Kind.TEXTS, "how"),
        Column("technique_words", Kind.SEALED, "… in words"),
        Column("conditions", Kind.SEALED, "on what conditions"),
    )
    opened_by = (RequestReceived,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a disclosure."""
        view = about.view(request_view, facts)
        if view is None:
            return
        for made in view.disclosed:
            values = {
                "scheme": view.scheme,
                "parts": list(made.parts),
                "requester": view.opening.requester,
                "recipient": made.recipient,
                "recipient_name": pointer(made, "recipient_name"),
                "description": pointer(made, "description"),
                "variables": pointer(made, "variables"),
                "format": pointer(made, "format"),
                "volume": pointer(made, "volume"),
                "transfer_words": pointer(made, "transfer_words"),
                "basis_words": pointer(made, "basis_words"),
                "authority": pointer(made, "ipp_2_1_h_authority"),
                "technique_words": pointer(made, "technique_words"),
                "transferred_by": made.transferred_by,
                "bases": made.bases,
                "written_note": pointer(made, "ipp_2_2_note"),
                "agreement": case_of(made.agreement),
                "de_identified": made.de_identified,
                "techniques": made.techniques,
                "conditions": pointer(made, "conditions"),
            }
            yield Row(made, values, str(made.index), (view.opening, made))


class Refusals(Register):
    """Every refusal, with its grounds, one row each."""

    name = "refusals"
    title = "Refusals"
    columns = (
        Column("scheme", Kind.TEXT, "under what it was asked for: vps, nsw or other"),
        Column("form", Kind.TEXT, "informal or formal, of VPS requests"),
        Column("parts", Kind.TEXTS, "the parts refused"),
        Column("requester", Kind.TEXT, "who had asked"),
        Column("requester_name", Kind.SEALED, "its name, where it is not registered"),
        Column("grounds", Kind.TEXTS, "the grounds stated"),
        Column("ground_words", Kind.SEALED, "the words of the ground 'other'"),
        Column("reasons", Kind.SEALED, "the reasons"),
        Column("in_writing", Kind.BOOL, "whether the reasons were given in writing"),
        Column("sent_on", Kind.DATE, "the day on which the requester was told"),
        Column("copy_owed", Kind.BOOL, "whether a copy goes to the Secretary, DPC"),
        Column("copy_sent_on", Kind.DATE, "the day on which the copy of all its parts was sent"),
        Column("copy_index", Kind.INT, "the entry of that copy"),
    )
    opened_by = (RequestReceived,)

    def rows(self, facts: Sequence[CaseEvent], about: StreamInfo) -> Iterable[Row]:
        """One row a refusal."""
        view = about.view(request_view, facts)
        if view is None:
            return
        for refusal in view.refused:
            copy = view.copy_of(refusal)
            values = {
                "scheme": view.scheme,
                "form": RequestForm.FORMAL if view.is_formal(refusal) else view.opening.form,
                "parts": list(refusal.parts),
                "requester": view.opening.requester,
                "requester_name": pointer(view.opening, "requester_name") if view.received else None,
                "grounds": refusal.grounds,
                "ground_words": pointer(refusal, "ground_words"),
                "reasons": pointer(refusal, "reasons"),
                "in_writing": refusal.in_writing,
                "sent_on": refusal.sent_on,
                "copy_owed": view.is_formal(refusal),
                "copy_sent_on": None if copy is None else copy.happened_date,
                "copy_index": None if copy is None else copy.index,
            }
            yield Row(refusal, values, str(refusal.index), tuple(f for f in (view.opening, refusal, copy) if f))
