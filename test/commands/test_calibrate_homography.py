"""From point pairs to a parameter file of the node."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pages import blocks
from places import REPOSITORY

from rgbt_seg_ros import calibrate_homography
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.registration.point_pairs import (
    COLUMNS,
    PointPairs,
    fit_homography,
    read_point_pairs,
    write_point_pairs,
)
from rgbt_seg_ros.registration.point_picker import PointPicker
from rgbt_seg_ros.registration.rules import Homography
from rgbt_seg_ros.ros.parameters import RosParameters
from rgbt_seg_ros.scenes.still import render_still

RGB_SIZE, THERMAL_SIZE = (240, 320), (256, 336)
TRUE = np.array([[0.97, 0.04, -8.0], [-0.02, 0.95, 6.0], [6e-5, -1.2e-4, 1]])
"""From thermal to RGB positions."""

OUTLIERS = (3, 8, 13, 19)


def to_rgb(thermal: np.ndarray, matrix: np.ndarray = TRUE) -> np.ndarray:
    laid: np.ndarray = cv2.perspectiveTransform(thermal[None].astype(float), matrix)[0]
    return laid


def known_pairs() -> PointPairs:
    """Twenty points measured to about half a pixel, four of them wrongly."""
    rng = np.random.default_rng(1)
    thermal = rng.uniform((25, 15), (310, 235), (20, 2))
    rgb = to_rgb(thermal) + rng.normal(0, 0.4, thermal.shape)
    rgb[list(OUTLIERS)] += [[25, -9], [-14, 30], [9, 9], [-40, 3]]
    return PointPairs(rgb=np.clip(rgb, 0, (319, 239)), thermal=thermal)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered scene, its thermal image as another camera sees it, and the point pairs."""
    folder = tmp_path_factory.mktemp("calibration")
    scene = render_still(12, RGB_SIZE)
    rows, columns = np.mgrid[: THERMAL_SIZE[0], : THERMAL_SIZE[1]]
    seen = to_rgb(np.column_stack([columns.ravel(), rows.ravel()])).reshape(*THERMAL_SIZE, 2)
    thermal = cv2.remap(scene.thermal, *cv2.split(seen.astype(np.float32)), cv2.INTER_LINEAR)
    cv2.imwrite(str(folder / "rgb.png"), scene.rgb[..., ::-1])
    cv2.imwrite(str(folder / "thermal.png"), thermal)
    cv2.imwrite(str(folder / "ideal.png"), scene.thermal)
    write_point_pairs(folder / "points.csv", known_pairs())
    return folder


def calibrate(folder: Path, *arguments: str) -> int:
    images = [str(folder / "rgb.png"), str(folder / "thermal.png")]
    return calibrate_homography.main([*images, *arguments])


def matrix_in(file: Path) -> list[float]:
    numbers: list[float] = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]["registration"][
        "homography"
    ]
    return numbers


def test_a_known_homography_is_recovered_in_spite_of_outliers(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, overlay = tmp_path / "new/homography.yaml", tmp_path / "pictures/overlay.png"
    assert (
        calibrate(
            folder, "--points", str(folder / "points.csv"), "-o", str(output), "--overlay", str(overlay)
        )
        == 0
    )
    matrix = np.reshape(matrix_in(output), (3, 3))
    rows, columns = np.mgrid[: THERMAL_SIZE[0] : 5, : THERMAL_SIZE[1] : 5]
    everywhere = np.column_stack([columns.ravel(), rows.ravel()])
    assert np.linalg.norm(to_rgb(everywhere, matrix) - to_rgb(everywhere), axis=1).max() < 1
    said = capsys.readouterr().out
    assert "16 of 20 pairs agree within 3 pixels; reprojection error 0." in said
    assert [f"pair {number + 1} is left out" in said for number in range(20)] == [
        number in OUTLIERS for number in range(20)
    ]
    picture = cv2.imread(str(overlay))
    assert picture.shape[1] == 1600
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000


def test_the_page_lays_thermal_files_on_their_rgb_images(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert calibrate(folder, "--points", str(folder / "points.csv"), "-o", "homography.yaml") == 0
    for place in ("raw_thermal", "mydata/rgb"):
        Path(place).mkdir(parents=True)
    counts = 256 * cv2.imread(str(folder / "thermal.png"), cv2.IMREAD_UNCHANGED).astype(np.uint16)
    cv2.imwrite("raw_thermal/a.png", counts)
    shutil.copy(folder / "rgb.png", "mydata/rgb/a.png")
    (snippet,) = blocks(REPOSITORY / "docs" / "registration.md", "python")
    exec(snippet, {})
    laid = cv2.imread("mydata/thermal/a.png", cv2.IMREAD_UNCHANGED)
    ideal = cv2.imread(str(folder / "ideal.png"), cv2.IMREAD_UNCHANGED).astype(float)
    assert (laid.shape, laid.dtype) == (RGB_SIZE, np.uint16)
    assert 0.5 < (laid > 0).mean() < 1.0
    seen = laid > 0
    as_it_was = cv2.imread(str(folder / "thermal.png"), cv2.IMREAD_UNCHANGED)[: RGB_SIZE[0], : RGB_SIZE[1]]
    assert np.abs(laid / 256 - ideal)[seen].mean() < 0.5 * np.abs(as_it_was - ideal)[seen].mean()


def test_the_thermal_image_falls_into_place(folder: Path, tmp_path: Path) -> None:
    assert calibrate(folder, "--points", str(folder / "points.csv"), "-o", str(tmp_path / "h.yaml")) == 0
    thermal, ideal = (
        cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) for name in ("thermal.png", "ideal.png")
    )
    laid, valid = Homography(matrix_in(tmp_path / "h.yaml"))(thermal, RGB_SIZE)
    assert valid.mean() > 0.8
    difference = np.abs(laid.astype(float) - ideal)[valid]
    not_laid = np.abs(cv2.resize(thermal, RGB_SIZE[::-1]).astype(float) - ideal)[valid]
    assert difference.mean() < 0.35 * not_laid.mean()


def test_the_node_reads_the_parameter_file(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "h.yaml"
    assert calibrate(folder, "--points", str(folder / "points.csv"), "-o", str(file)) == 0
    context = rclpy.Context()
    rclpy.init(args=["--ros-args", "--params-file", str(file)], context=context)
    node = rclpy.create_node("rgbt_segmenter", context=context)
    try:
        read = RosParameters(node, lambda settings: None, lambda: None).read()
    finally:
        node.destroy_node()
        context.try_shutdown()
    assert read.registration.mode == "homography"
    assert list(read.registration.homography) == matrix_in(file)


def test_points_may_come_as_yaml(folder: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader((folder / "points.csv").read_text().splitlines()))
    points = [{name: float(value) for name, value in row.items()} for row in rows]
    (tmp_path / "points.yaml").write_text(yaml.safe_dump(points))
    from_yaml, from_csv = read_point_pairs(tmp_path / "points.yaml"), read_point_pairs(folder / "points.csv")
    np.testing.assert_array_equal(from_yaml.rgb, from_csv.rgb)
    np.testing.assert_array_equal(from_yaml.thermal, from_csv.thermal)
    np.testing.assert_allclose(from_csv.thermal, known_pairs().thermal, atol=0.006)


def rows(*points: Sequence[float]) -> str:
    return "\n".join([",".join(COLUMNS), *(",".join(map(str, point)) for point in points)])


SQUARE = [(10, 10, 10, 10), (300, 10, 300, 12), (300, 230, 298, 230), (10, 230, 8, 230)]
LINE = [(x, 2 * x / 3, x, 2 * x / 3) for x in (10, 60, 150, 240, 300)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (rows(), "needs at least 4 pairs of points, there are 0"),
        (rows(*SQUARE[:3]), "needs at least 4 pairs of points, there are 3"),
        (rows(*LINE), "lie on one line, or all but one do"),
        (rows(*LINE, (20, 230, 25, 233)), "lie on one line, or all but one do"),
        (rows(*SQUARE[:2], *[SQUARE[2]] * 5), "lie on one line, or all but one do"),
        (rows(*SQUARE, (160, 120, 90, 200)), "only 4 of 5 pairs agree within 3 pixels, 5 are needed"),
        (
            rows(*SQUARE, (330, 5, 5, 5)),
            r"pair 5: the RGB point \(330, 5\) lies outside its image of 320x240",
        ),
        (
            rows(*SQUARE, (5, 5, 5, -9)),
            r"pair 5: the thermal point \(5, -9\) lies outside its image of 336x256",
        ),
        (
            rows(*SQUARE, (5, 5, 5)),
            "pair 5: it needs a number for each of rgb_x, rgb_y, thermal_x, thermal_y",
        ),
        (rows(*SQUARE).replace("230", "nan"), "pair 3: its numbers must be finite"),
        ("x,y\n1,2", "pair 1: it needs a number for each of rgb_x"),
    ],
)
def test_points_that_do_not_do_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    (tmp_path / "points.csv").write_text(text)
    output = tmp_path / "h.yaml"
    assert calibrate(folder, "--points", str(tmp_path / "points.csv"), "-o", str(output)) == 1
    assert not output.exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(sentence, error), error


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("none.csv", None, "the point file .*none.csv cannot be read"),
        ("points.csv", "rgb_x,rgb_y,thermal_x,thermal_y\n1,2,3,1e300", "pair 1: its numbers must be finite"),
        ("points.csv", "rgb_x,rgb_y,thermal_x,thermal_y\n1,2,nan,3", "pair 1: its numbers must be finite"),
        ("points.csv", '"' + "x" * 200_000, "points.csv is no text with commas"),
        ("points.yaml", "[" * 100_000, "points.yaml is not YAML .*nested deeper"),
        (
            "points.yaml",
            f"- {{rgb_x: {'9' * 400}, rgb_y: 1, thermal_x: 1, thermal_y: 1}}",
            "pair 1: it needs a num",
        ),
        ("points.yaml", "- rgb_x: 2001-99-99", "points.yaml is not YAML"),
        ("points.yaml", "a: [", "points.yaml is not YAML"),
        ("points.yaml", "a: 1", "must hold a list of points"),
        ("points.yaml", "- 1", "pair 1: it needs a number"),
    ],
)
def test_files_that_hold_no_points_are_refused(
    tmp_path: Path, name: str, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_point_pairs(tmp_path / name)


def test_false_colours_of_the_thermal_image_are_undone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    painted = cv2.applyColorMap(
        cv2.imread(str(folder / "thermal.png"), cv2.IMREAD_GRAYSCALE), cv2.COLORMAP_JET
    )
    cv2.imwrite(str(tmp_path / "jet.png"), painted)
    overlays = []
    for thermal in (folder / "thermal.png", tmp_path / "jet.png"):
        images = [str(folder / "rgb.png"), str(thermal), "--points", str(folder / "points.csv")]
        outputs = ["-o", str(tmp_path / "h.yaml"), "--overlay", str(tmp_path / "overlay.png")]
        assert calibrate_homography.main([*images, *outputs, "--thermal-palette", "jet"]) == 0
        overlays.append((tmp_path / "overlay.png").read_bytes())
    assert overlays[0] == overlays[1]
    images = [str(folder / "rgb.png"), str(tmp_path / "jet.png"), "--points", str(folder / "points.csv")]
    capsys.readouterr()
    assert (
        calibrate_homography.main([*images, "-o", str(tmp_path / "h.yaml"), "--thermal-palette", "hot"]) == 1
    )
    assert "jet.png is not in the colours of hot: set thermal.palette" in capsys.readouterr().err


def test_four_pairs_fit_and_say_nothing_of_how_well(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "points.csv").write_text(rows(*SQUARE))
    assert calibrate(folder, "--points", str(tmp_path / "points.csv"), "-o", str(tmp_path / "h.yaml")) == 0
    assert "four pairs always fit" in capsys.readouterr().out


@settings(max_examples=50, derandomize=True, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8), st.integers(0, 10_000), st.integers(0, 5))
def test_exact_points_give_the_exact_homography(changes: list[float], seed: int, wrong: int) -> None:
    """Twelve spread points, up to five more that are wrong."""
    scales = np.array([0.3, 0.2, 40, 0.2, 0.3, 40, 3e-4, 3e-4])
    matrix = (np.eye(3).ravel() + np.append(scales * changes, 0)).reshape(3, 3)
    rng = np.random.default_rng(seed)
    grid = np.dstack(np.meshgrid([40, 120, 200, 280], [40, 120, 200])).reshape(-1, 2)
    thermal = np.vstack([grid + rng.uniform(-30, 30, grid.shape), rng.uniform(0, 240, (wrong, 2))])
    rgb = to_rgb(thermal, matrix)
    rgb[12:] += rng.choice([-1, 1], (wrong, 2)) * rng.uniform(30, 90, (wrong, 2))
    fit = fit_homography(PointPairs(rgb, thermal))
    np.testing.assert_allclose(to_rgb(grid, fit.matrix), to_rgb(grid, matrix), atol=0.01)
    np.testing.assert_array_equal(fit.inliers, np.arange(12 + wrong) < 12)
    assert fit.errors[:12].max() < 0.01


class Window:
    """A picker on a figure without a window, and a mouse and keyboard for it."""

    def __init__(self) -> None:
        self.figure = Figure((8, 4))
        self.canvas = FigureCanvasAgg(self.figure)
        pictures = np.zeros((60, 80, 3), np.uint8), np.zeros((40, 50, 3), np.uint8)
        self.picker = PointPicker(self.figure, *pictures)
        self.canvas.draw()

    def click(self, side: int, x: float, y: float, button: int = 1) -> None:
        at = self.figure.axes[side].transData.transform((x, y))
        event = MouseEvent("button_press_event", self.canvas, *at, button)
        self.canvas.callbacks.process("button_press_event", event)

    def press(self, key: str) -> None:
        self.canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", self.canvas, key))


def test_points_are_clicked_by_turns_and_can_be_taken_back() -> None:
    window = Window()
    window.click(1, 5, 5)  # not its turn
    window.click(0, 10.25, 20.5)
    window.click(0, 70, 50)
    window.click(1, 12.5, 22.75)
    window.click(0, 30, 40, button=3)
    window.click(0, 33, 44)
    window.press("backspace")
    window.click(0, 31, 41)
    window.click(1, 32, 39)
    window.click(0, 1, 1)  # without a partner
    pairs = window.picker.pairs
    np.testing.assert_allclose(pairs.rgb, [[10.25, 20.5], [31, 41]], atol=0.01)
    np.testing.assert_allclose(pairs.thermal, [[12.5, 22.75], [32, 39]], atol=0.01)
    assert [len(axes.lines) for axes in window.figure.axes] == [3, 2]
    for _ in range(9):
        window.press("backspace")
    assert len(window.picker.pairs.rgb) == 0
    assert [len(axes.lines) for axes in window.figure.axes] == [0, 0]


def test_without_a_window_system_points_must_be_listed(
    folder: Path, tmp_path: Path, repository: Path
) -> None:
    environment: dict[str, Any] = {**os.environ, "MPLBACKEND": "agg"}
    command = [sys.executable, "-m", "rgbt_seg_ros.calibrate_homography", "rgb.png", "thermal.png"]
    environment["PYTHONPATH"] = str(repository)
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "h.yaml")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "matplotlib finds no window system: list them in a CSV file with the columns rgb_x" in done.stderr
    assert done.stderr.count("\n") == 1
