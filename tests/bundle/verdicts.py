"""Verdicts on bundles, of Python and of the page, to be compared."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from playwright.sync_api import Page

from ledger.bundle.verify import verify
from ledger.domain.keys.standing import changes_in
from ledger.errors import AuditLedgerError, InvalidInput
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from tests.bundle.forge import Mutation

Verdict = tuple[int, str, str]
"""Exit code, word, sentence."""
MANY = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
"""Of examples that are a hundred each: to make a failing one smaller would take minutes, and it is named."""
CLEAN: Verdict = (0, "Clean", "nothing was found altered, missing or out of place")


def python(each: Mutation) -> Verdict:
    """What the command line says: exit code, title and sentence."""
    policy = policy_of(each.policy)
    try:
        if not each.keys and policy is None:
            raise InvalidInput("keys", "the ledger's verifier key", None)
        keys, history = map(VerifierKey.parse, each.keys), changes_in(each.history)
        verify(each.data, keys, policy, each.kept, history=history, processes=1)
    except AuditLedgerError as error:
        return error.exit_code, error.title, str(error)
    return CLEAN


def policy_of(data: bytes | None) -> Policy | None:
    """The policy of a file, where there is one."""
    return None if data is None else Policy.parse(data)


def same(one: Verdict, other: Verdict) -> bool:
    """Whether two verdicts agree; in their sentences, but for what Python says of bytes that are no text."""
    if one[:2] != other[:2]:
        return False
    if one[0] == InvalidInput.exit_code:
        return True
    return own_words(one[2]) == own_words(other[2])


def own_words(sentence: str) -> str:
    """A sentence without what is said only by Python."""
    found = re.sub(r"(is not UTF-8)\b.*", r"\1", sentence)
    found = re.sub(r"(got other bytes) at \d+", r"\1", found)
    return re.sub(r"(fits precision \w+), got .*", r"\1", found)


def asked(page: Page, each: Sequence[Mutation]) -> list[Verdict]:
    """The verdicts of what the form calls, on many bundles at once: a file input takes them all."""
    page.evaluate(
        """() => {
          document.getElementById("many")?.remove();
          const many = document.createElement("input");
          Object.assign(many, { type: "file", multiple: true, id: "many" });
          document.body.append(many);
        }"""
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number:04}" for number in range(len(each))]
        for path, one in zip(paths, each, strict=True):
            path.write_bytes(one.data)
        page.set_input_files("#many", paths)
        found = page.evaluate(
            """async (given) => {
              const found = [], { files } = document.getElementById("many");
              const raw = (text) => text && Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
              for (const [at, { keys, policy, checkpoint, history }] of given.entries()) {
                const asked = {
                  bundle: files[at], keys, policy: raw(policy), checkpoint: raw(checkpoint),
                  history: history.map(raw),
                };
                const { code, word, sentence } = await verdictOn(asked);
                found.push([code, word, sentence]);
              }
              return found;
            }""",
            [
                {
                    "keys": "\n".join(one.keys),
                    "policy": base64_of(one.policy),
                    "checkpoint": base64_of(one.kept),
                    "history": [base64_of(each) for each in one.history],
                }
                for one in each
            ],
        )
    return [(code, word, sentence) for code, word, sentence in found]


def base64_of(data: bytes | None) -> str | None:
    """Bytes as they are sent to the browser."""
    return None if data is None else base64.b64encode(data).decode()


def alike(page: Page, each: Sequence[Mutation]) -> None:
    """Checks that Python and the page say the same of every one."""
    found = asked(page, each)
    differing = {}
    for one, said in zip(each, found, strict=True):
        expected = python(one)
        if not same(expected, said):
            differing[one.name] = (expected, said)
    assert differing == {}
