"""Several keys of a ledger are trusted, and nothing that the verifier holds tells at which sizes each signs.

Both verifiers say so. What the bundle tells is no help: the thief of a retired key retires its successor in it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from playwright.sync_api import Page

from ledger.bundle.cover import cover
from ledger.bundle.manifest import Subject
from ledger.bundle.verify import verify
from ledger.domain.keys.standing import changes_in
from ledger.tlog.note import VerifierKey
from tests.bundle.keyed import ADDITION, BOTH, FIRST_ONLY, RETIREMENT, SECOND, keyed, retired, rotated
from tests.bundle.made import KEY, WHOLE
from tests.bundle.test_times import START

SHOWN = """async ({ data, keys, told }) => {
  const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const [raw, ...history] = [data, ...told].map(bytes);
  const { found } = await verdictOn({ bundle: new Blob([raw]), keys, history });
  return [found.untold, notProven(found).some((each) => String(each).includes("nothing told at which sizes"))];
}"""
BEFORE = Subject("range", start=0, end=ADDITION)
STOLEN, HONEST = rotated(KEY), rotated(SECOND)
FORGED = keyed((5, retired(1, SECOND, 5, KEY)), by=KEY)
TRUE = tuple(HONEST.entries[at] for at in (ADDITION, RETIREMENT))
CASES = [
    (STOLEN.bundle(BEFORE), BOTH, (), True),
    (STOLEN.bundle(BEFORE), FIRST_ONLY, (), False),
    (FORGED.bundle(WHOLE), BOTH, (), True),
    # Both of these were silent once; but so was the one above, which no verifier can tell from them.
    (
        HONEST.bundle(BEFORE, history=[(at, HONEST.entries[at]) for at in (ADDITION, RETIREMENT)]),
        BOTH,
        (),
        True,
    ),
    (HONEST.bundle(WHOLE), BOTH, (), True),
    (HONEST.bundle(WHOLE), BOTH, TRUE, False),
    (HONEST.bundle(WHOLE), BOTH, TRUE[:1], False),
    (HONEST.bundle(WHOLE), BOTH, HONEST.entries[:1], True),
    (HONEST.bundle(WHOLE), FIRST_ONLY, (), False),
]
NAMES = ["stolen", "one key", "forged", "brought", "whole", "held", "in part", "of no key", "one key, whole"]


@pytest.mark.parametrize(("data", "keys", "told", "untold"), CASES, ids=NAMES)
def test_keys_of_which_nothing_held_tells_are_said(
    page: Page, data: bytes, keys: tuple[str, ...], told: Sequence[bytes], untold: bool
) -> None:
    found = verify(data, map(VerifierKey.parse, keys), history=changes_in(told))
    assert found.untold is untold
    assert (b"nothing told at which sizes" in cover(found, "x.zip", START)) is untold
    raw, *history = (base64.b64encode(each).decode() for each in (data, *told))
    given = {"data": raw, "keys": "\n".join(keys), "told": history}
    assert page.evaluate(SHOWN, given) == [untold, untold]
