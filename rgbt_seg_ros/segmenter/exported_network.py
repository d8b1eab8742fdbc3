"""An exported network (ONNX) behind the interface of PyTorch's: a module of rgb, thermal and `class_embeddings`."""

from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models.onnx_file import OnnxFile
from rgbt_seg_ros.segmenter.graph_capture import finish_all

PROVIDERS = {
    "cpu": {"OpenVINOExecutionProvider": "OpenVINO", "CPUExecutionProvider": "CPU"},
    "cuda": {"TensorrtExecutionProvider": "TensorRT", "CUDAExecutionProvider": "CUDA"},
}
"""What onnxruntime computes with on a kind of device, and its name for people; the last one is the plain one."""

_OPTIONS = {
    "OpenVINOExecutionProvider": {"device_type": "CPU"},
    # Its matrix products would round to 10 bits.
    "CUDAExecutionProvider": {"use_tf32": "0"},
}
_ERRORS_ALONE = 3


class NoProvider(UserError):
    """onnxruntime is not installed, or not with what a device needs."""


class ExportedNetwork(nn.Module):
    """A session of onnxruntime; logits are float32 and those of the file.

    Args:
        file: looked through by `read_onnx`.
        device: where the inputs are.
        provider: a key of `PROVIDERS[device.type]`.

    Raises:
        UserError: onnxruntime cannot make a session of the file, or its inputs are not those of its card.
    """

    def __init__(self, file: OnnxFile, device: torch.device, provider: str) -> None:
        super().__init__()
        self.size = file.size
        self.name = f"onnxruntime ({PROVIDERS[device.type][provider]})"
        self._path = file.path
        self._device = device
        self.register_buffer("class_embeddings", torch.from_numpy(file.class_embeddings.copy()).to(device))
        self.class_embeddings: Tensor
        self._session = _session(file, device, provider)
        self._takes_classes = self._check_ends()

    def forward(self, rgb: Tensor, thermal: Tensor, class_embeddings: Tensor | None = None) -> Tensor:
        """Logits of a batch of pairs, which go through the file one by one.

        Args:
            rgb, thermal: float32 [B, 3, h, w], at most as large as the file's size; what is smaller is filled up with
                zeros below and at the right.
            class_embeddings: [N, D], of other classes; None: the model's own.

        Returns:
            [B, N, h, w].

        Raises:
            UserError: the images are larger than the file's size.
            ValueError: onnxruntime gives up.
        """
        height, width = rgb.shape[-2:]
        below, right = self.size[0] - height, self.size[1] - width
        if below < 0 or right < 0:
            raise UserError(
                f"{self._path} takes images of at most {self.size[0]}x{self.size[1]}, not {height}x{width}: "
                "export one of this size"
            )
        images = [F.pad(image.float(), (0, right, 0, below)) for image in (rgb, thermal)]
        classes = self.class_embeddings if class_embeddings is None else class_embeddings
        logits = [
            self._run(*pair, classes) for pair in zip(images[0].split(1), images[1].split(1), strict=True)
        ]
        return torch.cat(logits)[..., :height, :width]

    def _run(self, rgb: Tensor, thermal: Tensor, classes: Tensor) -> Tensor:
        """[1, 3, H, W] each -> [1, N, H, W], through the memory of the tensors themselves."""
        inputs = {"rgb": rgb, "thermal": thermal}
        if self._takes_classes:
            inputs["class_embeddings"] = classes.float()
        elif len(classes) != len(self.class_embeddings):
            raise ValueError(f"{self._path} answers with its own classes alone")
        kept = {name: tensor.contiguous() for name, tensor in inputs.items()}
        logits = torch.empty(1, len(classes), *self.size, device=self._device)
        binding = self._session.io_binding()
        place = (self._device.type, self._device.index or 0, np.float32)
        for name, tensor in kept.items():
            binding.bind_input(name, *place, tuple(tensor.shape), tensor.data_ptr())
        binding.bind_output("logits", *place, tuple(logits.shape), logits.data_ptr())
        finish_all(self._device)  # onnxruntime works in a stream of its own
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:  # its exceptions have no common class
            raise ValueError(f"onnxruntime cannot run {self._path}: {_first_line(error)}") from error
        return logits

    def _check_ends(self) -> bool:
        """Whether the network takes class embeddings, once inputs and output are those of the card."""
        ends = [*self._session.get_inputs(), *self._session.get_overridable_initializers()]
        shapes = {end.name: list(end.shape) for end in ends if end.type == "tensor(float)"}
        takes_classes = "class_embeddings" in shapes
        rows, width = self.class_embeddings.shape
        image = [1, 3, *self.size]
        fits = shapes.pop("class_embeddings", [rows, width])[1:] == [width]
        outputs = {end.name: list(end.shape) for end in self._session.get_outputs()}
        (logits,) = outputs.values() if list(outputs) == ["logits"] else ([],)
        answers = logits[:1] + logits[2:] == [1, *self.size] and (takes_classes or logits[1] == rows)
        if (
            not fits
            or shapes != {"rgb": image, "thermal": image}
            or len(ends) != len(shapes) + takes_classes
            or not answers
        ):
            raise UserError(
                f"{self._path} has inputs or an output that are not those of its card: "
                "write it again with training.export"
            )
        return takes_classes


def fitted(size: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    """(Height, width) of images shrunk, in their proportions, until they are no larger than `most`; never grown."""
    scale = min(1.0, most[0] / size[0], most[1] / size[1])
    height, width = (min(limit, max(1, round(side * scale))) for side, limit in zip(size, most, strict=True))
    return height, width


def installed_providers(device: torch.device, what: str) -> list[str]:
    """Keys of `PROVIDERS[device.type]` that are installed.

    Args:
        device: to compute on.
        what: needs it, for the error.

    Raises:
        NoProvider: there is none.
    """
    try:
        available = import_module("onnxruntime").get_available_providers()
    except ImportError:
        raise NoProvider(f"{what} needs the package onnxruntime: run `pip install onnxruntime`") from None
    found = [name for name in PROVIDERS[device.type] if name in available]
    if not found:
        package = "onnxruntime-gpu" if device.type == "cuda" else "onnxruntime"
        raise NoProvider(
            f"{what} cannot run on {device} with the installed onnxruntime: install {package}, or choose device cpu"
        )
    return found


def _session(file: OnnxFile, device: torch.device, provider: str) -> Any:
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    options.intra_op_num_threads = torch.get_num_threads()
    of_provider = dict(_OPTIONS.get(provider, {}))
    if device.type == "cuda":
        of_provider["device_id"] = str(device.index or 0)
    try:
        session = onnxruntime.InferenceSession(file.content, options, providers=[(provider, of_provider)])
    except Exception as error:  # its exceptions have no common class
        raise UserError(
            f"onnxruntime cannot read {file.path} ({_first_line(error)}): write it again with training.export"
        ) from error
    if session.get_providers()[0] != provider:
        raise NoProvider(f"onnxruntime cannot use {PROVIDERS[device.type][provider]} here")
    return session


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
