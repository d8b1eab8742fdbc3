"""RGB-thermal street scenes with exact labels, drawn by the project itself."""

from rgbt_seg_ros.scenes.cameras.light import CONDITIONS
from rgbt_seg_ros.scenes.sequence import TimedFrame, render_sequence
from rgbt_seg_ros.scenes.still import SceneSample, render_still

__all__ = ["CONDITIONS", "SceneSample", "TimedFrame", "render_sequence", "render_still"]
