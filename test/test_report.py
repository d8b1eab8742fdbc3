"""Summary and report of a recorded run: the numbers, and that the page stands alone and shows them."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from recorded_runs import LATENCIES_MS, SKEWS_MS, write_labels, write_run

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.report import main, render_report, write_report
from rgbt_seg_ros.run_folder import read_run
from rgbt_seg_ros.summary import summarize, verdict

VOID_TAGS = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """A page taken apart: unclosed tags, addresses, alternative texts, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.alternatives: list[str | None] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID_TAGS:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag == "img":
            self.alternatives.append(dict(attrs).get("alt"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID_TAGS:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += " " + " ".join(data.split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recorded run with labels and its summary."""
    write_run(tmp_path / "run")
    labels = write_labels(tmp_path / "labels")
    summary = summarize(read_run(tmp_path / "run"), labels)
    summary |= {"recording": "a <test> & more", "playback_rate": 0.5, "host": {"processor": "one of ours"}}
    (tmp_path / "run" / "summary.json").write_text(json.dumps(summary))
    return tmp_path / "run"


def test_summary_counts_and_percentiles(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["pairs"], summary["masks"], summary["detections"]) == (10, 10, 15)
    assert summary["dropped"] == {"surplus": 3, "over_max_dt": 2, "not_received": 0}
    assert summary["latency_ms"] == {
        f"p{q}": pytest.approx(np.percentile(LATENCIES_MS, q)) for q in (50, 95, 99)
    }
    skews = np.abs(SKEWS_MS)
    assert summary["skew_ms"] == {"p50": pytest.approx(np.median(skews)), "max": pytest.approx(skews.max())}
    assert summary["masks_hz"] == pytest.approx(5.0)
    assert summary["duration_s"] == pytest.approx(0.9)
    assert summary["stages_ms"] == {"inference": {"p50": 71.25}}
    assert summary["model_hash"] == "0123abcd"


def test_summary_scores_against_labels(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    car, person = summary["iou"]["car"], summary["iou"]["person"]
    assert (car, person, summary["iou"]["bike"]) == (1.0, 0.0, None)
    background = (48 * 64 - 8 * 48 - 100) / (48 * 64 - 8 * 48)
    assert summary["miou"] == pytest.approx((background + car + person) / 3)
    assert summary["labelled_masks"] == 10


def test_summary_without_the_node_s_diagnostics(folder: Path) -> None:
    (folder / "diagnostics.jsonl").write_text("")
    summary = summarize(read_run(folder))
    assert summary["pairs"] is None
    assert summary["dropped"] == {}
    assert "miou" not in summary
    assert "–" in Page(render_report(read_run(folder), summary)).words


def test_masks_that_did_not_arrive_are_counted(folder: Path) -> None:
    lines = (folder / "masks.jsonl").read_text().splitlines(keepends=True)
    (folder / "masks.jsonl").write_text("".join(lines[:8]))
    summary = summarize(read_run(folder))
    assert summary["dropped"]["not_received"] == 2
    assert verdict(summary) == ("warn", "Only 8 of 10 pairs became a mask.")


def test_labels_of_another_recording_are_refused(folder: Path, tmp_path: Path) -> None:
    labels = {stamp + 1: path for stamp, path in write_labels(tmp_path / "other").items()}
    with pytest.raises(UserError, match="another recording"):
        summarize(read_run(folder), labels)


def test_verdicts() -> None:
    assert verdict({"pairs": 5, "masks": 0})[0] == "error"
    assert verdict({"pairs": 100, "masks": 94})[0] == "warn"
    assert verdict({"pairs": 100, "masks": 95})[0] == "ok"
    assert verdict({"pairs": None, "masks": 3})[0] == "ok"


def test_page_stands_alone(folder: Path) -> None:
    path = write_report(folder)
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    outside = [a for a in page.addresses if not a.startswith(("data:image/jpeg;base64,", "#"))]
    assert outside == ["overlay.mp4"]
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert "<script" not in text
    assert path.stat().st_size < 5_000_000


def test_page_shows_pictures_with_their_alternative(folder: Path) -> None:
    page = Page(write_report(folder).read_text())
    pictures = [a for a in page.addresses if a.startswith("data:image/jpeg")]
    assert len(pictures) == 18
    assert all(base64.b64decode(p.partition(",")[2]).startswith(b"\xff\xd8") for p in pictures)
    assert len(set(page.alternatives)) == 18
    assert all(page.alternatives)


def test_page_shows_the_summary_s_numbers(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    words = Page(write_report(folder).read_text()).words
    assert verdict(summary)[1] in words
    assert "a <test> & more" in words
    for quantile in ("p50", "p95", "p99"):
        assert f"{quantile} {summary['latency_ms'][quantile]:.1f} ms" in words
    for name, counts in summary["classes"].items():
        share = f"{100 * counts['pixel_share']:.2f} %"
        iou = summary["iou"][name]
        row = (name.replace("_", " "), share, counts["detections"], "–" if iou is None else f"{iou:.3f}")
        assert re.sub(r"\s+", " ", f"{row[0]} {row[1]} {row[2]} {row[3]}") in re.sub(r"\s+", " ", words)
    assert "latency (ms)" in words
    assert "over max dt 2" in re.sub(r"\s+", " ", words)
    assert "0123abcd" in words
    assert "one of ours" in words


def test_page_without_any_mask(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, masks=0))
    words = Page(render_report(run, summarize(run))).words
    assert "No mask came." in words
    assert "No picture was received." in words


def test_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    assert (folder / "report.html").is_file()
    (folder / "summary.json").unlink()
    assert main([str(folder)]) == 1
    assert "summary.json" in capsys.readouterr().err
