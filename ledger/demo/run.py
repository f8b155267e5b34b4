"""Loads the demonstration through the real command path, by a simulated clock; again adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ledger.application import Installation, Principal
from ledger.application.outcome import Outcome
from ledger.clock import SimulatedClock
from ledger.codec.entry import Source, SourceKind
from ledger.demo import lives
from ledger.demo.bodies import RENAMED_ON, SUCCEEDED_ON, Body, bodies
from ledger.demo.lives import Place
from ledger.demo.script import END, START, IndexOf, Script, Step
from ledger.errors import InvalidInput
from ledger.store.ledgers import COMMON, Ledger

SEED = 2024
ORIGIN = "demonstration.example"
AUTHORITY = "demonstration"
REQUESTS, COMPLAINTS, RETENTION, NOTICES, CONTRAVENTIONS = 900, 130, 160, 9, 7
PART_3_BEGAN = date(2014, 9, 17)
EMERGENCY_ON = date(2025, 3, 12)
CISS_BEGAN = date(2018, 9, 27)
UNFINISHED = timedelta(days=70)
"""What a real body begins is over within these days: at the end nothing of it is left to become overdue."""
ENTITIES = ("bayside-families", "lakeside")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was loaded: ledgers, entries in all of them, and how many were added now."""

    ledgers: int
    entries: int
    added: int


def load_demonstration(
    installation: Installation, *, seed: int = SEED, progress: Progress = lambda _done, _all: None
) -> Demonstration:
    """Founds the demonstration's ledgers and records its history; what is there already is not added again.

    Needs an installation with a SimulatedClock. The same seed gives the same history (ids, dates, words; not
    the salts and keys). Raises InvalidInput where the database holds ledgers that are no demonstration.
    """
    clock = installation.clock
    if not isinstance(clock, SimulatedClock):
        raise InvalidInput("clock", "a simulated clock", type(clock).__name__)
    for ledger in installation.ledgers.all():
        if not ledger.demonstration:
            raise InvalidInput("ledger", "a database with no ledgers of another kind", ledger.slug)
    before = _entries(installation)
    script = Script(seed)
    everyone = bodies()
    ids = {body.key: script.uuid() for body in everyone}
    for ledger in installation.ledgers.all():
        if ids.get(ledger.slug, ledger.organisation) != ledger.organisation:
            raise InvalidInput(
                "--seed",
                "the one of the demonstration that is here; another goes into another data directory",
                seed,
            )
    clock.move_to(script.moment(START) - timedelta(hours=12))
    places = {body.key: _found(installation, script, body, ids) for body in everyone if body.ledger}
    _write(script, everyone, ids, places, installation)
    runner = _Runner(installation, clock, places)
    steps = script.in_order()
    if runner.recorded(steps[-1]):
        # They are recorded in order: where the last one is there, all are.
        progress(len(steps), len(steps))
    else:
        for done, step in enumerate(steps, start=1):
            runner.run(step)
            if done % 20 == 0 or done == len(steps):
                progress(done, len(steps))
    after = _entries(installation)
    return Demonstration(len(installation.ledgers.all()), after, after - before)


def _entries(installation: Installation) -> int:
    return sum(head.size for head in installation.feed.heads().values())


def _found(installation: Installation, script: Script, body: Body, ids: Mapping[str, str]) -> Place:
    roles = (
        ("regulator", "reporter") if body.kind == "regulator" else ("officer", "privacy_officer", "reporter")
    )
    people = {role: script.uuid() for role in ("administrator", *roles)}
    administrator = Principal(people["administrator"], ids[body.key], AUTHORITY)
    installation.create_ledger(
        body.key,
        origin=f"{ORIGIN}/{body.key}",
        organisation=ids[body.key],
        demonstration=True,
        administrator=administrator,
        administrator_name=lives.name(script),
    )
    return Place(
        body.key,
        ids[body.key],
        people,
        body.invented,
        # A body's first case comes after the day on which it is registered and bound.
        opens=START if body.established is None else body.established + timedelta(days=7),
        closes=_closes(body),
    )


def _closes(body: Body) -> date:
    """The last day on which a case of the body begins."""
    if body.key == "goldfields":
        return SUCCEEDED_ON - timedelta(days=1)
    return END if body.invented else END - UNFINISHED


def _write(
    script: Script,
    everyone: list[Body],
    ids: Mapping[str, str],
    places: Mapping[str, Place],
    installation: Installation,
) -> None:
    lead = places[everyone[0].key]
    beginning = script.moment(START) - timedelta(hours=9)
    _people(script, places, beginning)
    _register(script, everyone, ids, lead, beginning)
    agencies = [place for key, place in places.items() if key not in ("ovic", "bayside-families")]
    invented = [place for place in agencies if place.invented]
    real = [place for place in agencies if not place.invented]
    quiet = real[-1]
    for _ in range(REQUESTS):
        provider = script.random.choice(invented if script.chance(0.45) else real[:-1])
        requester = script.random.choice([place for place in agencies if place is not provider])
        if max(provider.opens, requester.opens) < min(provider.closes, requester.closes) - timedelta(days=30):
            lives.request(script, provider, requester)
    entities = [places[key] for key in ENTITIES]
    for _ in range(COMPLAINTS):
        lives.complaint(script, script.random.choice(entities))
    for _ in range(RETENTION):
        lives.retention(script, script.random.choice(agencies))
    for _ in range(NOTICES):
        lives.notice(script, places["ovic"], script.random.choice(invented[:1] + invented[3:]))
    for _ in range(CONTRAVENTIONS):
        lives.contravention(script, script.random.choice(invented))
    # One agency hands in a nil return; of the invented ones, one stays silent (no attestation).
    for place in [*real, places["riverbend"], places["lakeside"]]:
        lives.attest(script, place, nil=place is quiet)
    lives.emergency(script, places["riverbend"], EMERGENCY_ON)


def _people(script: Script, places: Mapping[str, Place], at: datetime) -> None:
    for place in places.values():
        for role, person in place.people.items():
            if role == "administrator":
                continue
            fields = {
                "person": person,
                "role": role,
                "organisation": place.organisation,
                "name_of_person": lives.name(script),
                "valid_from": START.isoformat(),
            }
            script.record(
                place.slug, "role.RoleGranted", fields, person=place.people["administrator"],
                happened=START - timedelta(days=1), at=at,
            )  # fmt: skip


def _register(script: Script, everyone: list[Body], ids: Mapping[str, str], lead: Place, at: datetime) -> None:
    keeper = lead.people["administrator"]

    def say(body: Body, event: str, fields: Mapping[str, Any], happened: date | None, when: datetime) -> None:
        script.record(
            COMMON,
            f"organisation.{event}",
            fields,
            person=keeper,
            happened=happened,
            case=ids[body.key],
            at=when,
        )

    for body in everyone:
        when = at if body.established is None else script.at(body.established, 9)
        registered = {"legal_name": body.legal_name, "short_name": body.short_name, "kind": body.kind}
        say(body, "OrganisationRegistered", registered, body.established, when)
        if body.signed_on is not None:
            say(body, "HeadsOfAgreementSigned", {"signatory": "The agency head"}, body.signed_on, when)
        limb = {"council": "d", "victoria_police": "i", "public_entity": "e"}.get(body.kind, "c")
        status = {"part_3": True, "part_3_limb": limb, "part_4": body.kind != "council",
                  "represents_crown": body.kind == "department"}  # fmt: skip
        say(body, "PrivacyStatusSet", status, body.established or PART_3_BEGAN, when)
        if body.renamed is not None:
            new = {"legal_name": body.renamed[0], "short_name": body.renamed[1],
                   "instrument": "Machinery of government change"}  # fmt: skip
            say(body, "OrganisationRenamed", new, RENAMED_ON, when)
    fields = {"person": lead.people["reporter"], "role": "reporter", "organisation": lead.organisation,
              "name_of_person": lives.name(script), "valid_from": START.isoformat()}  # fmt: skip
    script.record(COMMON, "role.RoleGranted", fields, person=keeper, happened=START - timedelta(days=1), at=at)
    by_key = {body.key: body for body in everyone}
    for key in ENTITIES:
        prescribed = {
            "scheme": "ciss",
            "basis": "prescription",
            "basis_words": "Invented for the demonstration",
        }
        say(by_key[key], "SchemeBound", prescribed, CISS_BEGAN, at)
    old, new_body = by_key["goldfields"], by_key["central-transit"]
    on = script.at(SUCCEEDED_ON, 12)
    order = {"all_functions": True, "instrument": "Order in Council (invented)"}
    say(old, "OrganisationSucceeded", {"successor": ids[new_body.key], **order}, SUCCEEDED_ON, on)
    assert old.signed_on is not None
    since = {"vps": old.signed_on, "pdpa_part_3": PART_3_BEGAN, "pdpa_part_4": PART_3_BEGAN}
    inherited = [{"scheme": scheme, "since": day.isoformat()} for scheme, day in since.items()]
    taken = {"predecessor": ids[old.key], "inherited": inherited, **order}
    say(new_body, "FunctionsTakenOver", taken, SUCCEEDED_ON, on + timedelta(minutes=30))
    say(
        old,
        "OrganisationAbolished",
        {"instrument": "Order in Council (invented)"},
        SUCCEEDED_ON,
        on + timedelta(hours=1),
    )


class _Runner:
    """Records steps in order of time; later steps can name what earlier ones got."""

    def __init__(self, installation: Installation, clock: SimulatedClock, places: Mapping[str, Place]) -> None:
        self._installation = installation
        self._clock = clock
        self._organisations = {place.slug: place.organisation for place in places.values()}
        self._ledgers: dict[str, Ledger] = {ledger.slug: ledger for ledger in installation.ledgers.all()}
        self._outcomes: dict[int, Outcome] = {}

    def recorded(self, step: Step) -> bool:
        """Whether a step was recorded before."""
        ledger = self._ledgers[step.ledger]
        return bool(self._installation.feed.by_command(ledger.id, step.command_id))

    def run(self, step: Step) -> None:
        """Records one step at its simulated moment; a step recorded before gives its first receipt."""
        self._clock.move_to(step.when)
        ledger = self._ledgers[step.ledger]
        body = {
            "case": step.case,
            "happened": step.happened,
            "fields": self._resolved(step.fields),
            "corrects": self._resolved(step.corrects),
        }
        self._outcomes[step.number] = self._installation.execute(
            step.ledger,
            step.command,
            body,
            principal=Principal(step.person, ledger.organisation, AUTHORITY),
            command_id=step.command_id,
            source=Source(SourceKind.API, "demonstration"),
        )

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._resolved(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._resolved(item) for item in value]
        if isinstance(value, IndexOf):
            return self._outcomes[value.step].receipts[0].index
        return value
