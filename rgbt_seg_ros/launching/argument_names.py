"""The names of arguments of a launch file: what nobody would read is refused."""

import sys
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from launch.launch_context import LaunchContext
from launch.logging import get_logger

from rgbt_seg_ros.base.errors import UserError, nearest
from rgbt_seg_ros.base.shared_files import PACKAGE

_NEARLY = 0.85
"""How much of two names is alike where one is taken for a mistyped other (`difflib`)."""

_OF_LAUNCH = ("launch-prefix", "launch-prefix-filter", "sigterm_timeout", "sigkill_timeout")
"""Arguments that launch itself reads."""


def check_argument_names(context: LaunchContext, launch_file: str, known: Collection[str]) -> None:
    """Refuse arguments of `ros2 launch` that nobody would read; launch itself ignores them.

    Where a launch file of somebody else includes ours, its arguments are its own: names that are nearly ours are said.

    Args:
        context: of the launch.
        launch_file: path of the file whose arguments are known.
        known: their names.

    Raises:
        UserError: with the nearest name.
    """
    if _is_launched_by_itself(Path(launch_file)):
        for name in (word.partition(":=")[0] for word in context.argv):
            if name not in known and name not in _OF_LAUNCH:
                like = nearest(name, known)
                raise UserError(f"there is no argument {name}: the nearest is {like}, --show-args lists all")
        return
    for name in context.launch_configurations:
        near = get_close_matches(name, known, n=1, cutoff=_NEARLY)
        if name not in known and near:
            get_logger(Path(launch_file).name).warning(
                f"{name!r} is no argument of this file and ignored: did you mean {near[0]!r}?"
            )


def _is_launched_by_itself(launch_file: Path) -> bool:
    """Whether the command line of `ros2 launch` names this very file."""
    for before, word in zip(sys.argv, sys.argv[1:], strict=False):
        if Path(word).name == launch_file.name:
            return Path(word).samefile(launch_file) if Path(word).is_file() else before == PACKAGE
    return False
