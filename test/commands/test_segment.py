"""The command for one pair of image files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from bags import rgb_frame, thermal_frame
from random_model import write_model

from rgbt_seg_ros.masks.classes import MFNET, palette_for
from rgbt_seg_ros.masks.detections import find_detections
from rgbt_seg_ros.masks.overlay import draw_overlay, thermal_picture
from rgbt_seg_ros.segment import main
from rgbt_seg_ros.segmenter import Segmenter


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "nano.safetensors")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Files of an RGB and a 16-bit thermal image."""
    rgb, thermal = tmp_path / "rgb.png", tmp_path / "thermal.png"
    cv2.imwrite(str(rgb), cv2.cvtColor(rgb_frame(0), cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(thermal), thermal_frame(0))
    return rgb, thermal


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("missing", [None, "rgb", "thermal"])
def test_outputs_are_the_segmenters(
    tmp_path: Path, model: Path, pair: tuple[Path, Path], missing: str | None
) -> None:
    names = ["none" if missing == "rgb" else str(pair[0]), "none" if missing == "thermal" else str(pair[1])]
    options = ["--model", str(model), "--device", "cpu", "--score-threshold", "0.0", "--min-area", "1"]
    assert main([*names, *options, "-o", str(tmp_path / "new" / "out.png")]) == 0

    rgb = None if missing == "rgb" else rgb_frame(0)
    thermal = None if missing == "thermal" else thermal_frame(0)
    expected = Segmenter.load(model, device="cpu")(rgb, thermal)
    detections = find_detections(expected.mask, expected.confidence, MFNET.names, MFNET.things, 1, 0.0)
    background = thermal_picture(thermal_frame(0)) if rgb is None else rgb
    overlay = draw_overlay(background, expected.mask, palette_for(MFNET.names), detections)

    np.testing.assert_array_equal(read(tmp_path / "new" / "out.png"), expected.mask)
    written = cv2.cvtColor(read(tmp_path / "new" / "out_overlay.png"), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(written, overlay)
    result = json.loads((tmp_path / "new" / "out.json").read_text())
    assert result["class_names"] == list(MFNET.names)
    assert [(d["class_name"], d["score"], d["area"]) for d in result["detections"]] == [
        (d.class_name, d.score, d.area) for d in detections
    ]
    assert detections


def test_bad_input_is_one_sentence(
    tmp_path: Path, model: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rgb, thermal = str(pair[0]), str(pair[1])
    text = tmp_path / "text.png"
    text.write_text("no image")
    tiny = tmp_path / "tiny.png"
    cv2.imwrite(str(tiny), np.zeros((2, 2), np.uint8))
    out = str(tmp_path / "out.png")
    cases = [
        (["absent.png", thermal, "-o", out], "there is no image absent.png"),
        ([rgb, str(text), "-o", out], "text.png cannot be read as an 8 or 16 bit image"),
        (["none", "none", "-o", out], "neither an RGB nor a thermal image"),
        ([rgb, thermal, "-o", "out.jpg"], "class ids need a name ending in .png"),
        ([rgb, str(tiny), "-o", out], "cannot be segmented: the thermal image is 2x2"),
        (
            [rgb, thermal, "-o", out, "--model", "absent.safetensors"],
            "there is no model file absent.safetensors",
        ),
        ([rgb, thermal, "-o", str(text / "out.png")], "cannot be written"),
    ]
    for arguments, sentence in cases:
        assert main(["--model", str(model), *arguments]) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out.png").exists()
