"""The bytes of bundles: the same for the same inputs, and what other programs read in them."""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.bundle import container
from ledger.bundle.verify import verify
from ledger.errors import AuditLedgerError
from tests.bundle.forge import Mutation, flipped, members, sealed
from tests.bundle.made import BIG, FOLDER, MIDDLE, POLICY, WHOLE, golden, log, trusted
from tests.bundle.test_attacks import verdict

GOLDEN = golden()


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_bundle_is_made_again_byte_by_byte(name: str) -> None:
    assert (FOLDER / f"{name}.zip").read_bytes() == GOLDEN[name]


def test_what_golden_bundles_are_verified_with_lies_beside_them() -> None:
    assert (FOLDER / "keys").read_text().splitlines() == [str(key) for key in trusted()]
    assert (FOLDER / "policy").read_bytes() == POLICY
    assert verify(FOLDER / "ledger.zip", trusted(), None, (FOLDER / "checkpoint").read_bytes()).kept is not None


def test_the_same_inputs_give_the_same_bytes() -> None:
    again = log().bundle(MIDDLE)
    assert again == log().bundle(MIDDLE)
    assert sha256(again).digest() != sha256(log().bundle(WHOLE)).digest()


def test_any_zip_program_opens_it() -> None:
    with zipfile.ZipFile(io.BytesIO(GOLDEN["range"])) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "manifest.json"
        said = json.loads(archive.read("manifest.json"))
    assert said["subject"] == {"kind": "range", "start": 3, "end": 9}
    assert [each["name"] for each in said["files"]] == archive.namelist()[:-1]


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 2000])
def test_any_avro_library_reads_the_entries(size: int) -> None:
    made = log(BIG)
    data = b"".join(container.written(enumerate(made.entries[:size])))
    reader = fastavro.reader(io.BytesIO(data))
    assert [(each["index"], each["entry"]) for each in reader] == [*enumerate(made.entries[:size])]
    assert reader.metadata["avro.codec"] == "null"
    assert data.count(container.SYNC) == 1 + -(-size // 1000)
    assert sha256(b"ledger.v1.BundleEntry").digest()[:16] == container.SYNC


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_turned_byte_of_a_bundle_goes_unseen(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(GOLDEN)))
    bundle = GOLDEN[name]
    at = data.draw(st.integers(0, len(bundle) - 1))
    bit = data.draw(st.integers(1, 255))
    turned = bundle[:at] + bytes([bundle[at] ^ bit]) + bundle[at + 1 :]
    with pytest.raises(AuditLedgerError):
        verify(turned, trusted(), processes=1)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_cut_or_longer_bundle_is_taken(data: st.DataObject) -> None:
    bundle = GOLDEN["case"]
    end = data.draw(st.integers(0, len(bundle) - 1))
    assert verdict(Mutation("cut", bundle[:end], 11), bundle[:end])[0] == 11
    more = data.draw(st.binary(min_size=1, max_size=64))
    assert verdict(Mutation("longer", bundle + more, 7), bundle + more)[0] == 7


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_member_can_be_replaced_by_other_bytes_that_its_digest_fits(data: st.DataObject) -> None:
    # Policy and keys are not believed; and what other keys than the log's signed may be taken off a note.
    free = ("manifest.json", "policy", "keys", "since/checkpoint")
    files = members(GOLDEN["range"])
    name = data.draw(st.sampled_from([each for each in files if each not in free]))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    content = data.draw(st.sampled_from([flipped(files[name], at), files[name][:at], b"", files[name] + b"\n"]))
    with pytest.raises(AuditLedgerError):
        verify(sealed({**files, name: content}), trusted(), processes=1)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", GOLDEN["range"][:400]]))
def test_of_any_bytes_our_errors_alone_are_raised(data: bytes, before: bytes) -> None:
    with pytest.raises(AuditLedgerError):
        verify(before + data, trusted(), processes=1)


def test_ranges_worked_on_by_two_processes_give_the_same(tmp_path: Path) -> None:
    made = Mutation("big", log(BIG).bundle(WHOLE), 0)
    path = tmp_path / "bundle.zip"
    path.write_bytes(made.data)
    assert verify(path, trusted(), processes=2) == verify(made.data, trusted(), processes=1)
