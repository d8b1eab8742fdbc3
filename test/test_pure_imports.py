"""What needs ROS to be imported and what does not: everything but the glue lives without rclpy and the messages."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

GLUE = {
    "rgbt_seg_ros.camera_pair",
    "rgbt_seg_ros.evaluate_bag",
    "rgbt_seg_ros.messages",
    "rgbt_seg_ros.node",
    "rgbt_seg_ros.output_bag",
    "rgbt_seg_ros.outputs",
    "rgbt_seg_ros.play",
    "rgbt_seg_ros.record",
    "rgbt_seg_ros.ros_parameters",
    "rgbt_seg_ros.ros_process",
    "rgbt_seg_ros.segmenter_node",
    "rgbt_seg_ros.upstream_sync",
    "rgbt_seg_ros.watch",
    "rgbt_seg_ros.watch_feed",
}

# Imports every module of both packages where no ROS package can be found; prints the error of each that fails.
IMPORT_ALL = """
import importlib, json, pkgutil, sys

ROS = ("rclpy", "rosidl", "launch", "ament_", "message_filters")

class NoRos:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top.startswith(ROS) or top.endswith(("_msgs", "_interfaces")):
            raise ModuleNotFoundError(f"no module named {name!r} without ROS", name=name)

sys.meta_path.insert(0, NoRos())
errors = {}
for package in ("rgbt_seg_ros", "training"):
    folders = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(folders, package + "."):
        try:
            importlib.import_module(module.name)
            errors[module.name] = None
        except Exception as error:
            errors[module.name] = f"{type(error).__name__}: {error}"
json.dump(errors, sys.stdout)
"""


def test_exactly_the_glue_needs_ros() -> None:
    # The checkout comes first on the path, before the `training` that sam2 installs.
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{IMPORT_ALL}"],
        capture_output=True,
        text=True,
        check=True,
    )
    errors: dict[str, str | None] = json.loads(result.stdout)
    failed = {module: error for module, error in errors.items() if error is not None}
    assert "rgbt_seg_ros.models.shifnet" in errors
    assert "training.train" in errors
    assert all("without ROS" in error for error in failed.values()), failed
    assert failed.keys() == GLUE, failed
