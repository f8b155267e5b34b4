"""Salts, nonces and keys are fresh each time: the same words sealed twice never look the same (4-wire)."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger.application import Installation
from ledger.vault.opening import Opened
from tests.application.conftest import House
from tests.application.test_destroying import REQUEST, opened, rows
from tests.support import check_ledger

NONCE = 12


def test_of_the_same_words_no_salt_nonce_commitment_or_key_comes_twice(house: House, tmp_path: Path) -> None:
    """Equal salts would show equal values to who sees commitments alone; a nonce used twice gives away both.

    The same words again and again: in other cases, in one case, by many at once, by another service.
    """
    cases = [house.run("request.RequestReceived", REQUEST).stream for _ in range(10)]
    with ThreadPoolExecutor(8) as pool:
        cases += pool.map(lambda _: house.run("request.RequestReceived", REQUEST).stream, range(16))
    for _ in range(8):
        index = rows(house, cases[0])[-1].index
        correction = {"index": index, "kind": "typing", "reason": "a home"}
        house.run("request.RequestReceived", REQUEST, case=cases[0], corrects=correction)
    with Installation(house.installation.database, tmp_path) as another:
        for _ in range(6):
            body = {"happened": "2025-06-11", "fields": REQUEST}
            made = another.execute(
                "dffh", "request.RequestReceived", body, principal=house.officer, command_id=str(uuid.uuid4())
            )
            cases.append(made.stream)
    found = [each for case in cases for row in rows(house, case) for each in opened(house, row.index).values()]
    assert len(found) > 100
    assert all(isinstance(each, Opened) for each in found)
    salts = [each.salt for each in found if isinstance(each, Opened)]
    assert {each.value for each in found if isinstance(each, Opened)} >= {"a home", "Petra Planted"}
    assert len(set(salts)) == len(salts)
    with house.installation.database.connect_admin() as connection:
        sealed = connection.execute("SELECT key, ciphertext FROM vault.sealed").fetchall()
        wrapped = connection.execute("SELECT id, wrapped FROM vault.keys").fetchall()
        entries = connection.execute("SELECT entry FROM ledger.entries").fetchall()
    nonces = [bytes(each[1])[:NONCE] for each in (*sealed, *wrapped)]
    assert len(nonces) > 60
    assert len(set(nonces)) == len(nonces)
    assert len({bytes(each[1]) for each in sealed}) == len(sealed)
    assert len({each[0] for each in wrapped}) == len(wrapped)
    for (entry,) in entries:
        assert not any(salt in bytes(entry) for salt in salts)
    check_ledger(house.installation.database, house.ledger)
