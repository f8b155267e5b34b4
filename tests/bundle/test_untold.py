"""Several keys of a ledger are trusted, and nothing tells at which sizes each signs: both verifiers say so."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import Page

from ledger.bundle.cover import cover
from ledger.bundle.manifest import Subject
from ledger.bundle.verify import verify
from ledger.tlog.note import VerifierKey
from tests.bundle.keyed import ADDITION, BOTH, FIRST_ONLY, SECOND, rotated
from tests.bundle.made import KEY, WHOLE
from tests.bundle.test_times import START

SHOWN = """async ({ data, keys }) => {
  const raw = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const { found } = await verdictOn({ bundle: new Blob([raw]), keys });
  return [found.untold, notProven(found).some((each) => String(each).includes("nothing told at which sizes"))];
}"""
BEFORE = Subject("range", start=0, end=ADDITION)
STOLEN, HONEST = rotated(KEY), rotated(SECOND)
CASES = [
    (STOLEN.bundle(BEFORE), BOTH, True),
    (STOLEN.bundle(BEFORE), FIRST_ONLY, False),
    (HONEST.bundle(BEFORE, history=[(at, HONEST.entries[at]) for at in (ADDITION, 7)]), BOTH, False),
    (HONEST.bundle(WHOLE), BOTH, False),
]


@pytest.mark.parametrize(("data", "keys", "untold"), CASES, ids=["stolen", "one key", "brought", "whole"])
def test_keys_of_which_nothing_tells_are_said(
    page: Page, data: bytes, keys: tuple[str, ...], untold: bool
) -> None:
    found = verify(data, map(VerifierKey.parse, keys))
    assert found.untold is untold
    assert (b"nothing told at which sizes" in cover(found, "x.zip", START)) is untold
    given = {"data": base64.b64encode(data).decode(), "keys": "\n".join(keys)}
    assert page.evaluate(SHOWN, given) == [untold, untold]
