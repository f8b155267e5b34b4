"""The browser that the page of bundles is tested in: Debian's Chromium, or one that the machine has.

``python -m tests.browser`` is run by ``make test``: where there is none, and this is root on a machine with
apt, it installs Debian's package. Nothing is downloaded from anywhere else; without a browser the tests fail
and say what to install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

CHOICE = "AUDITLEDGER_CHROMIUM"
PACKAGE = "chromium"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = (
    f"no browser to test verify.html in: install Debian's package '{PACKAGE}' (apt-get install {PACKAGE}), "
    f"or name a Chromium in {CHOICE}"
)


def chromium() -> str | None:
    """The program that ``AUDITLEDGER_CHROMIUM`` names, else one on the path."""
    chosen = os.environ.get(CHOICE)
    if chosen:
        return shutil.which(chosen)
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def install() -> None:
    """Installs Debian's package, where this may; what goes wrong is said, and left to the tests to fail for."""
    if chromium() or os.environ.get(CHOICE) or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]):
        done = subprocess.run(
            ["apt-get", "--quiet=2", *command], env=quiet, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.stderr.write(f"apt-get {command[0]}: {done.stderr.strip()}\n{MISSING}\n")
            return


if __name__ == "__main__":
    install()
