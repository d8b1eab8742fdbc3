"""From logits to the class of each pixel and its probability."""

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from rgbt_seg_ros.segmenter.class_selection import ClassSelection


def most_probable(logits: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """[B, N, h, w] -> probability of the likeliest class and its place among the N, float and int64 [B, H, W]."""
    if logits.shape[-2:] != size:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    probabilities, answers = logits.softmax(dim=1).max(dim=1)
    return probabilities, answers


def decide(logits: Tensor, size: tuple[int, int], classes: ClassSelection) -> tuple[np.ndarray, np.ndarray]:
    """[B, N, h, w] -> class ids [B, H, W] and their probabilities float32 [B, H, W]."""
    probabilities, answers = (result.cpu().numpy() for result in most_probable(logits, size))
    if classes.ids is None:
        return answers.astype(classes.mask_type), probabilities
    mask = classes.ids[answers]
    return mask, probabilities * (mask != classes.unlabeled)
