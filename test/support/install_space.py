"""An install space of the package as colcon makes it, for tests with the real `ros2` command, and that command."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from places import REPOSITORY
from waiting import TIMEOUT_S, wait_for

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


class Launched:
    """A running `ros2 launch` with its output in a file; ended with the context, and with it all that it started."""

    def __init__(self, log: Path, environment: dict[str, str], *arguments: str) -> None:
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                ["ros2", "launch", "--noninteractive", *arguments],
                cwd=log.parent,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> "Launched":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for_output(self, text: str, timeout_s: float = TIMEOUT_S) -> None:
        wait_for(
            lambda: text in self.output or self.process.poll() is not None, f"{text!r} in the log", timeout_s
        )
        assert text in self.output, self.output

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """The exit code of `ros2 launch`."""
        return self.process.wait(timeout_s)

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()
