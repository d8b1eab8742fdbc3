"""The bytes of a request to the live view, bounded in number and in the time that they take; no ROS."""

import io
import socket
import time
from typing import Any

MAX_REQUEST_BYTES = 1 << 14
"""Of a request line with its headers; a browser's has less than a kilobyte."""


class RequestTooLong(OSError):
    """A request has too many bytes."""


class RequestBytes(io.RawIOBase):
    """The bytes of a request, all of which must come in time; reading raises TimeoutError after that.

    The timeout of a socket is for each piece alone, and one byte is a piece. After `MAX_REQUEST_BYTES` it raises
    `RequestTooLong`.
    """

    def __init__(self, connection: socket.socket, patience_s: float) -> None:
        self._connection = connection
        self._deadline_s = time.monotonic() + patience_s
        self._left = MAX_REQUEST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        if self._left <= 0:
            raise RequestTooLong
        self._connection.settimeout(left_s)
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count
