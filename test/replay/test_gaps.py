"""Images that a recording lacks by its own stamps are counted by the offline run."""

from pathlib import Path

from bags import START_NS, rgb_frame, thermal_frame, write_bag

from rgbt_seg_ros.bags.reader import Recording
from rgbt_seg_ros.bags.writer import BagWriter
from rgbt_seg_ros.replay.offline_run import segment_recording
from rgbt_seg_ros.settings import Settings

MISSING_RGB = (7, 12, 13)


def test_a_recordings_gaps_are_in_its_summary(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        for index in range(20):
            stamp = START_NS + index * 100_000_000
            if index not in MISSING_RGB:
                bag.write("/rgb/image", bag.image(rgb_frame(index), stamp, "camera"), stamp)
            bag.write("/thermal/image", bag.image(thermal_frame(index), stamp, "camera"), stamp + 1)
    dropped = segment_recording(Recording(tmp_path / "bag"), Settings(), tmp_path / "run").dropped.to_json()
    assert dropped["missing_estimated"] == len(MISSING_RGB)

    whole = write_bag(tmp_path / "whole", rgb_count=12, thermal_count=12)
    dropped = segment_recording(Recording(whole), Settings(), tmp_path / "other").dropped.to_json()
    assert "missing_estimated" not in dropped
