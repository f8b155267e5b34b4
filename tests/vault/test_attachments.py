"""Attachments: encrypted, streamed in flat memory, checked on reading, nothing left of a failed one."""

from __future__ import annotations

import hmac
import io
import os
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.codec.avro import encode_primitive
from ledger.errors import InvalidInput, Unavailable, VaultError
from ledger.vault.attachments import CHUNK, TAG, AttachmentFiles, AttachmentRow
from ledger.vault.sealing import commitment

KEY = bytes(range(32))
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5]


@pytest.fixture
def files(tmp_path: Path) -> AttachmentFiles:
    return AttachmentFiles(tmp_path / "attachments")


def keep(files: AttachmentFiles, content: bytes, length: int | None = None, key: bytes = KEY) -> AttachmentRow:
    return files.write(io.BytesIO(content), length, ledger=1, key_id="a1", key=key, field_path="report")


def all_files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def place(files: AttachmentFiles, row: AttachmentRow) -> Path:
    return files.file(row.ledger, row.key, row.commitment)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("known", [True, False], ids=["length known", "length unknown"])
def test_round_trip(files: AttachmentFiles, tmp_path: Path, size: int, known: bool) -> None:
    content = os.urandom(size)
    row = keep(files, content, size if known else None)
    assert row.length == size
    assert b"".join(files.read(row, KEY)) == content
    (file,) = all_files(tmp_path)
    assert file == place(files, row)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if size > 16:
        assert content[:16] not in file.read_bytes()


def known_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Salt, prefix of the nonces, nonce of the row: in that order."""
    random = iter([b"\x01" * 32, b"\x02" * 7, b"\x03" * 12])
    for module in ("attachments", "sealing"):
        monkeypatch.setattr(f"ledger.vault.{module}.random_bytes", lambda _n: next(random))


def test_format_known_by_hand(files: AttachmentFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commitment and boxes as 4-wire says, made again here without the module's own helpers."""
    known_randomness(monkeypatch)
    content = b"ab" * CHUNK
    row = keep(files, content, len(content))
    monkeypatch.undo()
    path = b"report.content"
    hashed = b"ledger.v1.Sealed\x00\x00\x0e" + path + encode_primitive("bytes", content)
    assert row.commitment == hmac.digest(b"\x01" * 32, hashed, "sha256")
    assert row.commitment == commitment(b"\x01" * 32, "report.content", encode_primitive("bytes", content))
    boxes = AESGCM(KEY).encrypt(b"\x02" * 7 + b"\0\0\0\0\0", content[:CHUNK], None)
    boxes += AESGCM(KEY).encrypt(b"\x02" * 7 + b"\0\0\0\1\1", content[CHUNK:], None)
    assert place(files, row).read_bytes() == boxes
    sealed = AESGCM(KEY).encrypt(b"\x03" * 12, b"\x01" * 32 + b"\x02" * 7, row.commitment)
    assert row.sealed == b"\x03" * 12 + sealed


def test_empty_file_known_answer(files: AttachmentFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    known_randomness(monkeypatch)
    row = keep(files, b"", 0)
    assert row.commitment.hex() == "5c17e2c305be18f404b65eceb4bdbd8726d6ada9a66fbabd163aa8603e79d3d8"
    assert place(files, row).read_bytes().hex() == "a3a1613b786226bf4722bdf2693d8240"


def test_source_that_gives_little_at_a_time(files: AttachmentFiles) -> None:
    content = os.urandom(CHUNK + 70_000)

    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 50_000))

    row = files.write(Trickle(content), len(content), ledger=1, key_id="a1", key=KEY, field_path="report")
    assert b"".join(files.read(row, KEY)) == content


@pytest.mark.parametrize("said", [0, 5, CHUNK, 3 * CHUNK])
def test_other_length_than_said_refused_and_nothing_kept(
    files: AttachmentFiles, tmp_path: Path, said: int
) -> None:
    with pytest.raises(InvalidInput, match=f"expected {said} bytes"):
        keep(files, b"x" * (2 * CHUNK + 1), said)
    assert all_files(tmp_path) == []


def test_every_kind_of_altered_byte_found(files: AttachmentFiles) -> None:
    row = keep(files, os.urandom(2 * CHUNK + 9))
    file = place(files, row)
    whole = file.read_bytes()
    for at in (0, CHUNK - 1, CHUNK, CHUNK + TAG, 2 * (CHUNK + TAG), len(whole) - 1):
        altered = bytearray(whole)
        altered[at] ^= 0x80
        file.write_bytes(altered)
        with pytest.raises(VaultError, match="expected chunk"):
            list(files.read(row, KEY))
    file.write_bytes(whole)
    assert sum(map(len, files.read(row, KEY))) == row.length


def test_truncated_extended_or_missing_file_found(files: AttachmentFiles) -> None:
    row = keep(files, os.urandom(2 * CHUNK))
    file = place(files, row)
    whole = file.read_bytes()
    for other in (whole[: CHUNK + TAG], whole[:-1], b"", whole + b"\0", whole + whole[: CHUNK + TAG]):
        file.write_bytes(other)
        with pytest.raises(VaultError, match="expected a file of"):
            list(files.read(row, KEY))
    file.unlink()
    with pytest.raises(VaultError, match="lost"):
        list(files.read(row, KEY))


def test_truncation_hidden_by_an_altered_row_found(files: AttachmentFiles) -> None:
    """File and row's length cut alike: the last-chunk mark is missing."""
    row = keep(files, os.urandom(2 * CHUNK))
    file = place(files, row)
    file.write_bytes(file.read_bytes()[: CHUNK + TAG])
    with pytest.raises(VaultError, match="expected chunk 0"):
        list(files.read(replace(row, length=CHUNK), KEY))


def test_reordered_chunks_found(files: AttachmentFiles) -> None:
    row = keep(files, os.urandom(3 * CHUNK))
    file = place(files, row)
    box = CHUNK + TAG
    whole = file.read_bytes()
    file.write_bytes(whole[box : 2 * box] + whole[:box] + whole[2 * box :])
    with pytest.raises(VaultError, match="expected chunk 0"):
        list(files.read(row, KEY))


def test_swapped_files_and_rows_found(files: AttachmentFiles) -> None:
    one, other = keep(files, b"one" * 1000), keep(files, b"two" * 1000)
    first, second = place(files, one), place(files, other)
    first_bytes = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(first_bytes)
    with pytest.raises(VaultError, match="expected chunk 0"):
        list(files.read(one, KEY))
    # The rows' secrets swapped as well: they are bound to their commitments.
    with pytest.raises(VaultError, match="altered"):
        list(files.read(replace(one, sealed=other.sealed), KEY))


def test_content_that_is_not_the_committed_one_found(files: AttachmentFiles) -> None:
    """Written by who holds the key: every box opens, the commitment does not agree."""
    row = keep(files, b"x" * 100)
    with pytest.raises(VaultError, match="expected the committed content"):
        list(files.read(replace(row, path="other.content"), KEY))


def test_other_key_opens_nothing(files: AttachmentFiles) -> None:
    with pytest.raises(VaultError):
        list(files.read(keep(files, b"x"), bytes(32)))


def test_key_id_cannot_lead_out_of_the_folder(files: AttachmentFiles) -> None:
    with pytest.raises(InvalidInput):
        files.file(1, "../../etc", bytes(32))


def test_sweep_removes_only_old_files_without_a_row(files: AttachmentFiles, tmp_path: Path) -> None:
    kept, orphan, young = (keep(files, name) for name in (b"kept", b"orphan", b"young"))
    unfinished = tmp_path / "attachments" / "unfinished" / "ab"
    unfinished.write_bytes(b"half")
    old = time.time() - 7200
    for file in (place(files, kept), place(files, orphan), unfinished):
        os.utime(file, (old, old))
    gone = files.sweep({(kept.ledger, kept.key, kept.commitment)}, older_than=3600)
    assert set(gone) == {place(files, orphan), unfinished}
    assert set(all_files(tmp_path)) == {place(files, kept), place(files, young)}


def test_failing_source_leaves_nothing(files: AttachmentFiles, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= CHUNK:
                raise ConnectionResetError(104, "Connection reset by peer")
            return super().read(size)

    with pytest.raises(Unavailable, match="Connection reset"):
        files.write(Broken(bytes(2 * CHUNK)), None, ledger=1, key_id="a1", key=KEY, field_path="report")
    assert all_files(tmp_path) == []


LIMITED = """
import io, pathlib, resource, sys
from ledger.errors import Unavailable
from ledger.vault.attachments import AttachmentFiles
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
files = AttachmentFiles(pathlib.Path(sys.argv[1]))
place = {"ledger": 1, "key_id": "a1", "key": bytes(32), "field_path": "report"}
try:
    files.write(io.BytesIO(bytes(5_000_000)), 5_000_000, **place)
except Unavailable as error:
    print(error)
row = files.write(io.BytesIO(b"small"), 5, **place)
assert b"".join(files.read(row, bytes(32))) == b"small"
"""


def test_file_too_large_for_its_limit_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "nothing was kept, free some space and try again" in done.stdout
    (file,) = all_files(tmp_path)
    assert file.stat().st_size == 5 + TAG


def tmpfs(at: Path, size: str) -> bool:
    """Whether a file system of that size could be mounted (root with the right to mount only)."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_disk_really_full_leaves_nothing(tmp_path: Path) -> None:
    """On a small file system where one can be mounted, else by a limit that cuts a chunk in two."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not tmpfs(disk, "4m"):
        check_full_within_a_chunk(tmp_path)
        return
    try:
        files = AttachmentFiles(disk / "attachments")
        small = keep(files, b"kept before")
        with pytest.raises(Unavailable, match="No space left on device; nothing was kept"):
            keep(files, bytes(8 << 20), 8 << 20)
        assert all_files(disk) == [place(files, small)]
        assert b"".join(files.read(small, KEY)) == b"kept before"
        assert b"".join(files.read(keep(files, b"x" * CHUNK), KEY)) == b"x" * CHUNK
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def check_full_within_a_chunk(tmp_path: Path) -> None:
    program = LIMITED.replace("(3_000_000, 3_000_000)", "(1_500_000, 1_500_000)")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "nothing was kept" in done.stdout
    assert [file.stat().st_size for file in all_files(tmp_path)] == [5 + TAG]


LARGE = """
import io, pathlib, resource, sys
from ledger.vault.attachments import AttachmentFiles

SIZE = 200_000_000

class Generated(io.RawIOBase):
    at = 0
    def read(self, size=-1):
        size = min(size, SIZE - self.at)
        self.at += size
        return bytes((self.at & 0xFF,)) * size

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

files = AttachmentFiles(pathlib.Path(sys.argv[1]))
place = {"ledger": 1, "key_id": "a1", "key": bytes(32), "field_path": "report"}
small = files.write(io.BytesIO(b"x"), 1, **place)
before = peak()
row = files.write(Generated(), int(sys.argv[2]) or None, **place)
assert sum(map(len, files.read(row, bytes(32)))) == SIZE == row.length
print(peak() - before)
"""


@pytest.mark.parametrize("length", [200_000_000, 0], ids=["length known", "length unknown"])
def test_200_megabytes_in_flat_memory(tmp_path: Path, length: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path), str(length)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 20_000_000
