"""A time-stamping authority that really runs: Certomancer's, in a process and with a root of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

CONFIGURATION = """
external-url-prefix: "http://127.0.0.1"
keysets:
  keys:
    path-prefix: keys
    keys: {root: {path: root.pem}, stamps: {path: stamps.pem}}
pki-architectures:
  arch:
    keyset: keys
    entity-defaults: {country-name: AU, organization-name: Time Example}
    entities: {root: {common-name: Root}, stamps: {common-name: Time Stamping}}
    certs:
      root:
        subject: root
        issuer: root
        validity: {valid-from: "2020-01-01T00:00:00+0000", valid-to: "2060-01-01T00:00:00+0000"}
        profiles: [{id: simple-ca}]
      stamps:
        subject: stamps
        issuer: root
        validity: {valid-from: "2020-01-01T00:00:00+0000", valid-to: "2060-01-01T00:00:00+0000"}
        extensions:
          - {id: key_usage, critical: true, smart-value: {schema: key-usage, params: [digital_signature]}}
          - {id: extended_key_usage, critical: true, value: [time_stamping]}
    services:
      time-stamping: {stamps: {signing-cert: stamps}}
"""
PROGRAM = "from certomancer.cli import cli; cli(prog_name='certomancer')"


@dataclass(frozen=True)
class Authority:
    """Where it is asked, and the file of its root certificate."""

    url: str
    root: Path


@contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    """One that answers, with keys of its own."""
    keys = folder / "keys"
    keys.mkdir(parents=True)
    for name in ("root", "stamps"):
        key = rsa.generate_private_key(65537, 2048)
        (keys / f"{name}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "certomancer.yml").write_text(CONFIGURATION)
    command = [sys.executable, "-c", PROGRAM, "--config", str(folder / "certomancer.yml")]
    root = folder / "root.pem"
    subprocess.run([*command, "summon", "arch", "root", str(root)], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = folder / "log"
    with (
        said.open("wb") as log,
        subprocess.Popen([*command, "animate", "--port", str(port)], stdout=log, stderr=log) as process,
    ):
        try:
            _answers(f"http://127.0.0.1:{port}/", process, said)
            yield Authority(f"http://127.0.0.1:{port}/arch/tsa/stamps", root)
        finally:
            process.terminate()


def _answers(url: str, process: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
