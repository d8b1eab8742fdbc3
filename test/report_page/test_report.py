"""Summary and report of a recorded run: the numbers, and that the page stands alone and shows them.

What the page does in a browser is in test_report_browser.py.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from recorded_runs import LATENCIES_MS, SKEWS_MS, mask, stamp, write_labels, write_run

from rgbt_seg_ros.base.diagnostics import Drop, Stage
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.report import main
from rgbt_seg_ros.report_page import frames as report_frames
from rgbt_seg_ros.report_page.chart_kinds import BarsChart, Chart, PointsChart, Segment, StripChart
from rgbt_seg_ros.report_page.charts import bin_edges, time_charts
from rgbt_seg_ros.report_page.page import render_report
from rgbt_seg_ros.report_page.stages import stage_rows
from rgbt_seg_ros.report_page.write import read_summary, write_report
from rgbt_seg_ros.runs.evaluation import Evaluation, SplitScores
from rgbt_seg_ros.runs.folder import Box, read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import Dropped, LabelledMasks, Percentiles, Summary
from rgbt_seg_ros.runs.verdict import verdict
from rgbt_seg_ros.runs.writer import RunWriter

VOID_TAGS = {"meta", "img", "br", "link", "input"}
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def data_of(page: str) -> dict[str, Any]:
    """What the page's script gets."""
    (text,) = DATA.findall(page)
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


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
        if not {"style", "script"}.intersection(self.open):
            self.words += " " + " ".join(data.split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recorded run with labels and its summary."""
    write_run(tmp_path / "run")
    labels = write_labels(tmp_path / "labels")
    summary = summarize(read_run(tmp_path / "run"), labels)
    host = {"processor": "one of ours"}
    summary = replace(summary, recording="a <test> & more", playback_rate=0.5, host=host)
    summary.write(tmp_path / "run" / "summary.json")
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
    assert summary["stages_ms"] == {"inference": {"p50": 71.25, "p95": 80.5, "p99": 99.0}}
    assert summary["possible_hz"] == pytest.approx(1e3 / 71.25, abs=0.01)
    assert summary["confidence"] == pytest.approx(np.mean([250 - 20 * i for i in range(10)]) / 255, abs=1e-4)
    assert summary["model_hash"] == "0123abcd"


def test_summary_scores_against_labels(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    # No label has a person or a bike; the people in the masks are missed background.
    assert [summary["iou"][name] for name in ("car", "person", "bike")] == [1.0, None, None]
    background = (48 * 64 - 8 * 48 - 100) / (48 * 64 - 8 * 48)
    assert summary["miou"] == pytest.approx((background + 1.0) / 2)
    assert summary["labelled_masks"] == 10
    assert summary["frame_miou"][str(stamp(0))] == pytest.approx(summary["miou"])
    assert summary["acc"]["car"] == 1.0
    words = " ".join(write_report(folder).read_text().split())
    assert "is over the classes that have labels. The others have no score (–)." in words


def test_summary_without_the_node_s_diagnostics(folder: Path) -> None:
    (folder / "diagnostics.jsonl").write_text("")
    summary = summarize(read_run(folder))
    assert summary.pairs is None
    assert summary.dropped.to_json() == {}
    assert summary.scores is None
    assert "miou" not in summary.to_json()
    assert "–" in Page(render_report(read_run(folder), summary)).words


def test_masks_that_did_not_arrive_are_counted(folder: Path) -> None:
    lines = (folder / "masks.jsonl").read_text().splitlines(keepends=True)
    (folder / "masks.jsonl").write_text("".join(lines[:8]))
    summary = summarize(read_run(folder))
    assert summary.dropped.not_received == 2
    assert verdict(summary) == ("warn", "Only 8 of 10 pairs became a mask.")


def test_a_frame_whose_mask_did_not_arrive_is_not_among_the_worst(folder: Path) -> None:
    """The last frame is the least confident and the slowest."""
    lines = (folder / "masks.jsonl").read_text().splitlines(keepends=True)
    (folder / "masks.jsonl").write_text("".join(lines[:9]))
    (folder / "masks" / f"{stamp(9)}.png").unlink()
    frames = data_of(write_report(folder).read_text())["frames"]
    assert [frame["stamp"] for frame in frames] == [str(stamp(index)) for index in range(9)]


def test_labels_of_another_recording_are_refused(folder: Path, tmp_path: Path) -> None:
    labels = {stamp + 1: path for stamp, path in write_labels(tmp_path / "other").items()}
    with pytest.raises(UserError, match="another recording"):
        summarize(read_run(folder), labels)


def test_the_packaged_model_is_called_a_demonstration(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run"))
    summary = summarize(run)
    page = render_report(run, replace(summary, model="default"))
    assert "<strong>The packaged model is a demonstration: do not rely on its masks.</strong>" in page
    assert "Not scored: the recording has no labels." in page
    assert "demonstration" not in render_report(run, replace(summary, model="mine.safetensors"))


def test_verdicts() -> None:
    assert verdict(Summary(pairs=5, masks=0))[0] == "error"
    assert verdict(Summary(pairs=100, masks=94))[0] == "warn"
    assert verdict(Summary(pairs=100, masks=95))[0] == "ok"
    assert verdict(Summary(pairs=None, masks=3))[0] == "ok"
    assert verdict(Summary(pairs=0, masks=3)) == (
        "ok",
        "3 masks were received; the node's last count of pairs is 0.",
    )


def test_verdict_on_images_without_a_partner() -> None:
    summary = Summary(rgb_in=1000, thermal_in=300, pairs=300, masks=300)
    whole = ("ok", "Every one of the 300 pairs became a mask.")
    assert verdict(replace(summary, dropped=Dropped({Drop.SURPLUS: 700, Drop.NO_PARTNER: 50}))) == whole
    dropped = Dropped({Drop.NO_PARTNER: 980, Drop.LATE: 10})
    assert verdict(replace(summary, pairs=10, masks=10, dropped=dropped)) == (
        "warn",
        "Only 10 pairs came of 1000 RGB and 300 thermal images: 990 images were dropped, mostly no partner.",
    )


def test_verdict_on_a_run_that_used_few_images() -> None:
    """Whatever the causes are called, it is not green."""
    summary = Summary(rgb_in=100, thermal_in=90, pairs=44, masks=44, dropped=Dropped({Drop.SURPLUS: 102}))
    sentence = "Only 44 pairs came of 100 RGB and 90 thermal images."
    assert verdict(summary) == ("warn", sentence)
    assert verdict(replace(summary, pairs=45, masks=45))[0] == "ok"


def test_verdict_on_images_answered_alone() -> None:
    summary = Summary(rgb_in=100, thermal_in=0, pairs=0, masks=100, alone=100)
    assert verdict(summary) == ("ok", "Every one of the 0 pairs and 100 single images became a mask.")
    assert verdict(replace(summary, masks=90)) == (
        "warn",
        "Only 90 of 0 pairs and 100 single images became a mask.",
    )
    mixed = replace(summary, thermal_in=40, pairs=40, alone=60, masks=99)
    assert verdict(mixed) == ("ok", "99 of 40 pairs and 60 single images became a mask.")


def test_page_stands_alone(folder: Path) -> None:
    path = write_report(folder)
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert [a for a in page.addresses if not a.startswith(("data:", "#"))] == ["overlay.mp4"]
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    addresses = [a for frame in data_of(text)["frames"] for a in frame["pictures"].values()]
    assert all(
        address.startswith(("data:image/jpeg;base64,", "data:image/png;base64,")) for address in addresses
    )


def test_page_has_every_picture_of_every_frame(folder: Path, tmp_path: Path) -> None:
    labels = {int(path.stem): path for path in (tmp_path / "labels").iterdir()}
    frames = data_of(write_report(folder, labels).read_text())["frames"]
    assert [frame["stamp"] for frame in frames] == [str(stamp(index)) for index in range(10)]
    for frame in frames:
        kinds = {kind: base64.b64decode(a.partition(",")[2])[:4] for kind, a in frame["pictures"].items()}
        jpeg, png = b"\xff\xd8\xff\xe0", b"\x89PNG"
        assert kinds == dict.fromkeys(("rgb", "thermal", "confidence"), jpeg) | dict.fromkeys(
            ("mask", "truth", "errors"), png
        )
    assert frames[1]["facts"] == [
        ["latency", "110 ms"],
        ["thermal − RGB", "−10.0 ms"],
        ["confidence", "90.2 %"],
        ["mIoU", "0.98"],
        ["detections", "1 car, 1 person"],
    ]
    assert frames[1]["boxes"]["boxes"][1]["rectangle"] == [50.5, 20.5, 10.0, 10.0]


def test_the_first_frame_is_there_without_scripts(folder: Path, tmp_path: Path) -> None:
    labels = {int(path.stem): path for path in (tmp_path / "labels").iterdir()}
    text = write_report(folder, labels).read_text()
    pictures = data_of(text)["frames"][0]["pictures"]
    shown = [address for address in Page(text).addresses if address.startswith("data:image/")]
    rgb = pictures["rgb"]
    assert shown == [
        rgb,
        *(pictures["thermal"], pictures["confidence"]),
        *(rgb, pictures["mask"], rgb, pictures["truth"], rgb, pictures["errors"]),
    ]
    assert "Without JavaScript this page shows its first frame" in Page(text).words


def test_a_long_run_has_evenly_chosen_frames_and_the_worst(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten frames three, the ends and the middle, and those that are best or worst in something."""
    monkeypatch.setattr(report_frames, "MAX_FRAMES", 3)
    monkeypatch.setattr(report_frames, "RANKED_FRAMES", 1)
    page = write_report(folder).read_text()
    frames = data_of(page)["frames"]
    assert [frame["position"] for frame in frames] == [0.0, 0.1, 0.4, 0.9]
    words = " ".join(Page(page).words.split())
    assert "4 of 10 frames: evenly chosen ones, the best and the worst." in words
    assert "Slowest 390 ms" in words
    assert "Least confident 27.5 % on average" in words
    assert "Fastest 100 ms" in words
    assert "Most confident 98.0 % on average" in words


def test_the_page_s_size_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = data_of(write_report(folder).read_text())["frames"]
    bound = sum(len(address) for frame in whole for address in frame["pictures"].values()) // 3
    monkeypatch.setattr(report_frames, "MAX_PICTURE_BYTES", bound)
    monkeypatch.setattr(report_frames, "RANKED_FRAMES", 1)
    fewer = data_of(write_report(folder).read_text())["frames"]
    assert 2 <= len(fewer) < len(whole)
    assert sum(len(address) * 3 // 4 for frame in fewer for address in frame["pictures"].values()) <= bound


def test_a_page_of_the_largest_pictures_has_7_mb_at_most(tmp_path: Path) -> None:
    """Noise is what compresses worst; its best and worst frames alone would be too many."""
    noise = np.random.default_rng(0)
    writer = RunWriter(tmp_path)
    writer.add_classes(MFNET.names)
    for index in range(30):
        writer.add_mask(stamp(10 * index), noise.integers(0, 9, (360, 480), np.uint8), 0.0, index, 0.0)
        writer.add_confidence(stamp(10 * index), noise.integers(0, 256, (360, 480), np.uint8))
        for kind in ("rgb", "thermal"):
            writer.add_picture(stamp(10 * index), kind, noise.integers(0, 256, (360, 480, 3), np.uint8))
    writer.close()
    path = write_report(tmp_path)
    assert 6_000_000 < path.stat().st_size <= 7_000_000


def test_many_classes_are_told_in_a_line(folder: Path) -> None:
    boxes = [Box(f"class_{i}", 0.5, 9.0, 9.0, 4.0, 4.0) for i in range(40)] + [
        Box("car", 0.5, 9.0, 9.0, 4.0, 4.0)
    ]
    told = report_frames.detections_text([*boxes, boxes[-1]])
    assert told.startswith("2 cars, 1 class 0, 1 class 1, ")
    assert told.endswith(", 33 of other classes")
    assert told.count(",") == 8


def test_a_run_without_a_mask_begins_with_the_node_s_first_report(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, masks=0))
    summary = summarize(run)
    charts = time_charts(run, summary)
    assert [tuple(segment)[:2] for segment in node_states(charts)] == [(0.0, 0.0), (0.0, 0.4)]
    data = data_of(render_report(run, summary))
    assert data["timeline"] == {"recording": True, "start": 0.0, "end": 0.4}


def test_detections_are_shown_where_the_names_of_the_classes_are_lost(folder: Path) -> None:
    (folder / "classes.json").unlink()
    run = read_run(folder)
    (chart,) = [chart for chart in time_charts(run, summarize(run)) if chart.title == "Detections"]
    assert chart.text == "Detections in a frame; in all 10 cars, 5 people."
    assert not chart.is_empty


def test_worst_frames_lie_apart(folder: Path) -> None:
    run = read_run(folder)
    rankings = {entry.title: entry.frames for entry in report_frames.ranked_frames(run, summarize(run))}
    assert [text for _, text, _ in rankings["Slowest"]] == ["390 ms", "140 ms"]
    assert [place for place, *_ in rankings["Least confident"]] == [stamp(9), stamp(4)]
    assert [(text, title) for _, text, title in rankings["Fastest"]] == [
        ("100 ms", "0.00 s"),
        ("150 ms", "0.50 s"),
    ]
    assert [place for place, *_ in rankings["Most confident"]] == [stamp(0), stamp(5)]
    assert "Lowest IoU" not in rankings


def test_frames_of_a_data_set_have_names(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path)
    writer.add_classes(MFNET.names)
    for index in range(3):
        writer.add_mask(index, mask(index), 0.1 * index, 5.0, None, {"inference": 5.0}, f"0000{index}N")
        writer.add_picture(index, "rgb", np.zeros((48, 64, 3), np.uint8))
        writer.add_truth(index, mask(index))
    writer.close()
    run = read_run(tmp_path)
    scores = SplitScores({"car": 0.25}, {}, 40, {})
    evaluation = Evaluation(scores, "msrs", "val")
    summary = replace(summarize(run), labelled=LabelledMasks(40, scores), evaluation=evaluation)
    page = render_report(run, summary)
    words = " ".join(Page(page).words.split())
    assert "mIoU 0.250 on 40 images of msrs val." in words
    assert "3 of 40 frames" in words
    assert "Counts" not in words, "nothing was paired"
    data = data_of(page)
    assert [frame["title"] for frame in data["frames"]] == ["00000N", "00001N", "00002N"]
    assert data["timeline"] == {"recording": False, "start": 0.5, "end": 3.5}
    assert [chart["title"] for chart in data["charts"]] == ["Latency"]


def test_charts_over_time(folder: Path) -> None:
    run = read_run(folder)
    made = time_charts(run, summarize(run))
    state, latency, skew, dropped, detections = made
    assert isinstance(latency, PointsChart)
    assert latency.series["latency"][:2] == [(0.0, 100.0), (0.1, 110.0)]
    assert isinstance(skew, PointsChart)
    assert [point.value for point in skew.series["skew"]] == list(SKEWS_MS)
    assert isinstance(dropped, BarsChart)
    assert dropped.spans == [(0.0, 0.5), (0.5, 0.9)]
    assert dropped.series == {"surplus": [3, 0], "over max dt": [0, 2]}
    assert isinstance(detections, BarsChart)
    assert detections.series == {"car": [1.0] * 10, "person": [0.0, 1.0] * 5}
    assert detections.spans[3] == (0.3, 0.4)
    assert isinstance(state, StripChart)
    assert state.rows == [
        ("node", [(0.0, 0.5, "warn", "on its way"), (0.5, 0.9, "ok", "running")]),
        ("RGB", [(0.0, 0.9, "ok", "ok")]),
        ("thermal", [(0.0, 0.5, "error", "missing"), (0.5, 0.9, "ok", "ok")]),
    ]
    assert state.levels == {"ok": "ok", "warn": "warning or frozen", "error": "error or missing"}
    # The result is in words for those who do not see the charts.
    results = {chart.title: chart.text.partition(": ")[2] for chart in made}
    p95 = f"{np.percentile(LATENCIES_MS, 95):.0f}"
    assert results["Latency"] == f"median 145 ms, p95 {p95} ms, at most 390 ms."
    assert results["Skew"] == "from −40.0 to 45.0 ms."
    assert results["Dropped"] == "3 surplus, 2 over max dt."
    assert results["State"] == "node warning or frozen for 0.5 s; thermal error or missing for 0.5 s."
    page = render_report(run, summarize(run))
    assert "Latency, ms" in Page(page).words
    # As resource/report/charts.js takes them.
    drawn = data_of(page)["charts"]
    assert [chart["kind"] for chart in drawn] == ["strip", "points", "points", "bars", "bars"]
    assert list(drawn[0]) == ["kind", "title", "text", "unit", "data"]
    assert drawn[0]["data"]["rows"][1] == ["RGB", [[0.0, 0.9, "ok", "ok"]]]
    assert drawn[1]["data"]["series"]["latency"][:2] == [[0.0, 100.0], [0.1, 110.0]]
    assert drawn[1]["data"]["lines"] == {"p50": 145.0, "p95": 295.5}
    assert drawn[3]["data"]["spans"] == [[0.0, 0.5], [0.5, 0.9]]


def node_states(charts: list[Chart]) -> Sequence[Segment]:
    """Of the node in the chart of states."""
    (strip,) = [chart for chart in charts if isinstance(chart, StripChart)]
    return strip.rows[0].segments


def test_the_end_of_a_recording_is_no_silence_of_cameras(folder: Path) -> None:
    late = {"level": "warn", "message": "no images", "values": {"rgb_camera": "missing"}}
    with (folder / "diagnostics.jsonl").open("a") as file:
        for seconds in (1, 2):
            file.write(json.dumps({**late, "stamp_ns": stamp(9) + seconds * 10**9}) + "\n")
    run = read_run(folder)
    summary = summarize(run)
    assert node_states(time_charts(run, summary))[-1] == (0.9, 2.9, "warn", "no images")
    lossless = replace(summary, settings={"mode": "lossless"})
    assert node_states(time_charts(run, lossless))[-1] == (0.5, 0.9, "ok", "running")


def test_stages_of_single_masks_become_histograms(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "masks.jsonl").read_text().splitlines()]
    for index, line in enumerate(lines):
        line["stage_ms"] = {"inference": 50.0 + index, "publish": 10.0}
    (folder / "masks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read_run(folder)
    summary = summarize(run)
    assert summary.stages_ms[Stage.INFERENCE] == Percentiles(p50=54.5, p95=58.55, p99=58.91)
    assert summary.possible_hz == pytest.approx(1e3 / (54.5 + 10.0), abs=0.01)
    end_to_end, inference, _ = stage_rows(run, summary)
    assert inference.distribution.counts is not None
    assert end_to_end.distribution.counts is not None
    assert sum(inference.distribution.counts) == sum(end_to_end.distribution.counts) == 10
    assert summary.latency_ms.p99 is not None
    assert inference.distribution.most == pytest.approx(1.05 * 58.91, abs=1e-3)
    assert end_to_end.distribution.most == pytest.approx(1.05 * summary.latency_ms.p99, abs=1e-3)


def test_a_few_outliers_do_not_squeeze_a_histogram() -> None:
    edges = bin_edges([10.0 + i / 100 for i in range(1000)] + [5000.0])
    assert edges[-1] < 30


def test_page_shows_the_summary_s_numbers(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    words = Page(write_report(folder).read_text()).words
    assert verdict(Summary.from_json(summary))[1] in words
    assert "a <test> & more" in words
    for quantile in ("p50", "p95", "p99"):
        assert f"{summary['latency_ms'][quantile]:.1f}" in words
    for name, counts in summary["classes"].items():
        share = f"{100 * counts['pixel_share']:.2f} %"
        iou = summary["iou"][name]
        row = (name.replace("_", " "), share, counts["detections"], "–" if iou is None else f"{iou:.3f}")
        assert re.sub(r"\s+", " ", f"{row[0]} {row[1]} {row[2]} {row[3]}") in re.sub(r"\s+", " ", words)
    assert "over max dt 2" in re.sub(r"\s+", " ", words)
    assert "0123abcd" in words
    assert "one of ours" in words


def test_page_without_any_mask(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, masks=0))
    words = Page(render_report(run, summarize(run))).words
    assert "No mask came." in words
    assert "No picture was received." in words


def test_an_older_summary_s_classes_are_those_of_the_run(folder: Path) -> None:
    """Each class is there once, whatever its spelling was."""
    published = dict(zip(MFNET.names, MFNET.published, strict=True))
    summary = json.loads((folder / "summary.json").read_text())
    older = dict(summary)
    for table in ("classes", "iou", "acc"):
        older[table] = {published[name]: value for name, value in summary[table].items()}
    assert list(older["iou"]) != list(summary["iou"])
    (folder / "summary.json").write_text(json.dumps(older))
    (folder / "classes.json").write_text(json.dumps(MFNET.published))
    assert read_summary(read_run(folder)).to_json() == Summary.from_json(summary).to_json()


def test_an_older_summary_is_filled_up_from_the_run(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    for key in ("possible_hz", "stages_ms", "skew_ms", "confidence"):
        del summary[key]
    del summary["latency_ms"]["p99"], summary["dropped"]["surplus"], summary["classes"]["car"]["detections"]
    (folder / "summary.json").write_text(json.dumps(summary))
    whole = summarize(read_run(folder)).to_json()
    assert read_summary(read_run(folder)).to_json().items() >= whole.items()
    assert f"{whole['latency_ms']['p99']:.1f}" in Page(write_report(folder).read_text()).words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1]", "($: expected an object, got a list): run it again"),
        ("{", "is damaged (it is no JSON: "),
        ('{"latency_ms": null}', "($.latency_ms: expected an object, got null): run it again"),
        ('{"classes": {"car": 3}}', "($.classes[...]: expected an object, got a whole number): run it again"),
        ('{"masks": "many"}', "($.masks: expected a whole number, got text): run it again"),
        ('{"split": "val", "miou": 0.5, "labelled_masks": 3}', "of data, images: run it again"),
        ('{"miou": 0.5}', "of labelled_masks: run it again"),
    ],
)
def test_a_damaged_summary_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], content: str, words: str
) -> None:
    (folder / "summary.json").write_text(content)
    assert main([str(folder)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {folder / 'summary.json'} ")
    assert words in error
    assert error.count("\n") == 1


def test_detections_without_finite_numbers_leave_the_page_valid(folder: Path) -> None:
    line = {"stamp_ns": stamp(0), "detections": [vars_of_box(score=None), vars_of_box(center_x=None)]}
    with open(folder / "detections.jsonl", "a") as file:
        file.write(json.dumps(line) + "\n")
        # As a node with such numbers, and an earlier recorder, left them.
        file.write(json.dumps(line).replace("null", "NaN").replace(str(stamp(0)), str(stamp(1))) + "\n")
    page = write_report(folder).read_text()
    shown = {frame["stamp"]: frame["boxes"]["boxes"] for frame in data_of(page)["frames"]}
    assert [box["text"] for box in shown[str(stamp(0))]] == ["car"]
    assert [box["text"] for box in shown[str(stamp(1))]] == ["car"]


def vars_of_box(**changes: float | None) -> dict[str, object]:
    plain = {
        "class_name": "car",
        "score": 0.5,
        "center_x": 9.0,
        "center_y": 9.0,
        "size_x": 4.0,
        "size_y": 4.0,
    }
    return {**plain, **changes}


def test_states_and_frames_that_are_not_known_are_shown_all_the_same(folder: Path) -> None:
    diagnostics = (folder / "diagnostics.jsonl").read_text()
    (folder / "diagnostics.jsonl").write_text(diagnostics.replace('"missing"', '"asleep"'))
    masks = (folder / "masks.jsonl").read_text().splitlines()
    masks[3] = masks[3].replace('"name": null', '"name": "one of a data set"')
    (folder / "masks.jsonl").write_text("\n".join(masks) + "\n")
    assert "asleep" in write_report(folder).read_text()


def test_a_label_of_another_size_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(folder / "truth" / f"{stamp(0)}.png"), np.zeros((4, 4), np.uint8))
    assert main([str(folder)]) == 1
    assert f"{stamp(0)}.png is (4, 4) and its mask (48, 64)" in capsys.readouterr().err


def test_a_picture_that_is_no_jpeg_is_not_put_into_the_page(folder: Path) -> None:
    path = folder / "pictures" / f"{stamp(0)}_rgb.jpg"
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert base64.b64encode(Path("/etc/passwd").read_bytes()).decode() not in write_report(folder).read_text()


def test_a_page_that_cannot_be_written_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "report.html").mkdir()
    assert main([str(folder)]) == 1
    assert capsys.readouterr().err.startswith(
        f"error: cannot write {folder / 'report.html'} (Is a directory): "
    )


def test_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    assert (folder / "report.html").is_file()
    assert capsys.readouterr().err == ""
