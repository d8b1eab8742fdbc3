"""The parameters of the node, declared once. No ROS."""

from rgbt_seg_ros.settings.table import PARAMETERS, Settings

__all__ = ["PARAMETERS", "Settings"]
