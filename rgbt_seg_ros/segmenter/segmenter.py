"""Arrays in, arrays out: the one way in which node, offline runner and command line run a model.

Scaling, resizing, padding, device and precision are inside; there is no ROS and no text encoder here.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.base.precision import TORCH
from rgbt_seg_ros.images.pair import ImagePair, resize_image, resize_valid
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.models.model_file import ModelCard, read_card
from rgbt_seg_ros.models.serving_form import halve_weights
from rgbt_seg_ros.segmenter.class_embeddings import ClassEmbeddings
from rgbt_seg_ros.segmenter.class_selection import ClassSelection, own_classes, select_classes
from rgbt_seg_ros.segmenter.decision import decide
from rgbt_seg_ros.segmenter.device_path import EAGER_RUNS, DevicePath, Pending
from rgbt_seg_ros.segmenter.devices import HALVES, choose_device
from rgbt_seg_ros.segmenter.exported_network import fitted
from rgbt_seg_ros.segmenter.graph_capture import finish_all
from rgbt_seg_ros.segmenter.network_run import NetworkRun
from rgbt_seg_ros.segmenter.runtime import load_network
from rgbt_seg_ros.segmenter.segmentation import Segmentation


class Segmenter:
    """A loaded model with everything between camera arrays and class ids.

    One thread at a time may segment. Meanwhile another may choose classes: what is under way finishes with those that
    it began with.
    """

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard,
        model_hash: str,
        device: torch.device,
        precision: str,
        thermal: ThermalNormalization,
        runtime: str = TORCH,
        runtime_note: str = "",
        fixed_size: tuple[int, int] | None = None,
    ) -> None:
        """`load` does it for files; `runtime`, `runtime_note` and `fixed_size` are as in `LoadedNetwork`."""
        self.card = card
        self.model_hash = model_hash
        self.device = device
        self.precision = precision
        self.runtime = runtime
        self.runtime_note = runtime_note
        self._network = network
        self._run = NetworkRun(network, device, precision)
        # Read once: while a run answers for other classes, the network holds theirs.
        self._own_vectors = network.get_buffer("class_embeddings")
        self._fixed_size = fixed_size
        self._normalize_thermal = thermal
        self._classes = own_classes(card)
        self.device_path: DevicePath | None = None
        if device.type == "cuda" and runtime == TORCH:
            self.use_device_path()

    def use_device_path(self, graphs: bool = True) -> None:
        """Send images as bytes over the device from now on, see `DevicePath`; how CUDA devices are used anyway.

        Args:
            graphs: whether runs that come again become CUDA graphs.
        """
        if self.precision != "fp32" and self.card.arch == "shifnet":
            halve_weights(self._network, HALVES[self.precision])
        # Halved weights need no cache, and what it holds would be part of a graph.
        self._run = NetworkRun(self._network, self.device, self.precision, cache=False)
        self.device_path = DevicePath(self._network, self._run, self.card.scaling, self.device, graphs)

    @classmethod
    def load(
        cls,
        model: str | Path = "default",
        device: str = "auto",
        precision: str = "auto",
        thermal: ThermalNormalization | None = None,
        head: str | None = None,
        runtime: str = "auto",
    ) -> "Segmenter":
        """Load a model file, or a network exported as ONNX.

        On the CPU `base.host.prepare_process` makes it faster, which is for the process to call.

        Args:
            model: path of a `.safetensors` or `.onnx` file, or `default` for the packaged model.
            device: `auto` (CUDA where there is a GPU, else the CPU), `cpu`, `cuda` or `cuda:N`.
            precision: `auto` (`bf16` on CUDA, `fp16` on GPUs without it, `fp32` on the CPU), or one of these.
            thermal: from thermal pixel values to [0, 1]; default `ThermalNormalization()`.
            head: of a SARTM, what answers: `mask`, `aux` or `mean`; None: what the model file says.
            runtime: what runs the network: `torch`, `onnxruntime`, or `auto`, see `runtime.load_network`.

        Raises:
            UserError: missing or damaged file, no such device, precision or runtime, or nothing that runs the file.
        """
        chosen_device = choose_device(device)
        loaded = load_network(model, chosen_device, precision, runtime, head)
        return cls(
            network=loaded.network,
            card=read_card(model),
            model_hash=loaded.content_hash,
            device=chosen_device,
            precision=loaded.precision,
            thermal=thermal or ThermalNormalization(),
            runtime=loaded.runtime,
            runtime_note=loaded.note,
            fixed_size=loaded.size,
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in use, in the order of the ids."""
        return self._classes.names

    @property
    def classes_off(self) -> tuple[str, ...]:
        """Those of the classes that have an id and are not looked for."""
        return self._classes.off

    @property
    def thing_classes(self) -> tuple[str, ...]:
        """Those of the classes in use that become detections."""
        return self._classes.thing_classes

    @property
    def graph_fault(self) -> str:
        """Why a device's runs are no CUDA graphs, in one sentence; empty if they are, and without a device."""
        return "" if self.device_path is None else self.device_path.graph_fault

    def select_classes(
        self, names: Sequence[str], embeddings: ClassEmbeddings | None = None
    ) -> ClassSelection:
        """Check a list of classes for this model, see `class_selection.select_classes`; `use` puts it to use.

        Raises:
            UserError: a name that is unknown or occurs twice, or embeddings that do not belong to the model.
        """
        return select_classes(self.card, self._own_vectors, names, embeddings)

    def use(self, classes: ClassSelection) -> None:
        """Answer with these classes from the next call on."""
        self._classes = classes

    def warm_up(self, height: int = 480, width: int = 640) -> float:
        """Segment an empty pair of a size until nothing is new any more; milliseconds of the last time."""
        rgb = np.zeros((height, width, 3), np.uint8)
        thermal = np.zeros((height, width), np.uint8)
        for _ in range(1 if self.device_path is None else EAGER_RUNS + 1):
            self(rgb, thermal)
        return sum(self(rgb, thermal).stage_ms.values())

    def __call__(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, thermal_valid: np.ndarray | None = None
    ) -> Segmentation:
        """Segment one pair of camera images; the arguments are those of `ImagePair`. Thermal defects are looked for.

        Raises:
            ValueError: see `ImagePair`, or the network's output is not finite.
        """
        pair = ImagePair(rgb, thermal, thermal_valid)
        if thermal is not None:
            cleaned, valid, _ = self._normalize_thermal.clean(thermal, thermal_valid)
            pair = ImagePair(rgb, cleaned, valid, self._normalize_thermal.limits(cleaned, valid))
        return self.segment([pair])[0]

    @torch.inference_mode()
    def segment(self, pairs: Sequence[ImagePair]) -> list[Segmentation]:
        """Segment pairs of one size, in one batch.

        Returns:
            For each pair, mask and confidence at its RGB image's size (at the thermal image's without RGB) and its
            share of the time.

        Raises:
            ValueError: the pairs have not one size, or the network's output is not finite for one of them.
        """
        classes = self._classes
        size = pairs[0].size
        if any(pair.size != size for pair in pairs):
            raise ValueError(f"a batch needs images of one size, got {[pair.size for pair in pairs]}")
        if self.device_path is not None:
            return self.collect(self.begin(pairs))
        started = time.perf_counter()
        inputs = self.prepare(pairs, self.network_size(size))
        finish_all(self.device)
        prepared = time.perf_counter()
        logits = self._run(*inputs, classes)
        finish_all(self.device)
        inferred = time.perf_counter()
        decisions = decide(logits, size, classes)
        finished = time.perf_counter()
        stages = {
            "preprocess": prepared - started,
            "inference": inferred - prepared,
            "postprocess": finished - inferred,
        }
        stage_ms = {name: 1e3 * seconds / len(pairs) for name, seconds in stages.items()}
        return [Segmentation(decision.mask, decision, stage_ms, classes) for decision in decisions]

    def begin(self, pairs: Sequence[ImagePair]) -> Pending:
        """On a device: send pairs of one size on their way, and do not wait for them; `collect` takes the answers.

        At most two batches may be under way, which are collected in the order in which they were begun.
        """
        assert self.device_path is not None
        normalize = self._normalize_thermal
        limits = [
            (0.0, 1.0)
            if pair.thermal is None
            else pair.thermal_limits or normalize.own_limits(pair.thermal, pair.thermal_valid)
            for pair in pairs
        ]
        return self.device_path.begin(pairs, limits, self.network_size(pairs[0].size), self._classes)

    def collect(self, pending: Pending) -> list[Segmentation]:
        """Wait for a batch that has been begun; raises `ValueError` as `segment` does."""
        answers = pending.finish()
        if not all(answer.is_finite for answer in answers):
            raise ValueError("the network's output is not finite for this pair")
        stage_ms = {name: milliseconds / len(answers) for name, milliseconds in pending.stage_ms.items()}
        classes = pending.plan.classes
        return [Segmentation(answer.mask, answer.confidence, stage_ms, classes) for answer in answers]

    @torch.inference_mode()
    def logits(self, pair: ImagePair, size: tuple[int, int], padded: tuple[int, int] | None = None) -> Tensor:
        """What the network says of one pair that enters it at a size of (height, width): float32 [N, height, width].

        Args:
            pair: images of any size.
            size: to which they are resized.
            padded: (height, width) to which they are filled up after that, with zeros below and at the right, where
                they are smaller; the answer is of the images alone.
        """
        inputs = self.prepare([pair], size)
        if padded is not None:
            below, right = (max(0, full - own) for full, own in zip(padded, size, strict=True))
            rgb, thermal = (F.pad(images, (0, right, 0, below)) for images in inputs)
            inputs = (rgb, thermal)
        return self._run(*inputs, self._classes).full()[0, :, : size[0], : size[1]]

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(Height, width) in which images enter the network: shrunk to the card's short side, or to fit an export's."""
        short_side = self.card.short_side
        if short_side is not None and min(size) > short_side:
            scale = short_side / min(size)
            size = round(size[0] * scale), round(size[1] * scale)
        return size if self._fixed_size is None else fitted(size, self._fixed_size)

    def prepare(self, pairs: Sequence[ImagePair], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Scaled network inputs, both float32 [B, 3, h, w]; what is missing is zeros after scaling."""
        rgb = torch.zeros(len(pairs), 3, *size, device=self.device)
        thermal = torch.zeros_like(rgb)
        for i, pair in enumerate(pairs):
            if pair.rgb is not None:
                pixels = torch.from_numpy(resize_image(pair.rgb, size)).to(self.device).permute(2, 0, 1)
                rgb[i] = self.card.scaling.rgb(pixels)
            if pair.thermal is not None:
                unit = self._normalize_thermal(pair.thermal, pair.thermal_valid, pair.thermal_limits)
                counts = torch.from_numpy(resize_image(unit, size)).to(self.device)
                thermal[i] = self.card.scaling.thermal(counts)
            if pair.thermal_valid is not None:
                thermal[i] *= torch.from_numpy(resize_valid(pair.thermal_valid, size)).to(self.device)
        return rgb, thermal
