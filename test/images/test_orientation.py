"""Image files are read right side up, and in their colours, or refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from image_files import READS_GIF
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.files import read_image, to_rgb, to_thermal

STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a picture is stored that its orientation turns upright."""


def picture(shape: tuple[int, ...] = (40, 60, 3)) -> np.ndarray:
    """uint8, RGB, smooth, without any symmetry."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    red, green, blue = 6 * rows, 4 * columns, 255 - 3 * rows - 2 * columns
    return np.stack([red, green, blue], -1).astype(np.uint8) if len(shape) == 3 else green.astype(np.uint8)


def save(file: Path, array: np.ndarray, orientation: int) -> None:
    image, transpose = Image.fromarray(array), STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".jpg": {"quality": 97, "subsampling": 0}, ".webp": {"lossless": True}}.get(file.suffix, {})
    (image if transpose is None else image.transpose(transpose)).save(file, exif=exif, **options)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_colour_is_right_side_up(tmp_path: Path, orientation: int, suffix: str) -> None:
    save(tmp_path / f"image{suffix}", picture(), orientation)
    image = to_rgb(read_image(tmp_path / f"image{suffix}"))
    assert image.shape == (40, 60, 3)
    assert np.abs(image.astype(int) - picture()).max() <= (6 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("suffix", "bits"), [(".jpg", 8), (".png", 8), (".png", 16)])
def test_thermal_is_turned_like_colour(tmp_path: Path, orientation: int, suffix: str, bits: int) -> None:
    thermal = picture((40, 60))
    if bits == 16:
        thermal = thermal.astype(np.uint16) * 200
    save(tmp_path / f"image{suffix}", thermal, orientation)
    image = to_thermal(read_image(tmp_path / f"image{suffix}"))
    assert (image.shape, image.dtype) == (thermal.shape, thermal.dtype)
    assert np.abs(image.astype(int) - thermal).max() <= (6 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("orientation", STORED)
def test_a_tiff_is_right_side_up_or_refused(tmp_path: Path, orientation: int) -> None:
    save(tmp_path / "image.tif", picture(), orientation)
    if orientation > 4:
        with pytest.raises(
            UserError, match=rf"lies on its side \(orientation {orientation}\): save it upright"
        ):
            read_image(tmp_path / "image.tif")
    else:
        np.testing.assert_array_equal(to_rgb(read_image(tmp_path / "image.tif")), picture())


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_is_none(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture()).save(tmp_path / "image.png", exif=exif)
    np.testing.assert_array_equal(to_rgb(read_image(tmp_path / "image.png")), picture())


@pytest.mark.parametrize("orientation", [1, 6])
def test_jpeg_in_cmyk_keeps_its_colours(tmp_path: Path, orientation: int) -> None:
    image, exif = Image.fromarray(picture()).convert("CMYK"), Image.Exif()
    exif[0x0112] = orientation
    transpose = STORED[orientation]
    image = image if transpose is None else image.transpose(transpose)
    image.save(tmp_path / "image.jpg", quality=97, subsampling=0, exif=exif)
    read = to_rgb(read_image(tmp_path / "image.jpg"))
    assert read.shape == (40, 60, 3)
    assert np.abs(read.astype(int) - picture()).max() <= 8


def test_tiff_in_cmyk_is_refused(tmp_path: Path) -> None:
    Image.fromarray(picture()).convert("CMYK").save(tmp_path / "image.tif")
    with pytest.raises(UserError, match="CMYK"):
        read_image(tmp_path / "image.tif")


@pytest.mark.parametrize("suffix", [".png", ".gif", ".webp", ".tif"])
def test_several_pictures_in_a_file_are_refused(tmp_path: Path, suffix: str) -> None:
    if suffix == ".gif" and not READS_GIF:
        pytest.skip("this OpenCV reads no GIF")
    frames = [Image.fromarray(np.roll(picture(), 9 * index, 1)) for index in range(3)]
    file = tmp_path / f"image{suffix}"
    frames[0].save(file, save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=r"holds 3 pictures: save the one that is meant"):
        read_image(file)
    frames[0].save(file)
    assert read_image(file).shape[:2] == (40, 60)


def test_a_preview_in_a_file_is_not_a_second_picture(tmp_path: Path) -> None:
    """As thermal and phone cameras write them: JPEG and TIFF with a smaller copy behind."""
    for name, kind in (("image.jpg", "MPO"), ("image.tif", "TIFF")):
        image = Image.fromarray(picture())
        image.save(tmp_path / name, format=kind, save_all=True, append_images=[image.resize((15, 10))])
    for name in ("image.jpg", "image.tif"):
        assert read_image(tmp_path / name).shape == (40, 60, 3)


def test_what_pillow_cannot_read_is_left_to_opencv(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "image.tiff"), np.full((4, 6, 3), 300, np.uint16))
    assert read_image(tmp_path / "image.tiff")[0, 0].tolist() == [300, 300, 300]
