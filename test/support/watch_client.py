"""What a browser does with the live view, without one: streams read in threads of their own."""

import contextlib
import json
import re
import threading
from http.client import HTTPConnection, HTTPException
from socket import SHUT_RDWR
from typing import Any

import cv2
import numpy as np

PART = b"--next-picture\r\nContent-Type: image/jpeg\r\n\r\n"
_PARTS = re.compile(re.escape(PART).replace(b"jpeg", b"(?:jpeg|png)"))


class Stream:
    """A stream of the view that is looked at until the context ends; `items` lists what has come.

    Args:
        port: of the view.
        path: /NAME.mjpg gives items uint8 [H, W, 3] (RGB), /numbers dictionaries.
    """

    def __init__(self, port: int, path: str) -> None:
        self.items: list[Any] = []
        self._decode = self._event if path == "/numbers" else self._picture
        self._separator = re.compile(rb"\n\n") if path == "/numbers" else _PARTS
        self._connection = HTTPConnection("127.0.0.1", port)
        self._connection.request("GET", path)
        # Kept here, as `getresponse` leaves a connection that is not kept alive to the answer.
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        # It is closed already where the server has ended the stream.
        with contextlib.suppress(OSError):
            self._socket.shutdown(SHUT_RDWR)
        self._thread.join()
        self._answer.close()
        self._connection.close()

    @property
    def ended(self) -> bool:
        """Whether the server has ended it."""
        return not self._thread.is_alive()

    def _read(self) -> None:
        data = b""
        try:
            while piece := self._answer.read1(1 << 16):
                *items, data = self._separator.split(data + piece)
                self.items += [item for item in map(self._decode, items) if item is not None]
        except (OSError, HTTPException):
            return

    def _event(self, text: bytes) -> Any:
        return json.loads(text.removeprefix(b"data: ")) if text.startswith(b"data: ") else None

    def _picture(self, jpeg: bytes) -> Any:
        if not jpeg:
            return None
        return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
