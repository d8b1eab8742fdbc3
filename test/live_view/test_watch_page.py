"""The live view's page in a real browser; this process is its server, and says what it shows."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from browser import PHONE, Visit, visit
from live_page import SHOWN, VALUES, View, texts, wait_for_text
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.masks.classes import MFNET

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RED, BLUE = (220, 20, 20), (20, 20, 220)


@pytest.fixture
def opened(browser: "Browser", view: View) -> Iterator[Visit]:
    """The page, which must not have complained at the end."""
    with visit(browser, view.server.url) as opened:
        yield opened
        assert opened.errors == []
        assert all(address.startswith(view.server.url) for address in opened.requests)


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
    assert texts(opened, "#state[role=status]") == ["error"], (
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
    for name in SHOWN:
        view.show(name, RED)
    second = Visit(opened.page.context.new_page())
    second.page.goto(every)
    for name in SHOWN:
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
    for name in SHOWN:
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
