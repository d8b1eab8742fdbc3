"""Images that a recording lacks by its own stamps."""

from collections.abc import Iterator

from rgbt_seg_ros.bags.image_topics import Kind
from rgbt_seg_ros.bags.reader import RecordedImage
from rgbt_seg_ros.base.diagnostics import Drop, Key
from rgbt_seg_ros.pairing.stamp_gaps import StampGaps

_KEYS: dict[Kind, Key] = {"rgb": Key.RGB_MISSING_ESTIMATED, "thermal": Key.THERMAL_MISSING_ESTIMATED}


class RecordingGaps:
    """Counts them as the node does. They were lost before or while recording: the run reads every recorded image."""

    def __init__(self) -> None:
        self._gaps = {kind: StampGaps() for kind in _KEYS}

    def watch(self, images: Iterator[RecordedImage]) -> Iterator[RecordedImage]:
        """The images as they come, their stamps noted."""
        for image in images:
            self._gaps[image.kind].add(image.time_ns)
            yield image

    @property
    def counts(self) -> dict[Key | Drop, int]:
        """By the keys of /diagnostics; empty while nothing is missing."""
        total = sum(gaps.missing for gaps in self._gaps.values())
        if not total:
            return {}
        return {
            Drop.MISSING_ESTIMATED: total,
            **{_KEYS[kind]: each.missing for kind, each in self._gaps.items()},
        }
