"""What one does with the pictures of a report: zoom and move them in step, switch classes, ask for a place's class."""

import base64
import io
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser import PHONE, Visit, visit
from PIL import Image
from recorded_runs import mask

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CAR, PERSON = (24, 4), (25, 55)
"""Row and column of a pixel of each in the first two frames, of 48 x 64 pixels."""

OVERLAPS = """(count) => {
  // Park and Miller's generator: the same boxes every time.
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  const boxes = [], sizes = [];
  for (let i = 0; i < count; i++) {
    boxes.push([300 * random() - 20, 200 * random() - 20, 5 + 90 * random(), 5 + 90 * random()]);
    sizes.push([30 + 60 * random(), 16]);
  }
  const places = placeLabels(boxes, sizes, 320, 240);
  const placed = places.map((place, i) => place && [...place, ...sizes[i]]).filter(Boolean);
  const outside = placed.filter(([x, y, w, h]) => x < 0 || y < 0 || x + w > 320.001 || y + h > 240.001);
  const overlapping = placed.filter(([x, y, w, h], i) => placed.some(([a, b, c, d], k) =>
    k > i && x < a + c && a < x + w && y < b + d && b < y + h));
  return [placed.length, outside.length, overlapping.length];
}"""
LABELS = """() => [...document.querySelectorAll(".boxes text")].map((text) => {
  const { left, top, right, bottom } = text.getBoundingClientRect();
  return [left, top, right, bottom];
})"""


def layer(visited: Visit, title: str) -> np.ndarray:
    """The picture over a panel as it is shown: RGBA uint8 [H, W, 4]."""
    address = visited.page.locator(f"figure[data-title='{title}'] .layer").get_attribute("src") or ""
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    image.verify()  # the checksums of its chunks
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA"))


def view(visited: Visit) -> tuple[float, float, float]:
    """Scale, and left and top of what is seen, 0 to 1."""
    transforms = visited.page.locator("#viewer .sheet").evaluate_all(
        "(all) => all.map((sheet) => getComputedStyle(sheet).transform)"
    )
    widths = visited.page.locator("#viewer .picture").evaluate_all("(all) => all.map((p) => p.clientWidth)")
    assert len(transforms) == 6
    found = []
    for transform, width in zip(transforms, widths, strict=True):
        scale, _, _, _, x, y = map(float, re.findall(r"-?[\d.]+(?:e-\d+)?", transform))
        found.append((scale, -x / scale / width, -y / scale / (0.75 * width)))
    assert found == [pytest.approx(found[0], abs=1e-3)] * 6, "the pictures go in step"
    scale, left, top = found[0]
    return scale, left, top


def corner(visited: Visit, title: str = "classes") -> tuple[float, float, float, float]:
    """Where a picture is in the window: left, top, width and height."""
    picture = visited.page.locator(f"figure[data-title='{title}'] .picture")
    picture.scroll_into_view_if_needed()
    # A wheel that has just scrolled the page goes on with it; the page learns of it a frame later.
    visited.page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
          viewer.zoom.scrolledAt = -1e6;
          done();
        })))"""
    )
    box = picture.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def hover(visited: Visit, pixel: tuple[int, int], title: str = "classes") -> str:
    """What is told of a pixel, row and column."""
    left, top, width, height = corner(visited, title)
    visited.page.mouse.move(left + width * (pixel[1] + 0.5) / 64, top + height * (pixel[0] + 0.5) / 48)
    visited.page.wait_for_function("document.getElementById('probe').textContent.includes('pixel')")
    return visited.page.locator("#probe").inner_text()


def test_classes_are_switched_off_in_pictures_labels_and_boxes(report: Visit) -> None:
    page = report.page
    switch = page.locator("#legend").get_by_label("car", exact=True)
    before = [layer(report, title) for title in ("classes", "label")]
    assert [picture[CAR][3] for picture in before] == [255, 255]
    assert page.locator(".boxes text").all_text_contents() == ["car 0.90"]
    switch.uncheck()
    for old, title in zip(before, ("classes", "label"), strict=True):
        new = layer(report, title)
        assert not new[mask(0) == 1][:, 3].any()
        assert (new[mask(0) != 1] == old[mask(0) != 1]).all()
    assert page.locator(".boxes text").count() == 0
    # It holds for the frames that come, and for the gallery.
    page.get_by_label("next frame").click()
    classes = layer(report, "classes")
    assert (classes[mask(1) == 1][:, 3].max(), classes[mask(1) == 2][:, 3].min()) == (0, 255)
    assert page.locator(".boxes text").all_text_contents() == ["person 0.80"]
    page.get_by_role("button", name="none of the classes").click()
    assert not layer(report, "classes")[..., 3].any()
    assert page.locator("#legend input:checked").count() == 0
    page.get_by_role("button", name="all classes").click()
    page.get_by_label("previous frame").click()
    assert all((layer(report, t) == old).all() for t, old in zip(("classes", "label"), before, strict=True))


def test_wheel_drag_and_double_click_move_all_pictures_in_step(report: Visit) -> None:
    page = report.page
    left, top, width, height = corner(report)
    assert view(report) == (1, 0, 0)
    page.mouse.move(left + width * 0.75, top + height * 0.5)
    page.mouse.wheel(0, -300)
    page.wait_for_function("viewer.zoom.scale > 1")
    scale, x, y = view(report)
    assert scale == pytest.approx(np.exp(200 / 300), abs=0.01)
    assert (x + 0.75 / scale, y + 0.5 / scale) == pytest.approx((0.75, 0.5), abs=0.01), "the place stays put"
    page.mouse.down()
    page.mouse.move(left + width * 0.5, top + height * 0.4, steps=4)
    page.mouse.up()
    assert view(report) == pytest.approx((scale, x + 0.25 / scale, y + 0.1 / scale), abs=0.01)
    page.mouse.dblclick(left + width * 0.5, top + height * 0.5)
    assert view(report) == (1, 0, 0)


def test_keys_and_buttons_zoom_and_move(report: Visit) -> None:
    page = report.page
    assert page.get_by_label("zoom out").is_disabled()
    for key in ("+", "+", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    scale, x, y = view(report)
    middle = (1 - 1 / 2.25) / 2
    assert (scale, x, y) == pytest.approx((2.25, middle + 0.2 / 2.25, middle + 0.2 / 2.25), abs=1e-3)
    # Who has no pointer is told what is in the middle.
    page.wait_for_function("document.getElementById('heard').textContent.includes('classes: background')")
    page.keyboard.press("0")
    assert view(report) == (1, 0, 0)
    page.get_by_label("zoom in").click()
    assert view(report)[0] == pytest.approx(1.5)
    for _ in range(9):
        page.keyboard.press("+")
    assert view(report)[0] == pytest.approx(16)
    page.get_by_label("whole picture").click()
    assert view(report) == (1, 0, 0)


def test_two_fingers_zoom_and_tell(browser: "Browser", runs: Path) -> None:
    with visit(browser, (runs / "a" / "report.html").as_uri(), PHONE, touch=True) as visited:
        left, top, width, height = corner(visited)
        touches = visited.page.context.new_cdp_session(visited.page)

        def touch(kind: str, *shares: float) -> None:
            points = [{"x": left + s * width, "y": top + height / 2, "id": i} for i, s in enumerate(shares)]
            touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", 0.4)
        touch("touchStart", 0.4, 0.6)
        for spread in (0.15, 0.2):
            touch("touchMove", 0.5 - spread, 0.5 + spread)
        touch("touchEnd")
        visited.page.wait_for_function("viewer.zoom.scale > 1.5")
        scale, x, _ = view(visited)
        assert (scale, x + 0.5 / scale) == pytest.approx((2, 0.5), abs=0.05)
        visited.page.wait_for_function("document.getElementById('probe').textContent.includes('classes: ')")
        assert visited.errors == []


def test_class_and_confidence_are_told_under_the_pointer(report: Visit) -> None:
    assert hover(report, CAR) == (
        "confidence: 98 % · classes: car · label: car · detection: car 0.90 · pixel 4, 24"
    )
    told = hover(report, PERSON, "RGB")
    assert told == "confidence: 98 % · classes: person · label: background · pixel 55, 25"
    report.page.keyboard.press("ArrowRight")
    report.page.wait_for_function(
        "document.getElementById('probe').textContent.startsWith('confidence: 90 %')"
    )
    assert "detection: person 0.80" in report.page.locator("#probe").inner_text()
    # Zoomed, the pointer is at another pixel.
    report.page.keyboard.press("+")
    assert "pixel 32, 24" in report.page.locator("#probe").inner_text()
    report.page.mouse.move(1, 1)
    report.page.wait_for_function("document.getElementById('probe').textContent.startsWith('Point at')")


def test_labels_of_boxes_never_overlap(report: Visit) -> None:
    for count in (1, 10, 60):
        placed, outside, overlapping = report.page.evaluate(OVERLAPS, count)
        assert (outside, overlapping) == (0, 0)
        assert placed >= min(count, 10) // 2
    crowd = """() => {
      const frame = page.frames[0];
      frame.boxes.boxes = Array.from({ length: 30 }, (_, i) => (
        { rectangle: [20 + i % 6, 10 + i % 5, 12, 9], text: `person 0.${i + 10}`, color: "#ff0000", name: "person" }));
      viewer.show(0);
    }"""
    report.page.evaluate(crowd)
    labels = report.page.evaluate(LABELS)
    assert 2 <= len(labels) < 30
    for (left, top, right, bottom), (
        other_left,
        other_top,
        other_right,
        other_bottom,
    ) in itertools.combinations(labels, 2):
        assert right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top
    note = f"no room for {30 - len(labels)} of 30 labels: zoom in"
    assert report.page.locator("figure[data-title=classes] .left").inner_text() == note


def test_the_help_lists_the_keys_and_switches_letters_off(report: Visit) -> None:
    page = report.page
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    assert page.locator("#help tr", has_text="the next frame").locator("kbd").inner_text() == "→"
    page.get_by_label("single letters and signs do something").uncheck()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    for key in ("d", "+", "?"):
        page.keyboard.press(key)
    assert page.locator("#boxes").is_checked()
    assert view(report)[0] == 1
    page.get_by_role("button", name="Keys: ?").click()
    page.get_by_label("single letters and signs do something").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("d")
    assert not page.locator("#boxes").is_checked()
    page.keyboard.press("End")
    assert page.locator("#clock").inner_text() == "0.90 s"


def test_without_scripts_there_is_the_first_frame_and_nothing_that_does_nothing(
    browser: "Browser", runs: Path
) -> None:
    with visit(browser, (runs / "a" / "report.html").as_uri(), scripts=False) as visited:
        page = visited.page
        for image in page.locator("#viewer .picture img:not([hidden])").all():
            assert image.is_visible()
        assert page.locator("#viewer .picture img.layer").count() == 3
        assert page.locator("#legend .swatch").first.is_visible()
        for nothing in ("#scrubber", "#play", "#zoom-in", "#legend input", "#probe", ".jump .picture"):
            assert not page.locator(nothing).first.is_visible()
        assert page.locator("#classes tbody tr").count() == 9
        assert page.locator("main noscript p").is_visible()
