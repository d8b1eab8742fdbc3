"""Processes with a /dev/shm of their own, in which nobody else's files are."""

import shutil
import subprocess
from functools import cache

import pytest


def with_private_shm(options: str) -> list[str]:
    """What to put before a command so that it and its children have such a one; skips where that is not allowed.

    Args:
        options: of the mount, for instance ``size=64k``.
    """
    script = f'mount -t tmpfs -o {options} tmpfs /dev/shm && exec "$@"'
    prefix = _unshare()
    if not prefix:
        pytest.skip("needs the right to mount (root, or user namespaces)")
    return [*prefix, "sh", "-c", script, "sh"]


@cache
def _unshare() -> tuple[str, ...]:
    if shutil.which("unshare") is None:
        return ()
    for prefix in (("unshare", "-m"), ("unshare", "-Urm")):
        trial = [*prefix, "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
        if subprocess.run(trial, capture_output=True).returncode == 0:
            return prefix
    return ()
