"""RGB-thermal street scenes with exact labels, drawn by the project itself."""

from rgbt_seg_ros.scenes.light import CONDITIONS
from rgbt_seg_ros.scenes.still import SceneSample, render_still

__all__ = ["CONDITIONS", "SceneSample", "render_still"]
