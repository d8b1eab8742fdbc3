"""The report in a real browser: quiet, alone, moved by slider, keys and clicks, readable in every scheme and width."""

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import PHONE, Visit, visit
from recorded_runs import stamp

from rgbt_seg_ros.report_page.format import number, percent, words

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Contrast of every visible text with what is behind it, by WCAG 2; [ratio, text] of those below 4.5.
POOR_CONTRAST = """() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => parts(color).slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return (parts(color)[3] ?? 1) === 1 ? color : ground(element.parentElement);
  };
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest("script")) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [low, high] = [luminance(ink), luminance(ground(element))].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.push([ratio, element.textContent]);
  }
  return poor;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, input")].filter((control) =>
  !control.getAttribute("aria-label") && !control.labels?.length && !control.textContent.trim()).length"""


def shown(visited: Visit) -> tuple[str, list[str], list[str]]:
    """The frame's stamp, and the addresses and alternative texts of its pictures."""
    images = visited.page.locator("#viewer img.base").all()
    facts = visited.page.locator("#facts dl > div").all_inner_texts()
    (stamp_text,) = [text.split()[1] for text in facts if text.startswith("stamp")]
    sources = [image.get_attribute("src") or "" for image in images]
    return stamp_text, sources, [image.get_attribute("alt") or "" for image in images]


def press_outside(page: "Page", key: str) -> None:
    """Press a key while nothing has the focus."""
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(key)


def stamp_text(index: int) -> str:
    return f"{stamp(index) // 10**9}.{stamp(index) % 10**9:09d}"


def table(visited: Visit, name: str) -> dict[str, list[str]]:
    """The cells of a table's rows by their heading."""
    rows = visited.page.locator(f"#{name} tbody tr").all()
    return {
        row.locator("th").inner_text().strip(): [text.strip() for text in row.locator("td").all_inner_texts()]
        for row in rows
    }


def test_slider_keys_and_buttons_move_all_pictures_at_once(report: Visit) -> None:
    page = report.page
    states = [shown(report)]
    for move in (
        lambda: page.locator("#scrubber").press("ArrowRight"),
        lambda: press_outside(page, "ArrowRight"),
        lambda: page.get_by_label("next frame").click(),
        lambda: page.locator("#scrubber").fill("4"),
    ):
        move()
        states.append(shown(report))
    assert [state[0] for state in states] == [stamp_text(index) for index in range(5)]
    for before, after in itertools.pairwise(states):
        for kind in (1, 2):
            assert all(a != b for a, b in zip(before[kind], after[kind], strict=True))
    assert states[4][2] == [
        f"{title} at 0.40 s" for title in ("RGB", "thermal", "confidence", "classes", "label", "errors")
    ]
    press_outside(page, "ArrowLeft")
    assert shown(report) == states[3]
    assert page.locator("#clock").inner_text() == page.locator("#scrubber").get_attribute("aria-valuetext")
    assert page.evaluate(NAMELESS) == 0


def test_play_runs_to_the_end(report: Visit) -> None:
    play = report.page.locator("#play")
    play.click()
    assert play.get_attribute("aria-label") == "pause"
    report.page.wait_for_function("document.getElementById('clock').textContent === '0.90 s'")
    report.page.wait_for_function("document.getElementById('play').getAttribute('aria-pressed') === 'false'")
    assert shown(report)[0] == stamp_text(9)


def test_worst_frames_and_charts_take_the_scrubber_along(report: Visit) -> None:
    page = report.page
    page.get_by_role("button", name="390 ms").click()
    assert shown(report)[0] == stamp_text(9)
    plot = page.locator("figure.chart", has_text="Latency of every mask").locator(".plot")
    box = plot.bounding_box()
    assert box is not None
    # The plot's axis lies between margins of 44 and 8 pixels; 0.5 s of 1 s, where the last bar ends.
    plot.click(position={"x": 44 + (box["width"] - 52) * 5 / 10, "y": 60})
    assert shown(report)[0] == stamp_text(5)
    tip = page.locator("figure.chart", has_text="Latency of every mask").locator(".tip")
    assert tip.inner_text() == "0.50 s\n150 ms"
    state = page.locator("figure.chart", has_text="What the node says").locator(".plot")
    state.hover(position={"x": 60, "y": 12})
    tip = page.locator("figure.chart", has_text="What the node says").locator(".tip")
    assert tip.inner_text() == "0.00 s to 0.50 s, node\non its way"
    # The levels are told apart by height, too, and have a key.
    figure = page.locator("figure.chart", has_text="What the node says")
    assert figure.locator(".key > span").all_inner_texts() == ["ok", "warning or frozen", "error or missing"]
    heights = figure.locator(".plot rect").evaluate_all("(all) => all.map((r) => r.getAttribute('height'))")
    assert heights == ["13", "8", "8", "18", "8"]


def test_numbers_are_those_of_the_summary(report: Visit, runs: Path) -> None:
    summary = json.loads((runs / "a" / "summary.json").read_text())
    classes = table(report, "classes")
    assert list(classes) == [words(name) for name in summary["classes"]]
    for name, counts in summary["classes"].items():
        iou, accuracy = number(summary["iou"][name], 3), number(summary["acc"][name], 3)
        share = percent(counts["pixel_share"], 2)
        assert classes[words(name)] == [share, str(counts["detections"]), iou, "", accuracy]
    counts = table(report, "counts")
    for key, title in (("rgb_in", "RGB images"), ("thermal_in", "thermal images"), ("pairs", "pairs")):
        assert counts[title] == [str(summary[key])]
    assert counts["surplus"] == [str(summary["dropped"]["surplus"])]
    assert counts["dropped: over max dt"] == [str(summary["dropped"]["over_max_dt"])]
    stages = table(report, "stages")
    for title, times in {"end to end": summary["latency_ms"], **summary["stages_ms"]}.items():
        assert stages[title][1:] == [number(times[p]) for p in ("p50", "p95", "p99")]
    titles, values = (
        report.page.locator(f".tiles {tag}").all_inner_texts() for tag in ("dt", "dd:nth-of-type(1)")
    )
    tiles = dict(zip(titles, values, strict=True))
    assert tiles["masks"] == str(summary["masks"])
    assert tiles["masks a second"] == f"{summary['masks_hz']:.1f}Hz"
    assert tiles["latency, median"] == f"{summary['latency_ms']['p50']:.0f}ms"
    assert tiles["mean IoU"] == number(summary["miou"], 3)


@pytest.mark.parametrize("name", ["a/report.html", "comparison.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_schemes(browser: "Browser", runs: Path, name: str, scheme: str) -> None:
    with visit(browser, (runs / name).as_uri(), color_scheme=scheme) as visited:
        ground = visited.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 24)"}[scheme]
        assert visited.page.evaluate(POOR_CONTRAST) == []
        assert visited.errors == []


@pytest.mark.parametrize("name", ["a/report.html", "comparison.html"])
def test_a_phone_need_not_scroll_sideways(browser: "Browser", runs: Path, name: str) -> None:
    with visit(browser, (runs / name).as_uri(), size=PHONE, reduced_motion="reduce") as visited:
        assert visited.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        assert visited.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
        widths = visited.page.locator(".plot svg").evaluate_all("(plots) => plots.map((p) => p.clientWidth)")
        assert widths
        assert all(width <= PHONE[0] for width in widths)
        bars = visited.page.locator(".plot rect.bar")
        assert bars.count() > 0
        assert all(bar.is_visible() for bar in bars.all())
        hidden = visited.page.locator(".scroll").evaluate_all(
            "(all) => all.map((s) => s.scrollWidth - s.clientWidth)"
        )
        assert hidden
        # The comparison's classes have two runs' columns, which scroll in a box of their own.
        assert max(hidden if name == "a/report.html" else hidden[:-1]) <= 0


def test_two_runs_lie_beside_each_other(browser: "Browser", runs: Path) -> None:
    address = (runs / "comparison.html").as_uri()
    with visit(browser, address) as visited:
        page = visited.page
        figures = page.locator("#viewer figure")
        titles = [text.strip().split("\n")[0] for text in figures.locator("figcaption").all_inner_texts()]
        assert titles[:4] == ["RGB", "thermal", "A: classes", "B: classes"]
        assert titles[4:] == ["A: confidence", "B: confidence", "where they differ", "label"]
        page.get_by_role("button", name="12.5 % of the pixels").click()
        assert page.locator("#scrubber").get_attribute("aria-valuetext") == "0.70 s"
        layers = [figures.nth(index).locator(".layer").get_attribute("src") for index in (2, 3)]
        assert layers[0] != layers[1]
        page.locator("#scrubber").press("ArrowRight")
        moved = [figures.nth(index).locator(".layer").get_attribute("src") for index in (2, 3)]
        assert moved[0] == moved[1] != layers[0]
        summaries = [json.loads((runs / name / "summary.json").read_text()) for name in ("a", "b")]
        numbers = table(visited, "numbers")
        medians = [number(summary["latency_ms"]["p50"]) for summary in summaries]
        assert numbers["latency p50, ms"] == [*medians, "+50.0▼"]
        scores = [number(summary["miou"], 3) for summary in summaries]
        assert numbers["mean IoU"][:2] == scores
        assert numbers["mean IoU"][2].endswith("▼")
        for name, iou in summaries[1]["iou"].items():
            assert table(visited, "classes")[words(name)][1] == number(iou, 3)
        assert visited.errors == []
        assert visited.requests == [address]
