"""Numbers of several recordings together, as bags.json holds them."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rgbt_seg_ros.base.json_files import decode_json, encode_json
from rgbt_seg_ros.masks.scores import ConfusionMatrix, Scores
from rgbt_seg_ros.runs.summary import Summary

BAGS = "bags.json"

_SUMMED = ("pairs", "masks", "detections", "alone")


@dataclass(frozen=True)
class BagResult:
    """What became of one recording.

    Attributes:
        name: of the recording, and of the folder of its run.
        summary: None if there is none.
        confusion: of its labels, see `ConfusionMatrix.matrix`; empty without labels.
        class_names: of the confusion's rows.
        error: why there is no summary, in a sentence.
    """

    name: str
    summary: Summary | None = None
    confusion: Sequence[Sequence[int]] = ()
    class_names: Sequence[str] = ()
    error: str = ""

    def encode(self) -> str:
        """As JSON, to be read by `decode`."""
        summary = None if self.summary is None else self.summary.to_json()
        return encode_json({**vars(self), "summary": summary})

    @classmethod
    def decode(cls, text: str) -> "BagResult":
        values = decode_json(text, dict[str, Any])
        summary = values.pop("summary")
        return cls(**values, summary=None if summary is None else Summary.from_json(summary))


@dataclass(frozen=True)
class Joint:
    """Several recordings.

    Attributes:
        bags: in the order in which they were asked for.
        counts: pairs, masks, detections and single images of all.
        dropped: images and pairs that were not used, by cause.
        scores: over all labels as if they were of one recording; None without labels.
        labelled: how many labels these are.
        mask_hash: of the names of the bags and their `mask_hash`, in order; the same however the work was shared.
    """

    bags: Sequence[BagResult]
    counts: Mapping[str, int]
    dropped: Mapping[str, int]
    scores: Scores | None = None
    labelled: int = 0
    mask_hash: str = field(default="")

    @property
    def failed(self) -> list[str]:
        """Names of the bags without a summary."""
        return [bag.name for bag in self.bags if bag.summary is None]

    def to_json(self) -> dict[str, Any]:
        """The content of bags.json."""
        scores: dict[str, Any] = {}
        if self.scores is not None:
            scores = {**self.scores.to_json(), "labelled_masks": self.labelled}
        bags = {
            bag.name: {"error": bag.error} if bag.summary is None else bag.summary.to_json()
            for bag in self.bags
        }
        return {**self.counts, "dropped": self.dropped, **scores, "mask_hash": self.mask_hash, "bags": bags}


def join(bags: Sequence[BagResult]) -> Joint:
    """Numbers of all recordings; times are those of each alone."""
    summaries = [(bag.name, bag.summary) for bag in bags if bag.summary is not None]
    counts: Counter[str] = Counter(dict.fromkeys(_SUMMED, 0))
    dropped: Counter[str] = Counter()
    hashed = hashlib.sha256()
    for name, summary in summaries:
        counts.update({key: getattr(summary, key) or 0 for key in _SUMMED})
        dropped.update(summary.dropped.to_json())
        hashed.update(encode_json([name, summary.mask_hash]).encode())
    labelled = [bag for bag in bags if bag.confusion]
    scores = None
    if labelled:
        names = labelled[0].class_names
        matrix = ConfusionMatrix(len(names))
        matrix.matrix = np.sum([np.array(bag.confusion, np.int64) for bag in labelled], axis=0)
        scores = matrix.scores(names)
    number = sum(summary.labelled.count for _, summary in summaries if summary.labelled is not None)
    return Joint(bags, dict(counts), dict(dropped), scores, number, hashed.hexdigest())
