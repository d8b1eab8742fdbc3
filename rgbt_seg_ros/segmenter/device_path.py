"""A frame's way over a GPU: bytes go up, network and choice run there, masks come back, and nothing waits on the way.

One upload from pinned memory on a stream of its own, one run (a CUDA graph, once a layout of images comes again), one
download, one wait. On the CPU, where tests run it, the same steps come one after the other.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.models.coarse_logits import CoarseLogits
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.segmenter.decision import most_probable
from rgbt_seg_ros.segmenter.device_images import (
    BatchLayout,
    DeviceScaling,
    PairViews,
    block_size,
    fill,
    views_of,
)
from rgbt_seg_ros.segmenter.devices import is_out_of_memory
from rgbt_seg_ros.segmenter.graph_capture import capture, finish_all
from rgbt_seg_ros.segmenter.held_tensors import held_tensors
from rgbt_seg_ros.segmenter.stopwatch import Stopwatch

IN_FLIGHT = 2
"""Batches under way at once: while one is computed the next one goes up."""

MOST_PLANS = 12
"""Layouts of images, with a list of classes, whose buffers and graphs are kept: two pairs of cameras of different sizes
make ten, as an image may be missing or have unknown pixels."""

EAGER_RUNS = 2
"""Runs of a layout before it is captured: kernels are chosen and memory is found in these."""

Run = Callable[[Tensor, Tensor, ClassSelection], CoarseLogits]
"""From scaled inputs [B, 3, h, w] to logits in float32."""


@dataclass(frozen=True)
class DeviceAnswer:
    """What came back of one pair.

    Attributes:
        mask: [H, W], class ids of the selection's type.
        confidence: float32 [H, W] in steps of 1/255, as the topic `confidence` has them.
        is_finite: whether the network's output was.
    """

    mask: np.ndarray
    confidence: np.ndarray
    is_finite: bool


@dataclass
class Slot:
    """Memory of one batch under way: pinned on the host, and on the device what is uploaded meanwhile."""

    host_in: Tensor
    host_views: list[PairViews]
    upload: Tensor
    host_out: Tensor
    watch: Stopwatch


@dataclass
class Plan:
    """All that batches of one layout and one list of classes need, made once.

    Attributes:
        inputs: uint8, what the run reads.
        views: its parts.
        output: uint8, masks, confidences and one byte a pair that says whether its output is finite.
        lookup: int32 [N], id of each of the network's answers; None: the answers are ids.
        graph: the captured run; None as long as it runs eagerly.
        kept: what the network holds and the graph reads, which must live as long as the graph does.
    """

    layout: BatchLayout
    classes: ClassSelection
    scaling: DeviceScaling
    inputs: Tensor
    views: list[PairViews]
    output: Tensor
    lookup: Tensor | None
    slots: list[Slot]
    runs: int = 0
    graph: "torch.cuda.CUDAGraph | None" = None
    kept: list[Tensor] = field(default_factory=list)


@dataclass
class Pending:
    """A batch under way; `finish` it once, before `IN_FLIGHT` further ones are begun."""

    plan: Plan
    slot: Slot
    host_ms: float
    stage_ms: dict[str, float] = field(default_factory=dict)

    def finish(self) -> list[DeviceAnswer]:
        """Wait for the batch, the one wait of a frame, and take what came back."""
        times = self.slot.watch.wait()
        self.stage_ms = {
            "preprocess": self.host_ms + times[0],
            "inference": times[1],
            "postprocess": times[2],
        }
        return _answers(self.plan, self.slot.host_out.numpy())


class DevicePath:
    """Segments batches on a device; one thread at a time uses it.

    Args:
        network: on the device, in its serving form.
        run: the network in its precision.
        scaling: of the model's inputs.
        device: CUDA; the CPU for tests.
        graphs: whether to capture what comes again.

    Attributes:
        graph_fault: why graphs are not used any more, in one sentence; empty while they are.
    """

    def __init__(
        self, network: nn.Module, run: Run, scaling: InputScaling, device: torch.device, graphs: bool = True
    ) -> None:
        self.graph_fault = ""
        self._network = network
        self._run = run
        self._scaling = scaling
        self._device = device
        self._is_cuda = device.type == "cuda"
        self._graphs = graphs and self._is_cuda
        self._plans: OrderedDict[tuple[BatchLayout, ClassSelection], Plan] = OrderedDict()
        if self._is_cuda:
            self._copying = torch.cuda.Stream(device)
            self._computing = torch.cuda.Stream(device)
            # Weights were written in the default stream.
            finish_all(device)

    @torch.inference_mode()
    def begin(
        self,
        pairs: Sequence[ImagePair],
        limits: Sequence[tuple[float, float]],
        network_size: tuple[int, int],
        classes: ClassSelection,
    ) -> Pending:
        """Send a batch of pairs of one size on its way, without waiting for it.

        Args:
            pairs: as in `Segmenter.segment`.
            limits: of each, thermal counts that become 0 and 1; any two numbers without a thermal image.
            network_size: (height, width) in which the images enter the network.
            classes: in which it answers.

        Raises:
            RuntimeError: the device has too little memory, see `is_out_of_memory`; what was kept is given back then.
        """
        try:
            plan = self._plan(BatchLayout.of(pairs, network_size), classes)
            slot = plan.slots[plan.runs % IN_FLIGHT]
            slot.watch.settle()
            host_ms = slot.watch.host_ms(lambda: fill(slot.host_views, pairs, limits))
            self._launch(plan, slot)
        except RuntimeError as error:
            if is_out_of_memory(error):
                self.clear()
            raise
        plan.runs += 1
        return Pending(plan, slot, host_ms)

    def clear(self) -> None:
        """Give buffers and graphs back."""
        finish_all(self._device)
        self._plans.clear()

    def _launch(self, plan: Plan, slot: Slot) -> None:
        """Upload, run and download a filled slot."""
        watch = slot.watch
        with self._stream("copying"):
            watch.mark(0)
            slot.upload.copy_(slot.host_in, non_blocking=True)
            watch.mark(1)
        with self._stream("computing"):
            watch.follow(1)
            plan.inputs.copy_(slot.upload)
            watch.mark(2)
            if self._graphs and plan.graph is None and plan.runs >= EAGER_RUNS:
                self._capture(plan)
            if plan.graph is not None:
                plan.graph.replay()
            else:
                self._compute(plan)
            watch.mark(3)
            slot.host_out.copy_(plan.output, non_blocking=True)
            watch.mark(4)

    def _stream(self, name: str) -> AbstractContextManager:
        if not self._is_cuda:
            return nullcontext()
        return torch.cuda.stream(self._copying if name == "copying" else self._computing)

    def _capture(self, plan: Plan) -> None:
        """Have a plan's run as one graph from now on; if that cannot be, go on without and say why."""
        # Graphs run one after the other and leave nothing but a plan's output, so that they may share their memory.
        shared = next((other.graph.pool() for other in self._plans.values() if other.graph is not None), None)
        try:
            # What the network keeps of the last size is of this one, and made outside the graph.
            self._compute(plan)
            plan.kept = held_tensors(self._network)
            plan.graph = capture(lambda: self._compute(plan), self._computing, shared)
        except RuntimeError as error:
            # Also without memory: with the next frames it would be lacking again.
            self._graphs = False
            self.graph_fault = f"CUDA graphs are not used: {str(error).splitlines()[0]}"
            if is_out_of_memory(error):
                raise
            finish_all(self._device)

    def _compute(self, plan: Plan) -> None:
        """From a plan's inputs to its output, both on the device."""
        classes, size = plan.classes, plan.layout.size
        logits = self._run(*plan.scaling(plan.views), classes)
        probabilities, answers = most_probable(logits, size)
        finite = probabilities.isfinite().flatten(1).all(dim=1)
        if plan.lookup is not None:
            answers = plan.lookup[answers]
            probabilities = probabilities * (answers != classes.unlabeled)
        kind = torch.uint8 if classes.mask_type == np.uint8 else torch.int16  # the bits of uint16
        masks = answers.to(kind).flatten().view(torch.uint8)
        confidences = (probabilities * 255.0).round().to(torch.uint8).flatten()
        torch.cat([masks, confidences, finite.to(torch.uint8)], out=plan.output)

    def _plan(self, layout: BatchLayout, classes: ClassSelection) -> Plan:
        # By identity: a list of classes is never changed, and the plan keeps it alive.
        key = (layout, classes)
        if key not in self._plans:
            while len(self._plans) >= MOST_PLANS:
                finish_all(self._device)
                self._plans.popitem(last=False)
            self._plans[key] = self._new_plan(layout, classes)
            # What was made in the default stream is used in another.
            finish_all(self._device)
        self._plans.move_to_end(key)
        return self._plans[key]

    def _new_plan(self, layout: BatchLayout, classes: ClassSelection) -> Plan:
        size = block_size(layout)
        pixels = len(layout.pairs) * layout.size[0] * layout.size[1]
        answers = pixels * (1 + np.dtype(classes.mask_type).itemsize) + len(layout.pairs)
        inputs, output = (torch.zeros(n, dtype=torch.uint8, device=self._device) for n in (size, answers))
        lookup = None
        if classes.ids is not None:
            lookup = torch.from_numpy(classes.ids.astype(np.int32)).to(self._device)
        scaling = DeviceScaling(self._scaling, layout, self._device)
        slots = [self._new_slot(layout, size, answers) for _ in range(IN_FLIGHT)]
        return Plan(layout, classes, scaling, inputs, views_of(layout, inputs), output, lookup, slots)

    def _new_slot(self, layout: BatchLayout, size: int, answers: int) -> Slot:
        host_in, host_out = (
            torch.zeros(n, dtype=torch.uint8, pin_memory=self._is_cuda) for n in (size, answers)
        )
        upload = torch.zeros(size, dtype=torch.uint8, device=self._device)
        return Slot(host_in, views_of(layout, host_in), upload, host_out, Stopwatch(self._device, marks=5))


def _answers(plan: Plan, output: np.ndarray) -> list[DeviceAnswer]:
    """Copies of what a slot holds, which the next batch but one overwrites."""
    number, (height, width) = len(plan.layout.pairs), plan.layout.size
    pixels, kind = number * height * width, np.dtype(plan.classes.mask_type)
    masks = output[: pixels * kind.itemsize].view(kind).reshape(number, height, width)
    confidences = output[pixels * kind.itemsize : -number].reshape(number, height, width)
    return [
        DeviceAnswer(masks[i].copy(), confidences[i] * np.float32(1 / 255), bool(output[i - number]))
        for i in range(number)
    ]
