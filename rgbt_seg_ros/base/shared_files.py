"""Where the files that are not Python code live: the default model, configurations, interface files."""

import os
import sys
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import is_file

PACKAGE = "rgbt_seg_ros"
_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def share_path(relative: str) -> Path:
    """Path of a shipped file, for instance ``share_path("resource/default.safetensors")``.

    A checkout is looked at first, then the ament index of a ROS installation, then the prefix of a plain pip
    installation; setup.py installs `launch/`, `config/` and `resource/` under `share/rgbt_seg_ros` by the same names.

    Raises:
        UserError: the file is in none of them.
    """
    roots = [_CHECKOUT] if (_CHECKOUT / "pyproject.toml").is_file() else _installed_roots()
    for root in roots:
        if (root / relative).exists():
            return root / relative
    places = " and ".join(str(root) for root in roots)
    raise UserError(
        f"{relative} is not part of this installation (looked in {places}): install {PACKAGE} again"
    )


def resolve_model(model: str | Path) -> Path:
    """Path of a model file; `default` is the packaged one.

    Raises:
        UserError: there is no such file.
    """
    path = share_path("resource/default.safetensors") if str(model) == "default" else Path(model).expanduser()
    if not is_file(path):
        raise UserError(f"there is no model file {path}: give the path of a .safetensors file, or 'default'")
    return path


def _installed_roots() -> list[Path]:
    prefixes = [
        Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix
    ]
    # pip and colcon both put the package below <prefix>/lib/pythonX.Y/site-packages.
    prefixes += [*Path(__file__).resolve().parents[4:7], Path(sys.prefix)]
    return [prefix / "share" / PACKAGE for prefix in prefixes]
