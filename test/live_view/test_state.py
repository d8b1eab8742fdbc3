"""What the live view says of a node and of its pictures, from times and reports alone."""

import re
from pathlib import Path

import pytest
from diagnostics_table import documented_keys

from rgbt_seg_ros.base.diagnostics import ERROR, OK, STATUS_NAME, WARN, pair_of_status, status_name
from rgbt_seg_ros.live_view.state import NodeState, PictureState
from rgbt_seg_ros.masks.classes import MFNET

VALUES = {"pairs": "5", "model": "default"}
FINE = (OK, "4.1 masks/s", VALUES)


def said(state: NodeState, now_s: float) -> tuple[str, str, dict[str, str]]:
    told = state.describe(now_s)
    return told["level"], told["sentence"], told["values"]


@pytest.mark.parametrize(("level", "name"), [(OK, "ok"), (WARN, "warn"), (ERROR, "error")])
def test_a_report_is_told_as_it_is(level: int, name: str) -> None:
    state = NodeState("/rgbt_segmenter")
    state.report(10.0, {status_name("/rgbt_segmenter"): (level, "a sentence", VALUES)})
    assert said(state, 11.0) == (name, "a sentence", VALUES)


def test_statuses_are_known_by_their_names_those_of_former_versions_as_well() -> None:
    assert status_name("/robot/seg") == "/robot/seg: segmentation"
    assert status_name("/robot/seg", "front") == "/robot/seg: segmentation of front"
    names = (
        status_name("/robot/seg"),
        status_name("/robot/seg", "front"),
        STATUS_NAME,
        "/robot/seg: battery",
        "",
    )
    assert [pair_of_status(name) for name in names] == ["", "front", "", None, None]


def test_a_node_that_does_not_report_is_waited_for() -> None:
    state = NodeState("/rgbt_segmenter")
    assert said(state, 0.0) == (
        "waiting",
        "waiting for /rgbt_segmenter: no report of it on /diagnostics yet",
        {},
    )
    state.report(10.0, {STATUS_NAME: FINE})
    assert said(state, 13.0) == ("ok", "4.1 masks/s", VALUES)
    assert said(state, 17.0) == ("waiting", "waiting for /rgbt_segmenter: no report of it for 7 s", {})
    state.report(18.0, {STATUS_NAME: FINE})
    assert said(state, 18.0) == ("ok", "4.1 masks/s", VALUES)
    state.forget()
    assert said(state, 18.0)[0] == "waiting"


def test_of_several_camera_pairs_one_is_told() -> None:
    front, rear = (status_name("/rgbt_segmenter", pair) for pair in ("front", "rear"))
    reports = {front: FINE, rear: (2, "no images", {})}
    state = NodeState("/rgbt_segmenter", "rear")
    state.report(0.0, reports)
    assert said(state, 0.0) == ("error", "no images", {})
    # Not configured, it speaks for all.
    state.report(1.0, {STATUS_NAME: (0, "not active", {})})
    assert said(state, 1.0) == ("ok", "not active", {})


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        ("", "/rgbt_segmenter has the camera pairs front and rear: start watch with --pair for one of them"),
        ("left", "/rgbt_segmenter has no camera pair left: start watch with --pair for front and rear"),
    ],
)
def test_which_camera_pairs_there_are_is_said(pair: str, sentence: str) -> None:
    state = NodeState("/rgbt_segmenter", pair)
    state.report(0.0, {status_name("/rgbt_segmenter", name): FINE for name in ("front", "rear")})
    assert said(state, 0.0) == ("waiting", sentence, {})


def test_detections_are_those_of_now() -> None:
    state = NodeState("/rgbt_segmenter")
    assert state.describe(0.0)["detections"] is None
    state.detect(1.0, ["person"])
    assert state.describe(2.0)["detections"] == ["person"]
    assert state.describe(9.0)["detections"] is None


def test_classes_have_the_overlays_colours() -> None:
    state = NodeState("/rgbt_segmenter")
    assert state.describe(0.0)["classes"] == []
    state.classes = ("person", "car")
    person, car = (MFNET.palette[MFNET.names.index(name)] for name in state.classes)
    assert state.describe(0.0)["classes"] == [
        {"name": "person", "color": f"#{bytes(person).hex()}"},
        {"name": "car", "color": f"#{bytes(car).hex()}"},
    ]
    state.classes = tuple(f"class {i}" for i in range(300))
    classes = state.describe(0.0)["classes"]
    assert len(classes) == 300
    assert classes[299]["color"] == classes[43]["color"] != classes[44]["color"]


def test_why_there_is_no_picture() -> None:
    state = PictureState("/overlay")
    assert state.describe(0.0)["waiting"] == "waiting for /overlay: nobody publishes it"
    state.published = True
    assert state.describe(0.0)["waiting"] == "waiting for the first picture on /overlay"
    state.show(1.0, 48, 64)
    assert state.describe(1.5) == {"topic": "/overlay", "size": (64, 48), "hz": 0.0, "waiting": ""}
    assert state.describe(6.0)["waiting"] == "no picture on /overlay for 5 s"
    state.published = False
    assert state.describe(6.0)["waiting"] == "waiting for /overlay: nobody publishes it"
    state.published, state.problem = True, "the mask has no colours"
    assert state.describe(6.0)["waiting"] == "the mask has no colours"
    state.show(7.0, 48, 64)
    assert state.describe(7.0)["waiting"] == ""
    state.forget()
    assert state.describe(7.0)["size"] is None


def test_the_rate_of_pictures_is_that_of_the_last_five_seconds() -> None:
    state = PictureState("/overlay")
    for i in range(100):
        state.show(0.1 * i, 48, 64)
    assert state.describe(9.9)["hz"] == pytest.approx(10.0)
    for i in range(10):
        state.show(20.0 + 0.5 * i, 48, 64)
    assert state.describe(24.6)["hz"] == pytest.approx(2.0)
    assert state.describe(40.0)["hz"] == 0.0


def test_the_page_explains_every_cause_that_is_documented(repository: Path) -> None:
    script = (repository / "resource" / "watch.js").read_text()
    explained = re.search(r"const CAUSES = \{(.*?)\};", script, re.DOTALL)
    assert explained is not None
    causes = set(re.findall(r'^  "(\w+)":', explained[1], re.MULTILINE))
    documented = {key.removeprefix("dropped.") for key in documented_keys(repository) if "dropped." in key}
    assert causes == documented


def test_the_page_shows_values_that_are_documented(repository: Path) -> None:
    script = (repository / "resource" / "watch.js").read_text()
    shown = set(re.findall(r'values\["([a-z_.0-9]+)"\]', script))
    assert {"mask_hz", "latency_ms.p50", "latency_ms.p95", "pairs"} <= shown
    assert shown <= documented_keys(repository)
