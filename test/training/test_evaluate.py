"""The command: what it writes, by one process and by two, and what it refuses."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import cv2
import numpy as np
import pytest
from filled_model import write_filled_model
from PIL import Image
from places import GOLDEN
from random_model import write_model

from rgbt_seg_ros.masks.classes import CLASS_SETS, FMB, MFNET, PST900
from rgbt_seg_ros.runs.summary import Summary
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter import Segmenter
from training import evaluate
from training.scoring.sheets import SheetRow, save_sheet

NAMES = ("00001D", "00002N", "00003N")
FOLDERS = ("vi", "ir", "Segmentation_labels")
SCORE_KEYS = {"miou", "macc", "mf1", "iou", "acc", "f1", "miou_without_guardrail", "images", "subsets"}
JSON_KEYS = [
    *("miou", "macc", "mf1", "iou", "acc", "f1", "miou_without_guardrail", "images", "subsets"),
    *("protocol", "tta", "data", "split", "thermal", "modality", "model", "model_hash"),
    *("confusion", "per_image"),
]
SUMMARY_KEYS = list(Summary().to_json())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three rendered stills in MSRS layout, one by day and two by night."""
    root = tmp_path_factory.mktemp("msrs")
    for folder in FOLDERS:
        (root / folder).mkdir()
    for seed, name in enumerate(NAMES):
        still = render_still(seed, (96, 128))
        for folder, image in zip(FOLDERS, (still.rgb, still.thermal, still.label), strict=True):
            Image.fromarray(image).save(root / folder / f"{name}.png")
    (root / "val.txt").write_text("\n".join(NAMES))
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "random.safetensors")


def _arguments(root: Path, model: Path | str = "default") -> list[str]:
    return ["--model", str(model), "--data", "msrs", "--root", str(root), "--split", "val", "--device", "cpu"]


def _scores(arguments: list[str], path: Path) -> dict[str, Any]:
    assert evaluate.main([*arguments, "--json", str(path)]) == 0
    scores: dict[str, Any] = json.loads(path.read_text())
    return scores


def test_command_writes_what_other_programs_read(
    root: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = _scores(_arguments(root, model), tmp_path / "out/scores.json")
    assert list(scores) == JSON_KEYS
    assert (scores["protocol"], scores["tta"]) == ("native", False)
    assert (scores["split"], scores["images"], scores["modality"]) == ("val", 3, "both")
    assert scores["model_hash"] == Segmenter.load(model).model_hash
    assert list(scores["iou"]) == list(scores["acc"]) == list(MFNET.names)
    assert 0.0 <= scores["miou"] <= 1.0
    assert {name: part["images"] for name, part in scores["subsets"].items()} == {"day": 1, "night": 2}
    assert np.array(scores["confusion"]).shape == (9, 10)
    assert [image["name"] for image in scores["per_image"]] == list(NAMES)
    table = capsys.readouterr().out
    for text in ("person", "IoU night", "Acc", "mean without guardrail", f"{100 * scores['miou']:.1f}"):
        assert text in table


def test_matrix_counts_every_labelled_pixel_once(root: Path, tmp_path: Path) -> None:
    scores = _scores(_arguments(root), tmp_path / "scores.json")
    labels = [np.array(Image.open(root / "Segmentation_labels" / f"{name}.png")) for name in NAMES]
    expected = np.bincount(np.concatenate([label[label != 255] for label in labels]), minlength=9)
    assert np.array(scores["confusion"]).sum(axis=1).tolist() == expected.tolist()


@pytest.mark.usefixtures("one_thread")
def test_two_processes_give_the_scores_of_one(
    root: Path, tmp_path: Path, start: Callable[..., "Popen[str]"]
) -> None:
    """Three images among two processes: one of them has two."""
    alone = _scores(_arguments(root), tmp_path / "alone.json")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    path = tmp_path / "together.json"
    process = start(*launcher, "-m", "training.evaluate", *_arguments(root), "--json", str(path))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    together = json.loads(path.read_text())
    assert together["confusion"] == alone["confusion"]
    assert together == alone
    assert output.count("3 images of msrs val") == output.count("mean without guardrail") == 1, output


def test_all_modalities_get_a_column_each(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = _scores([*_arguments(root), "--modality", "all"], tmp_path / "all.json")
    table = capsys.readouterr().out
    for text in ("IoU RGB+T", "IoU RGB only", "IoU T only", "mean, day", "mean, night"):
        assert text in table
    assert list(columns["modalities"]) == ["both", "rgb", "thermal"]
    singles = {
        name: _scores([*_arguments(root), "--modality", name], tmp_path / "one.json")
        for name in ("both", "rgb")
    }
    for name, single in singles.items():
        assert columns["modalities"][name] == {key: single[key] for key in SCORE_KEYS}
    assert columns["iou"] == singles["both"]["iou"] != singles["rgb"]["iou"]


def test_tta_and_official_are_other_scores(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    native = _scores(_arguments(root), tmp_path / "native.json")
    table = " ".join(capsys.readouterr().out.split())
    assert "-: a class without labels, which enters no mean" in table
    averaged = _scores([*_arguments(root), "--tta", "--report", str(tmp_path / "tta")], tmp_path / "tta.json")
    sure = json.loads((tmp_path / "tta" / "summary.json").read_text())["confidence"]
    assert 1 / 9 < sure < 1, "the mean of probabilities over scales is one"
    assert averaged["tta"]
    assert averaged["confusion"] != native["confusion"]
    # The stills enter the network at their own size in both; only absent classes count otherwise.
    capsys.readouterr()
    page = ("--report", str(tmp_path / "official"))
    official = _scores([*_arguments(root), "--protocol", "official", *page], tmp_path / "official.json")
    assert "one without labels counts 0" in (tmp_path / "official/report.html").read_text()
    table = " ".join(capsys.readouterr().out.split())
    assert "official protocol: a class without labels counts 0 in the means" in table
    assert official["protocol"] == "official"
    assert official["confusion"] == native["confusion"]
    absent = [name for name, value in native["iou"].items() if value is None]
    assert absent
    assert official["iou"] == {name: value or 0.0 for name, value in native["iou"].items()}
    assert official["miou"] == pytest.approx(native["miou"] * (9 - len(absent)) / 9)


def test_pictures_are_written(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []

    def save_and_note(path: Path, rows: list[SheetRow], class_names: tuple[str, ...]) -> None:
        titles.extend(row.title for row in rows)
        save_sheet(path, rows, class_names)

    monkeypatch.setattr("training.work.evaluate.save_sheet", save_and_note)
    confusion, sheet = tmp_path / "new/confusion.png", tmp_path / "new/sheet.png"
    arguments = [*_arguments(root), "--confusion", str(confusion), "--sheet", str(sheet)]
    scores = _scores(arguments, tmp_path / "scores.json")
    for path in (confusion, sheet):
        assert min(Image.open(path).size) > 300
    ranked = sorted(scores["per_image"], key=lambda image: image["miou"], reverse=True)
    places = zip(("best 1", "best 2", "worst 1"), ranked, strict=True)
    expected = [f"{place}: {image['name']}: mIoU {100 * image['miou']:.1f} %" for place, image in places]
    assert titles == expected


def test_report_shows_the_scores_and_every_image(root: Path, model: Path, tmp_path: Path) -> None:
    scores = _scores(
        [*_arguments(root, model), "--report", str(tmp_path / "report")], tmp_path / "scores.json"
    )
    summary = json.loads((tmp_path / "report" / "summary.json").read_text())
    assert summary.items() >= scores.items()
    added = [name for name in summary if name not in SUMMARY_KEYS]
    own = [name for name in JSON_KEYS if name not in SUMMARY_KEYS]
    assert added == [*own, "frame_miou", "labelled_masks", "recording", "settings", "host"]
    assert Summary.from_json(summary).to_json() == summary
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"mIoU {scores['miou']:.3f} on 3 images of msrs val." in page
    for name, iou in scores["iou"].items():
        row = re.search(rf"</span>{name.replace('_', ' ')}</th>.*?</tr>", page, re.DOTALL)
        assert row is not None
        value = "–" if iou is None else format(iou, ".3f")
        assert re.search(f'<td class="n"[^>]*>{value}</td>', row[0])
    frames = json.loads(page.partition('id="data">')[2].partition("</script>")[0])["frames"]
    assert [frame["title"] for frame in frames] == list(NAMES)
    for frame, image in zip(frames, scores["per_image"], strict=True):
        assert set(frame["pictures"]) == {"rgb", "thermal", "confidence", "mask", "truth", "errors"}
        assert ["mIoU", f"{image['miou']:.2f}"] in frame["facts"]


def test_official_scores_pst900_at_the_papers_size(samples: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "pst900.safetensors", PST900)
    arguments = [
        "--model",
        str(model),
        "--data",
        "pst900",
        "--root",
        str(samples / "pst900"),
        "--device",
        "cpu",
    ]
    for protocol, (height, width) in {"native": (720, 1280), "official": (736, 1280)}.items():
        scores = _scores([*arguments, "--protocol", protocol], tmp_path / "scores.json")
        assert np.sum(scores["confusion"]) == height * width
        assert scores["subsets"] == {"day": None, "night": None}
        assert "miou_without_guardrail" not in scores


@pytest.mark.parametrize("data", ["mfnet", "pst900"])
@pytest.mark.parametrize("arch", ["shifnet", "sartm"])
def test_official_scores_are_those_of_the_papers_evaluation(
    arch: str, data: str, samples: Path, tmp_path: Path
) -> None:
    model = write_filled_model(tmp_path / "filled.safetensors", arch, CLASS_SETS[data])
    arguments = ["--model", str(model), "--data", data, "--root", str(samples / data), "--device", "cpu"]
    scores = _scores([*arguments, "--protocol", "official"], tmp_path / "scores.json")
    expected = json.loads((GOLDEN / "official_scores.json").read_text())[arch][data]
    assert list(scores["iou"].values()) == pytest.approx(expected, abs=1e-3)
    assert scores["miou"] == pytest.approx(sum(expected) / len(expected), abs=1e-3)


def test_model_of_other_classes_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main(_arguments(root, write_model(tmp_path / "fmb.safetensors", FMB))) == 1
    assert "give a model of this data set's classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--root": "/nowhere"}, "expected /nowhere/vi"),
        ({"--split": "holiday"}, "holiday"),
        ({"--model": "none.safetensors"}, "there is no model file none.safetensors"),
        ({"--thermal": "16bit"}, "MSRS has no thermal images of '16bit'"),
    ],
)
def test_wrong_argument_is_one_sentence(
    root: Path, model: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], sentence: str
) -> None:
    arguments = {"--model": str(model), "--data": "msrs", "--root": str(root), "--split": "val", **change}
    assert evaluate.main([text for pair in arguments.items() for text in pair]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("folder", FOLDERS)
def test_truncated_image_is_named_in_one_sentence(
    root: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    path = copy / folder / "00002N.png"
    path.write_bytes(path.read_bytes()[:200])
    assert evaluate.main(_arguments(copy, model)) == 1
    (error,) = re.findall("^error: .*$", capsys.readouterr().err, re.MULTILINE)
    assert str(path) in error


def test_false_colours_score_as_their_values(root: Path, tmp_path: Path, one_thread: None) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    for path in (copy / FOLDERS[1]).iterdir():
        cv2.imwrite(str(path), cv2.applyColorMap(cv2.imread(str(path), 0), cv2.COLORMAP_JET))
    expected = _scores(_arguments(root), tmp_path / "plain.json")
    found = _scores([*_arguments(copy), "--thermal-palette", "jet"], tmp_path / "painted.json")
    assert found["confusion"] == expected["confusion"]
    by_brightness = _scores([*_arguments(copy), "--thermal-palette", "none"], tmp_path / "grey.json")
    assert by_brightness["confusion"] != expected["confusion"]


def test_a_picture_that_could_not_be_written_is_refused_before_scoring(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        evaluate.main([*_arguments(root), "--sheet", "sheet.docx"])
    assert exit_.value.code == 2
    assert "'sheet.docx' does not end in .png" in capsys.readouterr().err
