"""Waiting for something to come about, on a machine of any speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 600.0
"""Seconds after which what is waited for will never come.

It says nothing of how fast anything is: work that is done beside a service has the least urgency, and where all
processors are taken it gets about one part in a hundred of one.
"""


def until(found: Callable[[], T], told: Callable[[], object] = lambda: "it never came") -> T:
    """What is found, once there is something. ``told`` says of the failure what there is instead."""
    deadline = time.monotonic() + DEADLINE
    while not (now := found()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)
    return now
