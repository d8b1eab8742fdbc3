"""What runs a network: PyTorch, or onnxruntime where there is an exported file; `auto` is the faster one that agrees.

A model has two forms, which lie side by side: its model file m.safetensors and its exported network m.onnx, which takes
images of one size.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import UserError, check_choice
from rgbt_seg_ros.base.file_limits import is_file
from rgbt_seg_ros.base.precision import AUTO, RUNTIMES, TORCH
from rgbt_seg_ros.models.coarse_logits import CoarseLogits
from rgbt_seg_ros.models.model_file import file_hash, load_model, parse_card, resolve_model
from rgbt_seg_ros.models.onnx_file import SUFFIX, OnnxFile, is_onnx, read_onnx
from rgbt_seg_ros.models.serving_form import serving_form
from rgbt_seg_ros.segmenter.class_selection import compares_with_text
from rgbt_seg_ros.segmenter.devices import choose_precision
from rgbt_seg_ros.segmenter.exported_network import ExportedNetwork, NoProvider, installed_providers
from rgbt_seg_ros.segmenter.graph_capture import finish_all

MIN_EQUAL = 0.999
"""Part of the pixels to which two runtimes must give the same class."""

ROUNDS, MIN_ROUNDS = 8, 2
"""Pairs that each candidate segments to be measured, and those that it does however long they take."""

BUDGET_S = 4.0
"""After this time no further round begins."""


@dataclass(frozen=True)
class LoadedNetwork:
    """A network in service.

    Attributes:
        network: module of rgb, thermal [B, 3, h, w] -> logits [B, N, h, w], with the buffer `class_embeddings`.
        runtime: what runs it, for people: `torch`, `onnxruntime (CPU)`.
        note: what was measured and why this one was chosen, in one sentence; empty if there was no choice.
        content_hash: SHA-256 of the file that was asked for.
        precision: what it computes in.
        size: the only (height, width) that it takes, smaller images being filled up; None: any.
    """

    network: nn.Module
    runtime: str
    note: str
    content_hash: str
    precision: str = "fp32"
    size: tuple[int, int] | None = None


class TwoForms(nn.Module):
    """An exported network, and PyTorch's for every other size of image."""

    def __init__(self, exported: ExportedNetwork, network: nn.Module) -> None:
        super().__init__()
        self.exported, self.network = exported, network
        self.register_buffer("class_embeddings", exported.class_embeddings, persistent=False)
        self.class_embeddings: Tensor

    def forward(self, rgb: Tensor, thermal: Tensor, coarse: bool = False) -> Tensor | CoarseLogits:
        """rgb, thermal [B, 3, h, w] -> logits [B, N, h, w], or with `coarse` what they are enlarged of."""
        if tuple(rgb.shape[-2:]) == self.exported.size:
            logits = self.exported(rgb, thermal, self.class_embeddings)
            return CoarseLogits.of_full(logits) if coarse else logits
        if self.class_embeddings is self.exported.class_embeddings:
            return self.network(rgb, thermal, coarse=coarse)
        return self.network(rgb, thermal, self.class_embeddings, coarse=coarse)


def load_network(
    model: str | Path,
    device: torch.device,
    precision: str,
    runtime: str = "auto",
    head: str | None = None,
) -> LoadedNetwork:
    """The network of a model file or of an exported one, and what is to run it.

    Args:
        model: path of a `.safetensors` or `.onnx` file, or `default`.
        device, head: as in `load_model`.
        precision: as in `choose_precision`; exported networks compute in fp32 alone.
        runtime: one of `RUNTIMES`.

    Raises:
        UserError: missing, damaged or foreign file, or nothing that can run it.
    """
    check_choice("runtime", runtime, RUNTIMES)
    chosen = choose_precision(precision, device)
    path = resolve_model(model)
    exported: OnnxFile | None = None
    note = ""
    if is_onnx(path):
        exported = read_onnx(path)
        if precision == AUTO:
            chosen = "fp32"  # whatever the device would do
        content_hash, weights = exported.content_hash, _weights_of(exported)
    else:
        content_hash, weights = file_hash(path), path
        if runtime == "onnxruntime" or (runtime == "auto" and chosen == "fp32" and head is None):
            exported, note = _exported_of(path, content_hash, runtime)
    if exported is not None and (chosen != "fp32" or head is not None):
        reason = f"precision {chosen}" if chosen != "fp32" else "another head"
        if runtime == "onnxruntime" or weights is None:
            raise UserError(
                f"{exported.path} cannot answer in {reason}: it computes what was exported, in fp32"
            )
        note = f"{exported.path.name} cannot answer in {reason}: {TORCH} answers"
        exported = None
    if runtime == TORCH or exported is None:
        if weights is None:
            raise UserError(
                f"{path} is an exported network, which needs onnxruntime: choose runtime onnxruntime or auto, or lay "
                f"the model file that it was made of beside it as {path.with_suffix('.safetensors').name}"
            )
        network = serving_form(load_model(weights, device, head))
        return LoadedNetwork(network, TORCH, note, content_hash, chosen)
    rival = None if runtime == "onnxruntime" or weights is None else weights
    return _choose(exported, rival, device, content_hash)


def _weights_of(exported: OnnxFile) -> Path | None:
    """The model file that an exported network was made of: beside it, or the packaged one."""
    for path in (exported.path.with_suffix(".safetensors"), resolve_model("default")):
        if is_file(path) and file_hash(path) == exported.model_hash:
            return path
    return None


def _exported_of(path: Path, content_hash: str, runtime: str) -> tuple[OnnxFile | None, str]:
    """The exported network beside a model file, or why there is none that can be used."""
    beside = path.with_suffix(SUFFIX)
    reason = f"there is no {beside}"
    if is_file(beside):
        try:
            exported = read_onnx(beside)
            if exported.model_hash == content_hash:
                return exported, ""
            reason = f"{beside} is of another model file"
        except UserError as error:
            reason = str(error)
    elif runtime == "auto":
        return None, ""
    if runtime == "onnxruntime":
        raise UserError(
            f"{path} has no exported network beside it ({reason}): "
            f"write it with training.export --format onnx -o {beside}"
        )
    return None, f"{reason}: {TORCH} answers"


def _choose(
    exported: OnnxFile, weights: Path | None, device: torch.device, content_hash: str
) -> LoadedNetwork:
    """The fastest of the installed runtimes that agree with the plainest of them."""
    networks: dict[str, nn.Module] = {}
    remarks: list[str] = []
    if weights is not None:
        networks[TORCH] = serving_form(load_model(weights, device))
    try:
        found = installed_providers(device, str(exported.path))
        for provider in reversed(found):
            try:
                session = ExportedNetwork(exported, device, provider)
                networks[session.name] = session
            except NoProvider as error:
                if len(found) == 1:
                    raise
                remarks.append(str(error))
    except UserError as error:
        if weights is None:
            raise
        remarks.append(f"{error}: {TORCH} answers" if ":" not in str(error) else f"{error}; {TORCH} answers")
    measured = _measure(networks, exported, device)
    reference = next(iter(networks))
    for name, trial in measured.items():
        if not trial.fault:
            continue
        if name == reference:
            raise UserError(
                f"{exported.path} is not used ({trial.fault}): write it again with training.export"
            )
        remarks.append(f"{name} {trial.fault}")
    right = {name: trial.milliseconds for name, trial in measured.items() if not trial.fault}
    chosen = min(right, key=lambda name: right[name])
    if len(networks) > 1:
        times = ", ".join(f"{name} {milliseconds:.0f} ms" for name, milliseconds in right.items())
        size = "x".join(map(str, exported.size))
        remarks.append(f"{times} for a pair of {size}: {chosen} answers")
    network, note = networks[chosen], "; ".join(remarks)
    if isinstance(network, ExportedNetwork) and weights is None:
        return LoadedNetwork(network, chosen, note, content_hash, size=exported.size)
    if isinstance(network, ExportedNetwork):
        network = TwoForms(network, networks[TORCH])
    return LoadedNetwork(network, chosen, note, content_hash)


@dataclass
class _Trial:
    seconds: list[float]
    equal: list[float]
    fault: str = ""

    @property
    def milliseconds(self) -> float:
        return 1e3 * float(np.median(self.seconds))


@torch.inference_mode()
def _measure(networks: dict[str, nn.Module], file: OnnxFile, device: torch.device) -> dict[str, _Trial]:
    """Run all in turn on the same pairs; the first network is what the others must agree with."""
    trials = {name: _Trial([], []) for name in networks}
    alone = len(networks) == 1
    began = time.perf_counter()
    for number, pair in enumerate(_pairs(file.size, device)):
        if (alone and number > 0) or (number >= MIN_ROUNDS and time.perf_counter() - began > BUDGET_S):
            break
        expected: Tensor | None = None
        for name, network in networks.items():
            trial = trials[name]
            if trial.fault:
                continue
            try:
                seconds, logits = _timed(network, pair, device)
                if number == 0 and isinstance(network, ExportedNetwork):
                    trial.fault = _classes_fault(network, pair, logits, file)
            except ValueError as error:
                trial.fault = f"fails ({error})"
                continue
            answer = logits.argmax(dim=1)
            expected = answer if expected is None else expected
            trial.equal.append(float((answer == expected).float().mean()))
            if number > 0 or alone:  # the first one warms up
                trial.seconds.append(seconds)
            if not torch.isfinite(logits).all():
                trial.fault = "has logits that are not finite"
    for trial in trials.values():
        if not trial.fault and np.mean(trial.equal) < MIN_EQUAL:
            trial.fault = f"gives another class to {100 - 100 * np.mean(trial.equal):.2g} % of the pixels"
    return trials


def _timed(network: nn.Module, pair: Sequence[Tensor], device: torch.device) -> tuple[float, Tensor]:
    started = time.perf_counter()
    logits = network(*pair)
    finish_all(device)
    return time.perf_counter() - started, logits.float()


def _classes_fault(network: ExportedNetwork, pair: Sequence[Tensor], logits: Tensor, file: OnnxFile) -> str:
    """What is wrong with how a session takes other classes, here its own from the last to the first; empty: nothing."""
    if not compares_with_text(parse_card(file.path, file.card)):
        return ""
    turned = network(*pair, network.class_embeddings.flip(0))
    if float((turned.flip(1) - logits).abs().max()) > 1e-3 * float(logits.abs().max()):
        return "does not answer for other classes"
    return ""


def _pairs(size: tuple[int, int], device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Seeded scaled pairs [1, 3, H, W] that look like images: smooth, with edges; of three, one without a modality."""
    draw = torch.Generator().manual_seed(0)
    pairs = []
    for number in range(ROUNDS):
        coarse = torch.randn(2, 3, 6, 8, generator=draw)
        smooth = F.interpolate(coarse, size=size, mode="bilinear") + 0.05 * torch.randn(
            2, 3, *size, generator=draw
        )
        rgb, thermal = smooth[:1], smooth[1:, :1].expand(1, 3, *size).contiguous()
        missing = torch.zeros_like(rgb)
        pair = [(rgb, thermal), (rgb, missing), (missing, thermal)][number % 3]
        pairs.append((pair[0].to(device), pair[1].to(device)))
    return pairs
