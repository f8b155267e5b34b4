"""A set is held to itself before anything is restored of it: what is left out, or does not fit, is said."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from ledger.errors import Altered, Incomplete
from ledger.store.manifest import MANIFEST, Manifest, file_state
from ledger.store.restore import drill, restore
from tests.store.published import place, sealed
from tests.store.sets import settings_of
from tests.store.test_backup import made

__all__ = ["made", "place", "sealed"]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("x", "got no JSON"),
        ("[]", "format auditledger-backup-1, got 'None'"),
        ("{}", "format auditledger-backup-1, got 'None'"),
        ('{"format": "auditledger-backup-1"}', "the fields of the format auditledger-backup-1, got others"),
    ],
)
def test_what_is_no_manifest_is_said_in_words(tmp_path: Path, text: str, got: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(Altered) as raised:
        Manifest.read(tmp_path)
    assert got in str(raised.value)
    assert "Error" not in str(raised.value)


@pytest.mark.parametrize("path", ["database.dump", "tiles/dffh/checkpoint", "tiles/dffh/tile/0/001.p/44"])
def test_a_file_left_out_of_a_set_and_of_its_manifest_is_missed(made: Path, tmp_path: Path, path: str) -> None:
    (made / path).unlink()
    content = json.loads((made / MANIFEST).read_text())
    del content["files"][path]
    (made / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(Incomplete, match=re.escape(f"{path}: it is not in the set")):
        restore(made, settings_of(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_sets_published_checkpoint_is_the_one_that_is_verified(made: Path, tmp_path: Path) -> None:
    """With a bit of its root turned, and the digest in the manifest made to fit."""
    path = made / "tiles" / "dffh" / "checkpoint"
    lines = path.read_bytes().split(b"\n")
    lines[2] = bytes([lines[2][0] ^ 1]) + lines[2][1:]
    path.write_bytes(b"\n".join(lines))
    content = json.loads((made / MANIFEST).read_text())
    content["files"]["tiles/dffh/checkpoint"] = asdict(file_state(path))
    (made / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(Altered, match="tiles/dffh/checkpoint: expected the checkpoint that"):
        drill(made, settings_of(tmp_path / "new"))
