"""What a segmenter says of one pair."""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.segmenter.decision import Decision


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Result for one pair.

    Attributes:
        mask: uint8 [H, W], class ids; 255 = unlabeled. (uint16 with 65535 if there are more than 255 classes.)
        probability: of the chosen classes, float32 [H, W], or what tells it of single pixels.
        stage_ms: milliseconds spent in preprocess, inference and postprocess.
        classes: what the ids mean: the selection in use when this pair's turn came.
        confidence_ms: milliseconds spent since on `confidence`; 0 until it is asked for.
    """

    mask: np.ndarray
    probability: np.ndarray | Decision
    stage_ms: dict[str, float]
    classes: ClassSelection
    confidence_ms: float = 0.0

    @cached_property
    def confidence(self) -> np.ndarray:
        """float32 [H, W], probability of the chosen class; 0 where unlabeled. Computed when it is first asked for."""
        if isinstance(self.probability, np.ndarray):
            return self.probability
        begun = time.perf_counter()
        found = self.probability.probabilities()
        object.__setattr__(self, "confidence_ms", 1e3 * (time.perf_counter() - begun))
        # With all of them known, what they are computed of is let go.
        object.__setattr__(self, "probability", found)
        return found
