"""An install space of the package as colcon makes it, for tests with the real `ros2` command, and that command."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from logged_process import LoggedProcess
from places import REPOSITORY

COMMANDS = {"segmenter": "node", "evaluate_bag": "evaluate_bag", "play": "play", "record": "record"}
"""Module by executable."""


def require_ros2_launch() -> None:
    """Skips the tests of a module where `ros2 launch` is not installed; it is not on PyPI."""
    reason = "needs ros2 launch (launch, launch_ros, ros2cli), which only a ROS installation has"
    for module in ("launch.actions", "launch_ros.actions", "ros2launch.api"):
        pytest.importorskip(module, reason=reason)
    if shutil.which("ros2") is None:
        pytest.skip(reason, allow_module_level=True)


def make_install_space(prefix: Path) -> dict[str, str]:
    """Fill a new folder; the environment of processes that find the package there and its modules in the checkout.

    test/package/test_packaging.py looks at what an installation itself holds.
    """
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "rgbt_seg_ros").touch()
    share = prefix / "share" / "rgbt_seg_ros"
    # `ros2 launch` looks into folders, not into links to folders.
    (share / "launch").mkdir(parents=True)
    for path in (REPOSITORY / "launch").glob("*.launch.py"):
        (share / "launch" / path.name).symlink_to(path)
    for name in ("config", "resource", "package.xml"):
        (share / name).symlink_to(REPOSITORY / name)
    programs = prefix / "lib" / "rgbt_seg_ros"
    programs.mkdir(parents=True)
    for name, module in COMMANDS.items():
        program = programs / name
        program.write_text(
            f"#!{sys.executable}\nimport sys\nfrom rgbt_seg_ros.{module} import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
    prefixes = os.pathsep.join([str(prefix), *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])])
    return {
        **os.environ,
        "AMENT_PREFIX_PATH": prefixes,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "ROS_LOG_DIR": str(prefix / "log"),
    }


class Launched(LoggedProcess):
    """A running `ros2 launch` with its output in a file; ended with the context, and with it all that it started."""

    patience_s = 30.0

    def __init__(self, log: Path, environment: dict[str, str], *arguments: str) -> None:
        super().__init__(log, ["ros2", "launch", "--noninteractive", *arguments], log.parent, environment)

    def __enter__(self) -> "Launched":
        return self

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()
