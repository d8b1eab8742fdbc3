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
    tmp_path: Path,
    model: Path,
    pair: tuple[Path, Path],
    missing: str | None,
    capsys: pytest.CaptureFixture[str],
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
        (d.class_name, pytest.approx(d.score, rel=1e-6), d.area) for d in detections
    ]
    assert detections
    (first, *_) = capsys.readouterr().out.splitlines()
    of_first = sum(d.class_name == detections[0].class_name for d in detections)
    assert first.startswith(f"{len(detections)} detection")
    assert f": {of_first} {detections[0].class_name}" in first


def test_bad_input_is_one_sentence(
    tmp_path: Path, model: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rgb, thermal = str(pair[0]), str(pair[1])
    text = tmp_path / "text.png"
    text.write_text("no image")
    tiny = tmp_path / "tiny.png"
    cv2.imwrite(str(tiny), np.zeros((2, 2), np.uint8))
    out = str(tmp_path / "out.png")
    half = tmp_path / "half.jpg"
    half.write_bytes(cv2.imencode(".jpg", smooth())[1].tobytes()[:400])
    cases = [
        ([str(half), thermal, "-o", out], "half.jpg cannot be read, it is cut short"),
        ([rgb, thermal, "-o", out, "--max-pixels", "3071"], "is 64 x 48 pixels, more than max_pixels (3071)"),
        (["absent.png", thermal, "-o", out], "there is no image absent.png"),
        ([rgb, str(text), "-o", out], "text.png cannot be read as an 8 or 16 bit image"),
        (["none", "none", "-o", out], "neither an RGB nor a thermal image"),
        ([rgb, thermal, "-o", "out.jpg"], "class ids need a name ending in .png"),
        ([rgb, str(tiny), "-o", out], "cannot be segmented: the thermal image is 2x2"),
        (
            [rgb, thermal, "-o", out, "--model", "absent.safetensors"],
            "there is no model file absent.safetensors",
        ),
        ([rgb, thermal, "-o", str(text / "out.png")], "cannot write"),
    ]
    for arguments, sentence in cases:
        assert main(["--model", str(model), *arguments]) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out.png").exists()


def write(path: Path, image: np.ndarray) -> str:
    assert cv2.imwrite(str(path), image)
    return str(path)


def smooth(size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.tile(np.linspace(10, 240, size[1]).astype(np.uint8), (size[0], 1))


def answer_of(model: Path, folder: Path, *arguments: str) -> list[dict]:
    """The detections that the command writes: their scores tell any difference of the images."""
    options = ["--model", str(model), "--device", "cpu", "--score-threshold", "0.0", "--min-area", "1"]
    assert main([*arguments, *options, "-o", str(folder / "mask.png")]) == 0
    detections = json.loads((folder / "mask.json").read_text())["detections"]
    assert detections
    return detections


def test_a_file_of_four_channels_is_the_pair_of_its_parts(tmp_path: Path, model: Path) -> None:
    bgr = cv2.cvtColor(rgb_frame(0), cv2.COLOR_RGB2BGR)
    rgb, thermal = write(tmp_path / "rgb.png", bgr), write(tmp_path / "t.png", smooth())
    both = write(tmp_path / "00001N.png", np.dstack([bgr, smooth()]))
    expected = answer_of(model, tmp_path, rgb, thermal)
    np.testing.assert_array_equal(answer_of(model, tmp_path, both, both), expected)
    np.testing.assert_array_equal(answer_of(model, tmp_path, rgb, both), expected)
    assert not np.array_equal(
        expected, answer_of(model, tmp_path, rgb, write(tmp_path / "g.png", bgr[..., 0]))
    )


@pytest.mark.parametrize(
    ("colormap", "palette"),
    [(cv2.COLORMAP_JET, "jet"), (cv2.COLORMAP_INFERNO, "inferno"), (None, "black-hot")],
)
def test_false_colours_give_the_mask_of_their_values(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], colormap: int | None, palette: str
) -> None:
    rgb = write(tmp_path / "rgb.png", rgb_frame(0))
    expected = answer_of(model, tmp_path, rgb, write(tmp_path / "t.png", smooth()))
    painted = cv2.merge([255 - smooth()] * 3) if colormap is None else cv2.applyColorMap(smooth(), colormap)
    file = write(tmp_path / "painted.png", painted)
    np.testing.assert_array_equal(
        answer_of(model, tmp_path, rgb, file, "--thermal-palette", palette), expected
    )
    capsys.readouterr()
    if colormap is not None:
        assert answer_of(model, tmp_path, rgb, file) == expected
        assert f"{file}: thermal is in the false colours of {palette}" in capsys.readouterr().out
    assert answer_of(model, tmp_path, rgb, file, "--thermal-palette", "none") != expected


def test_temperatures_of_a_tiff_are_segmented(tmp_path: Path, model: Path) -> None:
    counts = 29_000 + 4 * smooth().astype(np.uint16)
    rgb = write(tmp_path / "rgb.png", rgb_frame(0))
    expected = answer_of(model, tmp_path, rgb, write(tmp_path / "t.png", counts))
    celsius = write(tmp_path / "c.tiff", (counts / 100 - 273.15).astype(np.float32))
    assert answer_of(model, tmp_path, rgb, celsius, "--thermal-float-unit", "celsius") == expected


def test_what_is_not_thermal_or_swapped_is_one_sentence(
    tmp_path: Path, model: Path, pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rgb, thermal = str(pair[0]), str(pair[1])
    rows, columns = np.mgrid[:48, :64]
    photograph = write(
        tmp_path / "photo.png", np.dstack([120 + rows, 60 + columns // 2, 200 - rows]).astype(np.uint8)
    )
    warm = write(tmp_path / "jet.png", cv2.applyColorMap(smooth(), cv2.COLORMAP_JET))
    both = write(tmp_path / "both.png", np.dstack([rgb_frame(0), smooth()]))
    celsius = write(tmp_path / "c.tiff", np.full((48, 64), 21.5, np.float32))
    for arguments, sentence in [
        ((rgb, photograph), f"{photograph} is in colours that are those of no palette known here"),
        ((rgb, photograph), "set thermal.palette to the right palette"),
        (
            (rgb, warm, "--thermal-palette", "hot"),
            f"{warm} is not in the colours of hot: set thermal.palette",
        ),
        ((rgb, warm, "--thermal-palette", "blue"), "thermal.palette must be one of auto, none"),
        ((thermal, rgb), f"{thermal} is one channel of uint16, as thermal images are: give it as thermal"),
        ((warm, photograph), f"and {warm} looks like a thermal image: swap RGB and thermal"),
        ((both, "none"), f"{both} has a fourth channel that is no opaque alpha channel"),
        ((both, thermal), f"{both} has a fourth channel that is no opaque alpha channel"),
        ((rgb, celsius), "not in kelvin: set thermal.float_unit to celsius"),
    ]:
        assert main([*arguments, "--model", str(model), "-o", str(tmp_path / "out.png")]) == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out.png").exists()
