"""HTTP commands a second, and how long they take: 32 clients, law and projections on.

The service is `auditledger up` on an embedded PostgreSQL with fsync on, in a process of its own; the clients
are one process with 32 connections that are kept open. Each client takes turns: a request is received (a case
is opened, three sealed fields), then acknowledged (the case is loaded, judged, added to). Prints a table of
rounds and their medians, and keeps it as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FLOOR_RATE, FLOOR_P99 = 500, 100
RESULTS = Path(__file__).parent / "results" / "http.json"


def auditledger(data_dir: Path, *arguments: str, text: str | None = None, person: str = "") -> Any:
    """The JSON that a command prints."""
    environment = {**os.environ, "AUDITLEDGER_DATA_DIR": str(data_dir), "AUDITLEDGER_LOG_LEVEL": "warning"}
    if person:
        environment["AUDITLEDGER_PERSON"] = person
    done = subprocess.run(
        [sys.executable, "-m", "ledger.main", *arguments, "--json"],
        input=text, capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return json.loads(done.stdout)


def prepare(data_dir: Path) -> tuple[str, str]:
    """A ledger with an officer; gives a token and the organisation's id."""
    made = auditledger(
        data_dir, "ledger", "create", "bench", "--origin", "example.vic.gov.au/bench", "--name", "Bench"
    )
    organisation, officer = made["organisation"], str(uuid.uuid4())
    grant = {"person": officer, "role": "officer", "organisation": organisation}
    auditledger(
        data_dir, "record", "role.RoleGranted", "-", "--ledger", "bench",
        text=json.dumps({"fields": grant}), person=made["administrator"],
    )  # fmt: skip
    token = auditledger(data_dir, "token", "--person", officer, "--organisation", organisation)
    return token["token"], organisation


def request(token: str, command: str, body: dict[str, Any]) -> bytes:
    """A command as bytes on the wire."""
    content = json.dumps(body).encode()
    head = (
        f"POST /ledgers/bench/commands/{command} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        f"Idempotency-Key: {uuid.uuid4()}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def client(host: str, port: int, token: str, organisation: str, stop: float) -> list[float]:
    """One client until ``stop``; gives the seconds that each answer took."""
    reader, writer = await asyncio.open_connection(host, port)
    received = {
        "happened": "2025-06-11",
        "fields": {
            "scheme": "vps",
            "form": "informal",
            "requester_name": "An agency that is not registered here",
            "provider": organisation,
            "information_sought": "Numbers of services by local government area, 2023 to 2025",
            "purpose": "Planning of services",
        },
    }
    taken: list[float] = []
    case: str | None = None
    while time.perf_counter() < stop:
        if case is None:
            sent = request(token, "request.RequestReceived", received)
        else:
            body = {"case": case, "happened": "2025-06-12", "fields": {}}
            sent = request(token, "request.RequestAcknowledged", body)
        started = time.perf_counter()
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answer = await reader.readexactly(length)
        taken.append(time.perf_counter() - started)
        if not head.startswith(b"HTTP/1.1 201"):
            raise SystemExit(f"refused: {head.decode()}{answer.decode()}")
        case = json.loads(answer)["case"] if case is None else None
    writer.close()
    return taken


async def clients(
    host: str, port: int, token: str, organisation: str, number: int, seconds: float
) -> list[float]:
    """All clients for some seconds."""
    stop = time.perf_counter() + seconds
    rounds = await asyncio.gather(*(client(host, port, token, organisation, stop) for _ in range(number)))
    return [each for taken in rounds for each in taken]


def measured(taken: list[float], seconds: float) -> dict[str, float]:
    """Rate and quantiles (ms) of one round."""
    ordered = sorted(taken)
    return {
        "commands_per_second": round(len(taken) / seconds, 1),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 1),
        "p99_ms": round(1000 * ordered[int(len(ordered) * 0.99)], 1),
        "slowest_ms": round(1000 * ordered[-1], 1),
    }


def run(number: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Starts the service, measures, stops it."""
    with tempfile.TemporaryDirectory(prefix="auditledger-bench-") as folder:
        Path(folder).chmod(0o755)
        data_dir = Path(folder) / "data"
        token, organisation = prepare(data_dir)
        environment = {
            **os.environ,
            "AUDITLEDGER_DATA_DIR": str(data_dir),
            "AUDITLEDGER_PORT": "0",
            "AUDITLEDGER_LOG_LEVEL": "warning",
        }
        service = subprocess.Popen(
            [sys.executable, "-m", "ledger.main", "up", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            assert service.stdout is not None
            host, port = json.loads(service.stdout.readline())["url"].removeprefix("http://").split(":")
            asyncio.run(clients(host, int(port), token, organisation, number, 2))
            found = [
                measured(asyncio.run(clients(host, int(port), token, organisation, number, seconds)), seconds)
                for _ in range(rounds)
            ]
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)
    medians = {name: statistics.median(each[name] for each in found) for name in found[0]}
    return {"clients": number, "seconds": seconds, "rounds": found, "median": medians}


def main() -> None:
    """Measures, prints, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    # What others do on the machine meanwhile takes its share: said, so that a figure can be judged.
    load = os.getloadavg()[0]
    found = run(given.clients, given.rounds, given.seconds)
    columns = list(found["median"])
    print(f"{'round':>8}" + "".join(f"{name:>22}" for name in columns))
    for place, each in enumerate(found["rounds"], 1):
        print(f"{place:>8}" + "".join(f"{each[name]:>22}" for name in columns))
    print(f"{'median':>8}" + "".join(f"{found['median'][name]:>22}" for name in columns))
    enough = found["median"]["commands_per_second"] >= FLOOR_RATE and found["median"]["p99_ms"] <= FLOOR_P99
    print(f"floor: {FLOOR_RATE} commands/s, p99 {FLOOR_P99} ms: {'held' if enough else 'MISSED'}")
    machine = {"processors": os.cpu_count(), "python": platform.python_version(), "load_before": load}
    kept = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, **found}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(kept, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
