"""Image files as arrays; whatever is wrong with one is said in one sentence that names it."""

from pathlib import Path

import numpy as np
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.palette import UnknownPalette
from rgbt_seg_ros.images.thermal_image import ThermalImage, ThermalReading, thermal_image
from rgbt_seg_ros.masks.classes import UNLABELED


def read_rgb(path: Path) -> np.ndarray:
    """uint8 [H, W, 3].

    Raises:
        UserError: unreadable, or not a colour image, or one with a fourth channel that is no opaque alpha channel.
    """
    image = _decode(path)
    if image.mode not in ("RGB", "RGBA", "P"):
        raise UserError(f"{path} has mode {image.mode}: a colour image is expected there")
    if image.mode == "RGBA" and not _is_opaque(image):
        raise UserError(
            f"{path} has a fourth channel that is no opaque alpha channel: a colour image is expected there"
        )
    return np.array(image.convert("RGB"))


def read_rgb_and_thermal(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [H, W, 3] and uint8 [H, W] from the four channels of one file.

    Raises:
        UserError: unreadable, or not of four channels, or the fourth is an opaque alpha channel.
    """
    image = _decode(path)
    if image.mode != "RGBA":
        raise UserError(f"{path} has mode {image.mode}: MFNet's images have 4 channels, RGB and thermal")
    if _is_opaque(image):
        raise UserError(f"{path} has an alpha channel, not thermal: its fourth channel is 255 everywhere")
    pair = np.array(image)
    return np.ascontiguousarray(pair[..., :3]), np.ascontiguousarray(pair[..., 3])


def read_thermal(path: Path, palette: str = "auto") -> np.ndarray:
    """The counts of `read_thermal_image`: uint8 or uint16 [H, W]."""
    return read_thermal_image(path, palette).counts


def read_thermal_image(path: Path, palette: str = "auto") -> ThermalImage:
    """Thermal from one channel, or from three in grey or false colours.

    Args:
        path: the file.
        palette: see `rgbt_seg_ros.images.palette.undo_palette`.

    Raises:
        UserError: unreadable, in colours that cannot be undone, or of another type.
    """
    image = _decode(path)
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    stored = np.array(image)
    if image.mode.startswith("I"):  # 16 bits; older versions of PIL decode them as 32
        stored = stored.astype(np.uint16)
    elif image.mode == "RGB" or (image.mode == "RGBA" and _is_opaque(image)):
        stored = np.ascontiguousarray(stored[..., 2::-1])  # OpenCV's order
    elif image.mode != "L":
        raise UserError(
            f"{path} is not a thermal image (mode {image.mode}): expected one channel of 8 or 16 bits, "
            "or three equal ones"
        )
    try:
        return thermal_image(stored, ThermalReading(palette))
    except UnknownPalette as error:
        raise UserError(
            f"{path} is not a thermal image (mode {image.mode}): it {error.advising('data.thermal_palette')}"
        ) from error


def read_ids(path: Path) -> np.ndarray:
    """Ids as a label file has them, uint8 [H, W].

    Raises:
        UserError: unreadable, or of another type.
    """
    image = _decode(path)
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


def _decode(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: copy the data set again") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): copy it again") from error


def _is_opaque(image: Image.Image) -> bool:
    """Whether the alpha channel of an RGBA image hides nothing."""
    return image.getchannel("A").getextrema() == (255, 255)


def _one_channel(image: np.ndarray) -> np.ndarray:
    """[H, W] of an image whose channels are all equal; others as they are."""
    if image.ndim == 3 and (image == image[..., :1]).all():
        return np.ascontiguousarray(image[..., 0])
    return image
