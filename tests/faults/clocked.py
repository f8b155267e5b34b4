"""``auditledger`` on a machine whose clock is wrong: by the seconds that a file says, read each time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.clock import SystemClock


def main() -> None:
    """The file's path comes first, the program's own arguments after it."""
    offset = Path(sys.argv[1])

    def now(_: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(offset.read_text()))

    SystemClock.now = now  # type: ignore[method-assign]
    from ledger.main import main as run

    run(sys.argv[2:])


if __name__ == "__main__":
    main()
