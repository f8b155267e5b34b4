"""Every measurement, one after the other: ``python -m bench`` (``make bench``); each runs alone too.

Tables are printed, JSON is kept in ``bench/results``. Stop other work first: what a figure is worth depends on
the load beside it, which each file states.
"""

from __future__ import annotations

import subprocess
import sys

PROGRAMS = (
    "append", "application", "backup", "bundle", "http_commands", "projections", "sealing", "whole_ledger",
)  # fmt: skip


def main() -> int:
    """Runs each in a process of its own, so that none inherits another's memory or connections."""
    failed = 0
    for program in PROGRAMS:
        print(f"\n== bench.{program}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"bench.{program}", *sys.argv[1:]]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
