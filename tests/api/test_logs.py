"""Every line of the log is one JSON object, whoever else speaks at the same moment."""

import json
import subprocess
import sys

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
