"""Files that are there whole or not at all: written beside under another name, synced, then renamed.

Everything that this package writes goes through here, so that a kill, a power cut or a full disk leaves no half file
under a final name, and so that all errors of the disk read alike.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError

UNFINISHED = ".partial"
"""End of the name under which a file or folder is written; a killed process leaves it, the next one replaces it."""

REMEDY = "free some space or choose another place"


def write_file(
    path: str | Path, content: bytes | str, inside: Path | None = None, synced: bool = True
) -> None:
    """Replace a file at once or not at all; its folder is made if need be. Text is written as UTF-8.

    A link under the name is replaced, never followed. Devices and pipes, as /dev/stdout, are written to directly.

    Args:
        path: the file.
        content: all of it.
        inside: a folder that the file must be in. A link below it that leads elsewhere is refused.
        synced: whether a power cut can also not leave an empty file; a sync takes 4 ms on a good disk.

    Raises:
        UserError: it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with new_file(path, inside, synced) as unfinished, open(unfinished, "wb") as file:
        file.write(data)


@contextmanager
def new_file(path: str | Path, inside: Path | None = None, synced: bool = True) -> Iterator[Path]:
    """A path to write to in the context, for what wants a path; the file gets its name at the end of it.

    An error in the context removes what was written, and leaves what was there before.

    Args:
        path: the file; see `write_file`.
        inside, synced: as in `write_file`.

    Raises:
        UserError: it cannot be written.
    """
    path = Path(path)
    unfinished = unfinished_path(path)
    with naming_file(path):
        if _is_stream(path):
            yield path
            return
        if inside is not None:
            refuse_links(path, inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        unfinished.unlink(missing_ok=True)
        # Made here, as a link that somebody puts there meanwhile must not be followed.
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            yield unfinished
            if synced:
                sync(unfinished)
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise


@contextmanager
def new_folder(path: Path, keep: bool = False) -> Iterator[Path]:
    """A path at which to make a folder in the context; the folder gets its name, with all in it, at the end.

    Args:
        path: the folder; nothing may be there.
        keep: leave what was written, under the name of `unfinished_path`, if there is an error in the context.

    Raises:
        UserError: it cannot be made, or something else has the name of the unfinished folder.
    """
    unfinished = unfinished_path(path)
    # One more level: some name files in a folder after it.
    written = unfinished / path.name
    with naming_folder(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished_folder(path)
        unfinished.mkdir()
    try:
        yield written
        with naming_folder(path):
            for file in written.rglob("*"):
                if file.is_file():
                    sync(file)
            written.rename(path)
            unfinished.rmdir()
    except BaseException:
        if not keep:
            shutil.rmtree(unfinished, ignore_errors=True)
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder that this package has written, if it is there; of a link to one only the link.

    Raises:
        UserError: it cannot be removed.
    """
    with naming_folder(path):
        if path.is_symlink():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)


def remove_unfinished_folder(path: Path) -> None:
    """Remove what a killed `new_folder` has left of a folder, if it has.

    Raises:
        UserError: something else has that name.
        OSError: it cannot be removed.
    """
    unfinished = unfinished_path(path)
    if unfinished.is_symlink() or (unfinished.exists() and not unfinished.is_dir()):
        raise UserError(f"{unfinished} is in the way of {path}: remove it")
    if unfinished.is_dir():
        if others := sorted({entry.name for entry in unfinished.iterdir()} - {path.name}):
            raise UserError(f"{unfinished} holds {others[0]} and is in the way of {path}: remove it")
        shutil.rmtree(unfinished)


class LinesFile:
    """A file that lines are appended to, each at once; an earlier file of the name is replaced. Not thread-safe.

    A kill can leave half of the last line, which readers skip; an error leaves whole lines.
    """

    def __init__(self, path: Path, keep: bool = False) -> None:
        """Open it.

        Args:
            path: the file; a link under the name is replaced.
            keep: go on after the lines that are there.

        Raises:
            UserError: it cannot be written.
        """
        self.path = path
        with naming_file(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not keep or path.is_symlink():
                path.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o666)
            self._length = os.fstat(self._file).st_size

    def add(self, line: str) -> None:
        """Append a line, given without its end.

        Raises:
            UserError: it cannot be written.
        """
        data = f"{line}\n".encode()
        with naming_file(self.path):
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file, self._length)
                raise
        self._length += len(data)

    def close(self) -> None:
        """Sync and close it; a second call does nothing.

        Raises:
            UserError: the disk took the lines but cannot keep them.
        """
        if self._file < 0:
            return
        file, self._file = self._file, -1
        with naming_file(self.path):
            try:
                os.fsync(file)
            finally:
                os.close(file)


@contextmanager
def naming_file(path: str | Path, remedy: str = REMEDY) -> Iterator[None]:
    """Turn an error of the disk in the context into a sentence on a file, with the free space of its folder.

    Raises:
        UserError: there was an error.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, path, remedy) from error


@contextmanager
def naming_folder(path: Path) -> Iterator[None]:
    """The same on a folder that is to be written to.

    Raises:
        UserError: there was an error.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(error, path, to="to ") from error


def disk_error(error: OSError, path: str | Path, remedy: str = REMEDY, to: str = "") -> UserError:
    """The sentence of an error in writing a file, or to a folder: what, why, the free space, what to do."""
    reason = error.strerror or str(error)
    return UserError(f"cannot write {to}{path} ({reason}): {free_space(Path(path))}, {remedy}")


def is_full_or_locked(error: OSError) -> bool:
    """Whether an error says that a disk takes nothing more, whatever was written."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


def unfinished_path(path: Path) -> Path:
    """Where a file or folder is written before it gets its name."""
    return path.with_name(path.name + UNFINISHED)


def refuse_links(path: Path, inside: Path) -> None:
    """Refuse a path that leaves a folder by a link below it; the last part of the path is not looked at.

    Raises:
        UserError: with the link.
    """
    for folder in path.relative_to(inside).parents:
        place = inside / folder
        if place != inside and place.is_symlink():
            raise UserError(
                f"{place} is a link to elsewhere, through which nothing is written: remove it, or choose another folder"
            )


def sync(path: Path) -> None:
    """Have the disk keep what is in a file over a power cut."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _is_stream(path: Path) -> bool:
    """Whether a path is no place on a disk: a device, a pipe, or one of the names of an open file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    folder = str(path.parent.resolve())
    names_open_file = folder == "/dev" or folder.startswith("/proc/")
    return names_open_file or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def free_space(path: Path) -> str:
    """``there are 3.2 MB free in FOLDER``, of the nearest folder that there is."""
    folder = path.absolute()
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return f"the free space of {folder} is not known"
    return f"there are {free / 1e6:.1f} MB free in {folder}"
