"""False colours are undone to the value, whatever JPEG and overlays have done to them, and photographs are refused."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from rgbt_seg_ros.images.choices import COLOURED, PALETTES
from rgbt_seg_ros.images.palette import UnknownPalette, undo_palette
from rgbt_seg_ros.images.palette_tables import tables
from rgbt_seg_ros.scenes.still import render_still

OPENCV = {
    "inferno": cv2.COLORMAP_INFERNO,
    "jet": cv2.COLORMAP_JET,
    "hot": cv2.COLORMAP_HOT,
    "rainbow": cv2.COLORMAP_RAINBOW,
}
TABLES = [table for table in tables() if table.palette]
IDS = [table.name for table in TABLES]
SIZE = (96, 128)


def gradient(*stops: tuple[float, tuple[int, int, int]]) -> np.ndarray:
    """uint8 [256, 3], RGB, between colours at places from 0 to 1."""
    places, colours = zip(*stops, strict=True)
    return np.stack(
        [np.interp(np.linspace(0, 1, 256), places, channel) for channel in np.array(colours).T], axis=1
    ).astype(np.uint8)


IRONS = {
    # Drawn by others than us, of a few colours each.
    "blue first": gradient(
        (0, (0, 0, 0)), (0.14, (20, 0, 90)), (0.4, (150, 0, 150)), (0.7, (240, 100, 20)), (1, (255, 255, 235))
    ),
    "purple": gradient(
        (0, (0, 0, 10)),
        (0.25, (90, 0, 140)),
        (0.5, (215, 40, 85)),
        (0.8, (255, 175, 5)),
        (1, (255, 255, 255)),
    ),
    "long orange": gradient(
        (0, (0, 0, 0)),
        (0.2, (60, 0, 130)),
        (0.45, (200, 20, 110)),
        (0.6, (235, 80, 30)),
        (1, (255, 250, 200)),
    ),
}


def ramp(size: tuple[int, int] = SIZE, low: int = 0, high: int = 255) -> np.ndarray:
    """Cold at the left, hot at the right."""
    return np.tile(np.linspace(low, high, size[1]).round().astype(np.uint8), (size[0], 1))


def scene(size: tuple[int, int] = SIZE, low: int = 0, high: int = 255) -> np.ndarray:
    """A wavy background in the colder half, and somebody warm in front of it."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    unit = 0.25 + 0.2 * np.sin(columns / 11) * np.cos(rows / 17)
    unit[height // 3 :, width // 2 : width // 2 + width // 8] = 0.95
    unit = (unit - unit.min()) / (unit.max() - unit.min())
    return np.rint(low + unit * (high - low)).astype(np.uint8)


def painted(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """BGR image of values in a table of RGB colours."""
    return np.ascontiguousarray(colours[values][..., ::-1])


def squeezed(image: np.ndarray, quality: int) -> np.ndarray:
    """After a JPEG, whose colours have half the resolution."""
    return cv2.imdecode(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1], cv2.IMREAD_COLOR)


def errors(found: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.abs(found.astype(int) - values)


@pytest.mark.parametrize("make", [ramp, scene])
@pytest.mark.parametrize("name", OPENCV)
def test_opencvs_colour_maps_are_undone_exactly(name: str, make: object) -> None:
    values = make()  # type: ignore[operator]
    found = undo_palette(cv2.applyColorMap(values, OPENCV[name]))
    assert found.palette == name
    assert found.valid is None
    np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize("size", [(480, 640), (61, 83), (24, 32), (8, 8), (9, 11)])
@pytest.mark.parametrize("table", TABLES, ids=IDS)
def test_every_palette_is_found_at_any_size(table: object, size: tuple[int, int]) -> None:
    values = ramp(size)
    found = undo_palette(painted(values, table.colours))  # type: ignore[attr-defined]
    assert found.palette == table.palette  # type: ignore[attr-defined]
    # Where two places have one colour, the colder one is taken.
    assert errors(found.values, values).max() <= 2


@pytest.mark.parametrize("quality", [95, 75, 50, 25])
@pytest.mark.parametrize("make", [ramp, scene])
@pytest.mark.parametrize("table", TABLES, ids=IDS)
def test_jpeg_costs_a_few_counts(table: object, make: object, quality: int) -> None:
    values = make((240, 320))  # type: ignore[operator]
    image = squeezed(painted(values, table.colours), quality)  # type: ignore[attr-defined]
    found = undo_palette(image)
    assert found.palette == table.palette  # type: ignore[attr-defined]
    assert np.median(errors(found.values, values)) <= 3
    assert np.mean(errors(found.values, values) > 24) < 0.05
    # People keep their outlines, whose colours JPEG has mixed.
    assert found.valid is None or found.valid.mean() > 0.99


@pytest.mark.parametrize("quality", [None, 85, 40])
@pytest.mark.parametrize("name", IRONS)
def test_other_peoples_iron_is_undone_in_its_order(name: str, quality: int | None) -> None:
    values = scene((240, 320))
    image = painted(values, IRONS[name])
    found = undo_palette(image if quality is None else squeezed(image, quality))
    assert found.palette in ("ironbow", "inferno")
    assert np.corrcoef(found.values.ravel(), values.ravel())[0, 1] > 0.97
    assert np.median(errors(found.values, values)) < 32


@pytest.mark.parametrize("quality", [None, 90, 60])
@pytest.mark.parametrize(
    ("low", "high"), [(0, 128), (0, 60), (64, 192), (128, 255), (192, 255), (20, 235), (100, 140)]
)
@pytest.mark.parametrize("make", [ramp, scene])
@pytest.mark.parametrize("table", TABLES, ids=IDS)
def test_a_part_of_a_palette_is_undone_in_its_order_or_refused(
    table: object, make: object, low: int, high: int, quality: int | None
) -> None:
    """Yellow to red is of jet, hot and rainbow alike, but hot in one is cold in the other."""
    values = make((120, 160), low, high)  # type: ignore[operator]
    image = painted(values, table.colours)  # type: ignore[attr-defined]
    image = image if quality is None else squeezed(image, quality)
    try:
        found = undo_palette(image)
    except UnknownPalette:
        with pytest.raises(
            UnknownPalette, match=r"are those of [\w-]+( or of [\w-]+)+: set thermal\.palette"
        ):
            undo_palette(image)
        found = undo_palette(image, table.palette)  # type: ignore[attr-defined]
        assert np.median(errors(found.values, values)) <= 4
    assert np.corrcoef(found.values.ravel(), values.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("share", [0.004, 0.02, 0.1])
@pytest.mark.parametrize("name", ["inferno", "hot", "ironbow"])
def test_a_small_warm_thing_in_the_black_is_no_overlay(name: str, share: float) -> None:
    values = np.zeros((120, 160), np.uint8)
    side = round((share * values.size) ** 0.5)
    values[40 : 40 + side, 60 : 60 + side] = ramp((side, side), 120, 230)
    table = next(table for table in TABLES if table.palette == name)
    found = undo_palette(painted(values, table.colours))
    assert (found.palette, found.valid) == (name, None)
    assert errors(found.values, values).max() <= 2


# --- grey ---


@pytest.mark.parametrize("quality", [None, 95, 50, 15])
@pytest.mark.parametrize("noise", [0.0, 1.5, 3.0])
def test_grey_stays_grey(noise: float, quality: int | None) -> None:
    grey = scene((120, 160))
    image = cv2.merge([grey] * 3).astype(float) + np.random.default_rng(0).normal(0, noise, (120, 160, 3))
    image = image.round().clip(0, 255).astype(np.uint8)
    if quality is not None:
        image = squeezed(image, quality)
    found = undo_palette(image)
    assert (found.palette, found.valid) == ("white-hot", None)
    np.testing.assert_array_equal(found.values, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    np.testing.assert_array_equal(undo_palette(image, "white-hot").values, found.values)
    np.testing.assert_array_equal(undo_palette(image, "black-hot").values, 255 - found.values)


def test_three_equal_channels_keep_their_values() -> None:
    grey = ramp()
    np.testing.assert_array_equal(undo_palette(cv2.merge([grey] * 3)).values, grey)


def test_text_on_a_grey_image_is_missing_and_the_rest_kept() -> None:
    grey = scene((240, 320)) // 2 + 60
    image = cv2.merge([grey] * 3)
    image[:20, :60] = (0, 200, 0)
    found = undo_palette(image)
    assert found.palette == "white-hot"
    assert found.valid is not None
    assert not found.valid[:20, :60].any()
    assert found.valid.mean() == 1 - 1200 / grey.size
    np.testing.assert_array_equal(found.values[20:], grey[20:])


# --- overlays ---


@pytest.mark.parametrize("quality", [None, 80])
@pytest.mark.parametrize("table", TABLES, ids=IDS)
def test_a_logo_and_a_temperature_are_left_out(table: object, quality: int | None) -> None:
    values = ramp((240, 320), 10, 245)
    image = painted(values, table.colours)  # type: ignore[attr-defined]
    image[4:24, 4:84] = (90, 160, 120)
    cv2.putText(image, "23.4 C", (10, 220), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (120, 180, 120), 2)
    found = undo_palette(image if quality is None else squeezed(image, quality))
    assert found.palette == table.palette  # type: ignore[attr-defined]
    wrong = errors(found.values, values) > 12
    assert wrong[40:190].mean() < 0.02
    if found.palette in ("jet", "inferno", "rainbow"):
        assert found.valid is not None
        assert not found.valid[8:20, 8:80].any()
        assert found.valid[40:190].all()


def test_black_bars_around_jet_are_missing() -> None:
    image = cv2.copyMakeBorder(
        cv2.applyColorMap(ramp((240, 320)), cv2.COLORMAP_JET), 14, 14, 0, 0, cv2.BORDER_CONSTANT
    )
    found = undo_palette(image)
    assert found.palette == "jet"
    assert found.valid is not None
    assert not found.valid[:14].any()
    assert found.valid[14:-14].all()
    np.testing.assert_array_equal(found.values[14:-14], ramp((240, 320)))


# --- what the user says ---


def test_the_palettes_are_those_of_the_parameter() -> None:
    assert {table.palette for table in TABLES} == set(COLOURED) < set(PALETTES)


@pytest.mark.parametrize("name", COLOURED)
def test_a_named_palette_is_undone_either_way_round(name: str) -> None:
    values = scene()
    table = next(table for table in TABLES if table.palette == name)
    forwards = undo_palette(painted(values, table.colours), name)
    backwards = undo_palette(painted(values, table.colours[::-1]), f"{name}-reversed")
    for found, said in ((forwards, name), (backwards, f"{name}-reversed")):
        assert found.palette == said
        assert errors(found.values, values).max() <= 2


def test_none_takes_the_brightness() -> None:
    image = cv2.applyColorMap(scene(), cv2.COLORMAP_JET)
    found = undo_palette(image, "none")
    assert (found.palette, found.valid) == ("", None)
    np.testing.assert_array_equal(found.values, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize(
    ("image", "palette", "sentence"),
    [
        (
            cv2.applyColorMap(ramp(), cv2.COLORMAP_JET),
            "inferno",
            "is not in the colours of inferno: set thermal.palette",
        ),
        (cv2.merge([ramp()] * 3), "jet", "is not in the colours of jet: set thermal.palette"),
        (
            cv2.applyColorMap(ramp(), cv2.COLORMAP_HOT),
            "white-hot",
            "is in colours, not in grey as white-hot: set",
        ),
        (
            cv2.applyColorMap(ramp(), cv2.COLORMAP_HOT),
            "black-hot",
            "is in colours, not in grey as black-hot: set",
        ),
    ],
)
def test_another_palette_than_the_named_one_is_refused(
    image: np.ndarray, palette: str, sentence: str
) -> None:
    with pytest.raises(UnknownPalette, match=re.escape(sentence)):
        undo_palette(image, palette)


@pytest.mark.parametrize("name", ["jet", "hot"])
def test_the_palette_before_decides_between_several(name: str) -> None:
    """All in yellow to red, as a wall that fills the view."""
    places = {"jet": (170, 215), "hot": (100, 160)}[name]
    values = ramp(SIZE, *places)
    image = cv2.applyColorMap(values, OPENCV[name])
    with pytest.raises(UnknownPalette, match=f"{name}.*: set thermal.palette"):
        undo_palette(image)
    found = undo_palette(image, before=name)
    assert found.palette == name
    np.testing.assert_array_equal(found.values, values)


def test_one_camera_keeps_its_way_of_drawing_iron() -> None:
    """A scene in which two fit alike is read as the one before was."""
    values = scene(SIZE, 0, 18)
    image = painted(values, TABLES[0].colours)
    tables_of_iron = [table.name for table in TABLES if table.palette == "ironbow"]
    found = {name: undo_palette(image, before=name) for name in ("", *tables_of_iron)}
    assert {each.palette for each in found.values()} == {"ironbow"}
    assert found[""].table == found[tables_of_iron[0]].table == tables_of_iron[0]
    assert found[tables_of_iron[1]].table == tables_of_iron[1]


# --- what is no thermal image ---


@pytest.mark.parametrize("seed", range(6))
def test_rendered_photographs_are_refused(seed: int) -> None:
    rgb = render_still(seed, (240, 320)).rgb
    image = cv2.convertScaleAbs(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), alpha=1.5, beta=20)
    try:
        found = undo_palette(image)
    except UnknownPalette:
        return
    # At night, in smoke: almost grey.
    assert found.palette == "white-hot"


def test_a_photograph_is_refused_with_the_parameter() -> None:
    rows, columns = np.mgrid[:120, :160]
    image = np.dstack([120 + rows, 60 + columns // 2, 200 - rows]).astype(np.uint8)
    with pytest.raises(
        UnknownPalette, match=r"no palette known here \(white-hot, ironbow.*set thermal\.palette to"
    ):
        undo_palette(image)


def test_real_photographs_are_refused_and_real_thermal_images_kept(samples: Path) -> None:
    photographs = [*samples.glob("msrs70/vi/*.png"), *samples.glob("fmb_unlabelled/Visible/*.png")]
    refused = 0
    for path in photographs:
        try:
            # Some are as good as grey.
            assert undo_palette(cv2.imread(str(path))).palette == "white-hot", path
        except UnknownPalette:
            refused += 1
    assert refused >= len(photographs) - 2
    thermal = [*samples.glob("msrs70/ir/*.png"), *samples.glob("fmb_unlabelled/Infrared/*.png")]
    for path in [*thermal, *samples.glob("roadscene/ir/*")]:
        image = cv2.imread(str(path))
        found = undo_palette(image)
        assert (found.palette, found.valid) == ("white-hot", None), path
        np.testing.assert_array_equal(found.values, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize("quality", [None, 75])
@pytest.mark.parametrize("name", ["jet", "inferno", "hot", "ironbow"])
def test_real_thermal_images_come_back_out_of_false_colours(
    samples: Path, name: str, quality: int | None
) -> None:
    table = next(table for table in TABLES if table.palette == name)
    for path in sorted(samples.glob("msrs70/ir/*.png"))[::12] + sorted(samples.glob("roadscene/ir/*"))[::5]:
        values = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        image = painted(values, table.colours)
        found = undo_palette(image if quality is None else squeezed(image, quality))
        assert found.palette == name
        assert np.median(errors(found.values, values)) <= (1 if quality is None else 4)


@pytest.mark.parametrize(
    "colormap",
    [cv2.COLORMAP_VIRIDIS, cv2.COLORMAP_TURBO, cv2.COLORMAP_HSV, cv2.COLORMAP_COOL, cv2.COLORMAP_PINK],
)
@pytest.mark.parametrize("make", [ramp, scene])
def test_colour_maps_of_no_thermal_camera_are_refused(colormap: int, make: object) -> None:
    with pytest.raises(UnknownPalette):
        undo_palette(cv2.applyColorMap(make(), colormap))  # type: ignore[operator]
