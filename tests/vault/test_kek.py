"""The key-encryption key: where it lies, who may read it, what happens without it."""

from __future__ import annotations

import base64
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.errors import SettingsError, VaultError
from ledger.vault.kek import KEK_VARIABLE, LocalKek, WrongKek, load_kek, load_or_create_kek

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


def write_key(path: Path, mode: int, text: str = TEXT) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_created_once_with_mode_0600_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "data" / "kek"
    made = load_or_create_kek(path, keys_exist=False, environ={})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["kek"]
    again = load_or_create_kek(path, keys_exist=True, environ={})
    assert again.kek_id == made.kek_id == load_kek(path, {}).kek_id


def test_never_created_where_wrapped_keys_exist(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="restore it from its backup"):
        load_or_create_kek(tmp_path / "kek", keys_exist=True, environ={})
    assert not (tmp_path / "kek").exists()


def test_never_created_by_loading(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="got neither"):
        load_kek(tmp_path / "kek", {})
    assert not (tmp_path / "kek").exists()


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o601])
def test_wider_mode_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match=f"expected mode 0600, got {mode:04o}"):
        load_kek(write_key(tmp_path / "kek", mode), {})


def test_narrower_mode_accepted(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        assert load_kek(write_key(tmp_path / "kek", 0o400), {}).kek_id == LocalKek(KEY).kek_id
    else:
        assert load_kek(write_key(tmp_path / "kek", 0o600), {}).kek_id == LocalKek(KEY).kek_id


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write_key(tmp_path / "kek", 0o600, base64.b64encode(bytes(32)).decode())
    assert load_kek(path, {KEK_VARIABLE: TEXT}).kek_id == LocalKek(KEY).kek_id
    assert load_kek(path, {}).kek_id == LocalKek(bytes(32)).kek_id


@pytest.mark.parametrize("text", ["not base64 !", base64.b64encode(bytes(31)).decode(), "AA=="])
def test_malformed_key_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    for attempt in (
        lambda: load_kek(tmp_path / "absent", {KEK_VARIABLE: text}),
        lambda: load_kek(write_key(tmp_path / "kek", 0o600, text), {}),
    ):
        with pytest.raises(SettingsError) as caught:
            attempt()
        assert text not in str(caught.value)


def test_folder_in_the_place_of_the_file_refused(tmp_path: Path) -> None:
    (tmp_path / "kek").mkdir(mode=0o700)
    with pytest.raises(SettingsError):
        load_kek(tmp_path / "kek", {})


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_creation_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"ledger.vault.kek.os.{step}", full)
    with pytest.raises(SettingsError, match="No space left on device"):
        load_or_create_kek(tmp_path / "kek", keys_exist=False, environ={})
    assert os.listdir(tmp_path) == []


def test_processes_that_start_together_end_with_one_key(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from ledger.vault.kek import load_or_create_kek; "
        "print(load_or_create_kek(pathlib.Path(sys.argv[1]), keys_exist=False, environ={}).kek_id)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "kek")], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    ids = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0, 0]
    assert len(ids) == 1
    assert os.listdir(tmp_path) == ["kek"]


def test_known_answer() -> None:
    """Made once by hand: AES-256-GCM of 32 zero bytes, nonce 00..0b, associated data ``k1``."""
    wrapped = bytes.fromhex(
        "000102030405060708090a0b"
        "4702d61bc5e5c21b8d41978bb1e9786d83d68734f07b5f7c3867e5851d6900b22621e38e9b89371eb59633c06ef922b6"
    )
    assert LocalKek(KEY).kek_id == "local-c0e60329fa0ac217"
    assert LocalKek(KEY).unwrap("k1", wrapped, "local-c0e60329fa0ac217") == bytes(32)


def test_unwrap_bound_to_key_id_and_to_every_bit() -> None:
    kek, key = LocalKek(KEY), os.urandom(32)
    kek_id, wrapped = kek.wrap("k1", key)
    assert kek_id == kek.kek_id
    assert kek.unwrap("k1", wrapped, kek.kek_id) == key
    assert kek.wrap("k1", key).key != wrapped
    with pytest.raises(VaultError, match="key k2"):
        kek.unwrap("k2", wrapped, kek.kek_id)
    for at in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[at] ^= 1
        with pytest.raises(VaultError):
            kek.unwrap("k1", bytes(altered), kek.kek_id)
    for cut in (0, 11, 12, len(wrapped) - 1):
        with pytest.raises(VaultError):
            kek.unwrap("k1", wrapped[:cut], kek.kek_id)


def test_another_kek_is_a_wrong_setting_not_a_loss() -> None:
    kek, other = LocalKek(KEY), LocalKek(bytes(32))
    with pytest.raises(WrongKek, match=kek.kek_id):
        other.unwrap("k1", kek.wrap("k1", bytes(32)).key, kek.kek_id)
