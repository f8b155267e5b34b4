"""How long a connection is waited for: uvicorn's protocol, which by itself waits without end.

It bounds what no request has begun with: the head, what comes after an answer, and an answer that is not read.
The edge bounds the body while a route reads it.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from typing import ClassVar, cast

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ledger.api.problem import BadRequest, TooSlow, problem
from ledger.errors import AuditLedgerError

log = structlog.get_logger("auditledger.http")


class Patient(HttpToolsProtocol):
    """A connection whose client is slow only so far; ``patient`` gives the class its limits."""

    head_timeout: ClassVar[float]
    max_silence: ClassVar[float]
    _due: TimerHandle | None = None
    """Until when the head of a request, or the rest of a body that nobody reads, is waited for."""
    _reading: TimerHandle | None = None
    """Until when a client is waited for that does not take its answer."""
    _in_head = False
    _in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first head is due from now on: who says nothing at all is not waited for either."""
        # asyncio's protocol takes any transport, uvicorn's says which it is: one that reads and writes.
        super().connection_made(cast(asyncio.Transport, transport))
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._wait_no_more()
        if self._reading is not None:
            self._reading.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A head that begins is due; of blank lines alone the parser says nothing."""
        if not self._in_body and self._due is None:
            self._wait()
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A head begins: the first of the connection, or behind another request."""
        self._in_head = True
        if self._due is None:
            self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; the body is the edge's to wait for."""
        self._in_head, self._in_body = False, True
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has ended. Where it was answered before that, the next head stays due."""
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What is left of a body that no route reads is waited for no longer than a head."""
        super().on_response_complete()
        if self._in_body and self._due is None and not self.transport.is_closing():
            self._wait()

    def pause_writing(self) -> None:
        """The client does not take what is sent: looked at again after ``max_silence``."""
        super().pause_writing()
        left = self.transport.get_write_buffer_size()
        self._reading = self.loop.call_later(self.max_silence, self._taken, left)

    def resume_writing(self) -> None:
        """The client takes what is sent."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def timeout_keep_alive_handler(self) -> None:
        """A connection that is idle ends; one whose answer was not taken by now is cut."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused as everything is refused here."""
        self._refuse(BadRequest("expected an HTTP/1.1 request, got something else"))

    def _wait(self) -> None:
        self._due = self.loop.call_later(self.head_timeout, self._late)

    def _wait_no_more(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _late(self) -> None:
        self._due = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused or (self.cycle is not None and not self.cycle.response_complete):
            # Not the client's doing: it is not read from, or an answer before this one is being made.
            self._wait()
        elif self._in_head:
            log.info("closed", reason="a head that did not end", seconds=self.head_timeout)
            self._refuse(TooSlow(f"head: expected within {self.head_timeout:g} seconds, got a part"))
        else:
            self.transport.close()

    def _taken(self, left: int) -> None:
        """Cuts the connection where nothing was taken since there was so much left to send."""
        now = self.transport.get_write_buffer_size()
        if now >= left:
            log.info("closed", reason="an answer that is not read", seconds=self.max_silence)
            self.transport.abort()
        else:
            self._reading = self.loop.call_later(self.max_silence, self._taken, now)

    def _refuse(self, error: AuditLedgerError) -> None:
        answer = problem(error)
        lines = [*answer.raw_headers, (b"connection", b"close")]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
        self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + bytes(answer.body))
        self.transport.close()


def patient(head_timeout: float, max_silence: float) -> type[Patient]:
    """The protocol with these limits, in seconds."""
    return type("Patient", (Patient,), {"head_timeout": head_timeout, "max_silence": max_silence})
