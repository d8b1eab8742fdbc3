"""Pages of runs that are out of the ordinary, in the browser: none complains, or scrolls sideways on a phone."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser import PHONE, visit
from recorded_runs import stamp, write_run

from rgbt_seg_ros.report_page.write import write_comparison, write_report
from rgbt_seg_ros.runs.folder import Box
from rgbt_seg_ros.runs.writer import RunWriter

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def write_forty_classes(folder: Path) -> Path:
    """Forty classes with long names, a box of each in every frame."""
    names = ["background", *(f"a_class_with_a_rather_long_name_{i}" for i in range(39))]
    ids = np.arange(40, dtype=np.uint8).reshape(5, 8).repeat(20, axis=0).repeat(20, axis=1)
    writer = RunWriter(folder)
    writer.add_classes(names)
    for index in range(3):
        writer.add_mask(stamp(index), ids, 0.1 * index, 100.0, 5.0)
        boxes = [
            Box(name, 0.9, 20 * (i % 8) + 9.5, 20 * (i // 8) + 9.5, 20, 20) for i, name in enumerate(names)
        ]
        writer.add_detections(stamp(index), boxes)
        writer.add_picture(stamp(index), "rgb", np.full((100, 160, 3), 128, np.uint8))
    writer.close()
    return folder


def write_killed(folder: Path) -> Path:
    """A run that was killed while it wrote, and lost its classes."""
    write_run(folder)
    text = (folder / "masks.jsonl").read_text()
    (folder / "masks.jsonl").write_text(text[:-30])
    (folder / "masks" / f"{stamp(3)}.png").write_bytes(b"")
    (folder / "classes.json").write_text("")
    return folder


def write_long(folder: Path) -> Path:
    """More frames than a page shows, three of which have no picture beside the mask."""
    write_run(folder, masks=300)
    for index in range(3):
        for path in (folder / "pictures").glob(f"{stamp(index)}_*.jpg"):
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("extremes")
    forty, long = write_forty_classes(root / "forty"), write_long(root / "long")
    runs = {"zero": write_run(root / "zero", masks=0), "one": write_run(root / "one", masks=1)}
    runs |= {"killed": write_killed(root / "killed"), "long": long, "forty": forty}
    found = {name: write_report(folder) for name, folder in runs.items()}
    found["comparison"] = root / "comparison.html"
    write_comparison(forty, write_forty_classes(root / "other"), found["comparison"])
    return found


@pytest.mark.parametrize("name", ["zero", "one", "killed", "long", "forty", "comparison"])
def test_a_page_that_is_out_of_the_ordinary(browser: "Browser", pages: dict[str, Path], name: str) -> None:
    with visit(browser, pages[name].as_uri(), PHONE) as visited:
        page = visited.page
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        frames = page.evaluate("page.frames.length")
        assert (frames == 0) == (name == "zero")
        if frames:
            page.keyboard.press("End")
            page.keyboard.press("+")
            page.keyboard.press("c")
            picture = page.locator("#viewer figure:has(.boxes) .picture").first
            assert (
                picture.locator(".layer").evaluate("(image) => image.decode().then(() => image.naturalWidth)")
                > 0
            )
        charts = page.locator(".plot").evaluate_all(
            "(all) => all.map((plot) => plot.querySelectorAll('*').length)"
        )
        # A long run's points are grouped: a browser takes some thousand marks well.
        assert all(0 < marks < 5000 for marks in charts)
        assert visited.errors == []
    assert pages[name].stat().st_size < 7_000_000
