"""What is compared of two runs, and which runs are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from recorded_runs import stamp, write_run

from rgbt_seg_ros.base.diagnostics import Drop
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.scores import Scores
from rgbt_seg_ros.report import main
from rgbt_seg_ros.report_page.comparison import render_comparison, shared_frames
from rgbt_seg_ros.report_page.differences import Difference, headline, number_differences
from rgbt_seg_ros.runs.folder import MaskRecord, RunFolder, read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import Dropped, LabelledMasks, Percentiles, SkewPercentiles, Summary


def record(stamp_ns: int, name: str | None = None) -> MaskRecord:
    return MaskRecord(stamp_ns, 0.0, None, None, {}, {}, name)


def test_frames_are_the_same_by_stamp_or_by_name() -> None:
    first = RunFolder(Path("a"), masks=(record(5), record(7), record(9)))
    second = RunFolder(Path("b"), masks=(record(7), record(9), record(11)))
    assert shared_frames(first, second) == {7: 7, 9: 9}
    images = RunFolder(Path("a"), masks=(record(0, "001D"), record(1, "002N")))
    others = RunFolder(Path("b"), masks=(record(0, "002N"), record(1, "003N")))
    assert shared_frames(images, others) == {1: 0}


def test_a_data_set_s_places_are_no_stamps() -> None:
    images = RunFolder(Path("a"), masks=(record(0, "001D"), record(1, "002N")))
    others = RunFolder(Path("b"), masks=(record(0, "003N"), record(1)))
    with pytest.raises(UserError, match="a and b share no stamp"):
        shared_frames(images, others)


def test_differences_are_judged_by_what_is_better() -> None:
    a = Summary(
        skew_ms=SkewPercentiles(p50=2.0),
        detections=5,
        confidence=0.9,
        masks=10,
        labelled=LabelledMasks(10, Scores({"car": 0.5}, {"car": 0.5})),
        latency_ms=Percentiles(p50=100.0, p95=120.0, p99=130.0),
        dropped=Dropped({Drop.SURPLUS: 4, Drop.STALE: 1}),
        masks_hz=5.0,
    )
    b = replace(
        a,
        labelled=LabelledMasks(10, Scores({"car": 0.525}, {"car": 0.5})),
        latency_ms=replace(a.latency_ms, p50=110.0),
        dropped=Dropped({Drop.SURPLUS: 9}),
        masks_hz=4.0,
        detections=7,
    )
    rows = {row.title: row for row in number_differences(a, b)}
    assert rows["mean IoU"] == Difference("mean IoU", "0.500", "0.525", "+0.025", "better")
    assert rows["latency p50, ms"] == Difference("latency p50, ms", "100.0", "110.0", "+10.0", "worse")
    assert rows["latency p95, ms"] == Difference("latency p95, ms", "120.0", "120.0", "0")
    assert rows["dropped"] == Difference("dropped", "1", "0", "−1", "better")
    assert rows["masks a second"].judgement == "worse"
    assert rows["detections"] == Difference("detections", "5", "7", "+2")
    assert "mean accuracy" not in rows
    assert headline(a, b, 0.97) == [
        "B's mIoU of 0.525 is better than A's 0.500.",
        "B's median latency is 110 ms, A's 100 ms (+10 %).",
        "97.0 % of the pixels have the same class.",
    ]


def test_lost_masks_and_playback_rates_are_in_the_headline() -> None:
    a = Summary(masks=150, latency_ms=Percentiles(408.0), playback_rate=0.18, recording="street")
    b = Summary(masks=20, latency_ms=Percentiles(167.0), playback_rate=0.18, recording="street")
    assert headline(a, b, 0.99996) == [
        "B made 20 masks, A 150.",
        "B's median latency is 167 ms, A's 408 ms (−59 %).",
        "99.9 % of the pixels have the same class.",
    ]
    _, latency, _, recordings = headline(a, replace(b, playback_rate=0.5, recording="campus"), 1.0)
    assert latency == (
        "B's median latency is 167 ms and A's 408 ms, which cannot be compared: "
        "B was played at 0.5 times the speed and A at 0.18."
    )
    assert (
        recordings == "The recordings have different names, street and campus: do these frames show the same?"
    )


def run_with_summary(folder: Path, masks: int) -> Path:
    write_run(folder, masks)
    summarize(read_run(folder)).write(folder / "summary.json")
    return folder


def test_command_compares_a_run_with_a_part_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = run_with_summary(tmp_path / "a", 10), run_with_summary(tmp_path / "b", 3)
    assert main([str(a), str(b)]) == 0
    page = (b / "comparison.html").read_text()
    assert f"report: {b / 'comparison.html'}" in capsys.readouterr().out
    assert "two runs on the same 3 frames" in page
    assert "All pixels have the same class." in page
    assert f'"stamp": "{stamp(2)}"' in page
    assert f'"stamp": "{stamp(3)}"' not in page
    # The other way round, too, all frames are within the axis, which is the shorter run's.
    assert main([str(b), str(a), "-o", str(tmp_path / "page.html")]) == 0
    data = json.loads(
        (tmp_path / "page.html").read_text().partition('id="data">')[2].partition("</script>")[0]
    )
    latency = data["charts"][0]
    assert [place for place, _ in latency["data"]["series"]["B"]] == [0.0, 0.1, 0.2]
    assert latency["text"].startswith("Latency of the 3 common frames: A median 110 ms")


@pytest.mark.parametrize(("factor", "title"), [(0.5, "B is faster"), (2.0, "B is slower")])
def test_frames_are_ranked_in_the_direction_of_the_median(tmp_path: Path, factor: float, title: str) -> None:
    """One frame is the other way round."""
    write_run(tmp_path / "a", 8)
    write_run(tmp_path / "b", 8)
    run_a, run_b = read_run(tmp_path / "a"), read_run(tmp_path / "b")
    assert all(mask.latency_ms for mask in run_a.masks)
    slower = [
        replace(mask, latency_ms=(mask.latency_ms or 0.0) * (1 / factor if index == 7 else factor))
        for index, mask in enumerate(run_b.masks)
    ]
    run_b = replace(run_b, masks=tuple(slower))
    page = render_comparison((run_a, summarize(run_a)), (run_b, summarize(run_b)))
    assert [name for name in ("B is faster", "B is slower") if f"<h3>{name}</h3>" in page] == [title]


def test_runs_of_different_recordings_are_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = run_with_summary(tmp_path / "a", 2), run_with_summary(tmp_path / "b", 2)
    lines = (b / "masks.jsonl").read_text().replace(str(stamp(0)), "17").replace(str(stamp(1)), "18")
    (b / "masks.jsonl").write_text(lines)
    assert main([str(a), str(b), "-o", str(tmp_path / "page.html")]) == 1
    error = capsys.readouterr().err
    assert error == (
        f"error: {a} and {b} share no stamp: compare two runs of the same recording or data set\n"
    )
    assert not (tmp_path / "page.html").exists()


def test_a_page_of_one_run_has_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([str(tmp_path), "-o", "page.html"])
    assert exit_.value.code == 2
    assert "-o is for the comparison of two runs" in capsys.readouterr().err
