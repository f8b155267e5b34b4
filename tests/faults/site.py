"""Ledgers with people, clients that put load on them, and what must hold after every fault."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ledger.api import tokens
from ledger.application import Installation, Principal
from ledger.settings import Settings
from ledger.store.database import Database, Role
from ledger.store.feed import Feed
from ledger.store.ledgers import Ledger, Ledgers
from projections.rebuild import rebuild
from projections.runner import lag
from tests.faults.service import Service
from tests.support import check_ledger
from tests.waiting import DEADLINE, until

RECEIVED = "request.RequestReceived"
ACKNOWLEDGED = "request.RequestAcknowledged"
HAPPENED = "2025-06-11"


@dataclass(frozen=True)
class Site:
    """A data directory, a database of ledgers, and an officer of each."""

    data_dir: Path
    database: Database
    officers: Mapping[str, Principal]

    def ledger(self, slug: str) -> Ledger:
        """A ledger by its slug."""
        return Ledgers(self.database).get(slug)

    def token(self, slug: str) -> str:
        """A token of the ledger's officer."""
        who = self.officers[slug]
        settings = Settings.load({}, data_dir=self.data_dir)
        return tokens.issue(settings, person=who.person, organisation=who.organisation, lifetime=3600)

    def headers(self, slug: str, key: str | None = None) -> dict[str, str]:
        """What a write of the ledger's officer carries, under a fresh key unless one is given."""
        return {"Authorization": f"Bearer {self.token(slug)}", "Idempotency-Key": key or str(uuid.uuid4())}

    def request(self, slug: str) -> dict[str, str]:
        """The fields of an informal request that the ledger's organisation received."""
        provider = self.officers[slug].organisation
        return {"scheme": "vps", "form": "informal", "provider": provider, "requester_name": "Requester"}

    def post(
        self,
        service: Service,
        command: str,
        fields: Mapping[str, Any],
        *,
        slug: str = "dffh",
        case: str | None = None,
        happened: str = HAPPENED,
        key: str | None = None,
        version: int | None = None,
    ) -> httpx.Response:
        """One command, given once."""
        headers = self.headers(slug, key)
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        body = {"case": case, "happened": happened, "fields": fields}
        return httpx.post(
            f"{service.url}/ledgers/{slug}/commands/{command}", json=body, headers=headers, timeout=60
        )

    def receive(self, service: Service, slug: str = "dffh") -> str:
        """A request received; gives its case."""
        answer = self.post(service, RECEIVED, self.request(slug), slug=slug)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["case"])

    def sizes(self) -> dict[str, int]:
        """How many entries each ledger has."""
        with Feed(self.database) as feed:
            return {each.slug: feed.head(each.id).size for each in Ledgers(self.database).all()}

    def check(self, acknowledged: Mapping[str, Answered] | None = None, *, parked: int = 0) -> dict[str, int]:
        """What must hold after every fault: every ledger is whole, no acknowledged write is lost, none is there
        twice, and the live registers are what a rebuild makes. Gives the sizes."""
        sizes = self.check_ledgers()
        with Feed(self.database) as feed:
            for key, answer in (acknowledged or {}).items():
                rows = feed.by_command(self.ledger(answer.slug).id, key)
                found = [(row.index, row.leaf_hash.hex(), row.stream, row.version) for row in rows]
                assert found == [answer.receipt], (key, found, answer)
        self.check_registers(parked)
        return sizes

    def check_ledgers(self) -> dict[str, int]:
        """Every ledger is whole; gives the sizes."""
        return {each.slug: check_ledger(self.database, each) for each in Ledgers(self.database).all()}

    def check_registers(self, parked: int = 0) -> None:
        """The live registers are at the heads of all ledgers, and a rebuild gives the same rows."""
        conninfo = self.database.conninfo(Role.PROJECTOR)

        def caught_up() -> dict[str, Any] | None:
            state = lag(conninfo)
            assert not state["paused"], state
            return None if any(state["behind"].values()) else state

        state = until(caught_up, lambda: lag(conninfo)) or {}
        assert len(state["parked"]) == parked, state
        compared = rebuild(conninfo, processes=1)
        assert compared
        assert [str(each) for each in compared if not each.equal] == []


def found(database: Database, data_dir: Path, slugs: Sequence[str] = ("dffh", "djcs")) -> Site:
    """Founds ledgers, each with an officer."""
    officers: dict[str, Principal] = {}
    with Installation(database, data_dir) as installation:
        for slug in slugs:
            organisation = str(uuid.uuid4())
            administrator, officer = (Principal(str(uuid.uuid4()), organisation, "test") for _ in range(2))
            installation.create_ledger(
                slug,
                origin=f"example.vic.gov.au/{slug}",
                organisation=organisation,
                legal_name=f"Department {slug.upper()}",
                administrator=administrator,
                administrator_name="Ada Administrator",
            )
            grant = {"person": officer.person, "role": "officer", "organisation": organisation}
            installation.execute(
                slug,
                "role.RoleGranted",
                {"happened": "2025-01-01", "fields": grant},
                principal=administrator,
                command_id=str(uuid.uuid4()),
            )
            officers[slug] = officer
    return Site(data_dir, database, officers)


@dataclass(frozen=True)
class Answered:
    """An acknowledged command: its ledger, and its one receipt as (index, leaf hash, case, version)."""

    slug: str
    receipt: tuple[int, str, str, int]


@dataclass
class Load:
    """Clients that give commands over HTTP, each under its own key, and repeat what was not answered.

    The first half of a client's commands open a case, the others acknowledge it, every second time with the
    version that was seen (If-Match).
    """

    site: Site
    services: Sequence[Service]
    slugs: Sequence[str] = ("dffh", "djcs")
    clients: int = 4
    acknowledged: dict[str, Answered] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    """Every answer: its status (and the kind of problem), or the kind of failure where there was none."""
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Load]:
        """The clients at work; at the end every command that was begun is delivered."""
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        assert self.wrong == [], self.services[0].said()[-4000:]

    def wait_for(self, more: int) -> None:
        """Waits until so many more commands were acknowledged."""
        wanted = len(self.acknowledged) + more
        until(
            lambda: self.wrong or len(self.acknowledged) >= wanted,
            lambda: (self.seen, self.services[0].said()[-4000:]),
        )
        assert not self.wrong, self.wrong

    def _client(self, number: int) -> None:
        service = self.services[number % len(self.services)]
        slug = self.slugs[number % len(self.slugs)]
        token = self.site.token(slug)
        request = self.site.request(slug)
        insists = False
        with httpx.Client(timeout=30, headers={"Authorization": f"Bearer {token}"}) as client:
            while not self._stop.is_set() and not self.wrong:
                case = str(uuid.uuid4())
                self._deliver(client, service, slug, RECEIVED, case, request)
                insists = not insists
                version = {"If-Match": '"1"'} if insists else {}
                self._deliver(client, service, slug, ACKNOWLEDGED, case, {}, version)

    def _deliver(
        self,
        client: httpx.Client,
        service: Service,
        slug: str,
        command: str,
        case: str,
        fields: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Gives one command until it is answered."""
        key = str(uuid.uuid4())
        body = {"case": case, "happened": HAPPENED, "fields": fields}
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                answer = client.post(
                    f"{service.url}/ledgers/{slug}/commands/{command}",
                    json=body,
                    headers={"Idempotency-Key": key, **(headers or {})},
                )
            except httpx.HTTPError as error:
                self.seen[type(error).__name__] += 1
                time.sleep(0.05)
                continue
            kind = "" if answer.status_code < 400 else f" {answer.json()['title']}"
            self.seen[f"{answer.status_code}{kind}"] += 1
            if answer.status_code in (200, 201):
                (receipt,) = answer.json()["receipts"]
                content = (receipt["index"], receipt["leaf_hash"], case, answer.json()["version"])
                self.acknowledged[key] = Answered(slug, content)
                return
            if answer.status_code != 503:
                self.wrong.append(f"{command}: {answer.status_code} {answer.text}")
                return
            time.sleep(0.05)
        self.wrong.append(f"{command}: not answered in {DEADLINE} s: {self.seen}")
