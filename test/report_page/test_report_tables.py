"""Tables of a report are sorted and saved in the browser; charts keep within their axes, and on paper."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from browser import Visit, visit
from recorded_runs import write_run

from rgbt_seg_ros.report_page.page import render_report
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import Dropped

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def column(visited: Visit, table: str, place: int) -> list[str]:
    cells = visited.page.locator(f"#{table} tbody tr > :nth-child({place + 1})").all_inner_texts()
    return [text.strip() for text in cells]


def saved(visited: Visit, table: str, kind: str) -> str:
    with visited.page.expect_download() as download:
        visited.page.get_by_role("button", name=f"save the table {table} as {kind}").click()
    assert download.value.suggested_filename == f"{table}.{kind.lower()}"
    return Path(download.value.path()).read_text()


def test_a_heading_sorts_up_down_and_back(report: Visit) -> None:
    page = report.page
    first = column(report, "classes", 0)
    share = page.locator("#classes").get_by_role("button", name="pixels")
    heading = page.locator("#classes th", has=page.get_by_role("button", name="pixels"))
    share.click()
    values = [float(text.removesuffix(" %")) for text in column(report, "classes", 1)]
    assert values == sorted(values)
    assert column(report, "classes", 0)[-1] == "background"
    assert heading.get_attribute("aria-sort") == "ascending"
    assert page.locator("#heard").inner_text() == "sorted by pixels, ascending"
    share.press("Enter")
    assert column(report, "classes", 0)[0] == "background"
    assert heading.get_attribute("aria-sort") == "descending"
    share.click()
    assert column(report, "classes", 0) == first
    assert heading.get_attribute("aria-sort") is None
    # What is not known is last, up and down.
    iou = page.locator("#classes").get_by_role("button", name="IoU")
    for order in (1, -1):
        iou.click()
        texts = column(report, "classes", 3)
        known = [float(text) for text in texts if text != "–"]
        assert known == sorted(known, reverse=order < 0)
        assert texts[len(known) :] == ["–"] * (len(texts) - len(known))
        assert len(known) == 2


def test_tables_are_saved_as_csv_and_json(report: Visit, runs: Path) -> None:
    summary = json.loads((runs / "a" / "summary.json").read_text())
    rows = json.loads(saved(report, "classes", "JSON"))
    assert [row["class"] for row in rows] == list(summary["classes"])
    for row in rows:
        counts = summary["classes"][row["class"]]
        assert (row["pixel_share"], row["detections"]) == (counts["pixel_share"], counts["detections"])
        assert (row["iou"], row["accuracy"]) == (summary["iou"][row["class"]], summary["acc"][row["class"]])
    lines = list(csv.DictReader(saved(report, "classes", "CSV").splitlines()))
    assert [{name: value and str(value) for name, value in line.items()} for line in lines] == [
        {name: "" if value is None else json.dumps(value).strip('"') for name, value in row.items()}
        for row in rows
    ]
    names = {row["name"]: row["value"] for row in json.loads(saved(report, "how", "JSON"))}
    assert names["model hash"] == summary["model_hash"]
    # As it is sorted.
    report.page.locator("#counts").get_by_role("button", name="number").click()
    numbers = [row["number"] for row in json.loads(saved(report, "counts", "JSON"))]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 13


def test_a_stranger_s_names_are_no_formulas(browser: "Browser", tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", masks=2)
    names = ["background", '=HYPERLINK("http://x", "<b>y</b>")', "a, b", "@c"]
    (folder / "classes.json").write_text(json.dumps(names))
    with visit(browser, write_report(folder).as_uri()) as visited:
        rows = list(csv.reader(io.StringIO(saved(visited, "classes", "CSV"), newline="")))
        assert [row[0] for row in rows[1:]] == [names[0], f"'{names[1]}", names[2], f"'{names[3]}"]
        assert [row["class"] for row in json.loads(saved(visited, "classes", "JSON"))] == names
        assert visited.page.locator("b").count() == 0
        assert visited.errors == []


def test_charts_keep_within_their_axes_and_on_paper(report: Visit) -> None:
    page = report.page
    edges = page.locator(".plot").evaluate_all(
        """(plots) => plots.flatMap((plot) => [...plot.querySelectorAll("rect, circle")].map((mark) => {
          const box = plot.getBoundingClientRect(), { left, right } = mark.getBoundingClientRect();
          return [left - box.left, box.right - right];
        }))"""
    )
    assert len(edges) > 30
    assert min(left for left, _ in edges) >= 44 - 3
    assert min(right for _, right in edges) >= 8 - 3
    texts = page.locator(".plot").evaluate_all(
        """(plots) => plots.flatMap((plot) => [...plot.querySelectorAll("text")].map((text) =>
          plot.getBoundingClientRect().right - text.getBoundingClientRect().right))"""
    )
    assert min(texts) >= -1
    # A printer's page is narrower, and no script draws them anew.
    page.emulate_media(media="print")
    shapes = page.locator(".plot").evaluate_all(
        """(plots) => plots.map((plot) => {
          const svg = plot.querySelector("svg"), [, , width, height] = svg.getAttribute("viewBox").split(" ");
          plot.style.width = "50%";
          const box = svg.getBoundingClientRect();
          return [box.width / plot.parentElement.clientWidth, box.height / box.width - height / width];
        })"""
    )
    assert shapes
    for width, height in shapes:
        assert abs(width - 0.5) < 0.01
        assert abs(height) < 0.01
    assert (
        page.locator(".export, .probe, .keys").evaluate_all("(all) => all.some((e) => e.checkVisibility())")
        is False
    )


def test_charts_with_nothing_in_them_take_a_line(browser: "Browser", tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", masks=3))
    run = replace(run, detections={mask.stamp_ns: () for mask in run.masks})
    page = tmp_path / "report.html"
    page.write_text(render_report(run, replace(summarize(run), dropped=Dropped())))
    with visit(browser, page.as_uri()) as visited:
        charts = visited.page.locator("figure.chart")
        for title, text in (("Dropped", "Nothing was dropped."), ("Detections", "No detection.")):
            chart = charts.filter(has=visited.page.locator("strong", has_text=title))
            assert chart.inner_text().endswith(text)
            box = chart.bounding_box()
            assert box is not None
            assert box["height"] < 40
        assert charts.filter(has=visited.page.locator(".plot svg")).count() == charts.count() - 2
        assert visited.errors == []
