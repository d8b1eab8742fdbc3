"""Where a data set keeps its files, and which of its known layouts a folder has."""

from dataclasses import dataclass
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import is_folder

from .name_lists import read_names

_LISTS = ("train", "val", "test", "test_day", "test_night")
Paths = tuple[Path, Path, Path]
"""Files of RGB, thermal and label of one sample, or their folders; the first two may be the same."""


@dataclass(frozen=True)
class FolderLayout:
    """Folders that hold the images of a sample, each as `FOLDER/NAME.png`.

    Attributes:
        rgb, thermal, label: the folders; `rgb` and `thermal` are the same where one file holds both.
        halves: the folders lie in `train/` and again in `test/`. Otherwise they lie in the root, and lists of names,
            `SPLIT.txt`, beside them.
    """

    rgb: str
    thermal: str
    label: str
    halves: bool = False

    def folders(self, root: Path, half: str) -> Paths:
        """Folders of RGB, thermal and label of a data set, or of one half (`train` or `test`) of it."""
        parent = root / half if self.halves else root
        return parent / self.rgb, parent / self.thermal, parent / self.label


@dataclass(frozen=True)
class SplitFiles:
    """The samples that a list names, or that lie in a half: names, and their files."""

    names: tuple[str, ...]
    files: tuple[Paths, ...]

    @classmethod
    def of_half(cls, folders: Paths) -> "SplitFiles":
        """Of all names that lie in folders of RGB, thermal and label."""
        return cls._in_folders(
            tuple(sorted({path.stem for folder in folders for path in folder.glob("*.png")})), folders
        )

    @classmethod
    def of_lists(cls, root: Path, layout: FolderLayout) -> dict[str, "SplitFiles"]:
        """Of each list of names beside the folders.

        Raises:
            UserError: there is none.
        """
        lists, folders = {name: root / f"{name}.txt" for name in _LISTS}, layout.folders(root, "")
        splits = {
            name: cls._in_folders(
                read_names(path, lambda each: (folders[0] / f"{each}.png").is_file()), folders
            )
            for name, path in lists.items()
            if path.is_file()
        }
        if not splits:
            raise UserError(
                f"{root} has no list of names: expected {lists['train']}, found {found_near(lists['train'], root)}"
            )
        return splits

    @classmethod
    def _in_folders(cls, names: tuple[str, ...], folders: Paths) -> "SplitFiles":
        rgb, thermal, label = folders
        return cls(
            names,
            tuple((rgb / f"{name}.png", thermal / f"{name}.png", label / f"{name}.png") for name in names),
        )


def find_layout(root: Path, half: str, title: str, layouts: tuple[FolderLayout, ...]) -> FolderLayout:
    """The layout that a folder has.

    Args:
        root: the data set's folder.
        half: which half must be there, in a layout by halves.
        title: name of the data set, for the error.
        layouts: those it is known in.

    Raises:
        UserError: none of them; names the paths that the nearest ones miss, and what is there.
    """
    missing: dict[int, list[Path]] = {}
    for layout in layouts:
        folders = dict.fromkeys(layout.folders(root, half))
        absent = [path for path in folders if not path.is_dir()]
        if not absent:
            return layout
        missing.setdefault(len(folders) - len(absent), []).append(absent[0])
    nearest = missing[max(missing)]
    raise UserError(
        f"{root} has not the {title} layout: expected {' or '.join(map(str, nearest))}, "
        f"found {found_near(nearest[0], root)}"
    )


def found_near(path: Path, root: Path) -> str:
    """What lies in the deepest existing folder on the way from the root to a missing path, for an error message."""
    if not is_folder(root):
        return "nothing"
    folder = next(parent for parent in path.parents if is_folder(parent))
    names = sorted(entry.name for entry in folder.iterdir())
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return (listed or "nothing") + ("" if folder == root else f" in {folder}")
