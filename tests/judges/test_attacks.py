"""Who follows the page is deceived by no bundle that our verifier sees through."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle import keyed
from tests.bundle.forge import CLEAN, INCOMPLETE, TAMPERED, UNTRUSTED, Mutation
from tests.bundle.made import KEY
from tests.bundle.test_attacks import ALL
from tests.docs.generate import ROOT
from tests.docs.test_attack_list import table
from tests.judges.made import unzipped
from tests.judges.tools import Stranger

FORM_ONLY = {
    # A proof may stand at any signed checkpoint; that all of a bundle stand at one is its form.
    "proof at the checkpoint without its cosignature",
    "consistency with the checkpoint as it was without its cosignature",
    # What the manifest says beside subject and count is not believed, and not looked at.
    "changed manifest: another digest", "changed manifest: another root", "changed manifest: another size",
    "changed manifest: another origin", "changed manifest: fewer disclosures",
    "changed manifest: more disclosures", "another checkpoint, manifest as it was",
    "a disclosure left out", "disclosures missing",
    # A time stamp is for openssl to check, with the checkpoint that it is of.
    "stamps: without the checkpoint",
}  # fmt: skip
"""Where all that the page's steps show is true, and our verifier refuses the bundle for its form."""


UNPUBLISHED = {"schema that this program does not know", "times: not signed by a key of the log"}
"""True all the same: our verifier tells of a schema that it does not know, the page's reader finds no text; and
of a checkpoint that a witness cosigned and that is consistent it asks no signature of the log."""


FOLLOWED = {each.name for made in keyed.ALL for each in made()}
"""Which keys follow from which is ours to follow: the page's reader is given the one that signs."""


def attacks() -> Iterator[Mutation]:
    """Those on entries, proofs, container, checkpoints, schemas and disclosures."""
    for each in ALL:
        decided = each.code in (CLEAN, TAMPERED, UNTRUSTED, INCOMPLETE)
        # How our verifier shares blocks among processes is nothing to these judges.
        decided &= "of several blocks" not in each.name and each.name not in FOLLOWED
        if decided and each.kept is None and str(KEY.verifier) in each.keys and each.name not in FORM_ONLY:
            yield each


ATTACKS = [*attacks()]


class Refused(Exception):
    """A step of the page fails, or what its reader compares differs."""


def follow(each: Mutation, stranger: Stranger, folder: Path) -> None:
    """The steps of the page over a bundle. Raises Refused."""
    archive, entries, policy = folder / "bundle.zip", folder / "entries", folder / "policy"
    archive.write_bytes(each.data)
    policy.write_bytes(each.policy or f"log {KEY.verifier}\nquorum none\n".encode())
    try:
        bundle = unzipped(archive, folder / "bundle")
        manifest = json.loads((bundle / "manifest.json").read_bytes())
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise Refused(str(error)) from error
    checkpoint = succeeds(stranger.judge("checkpoint", policy, bundle / "checkpoint"))[0]
    *lines, last = succeeds(stranger.bundle("entries", bundle, entries))
    compare("ledger", checkpoint.partition(":")[0], last.partition(" entries of ")[2])
    compare("entries", manifest["entries"], int(last.split()[0]))
    indexes = [line.split()[0] for line in lines]
    subject = manifest["subject"]
    match subject["kind"]:
        case "ledger":
            succeeds(stranger.judge("tree", policy, bundle / "checkpoint", entries))
        case "range":
            start, end = subject["start"], subject["end"]
            compare("range", [str(start), str(end - 1), end - start], [indexes[0], indexes[-1], len(indexes)])
            succeeds(stranger.judge("proof", policy, bundle / "proofs", entries, indexes[-1]))
        case kind:
            succeeds(stranger.judge("proof", policy, bundle / "proofs", entries, *indexes))
            if kind == "case":
                compare("case", {subject["stream"]}, {line.split()[1] for line in lines})
                said = [json.loads((entries / f"{index}.json").read_text("utf-8")) for index in indexes]
                compare("versions", [*range(1, len(said) + 1)], [entry["version"] for entry in said])
    for file in (bundle / "schemas").iterdir():
        published = ROOT / "schemas" / (file.name.rsplit(".", 2)[0] + ".avsc")
        compare("a published schema", True, published.exists())
        compare("schema", published.read_text("utf-8"), file.read_text("utf-8"))
    if (bundle / "since").exists():
        succeeds(stranger.judge("since", policy, bundle / "since/checkpoint", bundle / "since/consistency"))
    for size in sorted({each.stem for each in (bundle / "times").glob("*.c*")}, key=int):
        told = (bundle / f"times/{size}.checkpoint", bundle / f"times/{size}.consistency")
        (said,) = succeeds(stranger.judge("since", policy, *told))
        compare("the size in the name", f"the {size}", said.partition("go on from ")[2])
    if (bundle / "disclosures.json").exists():
        succeeds(stranger.bundle("disclosed", bundle, entries))


def succeeds(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that a program of the page prints. Raises Refused where it refuses."""
    if done.returncode:
        # Neither program may fail for another reason, such as a word of its command line.
        assert done.returncode == 1
        assert "usage:" not in done.stderr
        raise Refused(done.stderr)
    return done.stdout.splitlines()


def compare(what: str, expected: object, got: object) -> None:
    """What the page tells its reader to compare. Raises Refused."""
    if expected != got:
        raise Refused(f"{what}: expected {expected}, got {got}")


@pytest.mark.parametrize("each", ATTACKS, ids=[each.name for each in ATTACKS])
def test_who_follows_the_page_is_not_deceived_by(each: Mutation, stranger: Stranger, tmp_path: Path) -> None:
    if each.code == CLEAN and each.name not in UNPUBLISHED:
        follow(each, stranger, tmp_path)
        return
    with pytest.raises(Refused):
        follow(each, stranger, tmp_path)


@pytest.mark.parametrize("name", sorted(FORM_ONLY))
def test_nothing_that_the_page_checks_is_false_in(name: str, stranger: Stranger, tmp_path: Path) -> None:
    (each,) = [each for each in ALL if each.name == name]
    assert each.code in (TAMPERED, INCOMPLETE)
    follow(each, stranger, tmp_path)


def test_each_attack_of_the_list_is_tried_by_who_follows_the_page() -> None:
    """As docs/attacks.md says of bundles: but for form, which that page does not look at."""
    tried = {each.name for each in ATTACKS} | FORM_ONLY
    rows = [row for row in table() if "tests/bundle/test_attacks.py::test_the_verdict_on" in row[-1]]
    codes = {row[-1].partition("[")[2].rstrip("]`"): set(re.findall(r"\d+", row[2])) for row in rows}
    assert len(codes) > 20
    # The row on keys is one of signatures, and says by whom it is found.
    judged = {name for name, of in codes.items() if of != {"7"} and name not in FOLLOWED}
    assert judged - tried == set()
    assert judged & FORM_ONLY == {"changed manifest: another digest"}


def test_what_the_page_is_held_to_is_most_of_the_list() -> None:
    assert len(ATTACKS) > 60
