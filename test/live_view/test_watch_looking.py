"""What one does with the live pictures: zoom in step, switch classes, ask for a place's class; tables are saved."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from axe import axe_script, violations
from browser import DESKTOP, PHONE, Visit, visit
from live_page import VALUES, View, texts, wait_for_text
from waiting import wait_for

from rgbt_seg_ros.masks.classes import MFNET, palette_for
from rgbt_seg_ros.masks.overlay import colorize, draw_overlay

if TYPE_CHECKING:
    from playwright.sync_api import Browser

GREY = (90, 90, 90)


@pytest.fixture
def opened(browser: "Browser", view: View) -> Iterator[Visit]:
    """The page with all that it shows, which must not have complained at the end."""
    with visit(browser, f"{view.server.url}#overlay,rgb") as opened:
        view.tell()
        view.show("overlay", GREY)
        view.show("rgb", GREY)
        wait_for_text(opened, "#figure-overlay .none", "")
        yield opened
        assert opened.errors == []


def street() -> np.ndarray:
    """A mask uint8 [48, 64]: car on the left, person on the right, background between."""
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :20], mask[:, 44:] = MFNET.names.index("car"), MFNET.names.index("person")
    return mask


def show_street(view: View) -> None:
    palette = palette_for(MFNET.names)
    view.put("mask", colorize(street(), palette))
    view.put("overlay", draw_overlay(np.full((48, 64, 3), GREY, np.uint8), street(), palette))


def pixel(opened: Visit, name: str, x: float) -> list[int] | None:
    """Colour of a place in the middle row of an edited picture, x from 0 to 1; None while it is as it came."""
    found: list[int] | None = opened.page.evaluate(
        """([name, x]) => {
          const canvas = document.querySelector(`#figure-${name} canvas`);
          if (canvas.hidden) return null;
          const at = [Math.floor(x * canvas.width), Math.floor(canvas.height / 2), 1, 1];
          return [...canvas.getContext("2d").getImageData(...at).data].slice(0, 3);
        }""",
        [name, x],
    )
    return found


def test_the_class_under_the_pointer_is_told(view: View, opened: Visit) -> None:
    picture = opened.page.locator("#figure-rgb .picture")
    box = picture.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.5 * box["height"])
    wait_for_text(opened, "#probe", "The class of this place is told when the next mask comes.")
    show_street(view)
    wait_for_text(opened, "#probe", "class: car")
    view.show("confidence", (204, 204, 204))
    wait_for_text(opened, "#probe", "class: car · confidence: 80 %")
    opened.page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.5 * box["height"])
    wait_for_text(opened, "#probe", "class: person · confidence: 80 %")
    opened.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    wait_for_text(opened, "#probe", "class: background · confidence: 80 %")
    assert texts(opened, "figure:not(.unseen) figcaption b") == ["Overlay", "RGB"]
    # An old mask says nothing of now.
    view.tell(picture_problem="no picture on /a/topic for 9 s")
    wait_for_text(opened, "#probe", "The class of this place is told when the next mask comes.")
    view.tell()
    wait_for_text(opened, "#probe", "class: background · confidence: 80 %")
    # Who points no longer needs no mask.
    opened.page.mouse.move(1, 1)
    wait_for(lambda: set(view.viewers) == {"overlay", "rgb", "numbers"}, "the end of mask and confidence")
    assert texts(opened, "#probe")[0].startswith("Point at a picture")


def test_a_class_is_switched_off_in_mask_and_overlay(view: View, opened: Visit) -> None:
    car = opened.page.locator("#classes").get_by_label("car", exact=True)
    car.uncheck()
    assert opened.page.locator("#hiding").is_visible()
    show_street(view)
    wait_for(lambda: pixel(opened, "overlay", 0.1), "an overlay without cars")
    red, green, blue = pixel(opened, "overlay", 0.1) or []
    assert red == green == blue > 0, "grey, no longer tinted"
    red, green, blue = pixel(opened, "overlay", 0.9) or []
    assert red > green + 20, "people keep their colour"
    opened.page.get_by_role("button", name="Mask").click()
    wait_for(lambda: pixel(opened, "mask", 0.1) == [0, 0, 0], "a mask without cars")
    person = list(MFNET.palette[MFNET.names.index("person")])
    assert pixel(opened, "mask", 0.9) == person
    # The switch keeps the focus, and its state, while detections come.
    car.focus()
    view.tell(detections=("car",))
    wait_for(lambda: texts(opened, "#classes b")[1] == "1", "another count")
    wait_for(lambda: texts(opened, "#classes b")[2] == "", "another count")
    assert car.evaluate("(box) => box === document.activeElement && !box.checked")
    car.check()
    wait_for(
        lambda: pixel(opened, "mask", 0.1) is None and pixel(opened, "overlay", 0.1) is None, "all again"
    )


def test_live_pictures_are_zoomed_in_step(view: View, opened: Visit) -> None:
    page = opened.page
    page.keyboard.press("+")
    # What is in the middle is told to those who have no pointer, until they see the whole picture again.
    wait_for(lambda: {"mask", "confidence"} <= set(view.viewers), "mask and confidence")
    page.keyboard.press("0")
    wait_for(lambda: set(view.viewers) == {"overlay", "rgb", "numbers"}, "the end of both")
    page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_label("zoom in").click()
    page.keyboard.press("2")
    page.keyboard.press("3")
    wait_for(lambda: texts(opened, "figure:not(.unseen) figcaption b") == ["Overlay", "Thermal"], "thermal")
    moves = page.locator("figure:not(.unseen) .sheet").evaluate_all(
        "(all) => all.map((sheet) => getComputedStyle(sheet).transform)"
    )
    assert len(moves) == 2
    assert moves[0] == moves[1]
    assert moves[0].startswith("matrix(2.25, 0, 0, 2.25, -")
    page.locator("h1").click()
    wait_for(
        lambda: set(view.viewers) == {"overlay", "thermal", "numbers"}, "nothing told after a click elsewhere"
    )
    page.locator("#figure-overlay .picture").dblclick()
    assert (
        page.locator(".sheet").first.evaluate("(s) => getComputedStyle(s).transform")
        == "matrix(1, 0, 0, 1, 0, 0)"
    )
    page.keyboard.press("?")
    assert page.locator("#help tr", has_text="Thermal on and off").is_visible()
    page.keyboard.press("Escape")


def test_live_tables_are_sorted_and_saved(view: View, opened: Visit) -> None:
    page = opened.page
    page.get_by_role("button", name="cause").click()
    causes = ["stale", "superseded", "surplus"]
    assert [text.split()[0] for text in texts(opened, "#causes th")] == causes
    # New numbers keep the order.
    view.tell(values={**VALUES, "dropped.late": "5"})
    wait_for(lambda: len(texts(opened, "#causes th")) == 4, "another cause")
    assert [text.split()[0] for text in texts(opened, "#causes th")] == ["late", *causes]
    page.locator("summary").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="save the table of all that the node reports as JSON").click()
    rows = {row["name"]: row["value"] for row in json.loads(Path(download.value.path()).read_text())}
    assert rows["mask_hz"] == 4.12
    assert rows["thermal_camera"] == "missing"
    assert set(rows) == {*VALUES, "dropped.late"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_violation(browser: "Browser", view: View, scheme: str) -> None:
    script = axe_script()
    for size in (DESKTOP, PHONE):
        with visit(browser, f"{view.server.url}#overlay,mask", size, scheme) as opened:
            view.tell()
            wait_for_text(opened, "#rate", "4.1")
            opened.page.locator("summary").click()
            assert violations(opened, script) == []
            assert opened.errors == []
