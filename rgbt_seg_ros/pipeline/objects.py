"""The objects in one camera pair's masks, with numbers: of the image alone, or identities over all images; no rclpy."""

from dataclasses import replace

from rgbt_seg_ros.masks.detections import Detection, find_detections
from rgbt_seg_ros.masks.tracking import Tracker
from rgbt_seg_ros.segmenter import Segmentation
from rgbt_seg_ros.settings import Settings

_UNSURE = 0.5
"""Objects that reach this share of the least score and area keep known identities alive."""


def find_objects(settings: Settings, segmentation: Segmentation, share: float = 1.0) -> list[Detection]:
    """The detections in a segmentation, by this share of the settings' least area and score."""
    return find_detections(
        segmentation.mask,
        segmentation.probability,
        segmentation.classes.names,
        segmentation.classes.thing_classes,
        min_area=max(1, round(share * settings.detections.min_area)),
        score_threshold=share * settings.detections.score_threshold,
    )


class ObjectFinder:
    """Finds the objects of one camera pair's images, in the order of the images; for one thread at a time.

    With `tracking.enabled` an object has the same number over the images. Numbers begin anew with other classes, with
    images of another size or of the other camera, and where time jumps back. Else they are 1, 2, 3 in each image.
    """

    def __init__(self) -> None:
        self._tracker = Tracker()
        self._seen: object = None

    def find(
        self, settings: Settings, segmentation: Segmentation, camera: str, stamp_ns: int
    ) -> list[Detection]:
        """The objects of the next image.

        Args:
            settings: the node's.
            segmentation: of the image.
            camera: rgb or thermal, whose pixels the mask's are.
            stamp_ns: of the image.
        """
        if not settings.tracking.enabled:
            found = find_objects(settings, segmentation)
            return [replace(each, object_id=number) for number, each in enumerate(found, 1)]
        seen = (segmentation.classes.names, camera, segmentation.mask.shape)
        if seen != self._seen:
            self._seen = seen
            self._tracker.forget()
        sure: list[Detection] = []
        unsure: list[Detection] = []
        for each in find_objects(settings, segmentation, _UNSURE):
            reported = each.area >= settings.detections.min_area
            reported &= each.score >= settings.detections.score_threshold
            (sure if reported else unsure).append(each)
        return self._tracker.update(
            stamp_ns, sure, unsure, settings.tracking.min_iou, settings.tracking.max_gap
        )
