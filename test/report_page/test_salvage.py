"""A run that was killed, or whose disk was full, is reported: what is missing is said, the rest is there."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_runs import stamp, write_run
from small_disk import small_disk

from rgbt_seg_ros.report import main
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.summarize import summarize

Harm = Callable[[Path], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("whole") / "run", masks=6)
    summarize(read_run(folder)).write(folder / "summary.json")
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def mask(index: int) -> str:
    return f"masks/{stamp(index)}.png"


def cut(name: str, length: int) -> Harm:
    """Leave so many bytes of a file; negative: all but so many."""

    def harm(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:length])

    return harm


def remove(name: str) -> Harm:
    return lambda folder: (folder / name).unlink()


def add_half_a_line(name: str) -> Harm:
    def harm(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write('{"stamp_ns": 17')

    return harm


def add_truth_of_nothing(folder: Path) -> None:
    (folder / "truth" / f"{stamp(1)}.png").touch()


@pytest.mark.parametrize(
    ("harm", "sentence", "frames"),
    [
        (remove("summary.json"), "there is no summary.json or metrics.json: the run did not", 6),
        (cut("summary.json", 0), "there is no summary.json or metrics.json: the run did not", 6),
        (remove(mask(2)), "masks missing or cut off: 1 of 6 (masks/", 5),
        (cut(mask(2), 0), "masks missing or cut off: 1 of 6 (masks/", 5),
        (cut(mask(2), -20), "masks missing or cut off: 1 of 6 (masks/", 5),
        (cut("classes.json", 0), "classes.json is empty: classes have numbers for names", 6),
        (remove("classes.json"), "classes.json is missing: classes have numbers for names", 6),
        (add_half_a_line("masks.jsonl"), "masks.jsonl ends in half a line: it is left out", 6),
        (cut("masks.jsonl", -10), "masks.jsonl ends in half a line: it is left out", 5),
        (add_half_a_line("confidence.jsonl"), "confidence.jsonl ends in half a line", 6),
        (add_half_a_line("detections.jsonl"), "detections.jsonl ends in half a line", 6),
        (add_half_a_line("diagnostics.jsonl"), "diagnostics.jsonl ends in half a line", 6),
        (cut(f"pictures/{stamp(3)}_rgb.jpg", 0), "pictures cut off: 1 (pictures/", 6),
        (cut(f"pictures/{stamp(3)}_thermal.jpg", 300), "pictures cut off: 1 (pictures/", 6),
        (add_truth_of_nothing, "labels cut off: 1 (truth/", 6),
        (remove("detections.jsonl"), "", 6),
        (remove("diagnostics.jsonl"), "", 6),
        (remove("overlay.mp4"), "", 6),
    ],
)
def test_what_is_missing_is_said_and_the_rest_reported(
    folder: Path, capsys: pytest.CaptureFixture[str], harm: Harm, sentence: str, frames: int
) -> None:
    harm(folder)
    assert main([str(folder)]) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == bool(sentence)
    assert error.startswith(f"{folder}: {sentence}" if sentence else "")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert sentence[1:] in page
    assert len(frames_in(page)) == frames


def frames_in(page: str) -> list[dict[str, object]]:
    """The frames that the page's script gets."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    frames: list[dict[str, object]] = json.loads(found[1])["frames"]
    return frames


def test_the_numbers_of_a_killed_run_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "summary.json").unlink()
    (folder / "classes.json").write_text("")
    assert main([str(folder)]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "class 1" in page
    assert capsys.readouterr().err.count("\n") == 2


def test_a_comparison_leaves_out_what_one_run_has_lost(
    whole: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / mask(2)).unlink()
    (folder / "summary.json").unlink()
    assert main([str(whole), str(folder)]) == 0
    page = (folder / "comparison.html").read_text(encoding="utf-8")
    assert "B: masks missing or cut off: 1 of 6" in page
    assert "B: there is no summary.json" in page
    assert capsys.readouterr().err.count("\n") == 2


def test_an_old_report_is_replaced_only_by_a_whole_new_one(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", kilobytes=4000) as disk:
        folder = Path(shutil.copytree(whole, disk / "run"))
        (folder / "report.html").write_text("old")
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - 20_000))
        assert main([str(folder)]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"error: cannot write {folder}/report.html (No space left on device): ")
        assert (folder / "report.html").read_text() == "old"
        (disk / "others").unlink()
        assert main([str(folder)]) == 0
        assert len((folder / "report.html").read_text()) > 20_000


def test_nothing_is_written_through_a_link_out_of_the_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "precious"
    outside.write_text("precious")
    (folder / "report.html").symlink_to(outside)
    assert main([str(folder)]) == 0
    assert outside.read_text() == "precious"
    assert not (folder / "report.html").is_symlink()
