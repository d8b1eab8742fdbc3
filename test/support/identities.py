"""Objects with known identities over rendered sequences, and IDF1, which says how well they are kept."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.masks.detections import Detection, find_detections
from rgbt_seg_ros.masks.tracking import iou
from rgbt_seg_ros.scenes.sequence import render_sequence

THINGS = ("car", "person", "bike")
MIN_AREA = 50


@dataclass(frozen=True)
class Known:
    """What is seen at one moment."""

    stamp_ns: int
    boxes: dict[tuple[int, int], tuple[float, float, float, float]]
    """Of the things, as x, y, width, height about the centre, by number of the thing and class."""
    found: list[Detection]
    """Connected components of the true labels."""


def known_sequence(seed: int, duration_s: float, rate: float, condition: str) -> Iterator[Known]:
    """A rendered drive of 320 x 240 pixels."""
    for frame in render_sequence(seed, duration_s, rate, 0.1, (240, 320), (60, 80), condition=condition):
        if frame.label is None or frame.instance is None:
            continue
        boxes = {}
        for class_id, name in enumerate(MFNET.names):
            members = frame.label == class_id
            for thing in np.unique(frame.instance[members]) if name in THINGS else ():
                rows, columns = np.nonzero(members & (frame.instance == thing))
                if thing and len(rows) >= MIN_AREA:
                    boxes[int(thing), class_id] = (
                        (columns.min() + columns.max()) / 2,
                        (rows.min() + rows.max()) / 2,
                        float(np.ptp(columns) + 1),
                        float(np.ptp(rows) + 1),
                    )
        sure = np.ones(frame.label.shape, np.float32)
        yield Known(
            frame.stamp_ns, boxes, find_detections(frame.label, sure, MFNET.names, THINGS, min_area=MIN_AREA)
        )


def idf1(moments: Sequence[tuple[Known, list[Detection]]]) -> float:
    """IDF1 (Ristani et al., 2016): 2 IDTP / (true boxes + given boxes), for the best one-to-one match of identities.

    A box is that of a thing of its class which it overlaps by half (IoU).

    Args:
        moments: what is seen, and the objects with their identities.
    """
    together: Counter[tuple[tuple[int, int], int]] = Counter()
    true = given = 0
    for known, objects in moments:
        true, given = true + len(known.boxes), given + len(objects)
        if not known.boxes or not objects:
            continue
        boxes = np.array([(each.center_x, each.center_y, each.size_x, each.size_y) for each in objects])
        overlap = iou(np.array(list(known.boxes.values())), boxes)
        for row, thing in enumerate(known.boxes):
            for column, each in enumerate(objects):
                if thing[1] == each.class_id and overlap[row, column] >= 0.5:
                    together[thing, each.object_id] += 1
    things = {thing: i for i, thing in enumerate(dict.fromkeys(thing for thing, _ in together))}
    ids = {each: i for i, each in enumerate(dict.fromkeys(each for _, each in together))}
    counts = np.zeros((len(things), len(ids)))
    for (thing, each), count in together.items():
        counts[things[thing], ids[each]] = count
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return float(2 * matched / (true + given)) if true + given else 1.0
