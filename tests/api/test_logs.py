"""Every line of the log is one JSON object, whoever else speaks at the same moment."""

import json
import subprocess
import sys

from structlog.testing import capture_logs

from tests.api.conftest import House

SPEAK = """
import logging, sys, threading
from ledger.api.logs import configure, log
configure("info")
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def speak(n):
    together.wait()
    for k in range(300):
        if n % 2:
            log.info("asked", n=n, k=k)
        else:
            logging.getLogger("psycopg.pool").warning("error connecting in %r: %s", n, k)

threads = [threading.Thread(target=speak, args=(n,)) for n in range(8)]
for each in threads: each.start()
for each in threads: each.join()
"""


def test_threads_and_libraries_never_share_a_line_of_the_log() -> None:
    # Unbuffered, as in a container: only then are a line and its end that are written apart two writes.
    said = subprocess.run(
        [sys.executable, "-u", "-c", SPEAK], capture_output=True, text=True, check=True, timeout=60
    ).stderr
    lines = [json.loads(line) for line in said.splitlines()]
    assert len(lines) == 8 * 300
    assert sum(line["event"] == "asked" for line in lines) == 4 * 300
    # Of a library's message the template only: its arguments may repeat what was submitted.
    assert {line["event"] for line in lines} == {"asked", "error connecting in %r: %s"}


FULL = """
import sys
from ledger.api.logs import configure, log
configure("info")
log.error("down", attempt=1)
sys.stderr.close()
log.error("down", attempt=2)
print("went on")
"""


def test_a_log_that_takes_nothing_ends_no_thread() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-u", "-c", FULL],
            stdout=subprocess.PIPE, stderr=full, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.stdout == "went on\n"


def test_a_file_that_was_altered_is_said_with_the_entry_that_names_it_and_nothing_that_it_held(
    house: House,
) -> None:
    case = house.receive().json()["case"]
    kept = house.client.post(
        f"/ledgers/dffh/cases/{case}/attachments",
        content=b"Quentin Planted" * 200_000,
        headers={
            **house.headers("officer"),
            "Idempotency-Key": "3f0c7d8e-0000-4000-8000-000000000001",
            "Content-Type": "text/plain",
            "Attachment-Title": "Planted title",
        },
    )
    index = kept.json()["receipts"][0]["index"]
    (file,) = (each for each in (house.settings.data_dir / "attachments").rglob("*") if each.is_file())
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with capture_logs() as lines:
        house.post("officer", "/ledgers/dffh/openings/file", {"index": index, "reason": "a test"})
    (failed,) = (line for line in lines if line["event"] == "failed")
    assert failed["error"] == "VaultError"
    named = f"attachment {file.name}: expected chunk 2 as written, got another"
    assert failed["why"] == f"dffh: entry {index}: {named}"
    assert "Planted" not in str(lines)
