"""summary.json stays as other programs read it, and is read back as what was written."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from places import GOLDEN
from recorded_runs import write_labels, write_run

from rgbt_seg_ros.base.diagnostics import Drop, Stage, own_cost
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.runs.evaluation import Evaluation, ImageScore, SplitScores, SubsetScores
from rgbt_seg_ros.runs.folder import read_run
from rgbt_seg_ros.runs.summarize import summarize
from rgbt_seg_ros.runs.summary import ClassCounts, LabelledMasks, Percentiles, Summary

ONLY_WITH_LABELS = {"miou", "iou", "acc", "labelled_masks", "frame_miou"}


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    """Of a run with labels, with everything that a command may note of it."""
    return replace(
        summarize(read_run(write_run(tmp_path / "run")), write_labels(tmp_path / "labels")),
        recording="a street",
        playback_rate=0.5,
        note="All of it.",
        model="mine.safetensors",
        settings={"mode": "lossless"},
        host={"processor": "one of ours", "cores": "2"},
        mask_hash="ab12",
        bag_hash="cd34",
        missing={"rgb": 3},
    )


def evaluation() -> Evaluation:
    """Of two images by night."""
    iou = {"road": 0.5, "guardrail": 0.25, "car": None}
    acc = {"road": 0.75, "guardrail": 0.5, "car": None}
    night = SubsetScores(iou, acc, 2)
    scores = SplitScores(iou, acc, 2, {"day": None, "night": night})
    per_image = (ImageScore(0, "1N", 0.5), ImageScore(1, "2N", None))
    return Evaluation(scores, "msrs", "val", model_hash="ab", confusion=[[1, 2, 0]], per_image=per_image)


def test_the_file_is_the_same_byte_for_byte(summary: Summary, tmp_path: Path) -> None:
    summary.write(tmp_path / "summary.json")
    assert (tmp_path / "summary.json").read_text() == (GOLDEN / "summary.json").read_text()


def test_what_is_not_known_is_left_out(summary: Summary, tmp_path: Path) -> None:
    noted = {"recording", "playback_rate", "note", "settings", "host", "mask_hash", "bag_hash", "missing"}
    plain = summarize(read_run(tmp_path / "run")).to_json()
    assert list(plain) == [name for name in summary.to_json() if name not in noted | ONLY_WITH_LABELS]
    # Nothing missing is a result.
    assert replace(summary, missing={}).to_json()["missing"] == {}


def test_the_file_is_read_back(summary: Summary) -> None:
    assert Summary.from_json(json.loads(json.dumps(summary.to_json()))) == summary
    assert Summary.from_json(Summary().to_json()) == Summary()


def test_an_evaluation_is_a_part_of_the_file_and_read_back() -> None:
    scored = evaluation()
    whole = Summary(
        model=scored.model,
        model_hash=scored.model_hash,
        labelled=LabelledMasks(2, scored.scores, {0: 0.5, 1: None}),
        evaluation=scored,
        recording="msrs val",
    )
    values = json.loads(json.dumps(whole.to_json()))
    assert values.items() >= scored.to_json().items()
    counted = list(Summary().to_json())
    own = [name for name in scored.to_json() if name not in ("model", "model_hash")]
    assert list(values) == [*counted, *own, "frame_miou", "labelled_masks", "recording"]
    assert Summary.from_json(values) == whole


def test_means_are_of_the_classes_that_have_a_score() -> None:
    values = evaluation().to_json()
    assert (values["miou"], values["macc"], values["miou_without_guardrail"]) == (0.375, 0.625, 0.5)
    assert list(values["subsets"]["night"]) == [
        *("miou", "macc", "mf1", "iou", "acc", "f1", "miou_without_guardrail", "images")
    ]
    assert "miou_without_guardrail" not in SplitScores({"road": 0.5}, {"road": 0.5}, 2, {}).to_json()


def test_an_evaluation_by_modality_is_read_back() -> None:
    both = evaluation().scores
    modal = replace(evaluation(), modality="all", modalities={"both": both, "rgb": both})
    assert list(modal.to_json())[-1] == "modalities"
    assert Evaluation.from_json(json.loads(json.dumps(modal.to_json()))) == modal


def test_causes_and_stages_that_are_not_known_are_left_out(summary: Summary) -> None:
    values = summary.to_json()
    values["dropped"] = {"surplus": 3, "bad_luck": 2, "not_received": 1}
    values["stages_ms"] = {"lunch": {"p50": 1.0}, "inference": {"p50": 2.0}}
    read = Summary.from_json(values)
    assert (read.dropped.by_cause, read.dropped.not_received) == ({Drop.SURPLUS: 3}, 1)
    assert read.stages_ms == {Stage.INFERENCE: Percentiles(p50=2.0)}


def test_stages_of_the_node_are_in_their_order_whatever_its_report_s(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    lines = [json.loads(line) for line in (folder / "diagnostics.jsonl").read_text().splitlines()]
    lines[-1]["values"] = {"stage_ms.publish.p50": "1.5", "stage_ms.decode.p50": "0.5", **lines[-1]["values"]}
    (folder / "diagnostics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    stages = summarize(read_run(folder)).stages_ms
    assert list(stages) == [Stage.DECODE, Stage.INFERENCE, Stage.PUBLISH]
    assert stages[Stage.DECODE] == Percentiles(p50=0.5)


def test_a_run_of_an_older_version_has_our_names(summary: Summary) -> None:
    """It called the first class unlabeled, and 255 no class."""
    classes = {**summary.classes, "unlabeled": ClassCounts(0.1, 0)}
    text = json.dumps(replace(summary, classes=classes).to_json())
    read = Summary.from_json(json.loads(text))
    assert [*read.classes] == [*MFNET.names, "unlabeled"]
    former = text.replace("unlabeled", "no class")
    for name, published in zip(MFNET.names, MFNET.published, strict=True):
        former = former.replace(f'"{name}"', f'"{published}"')
    assert former.count('"car_stop"') == 3
    assert Summary.from_json(json.loads(former)) == read


def test_a_run_with_one_class_keeps_its_unlabeled_pixels(summary: Summary) -> None:
    counts = {"person": ClassCounts(0.2, 3), "unlabeled": ClassCounts(0.8, 0)}
    assert Summary.from_json(replace(summary, classes=counts).to_json()).classes == counts


def test_the_cost_outside_the_model_is_told_of_what_was_sent() -> None:
    assert own_cost({Stage.DECODE: 1.0, Stage.INFERENCE: 40.0}) is None
    medians = {Stage.TRANSPORT: 2.0, Stage.PAIRING: 0.5, Stage.DECODE: 1.0, Stage.INFERENCE: 40.0}
    assert own_cost({**medians, Stage.PUBLISH: 0.25}) == (3.75, 40.0)
