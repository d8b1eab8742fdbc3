"""Pictures of masks, boxes and thermal images."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from rgbt_seg_ros.images.codec import UndecodableImage
from rgbt_seg_ros.masks.classes import FMB, MFNET, palette_for
from rgbt_seg_ros.masks.detections import Detection
from rgbt_seg_ros.masks.overlay import colorize, draw_overlay, thermal_message_picture, thermal_picture

PALETTE = palette_for(MFNET.names)
CAR, PERSON = 1, 2


def box(class_id: int, x: float, y: float, width: float, height: float) -> Detection:
    return Detection(class_id, MFNET.names[class_id], 0.5, x, y, width, height, int(width * height))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_masks_are_coloured_by_the_palette() -> None:
    mask = np.array([[0, 1, 2], [8, 255, 3]], np.uint8)
    colours = colorize(mask, PALETTE)
    assert colours.dtype == np.uint8
    for position, class_id in np.ndenumerate(mask):
        assert tuple(colours[position]) == (MFNET.palette[class_id] if class_id != 255 else (0, 0, 0))


def test_colours_come_again_after_256_classes() -> None:
    mask = np.array([[1, 257, 65535, 0, 256]], np.uint16)
    black = (0, 0, 0)
    assert [tuple(colour) for colour in colorize(mask, PALETTE)[0]] == [MFNET.palette[1]] * 2 + [black] * 3
    rgb = noise(1, 5)
    picture = draw_overlay(rgb, mask, PALETTE, alpha=1.0)
    untouched = (picture == rgb).all(axis=2)[0]
    assert untouched.tolist() == [False, False, True, True, True]


def test_a_first_class_that_is_not_background_is_tinted() -> None:
    rgb, mask = noise(4, 4), np.zeros((4, 4), np.uint8)
    for names in (FMB.names, ("person", "car"), ("dog", "cat")):
        assert not (draw_overlay(rgb, mask, palette_for(names), alpha=1.0) == rgb).all(axis=2).any()


def test_a_part_of_a_list_keeps_its_colours_and_other_lists_get_distinct_ones() -> None:
    np.testing.assert_array_equal(palette_for(("person", "unlabeled", "car"))[:3], PALETTE[[2, 0, 1]])
    colours = palette_for(("background", "dog", "cat", "person"))
    assert not colours[[0, 4, 255]].any()
    assert len({tuple(colour) for colour in colours[:4]}) == 4


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_classes_are_tinted_but_background_and_unlabeled_pixels_are_not(alpha: float) -> None:
    rgb = noise(9, 12)
    mask = np.zeros((9, 12), np.uint8)
    mask[:3], mask[3:6] = PERSON, 255
    picture = draw_overlay(rgb, mask, PALETTE, alpha=alpha)
    np.testing.assert_array_equal(picture[3:], rgb[3:])
    expected = (1 - alpha) * rgb[:3] + alpha * np.array(MFNET.palette[PERSON])
    np.testing.assert_allclose(picture[:3], expected, atol=1)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_overlays_of_opencv_are_those_of_numpy_to_the_bit(kind: type) -> None:
    draw = np.random.default_rng(3)
    rgb = noise(48, 70)
    # A part of a larger array, as a mask is one of a batch.
    mask = draw.integers(0, 300, (48, 140)).astype(kind)[:, ::2]
    palette = draw.integers(0, 256, (256, 3), np.uint8)
    palette[[0, 7, 255]] = 0
    colours = palette[mask.astype(np.uint8)]
    np.testing.assert_array_equal(colorize(mask, palette), colours)
    blend = cv2.addWeighted(rgb, 0.7, colours, 0.3, 0.0)
    expected = np.where(colours.any(axis=2, keepdims=True), blend, rgb)
    np.testing.assert_array_equal(draw_overlay(rgb, mask, palette, alpha=0.3), expected)


def test_inputs_are_left_alone() -> None:
    rgb, mask = noise(60, 80), np.full((60, 80), CAR, np.uint8)
    rgb.setflags(write=False)
    mask.setflags(write=False)
    assert not np.array_equal(draw_overlay(rgb, mask, PALETTE, [box(CAR, 40, 30, 20, 10)]), rgb)


def test_a_box_is_drawn_on_the_outermost_pixels_of_its_object() -> None:
    rgb, mask = np.zeros((100, 200, 3), np.uint8), np.zeros((100, 200), np.uint8)
    # Columns 50..149, rows 40..89; the name stands above.
    drawn = draw_overlay(rgb, mask, PALETTE, [box(PERSON, 99.5, 64.5, 100, 50)]).max(axis=2) > 0
    assert drawn[89, 50:150].all()
    assert drawn[40:90, [50, 149]].all()
    assert not drawn[41:89, 51:149].any()
    assert not drawn[90:].any()
    assert drawn[:40].any()


def labels_of(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    """Pixels of the ground of names, of boxes as well."""
    return int((picture == color).all(axis=2).sum())


def test_names_never_overlap() -> None:
    """The ground of each name is whole: one pixel of another's would be missing."""
    rgb, mask = np.zeros((480, 640, 3), np.uint8), np.zeros((480, 640), np.uint8)
    places = [(100, 200), (110, 204), (108, 190), (96, 210), (400, 300), (630, 5), (8, 470)]
    boxes = [box(1 + i, x, y, 24, 20) for i, (x, y) in enumerate(places)]
    crowd = draw_overlay(rgb, mask, PALETTE, boxes)
    alone = [
        labels_of(draw_overlay(rgb, mask, PALETTE, [each]), MFNET.palette[each.class_id]) for each in boxes
    ]
    together = [labels_of(crowd, MFNET.palette[each.class_id]) for each in boxes]
    for one, among in zip(alone, together, strict=True):
        # Lines of boxes cross; a name's ground has some hundred pixels.
        assert among > one - 100 > 100
    # Where there is no room, a name is left out.
    many = [box(CAR, 320 + i % 3, 240 + i % 2, 12, 12) for i in range(200)]
    drawn = draw_overlay(rgb, mask, PALETTE, many)
    rows, columns = np.nonzero(drawn.any(axis=2))
    assert rows.max() - rows.min() < 80
    assert columns.max() - columns.min() < 320


@pytest.mark.parametrize("class_id", range(1, len(MFNET.names)))
def test_names_contrast_with_their_ground(class_id: int) -> None:
    rgb, mask = np.full((480, 640, 3), 128, np.uint8), np.zeros((480, 640), np.uint8)
    picture = draw_overlay(rgb, mask, PALETTE, [box(class_id, 320, 240, 200, 100)]).astype(float)
    label = picture[160:190][(picture[160:190] != 128).any(axis=2)]
    luma = label @ (0.299, 0.587, 0.114)
    assert luma.max() - luma.min() > 100


def test_text_grows_with_the_image() -> None:
    def label_height(height: int) -> int:
        rgb, mask = np.zeros((height, 2 * height, 3), np.uint8), np.zeros((height, 2 * height), np.uint8)
        picture = draw_overlay(rgb, mask, PALETTE, [box(CAR, height, height * 0.75, 9, 9)])
        return int(picture[: round(height * 0.75) - 5].any(axis=(1, 2)).sum())

    assert label_height(1440) > 1.8 * label_height(480) > 0


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 5), (37, 53), (480, 640), (1080, 1920)])
def test_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    height, width = size
    corners = [box(CAR, x, y, 1, 1) for x in (0, width - 1) for y in (0, height - 1)]
    whole = box(PERSON, (width - 1) / 2, (height - 1) / 2, width, height)
    picture = draw_overlay(noise(*size), np.full(size, CAR, np.uint8), PALETTE, [*corners, whole])
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"RGB image \[4, 6\] and mask \[4, 5\]"):
        draw_overlay(noise(4, 6), np.zeros((4, 5), np.uint8), PALETTE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_thermal_pictures_go_from_dark_cold_to_bright_hot(dtype: type) -> None:
    ramp = np.tile(np.linspace(0, np.iinfo(dtype).max, 64).astype(dtype), (48, 1))
    picture = thermal_picture(ramp)
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    brightness = picture[0].astype(float) @ (0.299, 0.587, 0.114)
    assert (np.diff(brightness) >= -1).all()
    assert brightness[-1] - brightness[0] > 200
    # Inferno's hot end is yellow: red and green well above blue at three quarters.
    red, green, blue = picture[0, 48].astype(int)
    assert red > green > blue


def test_thermal_pictures_of_a_small_range_are_stretched_for_the_eye() -> None:
    dark = np.tile(np.linspace(10, 30, 64).astype(np.uint8), (48, 1))
    picture = thermal_picture(dark)
    assert picture[0, 0].max() < 20
    assert picture[0, -1].max() > 240


def image(pixels: np.ndarray, encoding: str) -> SimpleNamespace:
    height, width = pixels.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.nbytes // height,
        data=pixels.tobytes(),
    )


def smooth() -> np.ndarray:
    return np.tile(np.linspace(10, 240, 64).astype(np.uint8), (48, 1))


def test_pixels_that_are_missing_leave_the_others_their_contrast() -> None:
    counts = 29_000 + smooth().astype(np.uint16)
    expected = thermal_picture(counts)[4:]
    valid = np.ones(counts.shape, bool)
    valid[:4] = False
    counts[:4] = 0
    found = thermal_picture(counts, valid)
    assert np.abs(found[4:].astype(int) - expected).max() < 16
    assert thermal_picture(counts, np.zeros_like(valid)).shape == (48, 64, 3)


def test_a_message_is_shown_whatever_its_camera_is() -> None:
    shown = thermal_picture(smooth())
    kelvin = 280 + smooth().astype(np.float32) / 10
    photograph = noise(48, 64)
    jpeg = SimpleNamespace(format="jpeg", data=cv2.imencode(".jpg", smooth())[1].tobytes())
    for picture, expected in [
        (thermal_message_picture(image(smooth(), "mono8")), shown),
        (thermal_message_picture(image(cv2.applyColorMap(smooth(), cv2.COLORMAP_JET), "bgr8")), shown),
        (thermal_message_picture(image(kelvin, "32FC1")), shown),
        (thermal_message_picture(image(kelvin - 273.15, "32FC1")), shown),
        (thermal_message_picture(jpeg, compressed=True), shown),
        # Whose colours are not known keeps them.
        (thermal_message_picture(image(photograph, "rgb8")), photograph),
    ]:
        assert np.median(np.abs(picture.astype(int) - expected)) <= 3
    png = SimpleNamespace(format="png", data=cv2.imencode(".png", photograph)[1].tobytes())
    np.testing.assert_array_equal(thermal_message_picture(png, compressed=True), photograph[..., ::-1])


@pytest.mark.parametrize(
    ("message", "compressed"),
    [
        (image(noise(48, 64), "yuv422"), False),
        (SimpleNamespace(format="16UC1; jpeg", data=cv2.imencode(".jpg", smooth())[1].tobytes()), True),
        (SimpleNamespace(format="jpeg", data=b"GIF89a"), True),
    ],
)
def test_a_message_of_no_image_is_refused(message: SimpleNamespace, compressed: bool) -> None:
    with pytest.raises(UndecodableImage, match="thermal image"):
        thermal_message_picture(message, compressed)
