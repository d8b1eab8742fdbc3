"""Who is connected to the live view, and who has to go where too many are, so that nobody is locked out; no ROS.

A connection first waits for its request, and may then become a stream. Requests come within milliseconds, so that the
connection which has waited longest, and sent nothing, is the one whose client means nothing by it.
"""

import fcntl
import ipaddress
import logging
import socket
import struct
import termios
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

MAX_CONNECTIONS = 128
"""In all: each has a thread. More are closed at once; the limits below keep the number lower."""

MAX_WAITING, MAX_WAITING_OF_CLIENT = 32, 8
"""Connections without a whole request. For one more the oldest is closed: of the client, or of all."""

MAX_STREAMS, MAX_STREAMS_OF_CLIENT = 64, 24
"""Streams of pictures or numbers. A page has up to six, a browser opens no more at once. Others are refused."""

SAY_EVERY_S = 60.0

_LOG = logging.getLogger(__name__)


@dataclass
class _Connection:
    client: str
    is_waiting: bool = True
    is_stream: bool = False


class Connections:
    """Counts connections by what they do and by client; every method may be called from any thread.

    A client is an address, or of IPv6 a network of 64 bits, since one machine has as many addresses as it likes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # In the order in which they came.
        self._all: dict[socket.socket, _Connection] = {}
        self._turned_away: Counter[str] = Counter()
        self._said_s = -SAY_EVERY_S

    def __len__(self) -> int:
        return len(self._all)

    def come(self, connection: socket.socket, address: str) -> bool:
        """A new connection; False if it has no place. Others that wait may be closed for it."""
        client = _client_of(address)
        with self._lock:
            waiting = [(other, entry.client) for other, entry in self._all.items() if entry.is_waiting]
            own = [(other, whose) for other, whose in waiting if whose == client]
            for limit, several in ((MAX_WAITING_OF_CLIENT, own), (MAX_WAITING, waiting)):
                if len(several) >= limit:
                    # A crowd that comes at once and asks is served: its requests wait for their threads.
                    idle = next(((other, whose) for other, whose in several if not _unread(other)), None)
                    if idle is not None:
                        self._close(*idle)
                    break
            if len(self._all) >= MAX_CONNECTIONS:
                self._turn_away(client)
                return False
            self._all[connection] = _Connection(client)
            return True

    def ask(self, connection: socket.socket) -> None:
        """Its request has come whole: it is not closed for others any more."""
        with self._lock:
            if connection in self._all:
                self._all[connection].is_waiting = False

    def stream(self, connection: socket.socket) -> bool:
        """Whether it may become a stream."""
        with self._lock:
            own = self._all.get(connection)
            if own is None:
                return False
            streams = Counter(entry.client for entry in self._all.values() if entry.is_stream)
            if streams.total() >= MAX_STREAMS or streams[own.client] >= MAX_STREAMS_OF_CLIENT:
                self._turn_away(own.client)
                return False
            own.is_stream = True
            return True

    def leave(self, connection: socket.socket) -> None:
        """It is closed, or about to be."""
        with self._lock:
            self._all.pop(connection, None)

    def _close(self, connection: socket.socket, client: str) -> None:
        # No longer counted as waiting; its thread wakes up, closes it and calls `leave`.
        self._all[connection].is_waiting = False
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        self._turn_away(client)

    def say(self, sentence: str) -> None:
        """Say something of a client, at most once a minute: who floods the view must not flood the log as well."""
        with self._lock:
            if self._may_say():
                _LOG.warning("live view: %s", sentence)

    def _turn_away(self, client: str) -> None:
        self._turned_away[client] += 1
        if self._may_say():
            (most, _), total = self._turned_away.most_common(1)[0], self._turned_away.total()
            several = "a connection was" if total == 1 else f"{total} connections were"
            _LOG.warning("live view: %s turned away, most of %s: too many at once", several, most)
            self._turned_away.clear()

    def _may_say(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._said_s < SAY_EVERY_S:
            return False
        self._said_s = now_s
        return True


def _unread(connection: socket.socket) -> int:
    """Bytes that a client has sent and nobody has read yet."""
    try:
        count: int = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4)))[0]
        return count
    except (OSError, ValueError):
        # Closed meanwhile.
        return 0


def _client_of(address: str) -> str:
    host = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(host, ipaddress.IPv6Address):
        if host.ipv4_mapped is not None:
            return str(host.ipv4_mapped)
        if not host.is_loopback:
            return str(ipaddress.ip_network((host, 64), strict=False))
    return str(host)
