"""Long reading beside the service: each piece in a process of its own, few at once.

A report or a fold computes for seconds. In the service's own process it would hold up every command meanwhile,
however many threads there are; beside it, and less urgent to the machine, it does not. A process that dies
takes its one piece of work with it: that one is answered as unavailable, and nothing is left to clear up.
"""

from __future__ import annotations

import gc
import os
import traceback
import zlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock, Semaphore, Thread
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import structlog

from ledger import interrupts
from ledger.errors import AuditLedgerError, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

KEPT = 3600.0
"""Seconds for which what was made beforehand can be asked for."""
MOST_KEPT = 64 << 20
"""Bytes that are kept of what was made, compressed; beyond it the oldest goes."""
WAITING = 16
"""Pieces of work that may wait for one of the processes."""
PATIENCE = 30.0
"""Seconds that a request waits for its turn."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Refused:
    """An error of ours, on its way between processes: rebuilt without its constructor."""

    kind: type[AuditLedgerError]
    arguments: tuple[Any, ...]
    said: dict[str, Any]

    def error(self) -> AuditLedgerError:
        """The error."""
        found = self.kind.__new__(self.kind, *self.arguments)
        found.__dict__.update(self.said)
        return found


@dataclass(frozen=True, slots=True)
class _Failed:
    """A failure that is none of ours: as what and where, never its message, which may repeat what was read."""

    kind: str
    frames: list[str]


class Failed(RuntimeError):
    """The process that made it failed by itself; the log says where."""


class Aside:
    """At most ``most`` processes at once. Safe to use from many threads; ``close`` ends what still works."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._turns = Semaphore(most)
        self._lock = Lock()
        self._working: set[BaseProcess] = set()
        self._closed = False
        self._begun: set[Hashable] = set()
        self._failed: dict[Hashable, tuple[float, AuditLedgerError | Failed]] = {}
        self._made: dict[Hashable, tuple[float, bytes]] = {}

    def do(self, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        """The result of ``work``, a function of a module, in a process of its own.

        Raises what it raises, where that is ours, else Failed; Unavailable where too much is asked for at
        once, where the process died, and after ``close``.
        """
        if not self._turns.acquire(timeout=PATIENCE):
            raise Unavailable(f"{self._most} reports or folds are being made; try again")
        try:
            return self._do(work, given, named)
        finally:
            self._turns.release()

    def _do(self, work: Callable[..., T], given: tuple[Any, ...], named: dict[str, Any]) -> T:
        context = get_context("spawn")
        try:
            receiving, sending = context.Pipe(duplex=False)
        except OSError as error:
            raise Unavailable(f"no process can be started for it: {error.strerror}") from error
        process = context.Process(target=_work, args=(sending, work, given, named), daemon=True)
        with receiving, sending:
            with self._lock:
                if self._closed:
                    raise Unavailable("the service is stopping")
                try:
                    # When it ends is for the service to say.
                    with interrupts.held():
                        process.start()
                except OSError as error:
                    raise Unavailable(f"no process can be started for it: {error.strerror}") from error
                self._working.add(process)
            sending.close()
            try:
                found = receiving.recv()
            except (EOFError, OSError):
                # Before its answer, or within it.
                process.join()
                raise Unavailable(f"the process that made it ended with {process.exitcode}") from None
            finally:
                with self._lock:
                    self._working.discard(process)
            process.join()
            process.close()
        if isinstance(found, _Refused):
            raise found.error()
        if isinstance(found, _Failed):
            log.error("failed", error=found.kind, frames=found.frames)
            raise Failed
        done: T = found
        return done

    def begin(self, key: Hashable, work: Callable[..., bytes | None], *given: Any) -> None:
        """Has ``work`` done under a key, on a thread; once, however often it is asked for.

        Raises what the one before it failed with, once; Unavailable where too many wait.
        """
        with self._lock:
            self._forget()
            if key in self._failed:
                raise self._failed.pop(key)[1]
            if key in self._begun:
                return
            if len(self._begun) >= WAITING:
                raise Unavailable(f"{len(self._begun)} reports or folds are being made; try again")
            self._begun.add(key)
        Thread(target=self._keep, args=(key, work, given), daemon=True, name="aside").start()

    def made(self, key: Hashable) -> bytes | None:
        """What was made under a key within the hour; None where nothing was, or it is not yet."""
        with self._lock:
            self._forget()
            found = self._made.get(key)
        return None if found is None else zlib.decompress(found[1])

    def _keep(self, key: Hashable, work: Callable[..., bytes | None], given: tuple[Any, ...]) -> None:
        failed: AuditLedgerError | Failed | None = None
        made: bytes | None = None
        try:
            with self._turns:
                made = self._do(_packed, (work, *given), {})
        except (AuditLedgerError, Failed) as error:
            failed = error
        finally:
            # Whatever it failed with: a key that stayed begun would be waited for without end.
            with self._lock:
                self._begun.discard(key)
                self._forget()
                if failed is not None:
                    self._failed[key] = (monotonic() + KEPT, failed)
                elif made is not None:
                    self._made[key] = (monotonic() + KEPT, made)
                while sum(len(packed) for _, packed in self._made.values()) > MOST_KEPT and len(self._made) > 1:
                    del self._made[next(iter(self._made))]
        if failed is not None and not self._closed:
            log.error("not made", reason=str(failed) or type(failed).__name__)

    def _forget(self) -> None:
        """Drops what nobody asked for within the hour. Under the lock."""
        now = monotonic()
        self._made = {key: kept for key, kept in self._made.items() if kept[0] > now}
        self._failed = {key: kept for key, kept in self._failed.items() if kept[0] > now}

    def close(self) -> None:
        """Ends what still works: who waits for it is told so. Nothing is begun any more."""
        with self._lock:
            self._closed = True
            for process in self._working:
                process.terminate()


def _packed(work: Callable[..., bytes | None], *given: Any) -> bytes | None:
    found = work(*given)
    return None if found is None else zlib.compress(found, 1)


def _work(sending: Connection, work: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """What the process does: the work, its result or what it was refused with, and its end."""
    # Of two processors one is as good as taken by a single such process that is as urgent as the service.
    os.nice(19)
    # It lives for this one piece of work: what it allocates is freed by its end.
    gc.disable()
    try:
        found = work(*given, **named)
    except AuditLedgerError as error:
        found = _Refused(type(error), error.args, error.__dict__)
    except Exception as error:  # noqa: BLE001 (the last catch: what it says may not reach the terminal)
        frames = traceback.extract_tb(error.__traceback__)[-12:]
        found = _Failed(type(error).__name__, [f"{f.filename}:{f.lineno} {f.name}" for f in frames])
    sending.send(found)
    sending.close()
