"""The live view's page in a real browser; this process is its server, and says what it shows."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from browser import PHONE, Visit, chromium, visit
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.base.diagnostics import status_name
from rgbt_seg_ros.live_view.latest import Latest, NextItem
from rgbt_seg_ros.live_view.server import WatchServer
from rgbt_seg_ros.live_view.state import NodeState, PictureState
from rgbt_seg_ros.masks.classes import MFNET

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RED, BLUE = (220, 20, 20), (20, 20, 220)
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
        self.pictures = {name: Breakable() for name in ("overlay", "rgb", "thermal", "mask")}
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
        wait_for(lambda: self.pictures[name].viewers, f"a viewer of {name}")
        picture = np.full((48, 64, 3), color[::-1], np.uint8)
        self.pictures[name].put(cv2.imencode(".jpg", picture)[1].tobytes())

    def tell(
        self,
        level: int = 0,
        sentence: str = "4.1 masks/s",
        values: dict[str, str] | None = None,
        names: tuple[str, ...] = MFNET.names,
        detections: tuple[str, ...] = ("person", "car", "person"),
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
        self._send()

    @property
    def viewers(self) -> dict[str, int]:
        """How many there are, where there are any."""
        counts = {name: latest.viewers for name, latest in self.pictures.items()} | {
            "numbers": self.numbers.viewers
        }
        return {name: count for name, count in counts.items() if count}


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def view() -> Iterator[View]:
    view = View()
    yield view
    view.close()


@pytest.fixture
def opened(browser: "Browser", view: View) -> Iterator[Visit]:
    """The page, which must not have complained at the end."""
    with visit(browser, view.server.url) as opened:
        yield opened
        assert opened.errors == []
        assert all(address.startswith(view.server.url) for address in opened.requests)


def wait_for_text(opened: Visit, selector: str, text: str) -> None:
    opened.page.wait_for_function(
        "([selector, text]) => document.querySelector(selector).textContent === text",
        arg=[selector, text],
        timeout=1e3 * TIMEOUT_S,
    )


def wait_for_color(
    opened: Visit, name: str, color: tuple[int, int, int], camera: Callable[[], object] = lambda: None
) -> None:
    """Until a picture has this colour on the screen; meanwhile a camera may send it again and again."""

    def seen() -> bool:
        camera()
        png = opened.page.locator(f"#figure-{name} img").screenshot()
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        return bool(np.abs(picture.mean(axis=(0, 1))[::-1] - color).max() < 8)

    wait_for(seen, f"{name} in {color}")


def texts(opened: Visit, selector: str) -> list[str]:
    found: list[str] = opened.page.locator(selector).all_inner_texts()
    return found


def test_each_picture_is_seen_as_soon_as_it_came(view: View, opened: Visit) -> None:
    view.tell()
    # The next one may never come.
    view.show("overlay", RED)
    wait_for_color(opened, "overlay", RED)
    view.show("overlay", BLUE)
    wait_for_color(opened, "overlay", BLUE)


def test_numbers_are_shown_as_they_change(view: View, opened: Visit) -> None:
    view.tell()
    wait_for_text(opened, "#sentence", "4.1 masks/s")
    shown = ("rate", "latency", "latency-p95", "rgb-camera", "rgb-hz", "thermal-camera", "thermal-hz")
    counts = ("detections", "all-detections", "dropped", "masks", "pairs")
    assert [texts(opened, f"#{name}") for name in (*shown, *counts)] == [
        ["4.1"], ["180"], ["264"], ["ok"], ["9.9"], ["missing"], ["–"], ["3"], ["12"], ["9"], ["50"], ["60"],
    ]  # fmt: skip
    causes = [text.split()[0] for text in texts(opened, "#causes th")]
    assert list(zip(causes, texts(opened, "#causes td"), strict=True)) == [
        ("surplus", "30"), ("superseded", "7"), ("stale", "2"),
    ]  # fmt: skip
    assert texts(opened, "#classes span") == [name.replace("_", " ") for name in MFNET.names]
    assert texts(opened, "#classes b") == ["", "1", "2", *[""] * 6]
    swatch = "getComputedStyle(document.querySelectorAll('.swatch')[1]).backgroundColor"
    assert opened.page.evaluate(swatch) == f"rgb({', '.join(map(str, MFNET.palette[1]))})"
    opened.page.locator("summary").click()
    rows = zip(texts(opened, "#values th"), texts(opened, "#values td"), strict=True)
    assert dict(rows) == VALUES

    view.tell(2, "no images on /boson", {**VALUES, "mask_hz": "0", "dropped.late": "1"}, ("dog",), ())
    wait_for_text(opened, "#sentence", "no images on /boson")
    assert opened.page.locator("#level.error").count() == 1
    assert texts(opened, "[role=status]") == ["error"], (
        "seconds count in the sentence: it would be read out again"
    )
    assert texts(opened, "#rate") == ["0.0"]
    assert texts(opened, "#dropped") == ["10"]
    assert texts(opened, "#detections") == ["0"]
    assert texts(opened, "#classes span") == ["dog"]
    assert opened.page.title().startswith("no images on /boson")


def test_names_are_text_and_nothing_else(view: View, opened: Visit) -> None:
    name = "<img src=x onerror=alert(1)>"
    view.tell(sentence=name, names=(name,), values={name: name})
    wait_for_text(opened, "#sentence", name)
    assert texts(opened, "#classes span") == [name]
    assert opened.page.locator("img").count() == 1


def test_one_looks_at_what_one_chooses(view: View, opened: Visit) -> None:
    wait_for(lambda: view.viewers == {"overlay": 1, "numbers": 1}, "the overlay's viewer")
    view.tell()
    opened.page.get_by_role("button", name="Thermal").click()
    wait_for(lambda: view.viewers == {"overlay": 1, "thermal": 1, "numbers": 1}, "thermal's viewer")
    view.show("thermal", RED)
    wait_for_color(opened, "thermal", RED)
    opened.page.get_by_role("button", name="Overlay").click()
    wait_for(lambda: view.viewers == {"thermal": 1, "numbers": 1}, "the end of the overlay")
    assert opened.page.url.endswith("#thermal")
    opened.page.reload()
    wait_for(lambda: view.viewers == {"thermal": 1, "numbers": 1}, "the same choice again")
    assert opened.page.locator("[aria-pressed=true]").all_inner_texts() == ["Thermal"]


def test_a_page_that_nobody_sees_is_no_viewer(browser: "Browser", view: View) -> None:
    def hide(opened: Visit, hidden: bool) -> None:
        opened.page.evaluate(
            """hidden => {
                Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )

    with visit(browser, view.server.url) as opened:
        wait_for(lambda: view.viewers == {"overlay": 1, "numbers": 1}, "viewers")
        hide(opened, True)
        wait_for(lambda: view.viewers == {}, "no viewer while it is hidden")
        hide(opened, False)
        view.tell()
        view.show("overlay", BLUE)
        wait_for_color(opened, "overlay", BLUE)
    wait_for(lambda: view.viewers == {}, "no viewer after it is closed")


def test_the_page_recovers_when_the_view_starts_again(browser: "Browser", view: View) -> None:
    with visit(browser, view.server.url) as opened:
        view.tell()
        wait_for_text(opened, "#rate", "4.1")
        view.close()
        opened.page.wait_for_selector("#level.waiting", timeout=1e3 * TIMEOUT_S)
        assert texts(opened, "#sentence")[0].startswith("no word from the watch command for ")
        assert texts(opened, "#rate") == ["–"]
        again = View(view.server.server_port)
        try:
            again.tell(sentence="here again")
            wait_for_text(opened, "#sentence", "here again")
            again.show("overlay", RED)
            wait_for_color(opened, "overlay", RED)
        finally:
            again.close()


def test_a_stream_that_ends_alone_is_asked_for_again(view: View, opened: Visit) -> None:
    overlay = view.pictures["overlay"]
    with overlay.viewer("of another window"):
        view.tell()
        view.show("overlay", RED)
        wait_for_color(opened, "overlay", RED)
        wait_for_text(opened, "#figure-overlay .none", "")
        mine = next(name for name in overlay.viewer_names if name != "of another window")
        overlay.broken = mine
        wait_for_text(opened, "#figure-overlay .none", "connecting again")
        assert opened.page.locator("#figure-overlay .waiting").count() == 1
        wait_for(lambda: overlay.viewers == 2 and mine not in overlay.viewer_names, "a stream anew")
        view.show("overlay", BLUE)
        wait_for_color(opened, "overlay", BLUE)
        wait_for_text(opened, "#figure-overlay .none", "")


def test_a_window_without_a_free_connection_says_so(view: View, opened: Visit) -> None:
    every = f"{view.server.url}#overlay,rgb,thermal,mask"
    opened.page.goto(every)
    view.tell()
    for name in view.pictures:
        view.show(name, RED)
    second = Visit(opened.page.context.new_page())
    second.page.goto(every)
    for name in view.pictures:
        second.page.wait_for_function(
            "name => document.querySelector(`#figure-${name} .none`).checkVisibility()", arg=name
        )
        assert texts(second, f"#figure-{name} figcaption span")[0] == ""
        wait_for_text(
            second,
            f"#figure-{name} .none",
            "no connection free for this picture: does another window of this browser show pictures, too?",
        )
    opened.page.goto("about:blank")
    for name in view.pictures:
        # Not once: the first window's connection may still be there to take it.
        wait_for_color(second, name, BLUE, partial(view.show, name, BLUE))
        wait_for_text(second, f"#figure-{name} .none", "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(browser: "Browser", view: View, scheme: str) -> None:
    names = tuple(f"a_class_with_a_rather_long_name_{i}" for i in range(20))
    address = f"{view.server.url}#overlay,rgb,thermal,mask"
    with visit(browser, address, PHONE, scheme) as opened:
        view.tell(1, "no images on /a/rather/long/topic/of/a/camera/image_raw for 4 s", names=names)
        wait_for_text(opened, "#rate", "4.1")
        opened.page.locator("summary").click()
        assert opened.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        dark = opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"
        assert dark == (scheme == "dark")
        assert opened.errors == []
