"""Levels and names on /diagnostics that the node and those who read its reports share; no ROS."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


OK, WARN, ERROR = 0, 1, 2
"""Levels, with the values of diagnostic_msgs/DiagnosticStatus."""

STATUS_NAME = "rgbt_segmenter: segmentation"
"""Name of the node's status in /diagnostics, by which others find it."""
