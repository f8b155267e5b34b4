"""The wheel, built from the tree and installed alone: what a user gets, without the repository."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until

ROOT = Path(__file__).parents[2]
ORDINARY = "nobody"
OLDEST = (3, 11)


@dataclass(frozen=True)
class Installed:
    """A virtual environment that holds the wheel, in a folder that every user may read."""

    folder: Path

    @property
    def program(self) -> str:
        """The console script."""
        return str(self.folder / "venv" / "bin" / "auditledger")


def _quiet(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _for_everyone(path: Path) -> bool:
    """Whether every user may walk to a file (its folders are open)."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _interpreter() -> str:
    """A Python that every user may run: this one's, where it is one, else another on the path."""
    here = Path(sys._base_executable)  # type: ignore[attr-defined]
    if os.geteuid() != 0 or _for_everyone(here):
        return str(here)
    for folder in [*os.environ["PATH"].split(os.pathsep), "/usr/local/bin", "/usr/bin"]:
        for minor in (sys.version_info.minor, *range(OLDEST[1], 20)):
            found = Path(folder) / f"python3.{minor}"
            if found.exists() and _for_everyone(found):
                return str(found)
    pytest.fail(f"as root this needs a Python {OLDEST} that every user may run; {here} is closed")


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """The wheel with its dependencies as the lock has them, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="auditledger-wheel-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _quiet(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
        (wheel,) = folder.glob("auditledger-*.whl")
        locked = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
        constraints = folder / "constraints.txt"
        constraints.write_text("".join(line.removesuffix("\\") + "\n" for line in locked))
        python = str(folder / "venv" / "bin" / "python")
        _quiet(_interpreter(), "-m", "venv", "--without-pip", str(folder / "venv"))
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
        _quiet(*pip, "install", "--quiet", "--no-compile", "-c", str(constraints), str(wheel), cwd=folder)
        # Whoever installs with a narrow umask: this is about who runs it.
        subprocess.run(["chmod", "-R", "go+rX", str(folder / "venv")], check=True)
        yield Installed(folder)


@dataclass(frozen=True)
class User:
    """Who runs the program, with a home and an empty working folder."""

    home: Path
    uid: int | None

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Runs a command with nothing of this process's environment but the path."""
        who: dict[str, Any] = {} if self.uid is None else {
            "user": self.uid, "group": pwd.getpwuid(self.uid).pw_gid, "extra_groups": []
        }  # fmt: skip
        return subprocess.Popen(
            command,
            cwd=self.home / "empty",
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **who,
            **options,
        )

    def run(self, *command: str) -> str:
        """Runs a command to its end; gives what it printed."""
        with self.start(*command) as process:
            said, wrong = process.communicate(timeout=120)
        assert process.returncode == 0, said + wrong
        return said


@pytest.fixture(params=["as we are", "as an ordinary user"])
def user(request: pytest.FixtureRequest) -> Iterator[User]:
    """Root where the tests run as root, and someone who is not."""
    uid = pwd.getpwnam(ORDINARY).pw_uid if os.geteuid() == 0 and request.param != "as we are" else None
    home = Path(tempfile.mkdtemp(prefix="auditledger-home-"))
    (home / "empty").mkdir()
    if uid is not None:
        for path in (home, home / "empty"):
            os.chown(path, uid, pwd.getpwuid(uid).pw_gid)
    yield User(home, uid)
    shutil.rmtree(home)


def _processes() -> dict[int, int]:
    """Every process and its parent, zombies apart."""
    listed = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def _family(*eldest: int) -> set[int]:
    """These processes and all that they started."""
    processes = _processes()
    found = set(eldest)
    while more := {pid for pid, parent in processes.items() if parent in found} - found:
        found |= more
    return found


def test_it_is_whole_without_the_repository(installed: Installed, user: User) -> None:
    where = user.run(
        str(installed.folder / "venv" / "bin" / "python"),
        "-c",
        "import ledger, projections, schemas; print(ledger.__file__, projections.__file__, schemas.__file__)",
    )
    assert all(path.startswith(str(installed.folder)) for path in where.split())
    assert user.run(installed.program, "--version").startswith("auditledger ")
    user.run(installed.program, "bundle", "page")
    assert (user.home / "empty" / "verify.html").read_bytes() == (
        ROOT / "ledger/bundle/verify.html"
    ).read_bytes()
    checked = json.loads(user.run(installed.program, "schemas", "check", "--json"))
    assert checked["texts"] == len(list((ROOT / "schemas").glob("*.avsc")))


def test_up_serves_and_leaves_nothing_running(installed: Installed, user: User) -> None:
    data = user.home / ".local" / "share" / "auditledger"
    # Twice: the second time on what the first one made.
    for _ in range(2):
        with user.start(installed.program, "up", "--port", "0", "--json") as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                pytest.fail(process.communicate(timeout=60)[1])
            url = json.loads(line)["url"]
            with urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
                assert answer.status == 200
                assert json.load(answer)["status"] == "ok"
            postmaster = int((data / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            family = _family(process.pid, postmaster)
            assert len(family) > 3
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            assert process.returncode == 0
        until(lambda family=family: not family & set(_processes()), lambda: set(_processes()))
        host, port = url.removeprefix("http://").split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)
        assert list((data / "postgres" / "socket").iterdir()) == []
        assert not (data / "service.json").exists()
