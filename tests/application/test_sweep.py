"""Files that were kept for a command and that no entry came to name: swept a day later, and nothing else."""

from __future__ import annotations

import io
import os
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Installation
from ledger.errors import InvalidInput, NotFound
from ledger.store.database import Role
from tests.application.conftest import House
from tests.conftest import IN_BOTH
from tests.support import check_ledger

pytestmark = IN_BOTH

FIELDS = {"scheme": "vps", "form": "informal", "requester_name": "Requester"}


def files(house: House) -> list[Path]:
    return [path for path in (house.installation.data_dir / "attachments").rglob("*") if path.is_file()]


def rows(house: House) -> int:
    with house.installation.vault.connect(Role.VAULT) as connection:
        row = connection.execute("SELECT count(*) FROM vault.attachments").fetchone()
    assert row is not None
    return int(row[0])


def age(house: House, seconds: float) -> None:
    """As if everything had been kept so long ago."""
    with house.installation.vault.connect(Role.VAULT) as connection:
        connection.execute(
            "UPDATE vault.attachments SET created_at = created_at - make_interval(secs => %s)", (seconds,)
        )
    for path in files(house):
        found = path.stat()
        os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))


def attach(house: House, case: str, key: str) -> Any:
    return house.installation.attach(
        "dffh", case, io.BytesIO(b"a letter"), 8,
        media_type="text/plain", title="Letter", principal=house.officer, command_id=key,
    )  # fmt: skip


def test_what_two_first_attempts_kept_twice_is_swept_to_the_one_that_is_named(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, key = house.run("request.RequestReceived", FIELDS).stream, str(uuid.uuid4())
    both_kept = threading.Barrier(2, timeout=30)
    keep_file = Installation.keep_file

    def kept_at_once(self: Installation, *arguments: Any, **options: Any) -> dict[str, Any]:
        kept = keep_file(self, *arguments, **options)
        both_kept.wait()
        return kept

    monkeypatch.setattr(Installation, "keep_file", kept_at_once)
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(attach(house, case, key))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes[0].receipts == outcomes[1].receipts
    assert (len(files(house)), rows(house)) == (2, 2)
    # Whoever kept it less than a day ago may name it still.
    assert house.installation.sweep_attachments() == 0
    age(house, 25 * 3600)
    assert house.installation.sweep_attachments() == 1
    assert (len(files(house)), rows(house)) == (1, 1)
    _, chunks = house.installation.read_attachment(
        "dffh", outcomes[0].receipts[0].index, "file", reason="reading it", principal=house.officer
    )
    assert b"".join(chunks) == b"a letter"
    assert house.installation.sweep_attachments() == 0
    check_ledger(house.installation.database, house.installation.ledgers.get("dffh"))


def test_what_was_kept_for_a_command_that_was_refused_or_never_given_is_swept(house: House) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    never_opened = str(uuid.uuid4())
    for stream in (case, never_opened):
        kept = house.installation.keep_file("dffh", stream, io.BytesIO(b"x"), 1, field_path="file")
    file = {**kept, "media_type": "no media type", "title": "t"}
    with pytest.raises((InvalidInput, NotFound)):
        house.run("attachment.AttachmentAdded", {"file": file}, case=never_opened)
    age(house, 25 * 3600)
    assert house.installation.sweep_attachments() == 2
    assert (files(house), rows(house)) == ([], 0)


def test_a_sweep_that_is_killed_between_row_and_file_is_finished_by_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = house.run("request.RequestReceived", FIELDS).stream
    house.installation.keep_file("dffh", case, io.BytesIO(b"x"), 1, field_path="file")
    age(house, 25 * 3600)
    with monkeypatch.context() as patch:
        patch.setattr(type(house.installation.files), "sweep", _killed)
        with pytest.raises(KeyboardInterrupt):
            house.installation.sweep_attachments()
    assert (len(files(house)), rows(house)) == (1, 0)
    assert house.installation.sweep_attachments() == 1
    assert files(house) == []


def _killed(*_: Any) -> None:
    raise KeyboardInterrupt
