"""Every attack of the list is seen for what it is, and nothing else is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.bundle.verify import verify
from ledger.domain.keys.standing import changes_in
from ledger.errors import AuditLedgerError
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from tests.bundle.forge import CLEAN, Mutation
from tests.bundle.mutations import mutations

ALL = [*mutations()]


def verdict(each: Mutation, bundle: Path | bytes) -> tuple[int, str]:
    """The exit code that the command line has for it, and what is said."""
    keys = [VerifierKey.parse(key) for key in each.keys]
    policy = None if each.policy is None else Policy.parse(each.policy)
    try:
        verify(bundle, keys, policy, each.kept, history=changes_in(each.history), processes=1)
    except AuditLedgerError as error:
        return error.exit_code, f"{type(error).__name__}: {error}"
    return CLEAN, "clean"


@pytest.mark.parametrize("each", ALL, ids=[each.name for each in ALL])
def test_the_verdict_on(each: Mutation, tmp_path: Path) -> None:
    code, said = verdict(each, each.data)
    assert code == each.code, said
    path = tmp_path / "bundle.zip"
    path.write_bytes(each.data)
    assert verdict(each, path) == (code, said)


@pytest.mark.parametrize("each", ALL, ids=[each.name for each in ALL])
def test_the_verdict_is_the_same_block_by_block(each: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where each block is read by another process."""
    monkeypatch.setattr("ledger.bundle.verify.BLOCKS", 1)
    code, said = verdict(each, each.data)
    assert code == each.code, said


def test_each_attack_is_another_bundle_or_verifier() -> None:
    assert len({(each.data, each.keys, each.policy, each.kept, each.history) for each in ALL}) == len(ALL)
    assert len({each.name for each in ALL}) == len(ALL)
