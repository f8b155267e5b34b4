"""The witness as a program: its address and key, what it answers over HTTP, what it does not start with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.tlog.note import Note, SigningKey, VerifierKey
from ledger.witness.state import name_of
from ledger.witness.witness import MOST_BYTES
from tests.witness.test_witness import LOG, ORIGIN, body, note

NAME = "witness.example/w1"


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "ledger.main", "witness", str(folder), *options]


@contextmanager
def running(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    given = command(folder, "--log", str(LOG.verifier), "--port", "0", "--json", *options)
    with subprocess.Popen(given, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def ask(url: str, data: bytes | None = None) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["Content-Type"], refused.read()


def test_it_answers_as_tlog_witness_says_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path / "w", "--name", NAME) as said:
        key = VerifierKey.parse(said["key"])
        assert (key.name, key.kind) == (NAME, 4)
        add = said["url"] + "/add-checkpoint"
        status, kind, line = ask(add, body(0, 7))
        assert (status, kind) == (200, "text/plain; charset=utf-8")
        kept = note(7) + line
        assert [each.key.name for each in Note.parse(kept).verify([LOG.verifier, key])] == [ORIGIN, NAME]
        assert ask(f"{said['url']}/{name_of(ORIGIN)}/checkpoint") == (200, "text/plain; charset=utf-8", kept)
        assert ask(add, body(3, 9)) == (409, "text/x.tlog.size", b"7\n")
        assert ask(add, b"x" * (MOST_BYTES + 1))[0] == 413
        assert ask(add, b"x")[0] == 400
        assert ask(add)[0] == 405
        for path in ("/", "/nothing", f"/{'0' * 64}/checkpoint", "/..%2fwitness.key/checkpoint"):
            assert ask(said["url"] + path)[0] == 404, path
    assert (tmp_path / "w" / "witness.key").stat().st_mode & 0o777 == 0o600
    with running(tmp_path / "w") as again:
        assert again["key"] == said["key"]
        assert ask(again["url"] + "/add-checkpoint", body(7, 9))[0] == 200
        # Of two at work with one state, one would not see what the other did.
        second = command(tmp_path / "w", "--log", str(LOG.verifier), "--port", "0")
        refused = subprocess.run(second, capture_output=True, text=True, check=False)
        assert refused.returncode == 2
        assert "another witness is at work with it" in refused.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--name", NAME], "--log: expected at least one verifier key"),
        (
            ["--name", NAME, "--log", "nothing.txt"],
            "--log: expected a verifier key (name+id+key), or a file with one a line, got 'nothing.txt'",
        ),
        (["--name", NAME, "--log", "example.com/log+00000000+AAAA"], "verifier key"),
        (["--log", str(LOG.verifier)], "--name: expected the name of the key that the first start makes"),
        (["--log", str(LOG.verifier), "--name", "two words"], "key name"),
    ],
)
def test_what_it_needs_is_said(tmp_path: Path, options: list[str], says: str) -> None:
    done = subprocess.run(command(tmp_path / "w", *options), capture_output=True, text=True, check=False)
    assert done.returncode in (2, 7)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "w" / "witness.key").exists()


def test_a_key_of_another_name_or_kind_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "w", "--name", NAME):
        pass
    other = command(tmp_path / "w", "--log", str(LOG.verifier), "--name", "witness.example/w2")
    done = subprocess.run(other, capture_output=True, text=True, check=False)
    assert (done.returncode, f"expected {NAME}, whose key is in" in done.stderr) == (2, True)
    (tmp_path / "w" / "witness.key").write_text(LOG.secret_text + "\n")
    done = subprocess.run(
        command(tmp_path / "w", "--log", str(LOG.verifier)), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "expected a key of type 04" in done.stderr) == (2, True)
    (tmp_path / "w" / "witness.key").chmod(0o644)
    done = subprocess.run(
        command(tmp_path / "w", "--log", str(LOG.verifier)), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "expected mode 0600, got 0644" in done.stderr) == (2, True)


def test_a_taken_address_is_said(tmp_path: Path) -> None:
    with running(tmp_path / "w", "--name", NAME) as said:
        port = said["url"].rpartition(":")[2]
        given = ["--log", str(LOG.verifier), "--name", NAME, "--port", port]
        done = subprocess.run(command(tmp_path / "v", *given), capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_keys_taken_out_or_added_count_at_the_next_request(tmp_path: Path) -> None:
    """A key that was stolen goes out of the file, and from then on nothing is cosigned that it signs."""
    second = SigningKey(ORIGIN, 1, bytes([7] * 32))
    file = tmp_path / "ledgers.txt"
    file.write_text(f"{LOG.verifier}\n")
    given = ["witness", str(tmp_path / "w"), "--name", NAME, "--log", str(file), "--port", "0", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "ledger.main", *given], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            add = json.loads(process.stdout.readline())["url"] + "/add-checkpoint"
            assert ask(add, body(0, 7))[0] == 200
            assert ask(add, body(7, 8, key=second))[0] == 403
            file.write_text(f"{LOG.verifier}\n{second.verifier}\n")
            assert ask(add, body(7, 8, key=second))[0] == 200
            file.write_text(f"{second.verifier}\n")
            assert ask(add, body(8, 9))[0] == 403
            assert ask(add, body(8, 9, key=second))[0] == 200
            # Whose keys cannot be read is not taken for one that nobody took out.
            file.unlink()
            assert ask(add, body(9, 10, key=second))[0] == 503
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
