"""An import that is killed, that has company, and any files one after the other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.application import Installation
from ledger.imports.mapping import RegisterMapping, mapping_of
from ledger.store.database import Database
from tests.imports.desk import DOJ, Desk, table
from tests.imports.log import SETTINGS, bring, cases_of, imports, row


def _import_until_killed(
    admin: str, passwords: dict[str, str], folder: str, organisation: str, person: str
) -> None:
    """Runs in a child: imports the real register, and kills itself once 60 rows or more were answered."""
    from ledger.application import Principal
    from ledger.imports import run
    from ledger.imports.mapping import load_mapping
    from tests.imports.desk import MAPPINGS

    def killing(what: str, done: int, _total: int) -> None:
        if what == "writing" and done == 60 + run.IN_FLIGHT:
            os.kill(os.getpid(), signal.SIGKILL)

    with Installation(Database(admin, passwords), Path(folder) / "data") as installation:
        run.import_file(
            installation,
            "dffh",
            DOJ,
            load_mapping(MAPPINGS / "requests-doj-2017.toml"),
            principal=Principal(person, organisation, "test"),
            progress=killing,
        )


def test_an_import_that_was_killed_goes_on_with_the_same_file_and_writes_nothing_twice(
    desk: Desk, doj: RegisterMapping
) -> None:
    database = desk.installation.database
    child = multiprocessing.get_context("spawn").Process(
        target=_import_until_killed,
        args=(
            database.admin,
            dict(database.passwords),
            str(desk.folder),
            desk.officer.organisation,
            desk.officer.person,
        ),
    )
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    there = {entry.stream for entry in desk.imported()}
    assert 60 <= len(there) < 244
    desk.check()

    result = desk.bring_in(DOJ, doj)
    assert (result.rows, result.new, result.bad, result.unchanged) == (244, 244, 0, 0)
    assert len({entry.stream for entry in desk.imported()}) == 244
    assert len({entry.command for entry in desk.imported()}) == len(desk.imported()) == 618
    (recorded,) = imports(desk)
    assert (recorded.new, recorded.header.corrects) == (244, None)
    references = {(entry.decoded.source.reference or "").split("/")[0] for entry in desk.imported()}
    assert references == {result.import_id}
    desk.check()


def test_two_people_who_import_the_same_file_at_once_bring_it_in_once(desk: Desk, doj: RegisterMapping) -> None:
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(desk.bring_in, DOJ, doj) for _ in range(2)]
        assert [(each.result().new, each.result().bad) for each in results] == [(244, 0)] * 2
    (recorded,) = imports(desk)
    assert (recorded.new, recorded.bad, recorded.header.corrects) == (244, 0, None)
    last = desk.bring_in(DOJ, doj)
    assert (last.new, last.bad, last.entries) == (244, 0, 0)
    assert len({entry.stream for entry in desk.imported()}) == 244
    desk.check()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.integers(1, 4),
            st.tuples(
                st.sampled_from(["", "given", "none", "partly"]),
                st.sampled_from(["2025-01-15", "2025-02-01", "2025-03-01"]),
                st.sampled_from(["2025-01-01", "2025-01-15", "2025-02-15"]),
                st.sampled_from(["alpha", "beta"]),
            ),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_files_one_after_the_other_leave_what_the_last_of_them_says(
    desk: Desk, files: list[dict[int, tuple[str, str, str, str]]]
) -> None:
    mapping = mapping_of({**SETTINGS, "format": f"log-{uuid.uuid4().hex}"})
    for number, file in enumerate(files):
        rows = [
            row(key, out, closed if out else "", received=received, what=what)
            for key, (out, closed, received, what) in file.items()
        ]
        result = bring(desk, mapping, *rows, name=f"{number}.csv")
        assert bring(desk, mapping, *rows, name=f"{number}.csv").entries == 0
        alone = mapping_of({**SETTINGS, "format": f"log-{uuid.uuid4().hex}"})
        fresh = bring(desk, alone, *rows, name="fresh.csv")
        # What a later file may not say, a first file may not say either, and the other way about.
        assert [fault.row for fault in result.faults] == [fault.row for fault in fresh.faults]
        bad = {fault.row for fault in result.faults}
        good = [key for place, key in enumerate(file) if place + 2 not in bad]
        assert cases_of(desk, mapping, good) == cases_of(desk, alone, good)
    desk.check()


def test_the_table_of_the_real_register_has_no_key_twice() -> None:
    keys = [cells[0] for cells in table(DOJ)[1:]]
    assert len(set(keys)) == len(keys) == 244
