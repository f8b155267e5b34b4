"""The lives of cases: each function writes one case into the script, as an agency would record it.

A real body answers, records and destroys in time, whatever the day that its clocks are judged on; what it would
have to do after the last day of the demonstration is not begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ledger.clock import melbourne_date
from ledger.demo.script import END, START, IndexOf, Script
from ledger.law.time import Period
from ledger.law.time import add as add_period

TOPICS = (
    "school enrolments by region", "ambulance response times", "bus patronage by stop", "water use by postcode",
    "apprenticeship completions", "housing applications by month", "road incidents by council area",
    "maternal health visits", "business registrations", "bushfire recovery grants", "emergency waits",
    "land use changes", "public transport fare concessions", "early childhood places", "court listing delays",
)  # fmt: skip
PURPOSES = (
    "planning of services in growth areas", "evaluation of a programme", "a joint policy submission",
    "a regional delivery plan", "a review of demand",
)  # fmt: skip
FIRST_NAMES = (
    "Alex",
    "Sam",
    "Jordan",
    "Priya",
    "Wei",
    "Fatima",
    "Noah",
    "Grace",
    "Tane",
    "Ines",
    "Omar",
    "Lucy",
)
LAST_NAMES = ("Invented", "Made-Up", "Fictional", "Sample", "Nobody", "Imagined")
GROUNDS = (
    "contravenes_law", "prejudices_investigation", "endangers_safety", "readily_available", "other_rights",
    "data_sharing_principles", "too_risky_or_inappropriate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger in the demonstration: slug, its organisation's id, and who acts there by role."""

    slug: str
    organisation: str
    people: Mapping[str, str]
    invented: bool
    opens: date = START
    closes: date = END


def name(script: Script) -> str:
    """An invented person's name; sealed wherever it is recorded."""
    return f"{script.random.choice(FIRST_NAMES)} {script.random.choice(LAST_NAMES)}"


def _lag(script: Script, place: Place) -> int | None:
    """Days until something is recorded: of a real body few, so that no view as at a day shows it as late."""
    return None if place.invented else script.random.choice((0, 0, 0, 1))


def request(script: Script, provider: Place, requester: Place) -> None:
    """An information request under the VPS policy, from one agency to another."""
    r = script.random
    officer = provider.people["officer"]
    first = max(provider.opens, requester.opens)
    last = min(provider.closes, requester.closes)
    received = script.day_between(first, last - timedelta(days=1))
    formal = script.chance(0.55)
    topic, purpose = r.choice(TOPICS), r.choice(PURPOSES)
    case = script.uuid()
    stated: dict[str, Any] = {
        "information_sought": f"Data on {topic}",
        "purpose": f"For {purpose}",
        "public_benefit": "Better services for the people they are planned for",
        "secure_use": "Held in a controlled environment with named users",
        "made_under_policy": True,
    }
    if formal and provider.invented and requester.invented and script.chance(0.3):
        stated.pop(r.choice(("purpose", "public_benefit", "secure_use")))
    made_on = max(first, received - timedelta(days=r.randint(0, 2)))
    fields = {
        "scheme": "vps", "form": "formal" if formal else "informal", "requester": requester.organisation,
        "provider": provider.organisation, "made_on": made_on.isoformat(),
        "recurring": script.chance(0.2), **stated,
    }  # fmt: skip
    if script.chance(0.25):
        made = script.uuid()
        script.record(
            requester.slug,
            "request.RequestMade",
            {k: v for k, v in fields.items() if k != "made_on"},
            person=requester.people["officer"],
            happened=made_on,
            case=made,
        )
    wrong_day = received > first and script.chance(0.03)
    stated_day = received - timedelta(days=1) if wrong_day else received
    if wrong_day:
        fields["made_on"] = stated_day.isoformat()
    opened = script.record(
        provider.slug, "request.RequestReceived", fields, person=officer, happened=stated_day, case=case,
        lag=_lag(script, provider),
    )  # fmt: skip
    if opened is None:
        return

    def add(command: str, values: Mapping[str, Any], on: date) -> int | None:
        lag = _lag(script, provider)
        return script.record(provider.slug, command, values, person=officer, happened=on, case=case, lag=lag)

    if wrong_day:
        script.record(
            provider.slug, "request.RequestReceived", fields, person=officer, happened=received, case=case,
            lag=_lag(script, provider),
            corrects={"index": IndexOf(opened), "kind": "typing", "reason": "The stamp shows the next day"},
        )  # fmt: skip
    if script.chance(0.02):
        reason = {"reason": "Entered twice by mistake"}
        add("case.EnteredInError", reason, received)
        return
    if script.chance(0.6):
        add("request.RequestAcknowledged", {}, script.later(received, 0, 2))
    if not formal and script.chance(0.2):
        received = script.later(received, 10, 30)
        if received > last:
            return
        if (
            add("request.RequestEscalated", {**_formal(stated), "made_on": received.isoformat()}, received)
            is None
        ):
            return
        formal = True
    # A formal request has 14 days; a real body is done, and has recorded it, three days before.
    latest = END if provider.invented else received + timedelta(days=11)
    if script.chance(0.15):
        asked = script.later(received, 1, 3)
        sought = add("request.FurtherInformationSought", {"question": "Which years are wanted?"}, asked)
        if sought is not None and script.chance(0.8):
            answered = script.later(asked, 1, 3)
            add("request.FurtherInformationProvided", {"answer": "The last five financial years"}, answered)
            received = max(received, answered - timedelta(days=4))
    _outcome(script, provider, requester, received, latest, formal, add)


def _formal(stated: Mapping[str, Any]) -> dict[str, Any]:
    keep = ("purpose", "public_benefit", "secure_use", "made_under_policy")
    return {key: value for key, value in stated.items() if key in keep}


def _outcome(
    script: Script, provider: Place, requester: Place, received: date, latest: date, formal: bool, add: Any
) -> None:
    r = script.random
    if provider.invented:
        days = r.choices((r.randint(5, 13), r.randint(15, 40), 0), (60, 28, 12))[0]
    else:
        days = r.randint(4, 9)
    if days == 0:
        return
    on = min(script.later(received, days, days), latest)
    ways = {"provide": 62, "close": 10, "refer": 6, "withdraw": 5}
    if provider.invented:
        ways |= {"refuse": 12, "divide": 12}
    way = r.choices(list(ways), list(ways.values()))[0]
    if way == "provide":
        if script.chance(0.4):
            approved = {"parts": ["whole"], "kind": "in_principle", "reasons": "Clear public benefit"}
            add("request.RequestApproved", approved, max(received, on - timedelta(days=2)))
        add("disclosure.DisclosureMade", _disclosure(script, requester, ["whole"]), on)
    elif way == "refuse":
        _refuse(script, ["whole"], formal, on, add)
    elif way == "divide":
        parts = [
            {"id": "a", "description": "Figures by region"},
            {"id": "b", "description": "Records with personal information"},
        ]
        if add("request.RequestDivided", {"parts": parts}, on) is None:
            return
        add("disclosure.DisclosureMade", _disclosure(script, requester, ["a"]), on)
        _refuse(script, ["b"], formal, script.later(on, 0, 4), add)
    elif way == "close":
        ground = r.choice(("not_held", "public", "made_public", "duplicate"))
        closed: dict[str, Any] = {"parts": ["whole"], "ground": ground}
        if ground in ("public", "made_public"):
            closed["where"] = "On the agency's public website"
        add("request.RequestClosed", closed, on)
    elif way == "refer":
        add("request.RequestReferred", {"to_name": "the agency that keeps this data", "reason": "Not ours"}, on)
    else:
        add("request.RequestWithdrawn", {"reason": "No longer wanted"}, on)


def _refuse(script: Script, parts: list[str], formal: bool, on: date, add: Any) -> None:
    refused = {
        "parts": parts, "grounds": script.random.sample(GROUNDS, script.random.choice((1, 1, 2))),
        "reasons": "Sharing would contravene a secrecy provision, as set out in the letter",
        "in_writing": True, "sent_on": on.isoformat(),
    }  # fmt: skip
    if add("request.RequestRefused", refused, on) is not None and formal and script.chance(0.75):
        add("request.RefusalCopySent", {"parts": parts}, script.later(on, 0, 5))


def _disclosure(script: Script, requester: Place, parts: list[str]) -> dict[str, Any]:
    return {
        "parts": parts, "description": "Aggregated tables", "format": "CSV",
        "recipient": requester.organisation,
        "transferred_by": script.random.choice(("api", "secure_file_transfer", "secure_environment")),
        "bases": ["no_personal_information"], "de_identified": True, "techniques": ["aggregation"],
    }  # fmt: skip


def complaint(script: Script, entity: Place) -> None:
    """A complaint to an information sharing entity (CISS Guidelines ch. 5)."""
    r = script.random
    person = entity.people["privacy_officer"]
    received = script.day_between(entity.opens, entity.closes - timedelta(days=1))
    case = script.uuid()
    about = r.choice(("collection", "use", "disclosure", "record_keeping", "correction"))
    fields = {
        "complainant": "individual", "entity": entity.organisation, "complainant_name": name(script),
        "made_on": (received - timedelta(days=r.randint(0, 5))).isoformat(),
        "nature": "Says that a record was shared untold", "about": about, "court_or_tribunal": False,
    }  # fmt: skip

    def add(command: str, values: Mapping[str, Any], on: date) -> int | None:
        return script.record(entity.slug, command, values, person=person, happened=on, case=case)

    if add("complaint.ComplaintReceived", fields, received) is None:
        return
    days = r.choices((r.randint(5, 30), r.randint(31, 120), 0), (65, 25, 10))[0]
    if days == 0:
        return
    on = script.later(received, days, days)
    prevented = {"to_prevent": "taken", "to_prevent_what": "Training for the team"}
    if script.chance(0.75):
        done = {"to_resolve": "taken", "to_resolve_what": "Apology and a corrected record", **prevented}
        add("complaint.ComplaintResolved", done, on)
        return
    left = {"to_resolve": "none", "further": "none", **prevented}
    if add("complaint.ComplaintUnresolved", left, on) is None:
        return
    if script.chance(0.6):
        taken = script.later(on, 5, 30)
        if add("complaint.ComplaintTaken", {"to": "ovic"}, taken) is not None and script.chance(0.7):
            result = {"of": "ovic", "result": r.choice(("conciliated", "dismissed", "upheld"))}
            add("complaint.ComplaintTakenResult", result, script.later(taken, 20, 60))


def retention(script: Script, holder: Place) -> None:
    """A retention item: scheduled, triggered, perhaps held, destroyed or de-identified (NSW §3; IPP 4.2)."""
    r = script.random
    person = holder.people["privacy_officer"]
    scheduled = script.day_between(holder.opens, holder.closes - timedelta(days=1))
    case = script.uuid()
    action = r.choice(("destroy", "destroy", "de_identify"))
    fields = {
        "dataset": f"ds-{r.randint(1000, 9999)}", "what": f"Extract of {r.choice(TOPICS)}",
        "holder": holder.organisation, "period": r.choice(("P1M", "P3M", "P6M", "P7Y")),
        "trigger": "End of the project", "action": action, "authority": "Agreement, retention table",
        "personal_information": True,
    }  # fmt: skip

    def add(command: str, values: Mapping[str, Any], on: date) -> int | None:
        lag = None if holder.invented else 0
        return script.record(holder.slug, command, values, person=person, happened=on, case=case, lag=lag)

    if add("retention.RetentionScheduled", fields, scheduled) is None:
        return
    triggered = script.later(scheduled, 5, 60)
    due = add_period(triggered, Period.from_iso(str(fields["period"])))
    if triggered > holder.closes or (due > holder.closes and not holder.invented):
        return
    if add("retention.RetentionTriggered", {}, triggered) is None or due > holder.closes:
        return
    if holder.invented and script.chance(0.3):
        held = script.later(triggered, 3, 20)
        if (
            add(
                "retention.HoldPlaced",
                {"hold": "h1", "kind": "litigation", "reason": "A claim is pending"},
                held,
            )
            is None
        ):
            return
        if script.chance(0.5):
            return
        released = script.later(held, 30, 90)
        if add("retention.HoldReleased", {"hold": "h1", "reason": "The claim was settled"}, released) is None:
            return
        due = max(due, released)
    late = holder.invented and script.chance(0.3)
    if holder.invented and script.chance(0.15):
        return
    on = script.later(due, 35, 90) if late else due
    if on > holder.closes:
        return
    done: dict[str, Any] = {
        "what": "All", "how": "Secure erasure", "by": name(script), "by_organisation": holder.organisation,
        "authority": "Agreement, retention table",
    }  # fmt: skip
    if action == "destroy":
        add("retention.RecordsDestroyed", {**done, "witness": name(script)}, on)
    else:
        add("retention.RecordsDeIdentified", {**done, "permanent": True}, on)


def notice(script: Script, regulator: Place, body: Place) -> None:
    """A compliance notice to an invented body (PDPA Part 3 Division 9)."""
    r = script.random
    person = regulator.people["regulator"]
    decided = script.day_between(body.opens, date(2025, 9, 30))
    case = script.uuid()
    ends = decided + timedelta(days=r.choice((45, 60, 90)))
    fields = {
        "organisation": body.organisation, "directed_to": "body_corporate", "represents_crown": False,
        "contravened": "ipp", "provisions": [r.choice(("IPP 4.1", "IPP 1.3", "IPP 2.1"))],
        "limb": "serious_or_flagrant", "action": "Put access controls in place and report on them",
        "period_ends": ends.isoformat(), "origin": "own_initiative", "decided_by": "commissioner",
        "reasons": "Invented for the demonstration",
    }  # fmt: skip

    def add(command: str, values: Mapping[str, Any], on: date) -> int | None:
        return script.record(regulator.slug, command, values, person=person, happened=on, case=case, lag=0)

    if add("notice.ComplianceNoticeIssued", fields, decided) is None:
        return
    served = script.later(decided, 0, 3)
    add("notice.NoticeServed", {"method": "registered_post"}, served)
    if script.chance(0.4):
        applied = ends - timedelta(days=10)
        asked = {"applicant": body.organisation, "reasons": "The supplier is late"}
        if add("notice.ExtensionApplied", asked, applied) is None:
            return
        ends = ends + timedelta(days=30)
        granted = {"not_reasonably_possible": True, "undertaking": True, "extended_to": ends.isoformat()}
        add("notice.ExtensionGranted", granted, applied + timedelta(days=3))
    if script.chance(0.6):
        add(
            "notice.NoticeComplied",
            {"evidence": "Audit of the controls"},
            ends - timedelta(days=r.randint(1, 8)),
        )


def contravention(script: Script, body: Place) -> None:
    """An unlawful act of an invented body, found afterwards."""
    happened = script.day_between(body.opens, body.closes - timedelta(days=40))
    fields = {
        "rule": "ipp", "what": "A spreadsheet was sent to the wrong address", "section": "IPP 4.1",
        "organisation": body.organisation, "found_by": "own_staff",
        "found_on": (happened + timedelta(days=10)).isoformat(), "steps_taken": "Recalled, deleted, trained",
    }  # fmt: skip
    script.record(
        body.slug, "contravention.ContraventionFound", fields,
        person=body.people["privacy_officer"], happened=happened, case=script.uuid(), lag=14,
    )  # fmt: skip


def emergency(script: Script, place: Place, on: date) -> None:
    """Emergency access to a case: an administrator takes, uses and ends it; the privacy officer reviews it."""
    asked = next(
        step for step in script.in_order()
        if (step.ledger, step.command) == (place.slug, "request.RequestReceived")
        and "information_sought" in step.fields
    )  # fmt: skip
    at = script.at(on, 18)

    def add(event: str, fields: Mapping[str, Any], role: str, when: datetime) -> int:
        number = script.record(
            place.slug, f"vault.{event}", fields, person=place.people[role],
            happened=melbourne_date(when), at=when,
        )  # fmt: skip
        assert number is not None
        return number

    reason = {"reason": "A flood warning: what was asked for is needed before the office opens"}
    taken = add("EmergencyAccessTaken", {"cases": [asked.case], **reason}, "administrator", at)
    opened = {
        "opened": [{"entry": IndexOf(asked.number), "paths": ["information_sought"]}],
        "emergency_access": IndexOf(taken), **reason,
    }  # fmt: skip
    add("SealedFieldsOpened", opened, "administrator", at + timedelta(minutes=2))
    add("EmergencyAccessEnded", {"access": IndexOf(taken)}, "administrator", at + timedelta(minutes=6))
    found = {"access": IndexOf(taken), "justified": True, "words": "No officer could be reached"}
    add("EmergencyAccessReviewed", found, "privacy_officer", at + timedelta(days=2))


def attest(script: Script, place: Place, nil: bool) -> None:
    """The agency head attests the register of requests for the financial year 2024–25."""
    head = "chief_commissioner" if place.slug == "vicpol" else "secretary"
    fields = {
        "organisation": place.organisation, "register": "requests", "scheme": "vps",
        "period_from": "2024-07-01", "period_to": "2025-06-30", "complete": True, "nil_return": nil,
        "head_office": "chief_executive_officer" if place.invented else head,
    }  # fmt: skip
    script.record(
        place.slug, "attestation.PeriodAttested", fields, person=place.people["privacy_officer"],
        happened=script.day_between(date(2025, 7, 7), date(2025, 7, 31)),
    )  # fmt: skip
