"""Image files as arrays; whatever is wrong with one is said in one sentence that names it."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.checked_files import read_checked
from rgbt_seg_ros.images.files import read_image, to_rgb, to_thermal_image
from rgbt_seg_ros.images.palette import UnknownPalette
from rgbt_seg_ros.images.thermal_image import ThermalImage, ThermalReading, has_opaque_alpha
from rgbt_seg_ros.masks.classes import UNLABELED


def read_rgb(path: Path) -> np.ndarray:
    """uint8 [H, W, 3].

    Raises:
        UserError: unreadable, or not a colour image, or one with a fourth channel that is no opaque alpha channel.
    """
    image = _read(path)
    if image.ndim == 2:
        raise UserError(f"{path} has mode {_mode(image)}: a colour image is expected there")
    if image.shape[2] == 4 and not has_opaque_alpha(image):
        raise UserError(
            f"{path} has a fourth channel that is no opaque alpha channel: a colour image is expected there"
        )
    return to_rgb(image, str(path))


def read_rgb_and_thermal(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [H, W, 3] and uint8 or uint16 [H, W] from the four channels of one file.

    Raises:
        UserError: unreadable, or not of four channels, or the fourth is an opaque alpha channel.
    """
    image = _read(path)
    if image.ndim == 2 or image.shape[2] != 4:
        raise UserError(f"{path} has mode {_mode(image)}: MFNet's images have 4 channels, RGB and thermal")
    if has_opaque_alpha(image):
        raise UserError(f"{path} has an alpha channel, not thermal: its fourth channel is 255 everywhere")
    return to_rgb(image, str(path), holds_thermal=True), np.ascontiguousarray(image[..., 3])


def read_thermal(path: Path, palette: str = "auto") -> np.ndarray:
    """The counts of `read_thermal_image`: uint8 or uint16 [H, W]."""
    return read_thermal_image(path, palette).counts


def read_thermal_image(path: Path, palette: str = "auto") -> ThermalImage:
    """Thermal of a file, by the rules of service: see `rgbt_seg_ros.images.files.to_thermal_image`.

    Args:
        path: the file.
        palette: see `rgbt_seg_ros.images.palette.undo_palette`.

    Raises:
        UserError: unreadable, in colours that cannot be undone, or of another type.
    """
    image = _read(path)
    try:
        return to_thermal_image(image, ThermalReading(palette), str(path))
    except UserError as error:
        if not isinstance(error.__cause__, UnknownPalette):
            raise
        raise UserError(
            f"{path} is not a thermal image (mode {_mode(image)}): it "
            f"{error.__cause__.advising('data.thermal_palette')}"
        ) from error


def read_ids(path: Path) -> np.ndarray:
    """Ids as a label file has them, uint8 [H, W].

    Raises:
        UserError: unreadable, or of another type.
    """
    image = decode_image(path)
    label = _one_channel(np.array(image))
    if label.dtype != np.uint8 or label.ndim != 2:
        raise UserError(f"{path} is {label.dtype} {label.shape}: expected one 8-bit channel of class ids")
    return label


def read_label(path: Path, class_count: int, first_id: int = 0) -> np.ndarray:
    """Class ids, uint8 [H, W]: 0 to `class_count` - 1, or 255 where ignored.

    Args:
        path: an 8-bit file of ids, one channel or three equal ones.
        class_count: number of classes.
        first_id: the file's id of class 0; lower ones are ignored.

    Raises:
        UserError: unreadable, of another type, or with an id that is no class.
    """
    label = read_ids(path)
    last_id = first_id + class_count - 1
    unknown = label[(label > last_id) & (label != UNLABELED)]
    if unknown.size:
        raise UserError(
            f"{path} has label id {unknown.min()}, but its data set has ids 0 to {last_id} and 255: "
            "is it another data set's, or a picture in colours?"
        )
    if first_id == 0:
        return label
    return np.where((label < first_id) | (label == UNLABELED), UNLABELED, label - first_id).astype(np.uint8)


def decode_image(path: Path) -> Image.Image:
    """An image as Pillow decodes it, which keeps ids of indexed images and says if the file is damaged.

    Raises:
        UserError: missing or unreadable.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: copy the data set again")
    data, _ = read_checked(path)
    try:
        with Image.open(BytesIO(data)) as image:
            image.load()
            return image
    except Exception as error:
        # Pillow's parsers end in errors of many kinds.
        raise UserError(f"{path} cannot be read ({error}): copy it again") from error


def _read(path: Path) -> np.ndarray:
    """An image of a camera, as it is read in service."""
    if not path.is_file():
        raise UserError(f"{path} is missing: copy the data set again")
    return read_image(path)


def _mode(image: np.ndarray) -> str:
    """What Pillow calls an image of so many channels."""
    if image.ndim == 2:
        return "L" if image.dtype == np.uint8 else "I;16" if image.dtype == np.uint16 else "F"
    return "RGB" if image.shape[2] == 3 else "RGBA"


def _one_channel(image: np.ndarray) -> np.ndarray:
    """[H, W] of an image whose channels are all equal; others as they are."""
    if image.ndim == 3 and (image == image[..., :1]).all():
        return np.ascontiguousarray(image[..., 0])
    return image
