"""The live view's page in a browser under test, with a server in this process that says what it shows."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from browser import Visit
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.base.diagnostics import status_name
from rgbt_seg_ros.live_view.latest import Latest, NextItem
from rgbt_seg_ros.live_view.server import WatchServer
from rgbt_seg_ros.live_view.state import NodeState, PictureState
from rgbt_seg_ros.masks.classes import MFNET

SHOWN = ("overlay", "rgb", "thermal", "mask")
VALUES = {
    "mask_hz": "4.12", "latency_ms.p50": "180.4", "latency_ms.p95": "263.6", "rgb_camera": "ok", "rgb_hz": "9.9",
    "thermal_camera": "missing", "pairs": "60", "masks": "50", "detections": "12", "dropped.superseded": "7",
    "dropped.stale": "2", "dropped.surplus": "30", "dropped.late": "0",
}  # fmt: skip


class Breakable(Latest):
    """A viewer's stream can be broken off, as by a network or for a client that is too slow."""

    broken = ""
    """Name of that viewer."""

    @contextmanager
    def viewer(self, name: str = "") -> Iterator[NextItem]:
        with super().viewer(name) as next_item:

            def next_or_end(timeout_s: float) -> bytes | None:
                if name == self.broken != "":
                    raise ConnectionResetError
                return next_item(timeout_s)

            yield next_or_end


class View:
    """A server whose pictures and numbers are what the tests put."""

    def __init__(self, port: int = 0) -> None:
        kinds = {"mask": "image/png"}
        names = ("overlay", "rgb", "thermal", "mask", "confidence")
        self.pictures = {name: Breakable(kinds.get(name, "image/jpeg")) for name in names}
        self.numbers = Latest()
        self.server = WatchServer("127.0.0.1", port, self.pictures, self.numbers)
        self.server.run()
        self._told: dict[str, Any] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._repeat)
        self._thread.start()

    def close(self) -> None:
        """Again, it does nothing."""
        if not self._closed.is_set():
            self._closed.set()
            self._thread.join()
            self.server.close()

    def _repeat(self) -> None:
        """Send the numbers again and again, as a page takes silence for the end of the view."""
        while not self._closed.wait(0.5):
            if self._told:
                self._send()

    def _send(self) -> None:
        """The numbers, with the viewers that there are now."""
        pictures = {
            name: {**self._told["picture"], "viewers": latest.viewer_names}
            for name, latest in self.pictures.items()
            if latest.viewers
        }
        self.numbers.put(json.dumps({**self._told["node"], "pictures": pictures}).encode())

    def show(self, name: str, color: tuple[int, int, int]) -> None:
        """Put a picture of one colour, once somebody looks."""
        self.put(name, np.full((48, 64, 3), color, np.uint8))

    def put(self, name: str, picture: np.ndarray) -> None:
        """Put a picture, RGB uint8 [H, W, 3], once somebody looks."""
        wait_for(lambda: self.pictures[name].viewers, f"a viewer of {name}")
        ending = ".png" if self.pictures[name].kind == "image/png" else ".jpg"
        self.pictures[name].put(cv2.imencode(ending, picture[..., ::-1])[1].tobytes())

    def tell(
        self,
        level: int = 0,
        sentence: str = "4.1 masks/s",
        values: dict[str, str] | None = None,
        names: tuple[str, ...] = MFNET.names,
        detections: tuple[str, ...] = ("person", "car", "person"),
        picture_problem: str = "",
    ) -> None:
        """Put numbers, once somebody looks."""
        wait_for(lambda: self.numbers.viewers, "a viewer of the numbers")
        node, picture = NodeState("/rgbt_segmenter", classes=names), PictureState("/a/topic")
        node.report(
            0.0, {status_name("/rgbt_segmenter"): (level, sentence, VALUES if values is None else values)}
        )
        node.detect(0.0, detections)
        picture.show(0.0, 48, 64)
        self._told = {"node": node.describe(0.0), "picture": picture.describe(0.0)}
        if picture_problem:
            self._told["picture"]["waiting"] = picture_problem
        self._send()

    @property
    def viewers(self) -> dict[str, int]:
        """How many there are, where there are any."""
        counts = {name: latest.viewers for name, latest in self.pictures.items()} | {
            "numbers": self.numbers.viewers
        }
        return {name: count for name, count in counts.items() if count}


def wait_for_text(opened: Visit, selector: str, text: str) -> None:
    opened.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector).textContent === text",
        arg=[selector, text],
        timeout=1e3 * TIMEOUT_S,
    )


def texts(opened: Visit, selector: str) -> list[str]:
    found: list[str] = opened.page.locator(selector).all_inner_texts()
    return found
