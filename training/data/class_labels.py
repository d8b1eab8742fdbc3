"""Label images of own data sets: ids or colours, as CVAT, Labelme and others write them, become classes by a table."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import MAX_YAML_BYTES, read_bounded
from rgbt_seg_ros.masks.classes import BACKGROUND, UNLABELED, current_names, find_name

from .files import decode_image

Color = str | list[int]
"""`#rrggbb`, or `[red, green, blue]` of 0 to 255."""

ClassesEntry = str | list[str] | dict[str, int | str | list[int]]
IgnoreEntry = int | str | list[int | str | list[int]]

_LABELME_IGNORED, _LABELME_BACKGROUND = "__ignore__", "_background_"
_LOSSY = ("JPEG", "MPO", "JPEG2000")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class ClassTable:
    """What stands for a class in label files.

    Attributes:
        names: of the classes, spelled as in `rgbt_seg_ros.masks.classes`.
        values: of each class in that order: an id, or a colour as the number 0xRRGGBB.
        ignored: the same, of pixels without a class.
        colored: whether these are colours.
        origin: the file that says so.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    ignored: tuple[int, ...]
    colored: bool
    origin: Path

    def read_label(self, path: Path) -> np.ndarray:
        """A label file as class ids, uint8 [H, W]; 255: ignored.

        Indexed images are read by their ids or by the colours of their palette, whichever the table has.

        Raises:
            UserError: unreadable, stored with losses, or with a value that stands for nothing.
        """
        values = _colors_in(path) if self.colored else _ids_in(path)
        known = np.array([*self.values, *self.ignored])
        classes = np.array([*range(len(self.names)), *(UNLABELED for _ in self.ignored)], np.uint8)
        order = np.argsort(known)
        places = np.searchsorted(known, values, sorter=order).clip(max=len(known) - 1)
        strange = known[order][places] != values
        if strange.any():
            found = int(values[strange].min())
            raise UserError(
                f"{path} has {self._shown(found)} in {int((values == found).sum())} pixels, which {self.origin} says "
                "nothing of: add it to classes, or to ignore"
            )
        return classes[order][places]

    def _shown(self, value: int) -> str:
        return f"the colour {_rgb(value)}" if self.colored else f"the id {value}"


def class_table(classes: ClassesEntry, ignore: IgnoreEntry | None, origin: Path) -> ClassTable:
    """The table of a data set's file.

    Args:
        classes: names in the order of their ids; or name -> id or colour; or a file beside `origin` with either: CVAT's
            `labelmap.txt` (`NAME:R,G,B::`), or names, a line each, as Labelme's `class_names.txt` and `labels.txt`.
        ignore: ids, colours or names of classes whose pixels are left out; None: 255, where ids are not a class's.
        origin: the data set's file.

    Raises:
        UserError: names or values that occur twice, ids beside colours, or what is neither.
    """
    entries = _entries(classes, origin)
    colored = {not isinstance(value, int) for value in entries.values()}
    if len(colored) > 1:
        raise UserError(f"{origin}: some classes have an id and some a colour: give all ids, or all colours")
    is_colored = True in colored
    values = {name: _value(value, f"classes.{name}", origin) for name, value in entries.items()}
    ignored = []
    for item in _ignored_items(ignore, is_colored, origin):
        if isinstance(item, str) and (name := find_name(item, values)) is not None:
            ignored.append(values.pop(name))
        elif isinstance(item, int) is not is_colored:
            ignored.append(_value(item, "ignore", origin))
        else:
            kind = "a colour ('#rrggbb' or [r, g, b])" if is_colored else "an id"
            raise UserError(f"{origin}: ignore has {item!r}: give {kind} or the name of a class")
    if ignore is None and not is_colored and UNLABELED not in values.values():
        ignored.append(UNLABELED)
    _check_table(values, ignored, is_colored, origin)
    return ClassTable(
        current_names(tuple(values)), tuple(values.values()), tuple(ignored), is_colored, origin
    )


def things_of(names: Sequence[str], listed: Sequence[str] | None) -> tuple[str, ...]:
    """Classes that become detections: the listed ones, by the names that we have for them; None: all but background."""
    if listed is not None:
        return tuple(find_name(name, names) or name for name in listed)
    return tuple(name for name in names if name not in BACKGROUND)


def _entries(classes: ClassesEntry, origin: Path) -> dict[str, int | str | list[int]]:
    if isinstance(classes, str):
        return _read_class_list(origin.parent / classes, origin)
    if isinstance(classes, Mapping):
        return dict(classes)
    for name, count in Counter(classes).items():
        if count > 1:
            raise UserError(f"{origin}: classes has {name} twice: give each class once")
    return {name: i for i, name in enumerate(classes)}


def _read_class_list(path: Path, origin: Path) -> dict[str, int | str | list[int]]:
    """What CVAT's labelmap.txt or a list of names says."""
    try:
        text = read_bounded(path, MAX_YAML_BYTES).decode("utf-8-sig")
    except (UserError, UnicodeDecodeError) as error:
        raise UserError(f"{origin}: classes names {path}, which cannot be read as text ({error})") from error
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if any(":" in line for line in lines):
        entries: dict[str, int | str | list[int]] = {}
        for line in lines:
            name, color, *_ = [*line.split(":"), ""]
            if not re.fullmatch(r"\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*", color):
                raise UserError(f"{path}: {line!r} is not NAME:RED,GREEN,BLUE:: as CVAT writes it")
            entries[name] = [int(part) for part in color.split(",")]
        return entries
    names = [line for line in lines if line != _LABELME_IGNORED]
    return _entries(["background" if name == _LABELME_BACKGROUND else name for name in names], path)


def _ignored_items(
    ignore: IgnoreEntry | None, colored: bool, origin: Path
) -> Sequence[int | str | list[int]]:
    if ignore is None:
        return []
    if not isinstance(ignore, list):
        return [ignore]
    if colored and len(ignore) == 3 and all(isinstance(part, int) for part in ignore):
        return [[part for part in ignore if isinstance(part, int)]]
    return ignore


def _value(value: int | Color, key: str, origin: Path) -> int:
    """An id as it is, and a colour as a number."""
    if isinstance(value, int):
        if not 0 <= value < 1 << 16:
            raise UserError(f"{origin}: {key} has the id {value}: ids are 0 to 65535")
        return value
    if isinstance(value, str):
        if not _HEX.fullmatch(value):
            raise UserError(f"{origin}: {key} is {value!r}: give an id, '#rrggbb' (quoted) or [r, g, b]")
        return int(value[1:], 16)
    if len(value) != 3 or not all(0 <= part <= UNLABELED for part in value):
        raise UserError(f"{origin}: {key} is {value}: a colour is [r, g, b] of 0 to 255")
    red, green, blue = value
    return red << 16 | green << 8 | blue


def _check_table(values: Mapping[str, int], ignored: Sequence[int], colored: bool, origin: Path) -> None:
    if not 2 <= len(values) <= UNLABELED:
        raise UserError(
            f"{origin} has {len(values)} classes: it takes 2 to {UNLABELED}, of which one may be background, all else"
        )
    if blank := [name for name in values if not name.strip() or "," in name]:
        raise UserError(f"{origin}: {blank[0]!r} is no name of a class: it is empty, or has a comma")
    of_value: dict[int, str] = dict.fromkeys(ignored, "ignore")
    for name, value in values.items():
        if value in of_value:
            shown = _rgb(value) if colored else value
            raise UserError(f"{origin}: {of_value[value]} and {name} both have {shown}: give each its own")
        of_value[value] = name


def _rgb(value: int) -> tuple[int, int, int]:
    return value >> 16, value >> 8 & 255, value & 255


def _label_image(path: Path) -> Image.Image:
    image = decode_image(path)
    if image.format in _LOSSY:
        raise UserError(f"{path} is a {image.format}, whose pixels are not exact: export labels as PNG")
    return image


def _ids_in(path: Path) -> np.ndarray:
    """Ids in a label file, int64 [H, W]."""
    image = _label_image(path)
    label = np.array(image.convert("I") if image.mode.startswith("I") else image)
    if label.ndim == 3:
        if not (label[..., :3] == label[..., :1]).all():
            raise UserError(f"{path} is in colours, not in ids: give classes by their colours")
        label = label[..., 0]
    if label.dtype.kind not in "uib":
        raise UserError(f"{path} has pixels of {label.dtype}: ids are whole numbers of 8 or 16 bits")
    return label.astype(np.int64)


def _colors_in(path: Path) -> np.ndarray:
    """Colours in a label file, int64 [H, W]: 0xRRGGBB."""
    image = _label_image(path)
    if image.mode.startswith(("I", "F")):
        raise UserError(f"{path} has one channel of 16 bits or more, not colours: give classes by their ids")
    channels = np.array(image.convert("RGB")).astype(np.int64)
    return channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2]
