"""Lists of image names as people write them: a name a line or several, with folders, endings or a second column."""

import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import read_bounded

_LOG = logging.getLogger(__name__)
ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
"""Of image files, in small letters."""
_FLIPPED = "_flip"

MAX_LIST_BYTES = 16 << 20
"""Of a list of names: that of a million images."""


def read_names(path: Path, exists: Callable[[str], bool]) -> tuple[str, ...]:
    """Names of the images in a list, without folders and endings.

    A byte order mark and Windows' line ends are no part of a name. Spaces are, if there is such an image; else they
    stand between names, or between columns, of which the first is taken. Names that end in `_flip` and have no image of
    their own stand for mirrored images: they are left out, as training mirrors at random.

    Args:
        path: a text file.
        exists: whether there is an image of a name.

    Raises:
        UserError: it cannot be read, is no text, or far too long.
    """
    names, mirrored = [], 0
    for line in _lines(path):
        if not line.strip():
            continue
        for name in _names(line.split("\t")[0].strip(), exists):
            if not exists(name) and name.endswith(_FLIPPED) and exists(name.removesuffix(_FLIPPED)):
                mirrored += 1
            else:
                names.append(name)
    if mirrored:
        _LOG.warning(
            "warning: %s names %d mirrored images (%s) that are left out: training mirrors at random",
            path,
            mirrored,
            _FLIPPED,
        )
    return tuple(names)


def _lines(path: Path) -> list[str]:
    try:
        return read_bounded(path, MAX_LIST_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: save the list as such") from None


def _names(line: str, exists: Callable[[str], bool]) -> list[str]:
    """The names in a line."""
    whole = _name(line)
    if exists(whole):
        return [whole]
    words = list(dict.fromkeys(_name(word) for word in line.split()))
    return words if all(map(exists, words)) else words[:1]


def _name(word: str) -> str:
    """A word of a list without its folders and the ending of an image file."""
    file = PurePosixPath(word.replace("\\", "/"))
    return file.stem if file.suffix.lower() in ENDINGS else file.name
