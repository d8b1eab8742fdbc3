"""Fixtures of the tests of pages in a browser."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest
from browser import Visit, chromium, visit
from recorded_runs import mask, stamp, write_labels, write_run

from rgbt_seg_ros.report_page.write import write_comparison, write_report
from rgbt_seg_ros.runs.folder import mask_path, read_run
from rgbt_seg_ros.runs.summarize import summarize

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as opened:
        yield opened


def write_summary(folder: Path, labels: dict[int, Path]) -> None:
    summary = replace(summarize(read_run(folder), labels), recording="a street", host={"processor": "ours"})
    summary.write(folder / "summary.json")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `a` and `b` of two runs, their pages, and comparison.html; `b` is slower and misses a car."""
    root = tmp_path_factory.mktemp("runs")
    labels = write_labels(root / "labels")
    write_run(root / "a")
    shutil.copytree(root / "a", root / "b")
    lines = [json.loads(line) for line in (root / "b" / "masks.jsonl").read_text().splitlines()]
    slower = [json.dumps({**line, "latency_ms": line["latency_ms"] + 50}) + "\n" for line in lines]
    (root / "b" / "masks.jsonl").write_text("".join(slower))
    without_car = mask(7)
    without_car[without_car == 1] = 0
    cv2.imwrite(str(mask_path(root / "b", stamp(7))), without_car)
    for name in ("a", "b"):
        write_summary(root / name, labels)
        write_report(root / name, labels)
    write_comparison(root / "a", root / "b", root / "comparison.html")
    return root


@pytest.fixture
def report(browser: "Browser", runs: Path) -> Iterator[Visit]:
    """The page of a run; afterwards it has neither complained nor asked for anything but itself."""
    address = (runs / "a" / "report.html").as_uri()
    with visit(browser, address) as visited:
        yield visited
        assert visited.errors == []
        assert visited.requests == [address]
