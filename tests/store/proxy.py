"""A proxy between a client on TCP and the server's socket, that really cuts connections."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from types import TracebackType

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.store.database import Database


class Proxy:
    """Forwards until told otherwise.

    ``fault``: ``request`` (drop the next request and cut), ``answer`` (forward the next request, drop its
    answer and cut), ``late`` (keep the next request back, cut the client; ``deliver`` sends it on later),
    ``silence`` (swallow the next request and everything after it, cut nothing).
    """

    def __init__(self, database: Database) -> None:
        parts = conninfo_to_dict(database.admin)
        self._server = f"{parts['host']}/.s.PGSQL.{parts['port']}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.database = Database(make_conninfo(database.admin, host="127.0.0.1", port=port), database.passwords)
        self.fault = ""
        self.refusing = False
        self.cuts = 0
        self._held: list[tuple[socket.socket, bytes]] = []
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        for server, _ in self._held:
            server.close()

    def deliver(self) -> bytes:
        """Sends on what was kept back; returns the beginning of the server's answer."""
        server, request = self._held.pop()
        with server:
            server.sendall(request)
            return server.recv(65536)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            client, _ = self._listener.accept()
            if self.refusing:
                client.close()
                continue
            thread = threading.Thread(target=self._forward, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _forward(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        keep = False
        with client, contextlib.suppress(OSError):
            while not self._stopped.is_set() and not self.refusing:
                for source in select.select([client, server], [], [], 0.02)[0]:
                    data = source.recv(65536)
                    if not data:
                        server.close()
                        return
                    if self.fault and self._is_commit(data, source is client):
                        fault, self.fault = self.fault, ""
                        self.cuts += 1
                        if fault == "silence":
                            self._stopped.wait()
                        elif fault == "late":
                            self._held.append((server, data))
                            keep = True
                        elif fault == "answer":
                            server.sendall(data)
                            # The end of a pipeline may come in a packet of its own.
                            while client in select.select([client, server], [], [])[0]:
                                server.sendall(client.recv(65536))
                            server.recv(65536)
                        if not keep:
                            server.close()
                        return
                    (server if source is client else client).sendall(data)
        if not keep:
            server.close()

    @staticmethod
    def _is_commit(data: bytes, from_client: bool) -> bool:
        """Whether this is what commits: the prepared statement, or the slow path's COMMIT."""
        return from_client and (b"\0commit_" in data or b"COMMIT" in data or b"hold_head" in data)
