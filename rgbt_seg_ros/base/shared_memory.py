"""The shared memory in which Fast DDS carries images: is there enough, and what have dead processes left in it?"""

import contextlib
import fcntl
import os
import re
import time
from pathlib import Path

FOLDER = Path("/dev/shm")

NEEDED_BYTES = 18 << 20
"""A process's segments, see config/fastdds.xml."""

_LOCK = re.compile(r"fastrtps_[0-9a-f]{16}_el")
_LEAST_AGE_S = 2.0
"""A younger file may be one that its process is about to lock [s]."""


def fault(folder: Path = FOLDER) -> str:
    """Why Fast DDS cannot carry images in shared memory and what to do, in one sentence; empty if it can."""
    effect = "images go through UDP, which is slower and loses large ones unless reliable is asked for"
    try:
        free = os.statvfs(folder)
    except OSError as error:
        return f"there is no shared memory ({folder}: {error.strerror}): {effect}"
    if not os.access(folder, os.W_OK):
        return f"shared memory cannot be used ({folder} is not writable): {effect}; make it writable for this user"
    available = free.f_bavail * free.f_frsize
    if available >= NEEDED_BYTES:
        return ""
    return (
        f"shared memory is full ({folder} has {available / 1e6:.1f} MB free, {NEEDED_BYTES / 1e6:.0f} MB are needed): "
        f"{effect}; remove what is not used there, or enlarge it (docker run --shm-size=1g)"
    )


def remove_abandoned_segments(folder: Path = FOLDER, least_age_s: float = _LEAST_AGE_S) -> int:
    """Remove segments of Fast DDS whose process has died without removing them: 17 MB for each that was killed.

    Fast DDS keeps a lock file locked as long as the process lives, and `fastdds shm clean` goes by it as well.

    Returns:
        The bytes that are free now.
    """
    freed = 0
    try:
        locks = [path for path in folder.iterdir() if _LOCK.fullmatch(path.name)]
    except OSError:
        return 0
    for lock in locks:
        try:
            if time.time() - lock.stat().st_mtime < least_age_s or _is_locked(lock):
                continue
        except OSError:
            continue
        segment = lock.with_name(lock.name.removesuffix("_el"))
        # Others' files cannot be removed, and two of ours may do so at once.
        with contextlib.suppress(OSError):
            size = segment.stat().st_blocks * 512
            segment.unlink()
            freed += size
        with contextlib.suppress(OSError):
            lock.unlink()
    return freed


def _is_locked(path: Path) -> bool:
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
