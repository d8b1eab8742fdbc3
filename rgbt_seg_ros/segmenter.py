"""Arrays in, arrays out: the one way in which node, offline runner and command line run a model.

Scaling, resizing, padding, device and precision are inside; there is no ROS and no text encoder here.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.models.model_file import ModelCard, file_hash, load_model, read_card, resolve_model
from rgbt_seg_ros.thermal import ThermalNormalization

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_MIN_SIDE = 8  # pixels; anything smaller is a broken camera, not an image


@dataclass(frozen=True)
class Segmentation:
    """Result for one pair.

    Attributes:
        mask: uint8 [H, W], class ids; 255 = unlabeled.
        confidence: float32 [H, W], probability of the chosen class.
        stage_ms: milliseconds spent in preprocess, inference and postprocess.
    """

    mask: np.ndarray
    confidence: np.ndarray
    stage_ms: dict[str, float]


class Segmenter:
    """A loaded model with everything between camera arrays and class ids. Not thread-safe: one caller at a time."""

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard,
        model_hash: str,
        device: torch.device,
        precision: str,
        thermal: ThermalNormalization,
    ) -> None:
        self.card = card
        self.model_hash = model_hash
        self.device = device
        self.precision = precision
        self._network = network
        self._normalize_thermal = thermal

    @classmethod
    def load(
        cls,
        model: str | Path = "default",
        device: str = "auto",
        precision: str = "auto",
        thermal: ThermalNormalization | None = None,
    ) -> "Segmenter":
        """Load a model file.

        Args:
            model: path, or `default` for the packaged model.
            device: `auto` (CUDA where there is a GPU, else the CPU), `cpu`, `cuda` or `cuda:N`.
            precision: `auto` (bfloat16 on CUDA, float16 on GPUs without it, float32 on the CPU), or one of these.
            thermal: from thermal pixel values to [0, 1]; default `ThermalNormalization()`.

        Raises:
            UserError: missing or damaged file, no such device, unknown precision.
        """
        path = resolve_model(model)
        chosen_device = _choose_device(device)
        return cls(
            network=load_model(path, chosen_device),
            card=read_card(path),
            model_hash=file_hash(path),
            device=chosen_device,
            precision=_choose_precision(precision, chosen_device),
            thermal=thermal or ThermalNormalization(),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of the ids."""
        return self.card.class_names

    @property
    def thing_classes(self) -> tuple[str, ...]:
        """The classes that become detections."""
        return self.card.thing_classes

    def warm_up(self, height: int = 480, width: int = 640) -> float:
        """Segment an empty pair of a size twice; milliseconds of the second time."""
        rgb = np.zeros((height, width, 3), np.uint8)
        thermal = np.zeros((height, width), np.uint8)
        self(rgb, thermal)
        return sum(self(rgb, thermal).stage_ms.values())

    @torch.inference_mode()
    def __call__(self, rgb: np.ndarray | None, thermal: np.ndarray | None) -> Segmentation:
        """Segment one pair.

        Args:
            rgb: uint8 [H, W, 3], or None if there is no colour image.
            thermal: uint8 or uint16 [h, w], resized onto the RGB image, or None if there is no thermal image.

        Returns:
            Mask and confidence at the RGB image's size; at the thermal image's without RGB.

        Raises:
            ValueError: both are None, a wrong shape or dtype, or the network's output is not finite.
        """
        _check_inputs(rgb, thermal)
        started = time.perf_counter()
        size = rgb.shape[:2] if rgb is not None else thermal.shape[:2]  # type: ignore[union-attr]
        inputs = self._prepare(rgb, thermal, self._network_size(size))
        self._synchronize()
        prepared = time.perf_counter()
        with self._autocast():
            logits = self._network(*inputs)
        self._synchronize()
        inferred = time.perf_counter()
        mask, confidence = _decide(logits.float(), size)
        finished = time.perf_counter()
        if not np.isfinite(confidence).all():
            raise ValueError("the network's output is not finite for this pair")
        stages = {
            "preprocess": prepared - started,
            "inference": inferred - prepared,
            "postprocess": finished - inferred,
        }
        return Segmentation(mask, confidence, {name: 1e3 * seconds for name, seconds in stages.items()})

    def _network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width in which images enter the network: shrunk to the short side of the card, never grown."""
        short_side = self.card.short_side
        if short_side is None or min(size) <= short_side:
            return size
        scale = short_side / min(size)
        return round(size[0] * scale), round(size[1] * scale)

    def _prepare(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Scaled network inputs, both float32 [1, 3, h, w]; a missing modality is zeros after scaling."""
        missing = torch.zeros(1, 3, *size, device=self.device)
        rgb_input, thermal_input = missing, missing
        if rgb is not None:
            pixels = torch.from_numpy(_resize(rgb, size)).to(self.device).permute(2, 0, 1)
            rgb_input = self.card.scaling.rgb(pixels).unsqueeze(0)
        if thermal is not None:
            counts = torch.from_numpy(_resize(self._normalize_thermal(thermal), size)).to(self.device)
            thermal_input = self.card.scaling.thermal(counts).unsqueeze(0)
        return rgb_input, thermal_input

    def _autocast(self) -> AbstractContextManager:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=PRECISIONS[self.precision])

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _decide(logits: Tensor, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """[1, N, h, w] -> class ids uint8 [H, W] and their probabilities float32 [H, W]."""
    if logits.shape[-2:] != size:
        logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    confidence, mask = logits.softmax(dim=1).max(dim=1)
    return mask[0].to(torch.uint8).cpu().numpy(), confidence[0].cpu().numpy()


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image [h, w] or [h, w, c] at another size; averaging when it shrinks, so that small warm spots survive."""
    height, width = size
    if image.shape[:2] != size:
        shrinks = image.shape[0] >= height and image.shape[1] >= width
        image = cv2.resize(
            image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
    # Decoded messages are views of read-only buffers, which torch will not take silently.
    return image if image.flags.writeable and image.flags.c_contiguous else np.array(image)


def _check_inputs(rgb: np.ndarray | None, thermal: np.ndarray | None) -> None:
    if rgb is None and thermal is None:
        raise ValueError("neither an RGB nor a thermal image was given: one of them is needed")
    if rgb is not None and (rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3):
        raise ValueError(f"the RGB image must be uint8 [H, W, 3], got {rgb.dtype} {list(rgb.shape)}")
    if thermal is not None and (thermal.dtype not in (np.uint8, np.uint16) or thermal.ndim != 2):
        raise ValueError(
            f"the thermal image must be uint8 or uint16 [H, W], got {thermal.dtype} {list(thermal.shape)}"
        )
    for name, image in (("RGB", rgb), ("thermal", thermal)):
        if image is not None and min(image.shape[:2]) < _MIN_SIDE:
            raise ValueError(
                f"the {name} image is {image.shape[1]}x{image.shape[0]}, smaller than {_MIN_SIDE} pixels"
            )


def _choose_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"there is no device {device!r}: choose auto, cpu, cuda or cuda:N") from error
    if chosen.type not in ("cpu", "cuda"):
        raise UserError(f"device {device!r} is not supported: choose auto, cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {device!r} was asked for but this machine has {torch.cuda.device_count()} CUDA GPUs: "
            "use device auto or cpu"
        )
    return chosen


def _choose_precision(precision: str, device: torch.device) -> str:
    if precision == "auto":
        if device.type == "cpu":
            return "float32"
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if precision not in PRECISIONS:
        raise UserError(f"there is no precision {precision!r}: choose auto, float32, bfloat16 or float16")
    return precision
