"""Images from files: what is RGB, what is thermal, what is both, and what is swapped."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.files import read_image, read_pair, to_rgb, to_thermal, to_thermal_image
from rgbt_seg_ros.images.thermal_image import ThermalReading

SIZE = (48, 64)


def photograph(size: tuple[int, int] = SIZE) -> np.ndarray:
    """BGR, in colours of no palette."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.dstack([120 + rows, 60 + columns // 2, 200 - rows]).astype(np.uint8)


def warm(dtype: type = np.uint8) -> np.ndarray:
    """A warm person."""
    thermal = np.full(SIZE, 40, np.uint8)
    thermal[10:40, 20:40] = 250
    return thermal if dtype is np.uint8 else thermal.astype(np.uint16) * 10 + 28_500


def smooth() -> np.ndarray:
    return np.tile(np.linspace(10, 240, SIZE[1]).astype(np.uint8), (SIZE[0], 1))


def write(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


@pytest.fixture(params=["png", "tiff"])
def four(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file as MFNet's: RGB, and thermal as its fourth channel."""
    return write(tmp_path / f"00001N.{request.param}", np.dstack([photograph(), warm()]))


# --- four channels ---


@pytest.mark.parametrize(
    "thermal", [warm(), smooth(), np.full(SIZE, 90, np.uint8), np.where(warm() > 99, np.uint8(255), 0)]
)
def test_one_file_of_four_channels_is_a_pair(tmp_path: Path, thermal: np.ndarray) -> None:
    file = write(tmp_path / "00001D.png", np.dstack([photograph(), thermal]))
    (tmp_path / "link.png").symlink_to(file)
    for other in (file, tmp_path / "link.png", tmp_path / "." / "00001D.png"):
        rgb, found = read_pair(file, other)
        assert rgb is not None
        assert found is not None
        np.testing.assert_array_equal(rgb, photograph()[..., ::-1])
        np.testing.assert_array_equal(found.counts, thermal)
        assert found.valid is None


def test_four_channels_of_16_bits_are_a_pair(tmp_path: Path) -> None:
    file = write(tmp_path / "0.png", np.dstack([photograph().astype(np.uint16) * 257, warm(np.uint16)]))
    rgb, found = read_pair(file, file)
    assert rgb is not None
    assert found is not None
    np.testing.assert_array_equal(rgb, photograph()[..., ::-1])
    np.testing.assert_array_equal(found.counts, warm(np.uint16))


def test_the_fourth_channel_alone_is_thermal(four: Path) -> None:
    image = read_image(four)
    np.testing.assert_array_equal(to_thermal(image), warm())
    np.testing.assert_array_equal(to_thermal(image, ThermalReading("black-hot")), 255 - warm())
    rgb, found = read_pair(None, four)
    assert rgb is None
    assert found is not None
    np.testing.assert_array_equal(found.counts, warm())


def test_three_of_four_channels_are_not_taken_for_rgb(four: Path, tmp_path: Path) -> None:
    thermal = write(tmp_path / "thermal.png", warm())
    for other in (None, thermal):
        with pytest.raises(
            UserError, match=rf"^{four} has a fourth channel that is no opaque alpha.*for both"
        ):
            read_pair(four, other)


@pytest.mark.parametrize("full", [np.uint8(255), np.uint16(65535)])
def test_an_opaque_alpha_channel_is_no_thermal(tmp_path: Path, full: np.unsignedinteger) -> None:
    alpha = np.full(SIZE, full)
    grey = (smooth().astype(full.dtype) * (257 if full > 255 else 1)).astype(full.dtype)
    colour = write(
        tmp_path / "rgb.png",
        np.dstack([photograph().astype(full.dtype) * (257 if full > 255 else 1), alpha]).astype(full.dtype),
    )
    thermal = write(tmp_path / "thermal.png", np.dstack([grey, grey, grey, alpha]))
    rgb, found = read_pair(colour, thermal)
    assert rgb is not None
    assert found is not None
    np.testing.assert_array_equal(rgb, photograph()[..., ::-1])
    np.testing.assert_array_equal(found.counts, grey)
    with pytest.raises(UserError, match=r"rgb\.png is in colours .*thermal\.palette"):
        read_pair(colour, colour)


def test_false_colours_under_an_opaque_alpha_channel_are_undone(tmp_path: Path) -> None:
    painted = np.dstack([cv2.applyColorMap(smooth(), cv2.COLORMAP_JET), np.full(SIZE, 255, np.uint8)])
    _, found = read_pair(None, write(tmp_path / "jet.png", painted))
    assert found is not None
    assert found.palette == "jet"
    np.testing.assert_array_equal(found.counts, smooth())


def test_round_corners_are_no_thermal_image(tmp_path: Path) -> None:
    alpha = np.full(SIZE, 255, np.uint8)
    alpha[:4, :4] = 0
    alpha[4, 4] = 130
    file = write(tmp_path / "export.png", np.dstack([photograph(), alpha]))
    with pytest.raises(UserError, match="an alpha channel that hides parts of it: save it without one"):
        read_pair(None, file)
    with pytest.raises(UserError, match="no opaque alpha channel"):
        read_pair(file, None)


# --- one and three channels ---


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
@pytest.mark.parametrize("colormap", [cv2.COLORMAP_INFERNO, cv2.COLORMAP_JET])
def test_false_colours_are_undone_in_every_format(tmp_path: Path, colormap: int, suffix: str) -> None:
    file = write(tmp_path / f"t.{suffix}", cv2.applyColorMap(smooth(), colormap))
    found = to_thermal(read_image(file))
    limit = 6 if suffix == "jpg" else 0
    assert np.median(np.abs(found.astype(int) - smooth())) <= limit


@pytest.mark.parametrize(("quality", "subsampling"), [(95, "4:2:2"), (75, "4:2:0"), (30, "4:2:0")])
def test_a_grey_jpeg_of_three_channels_keeps_its_brightness(
    tmp_path: Path, quality: int, subsampling: str
) -> None:
    file = tmp_path / "grey.jpg"
    Image.fromarray(cv2.merge([smooth()] * 3)).save(file, quality=quality, subsampling=subsampling)
    image = read_image(file)
    assert image.ndim == 3
    np.testing.assert_array_equal(to_thermal(image), cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))


def test_none_takes_the_brightness_of_a_photograph() -> None:
    found = to_thermal(photograph(), ThermalReading("none"))
    np.testing.assert_array_equal(found, cv2.cvtColor(photograph(), cv2.COLOR_BGR2GRAY))


def test_temperatures_of_a_tiff_become_counts(tmp_path: Path) -> None:
    kelvin = (warm(np.uint16) / 100).astype(np.float32)
    kelvin[0, 0] = np.nan
    file = write(tmp_path / "t.tiff", kelvin)
    _, found = read_pair(None, file)
    assert found is not None
    assert found.valid is not None
    assert (~found.valid).sum() == 1
    np.testing.assert_array_equal(found.counts[found.valid], warm(np.uint16)[found.valid])
    celsius = write(tmp_path / "c.tiff", kelvin - np.float32(273.15))
    with pytest.raises(
        UserError, match=rf"^{celsius} has temperatures .*: set thermal\.float_unit to celsius$"
    ):
        read_pair(None, celsius)
    found = to_thermal_image(read_image(celsius), ThermalReading(float_unit="celsius"))
    np.testing.assert_array_equal(found.counts[1:], warm(np.uint16)[1:])


def test_a_format_that_is_not_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "t.png"
    file.write_bytes(b"\xff\x0a" + bytes(100))
    with pytest.raises(UserError, match=rf"^{file} cannot be read as an 8 or 16 bit image.*it is JPEG XL"):
        read_image(file)


# --- swapped ---


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_images_of_one_channel_are_not_rgb(tmp_path: Path, dtype: type) -> None:
    thermal = write(tmp_path / "thermal.tiff", warm(np.uint16).astype(dtype))
    colour = write(tmp_path / "rgb.png", photograph())
    for other in (colour, None):
        with pytest.raises(
            UserError, match=rf"^{thermal} is one channel of {np.dtype(dtype)}, as thermal images are"
        ):
            read_pair(thermal, other)


@pytest.mark.parametrize(
    "thermal",
    [smooth(), cv2.merge([smooth()] * 3), cv2.applyColorMap(smooth(), cv2.COLORMAP_INFERNO)],
    ids=["one channel", "grey", "inferno"],
)
def test_a_thermal_image_given_as_rgb_is_noticed(tmp_path: Path, thermal: np.ndarray) -> None:
    thermal_file = write(tmp_path / "ir.png", thermal)
    colour = write(tmp_path / "vi.png", photograph())
    with pytest.raises(
        UserError, match=rf"^{colour} is in colours .*, and {thermal_file} looks like a thermal image: swap"
    ):
        read_pair(thermal_file, colour)
    read_pair(colour, thermal_file)


def test_two_photographs_are_not_called_swapped(tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{i}.png", photograph()[:, ::step]) for i, step in enumerate((1, -1)))
    with pytest.raises(
        UserError, match=rf"^{second} is in colours that are those of no palette.*set thermal\.palette"
    ):
        read_pair(first, second)


def test_grey_rgb_is_taken() -> None:
    np.testing.assert_array_equal(to_rgb(smooth()), cv2.merge([smooth()] * 3))
