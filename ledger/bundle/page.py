"""``verify.html``: the verifier of bundles as one file for any browser: no network, nothing to install."""

from __future__ import annotations

from importlib.resources import files

NAME = "verify.html"


def page() -> bytes:
    """The file as it travels in the wheel."""
    return files("ledger.bundle").joinpath(NAME).read_bytes()
