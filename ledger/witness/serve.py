"""Running a witness until it is told to stop."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

import uvicorn

from ledger import interrupts
from ledger.errors import SettingsError
from ledger.tlog.note import SigningKey, VerifierKey
from ledger.witness.app import application
from ledger.witness.state import State
from ledger.witness.witness import Witness


def serve(
    key: SigningKey,
    logs: Callable[[], Sequence[VerifierKey]],
    state: State,
    now: Callable[[], int],
    host: str,
    port: int,
    announce: Callable[[str], None],
    lifeline: int | None = None,
) -> None:
    """Answers until SIGINT or SIGTERM; ``announce`` is told the address once it answers.

    ``lifeline``: a file descriptor at whose end it stops too: that of a pipe whose other end a process holds
    that may be killed. Raises SettingsError where the address is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SettingsError(f"host and port: cannot listen on {host}:{port}: {error.strerror}") from None
    with listening:
        found, taken = listening.getsockname()[:2]
        shown = f"[{found}]" if ":" in found else found
        config = uvicorn.Config(
            application(Witness(key, logs, state, now)),
            log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=10,
        )  # fmt: skip
        server = _Server(config)
        server.on_start = lambda: announce(f"http://{shown}:{taken}")
        if lifeline is not None:
            Thread(target=server.stop_with, args=(lifeline,), name="lifeline", daemon=True).start()
        server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it answers and takes signals as a wish to stop, no more."""

    on_start: Callable[[], None]

    def stop_with(self, lifeline: int) -> None:
        """Waits for the end of what is read there, then stops as on a signal."""
        while os.read(lifeline, 64):
            pass
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to answer, then says so."""
        await super().startup(sockets)
        if self.started:
            self.on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn raises the signal again once it has stopped."""
        with interrupts.taken(self.handle_exit):
            yield
