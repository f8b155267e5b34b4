"""A real ``auditledger up`` in a process of its own: started, killed, frozen, stopped."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.waiting import DEADLINE, until


class Service:
    """One service of a data directory. It keeps its address over restarts, as clients know it."""

    def __init__(
        self,
        data_dir: Path,
        *,
        database_url: str | None = None,
        settings: Mapping[str, str] | None = None,
        largest_file: int | None = None,
        clock: Path | None = None,
    ) -> None:
        """``largest_file``: bytes beyond which a write fails. ``clock``: a file that says by how many seconds
        the machine's clock is wrong."""
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("AUDITLEDGER_")}
        self._environment["AUDITLEDGER_DATA_DIR"] = str(data_dir)
        if database_url is not None:
            self._environment["AUDITLEDGER_DATABASE_URL"] = database_url
        self._environment |= settings or {}
        self._largest_file = largest_file
        self._program = ["-m", "ledger.main"] if clock is None else ["-m", "tests.faults.clocked", str(clock)]
        self.log = data_dir.with_name(f"{data_dir.name}-service.log")
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self.url = ""

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it and waits until it has announced its address."""
        self.launch()
        self.wait_started()

    def launch(self) -> None:
        """Starts it without waiting."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._program, "up", "--port", str(self._port), "--json"],
                cwd=Path(__file__).parents[2],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=self._limit if self._largest_file else None,
            )

    def wait_started(self) -> None:
        """Waits for the announcement of a service that was launched."""
        assert self._process is not None
        assert self._process.stdout is not None
        late = threading.Timer(DEADLINE, self._process.kill)
        late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            late.cancel()
        assert line, f"the service did not start:\n{self.said()}"
        announced = json.loads(line)
        self.url = announced["url"]
        self._port = int(self.url.rpartition(":")[2])

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        self.signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """Stops it as an operator does; gives its exit code. Nothing to do where it does not run."""
        if self._process is None:
            return 0
        if self.running:
            self.signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        try:
            return process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            assert process.stdout is not None
            process.stdout.close()

    def _limit(self) -> None:
        assert self._largest_file is not None
        # Without the signal a write beyond it fails as one on a full disk does, with EFBIG for ENOSPC.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._largest_file, self._largest_file))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the program, with the service's settings."""
        return subprocess.run(
            [sys.executable, "-m", "ledger.main", *arguments],
            cwd=Path(__file__).parents[2],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def said(self) -> str:
        """What it logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_said(self, text: str) -> None:
        """Waits until it has logged this."""
        until(lambda: text in self.said(), lambda: self.said()[-4000:])

    def failures(self) -> list[dict[str, Any]]:
        """What it logged as failed unexpectedly; no fault may bring that about."""
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == "failed"]

    def health(self) -> tuple[int, dict[str, Any]]:
        """``GET /health``: status and body."""
        answer = httpx.get(f"{self.url}/health", timeout=DEADLINE)
        return answer.status_code, answer.json()

    def wait_healthy(self) -> dict[str, Any]:
        """Waits until it says that all is well."""
        return self.wait_health(lambda status, _: status == 200)

    def wait_health(self, wanted: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits until its health is as wanted; gives what it says."""

        def as_wanted() -> dict[str, Any] | None:
            status, content = self.health()
            return content if wanted(status, content) else None

        return until(as_wanted, lambda: f"{self.health()}\n{self.said()[-4000:]}") or {}
