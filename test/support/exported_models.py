"""Exported networks for tests. Each takes seconds to make: it is made once a run, by the process that asks first."""

import fcntl
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from places import REPOSITORY

from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.models import ModelCard, build_model, file_hash, load_model, read_card, save_model
from rgbt_seg_ros.models.serving_form import serving_form
from training.export import main
from training.weights.export_formats import FORMATS, trace
from training.work.export import check_pairs, describe, write_checked

DEFAULT_SIZE = (240, 320)
"""In which a VGA pair enters the packaged model."""

SMALL_SIZE = (64, 96)

PROGRAM_SIZE = (96, 128)
"""For `torch.export.load`; not that in which images enter the model."""


@dataclass(frozen=True)
class ExportedModel:
    """A model file and what was exported of it, each file in a folder of its own.

    Attributes:
        weights: the model file.
        exported: as ONNX.
        size: (height, width) of its images.
    """

    weights: Path
    exported: Path
    size: tuple[int, int]

    @property
    def program(self) -> Path:
        """For `torch.export.load`, where it was made."""
        return self.exported.parents[1] / "program" / "m.pt2"

    @property
    def said(self) -> tuple[str, str]:
        """What the command told on stdout and on stderr."""
        stdout, stderr = json.loads((self.exported.parents[1] / "said.json").read_text())
        return stdout, stderr


def run_export(*arguments: object, before: str = "") -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, whose output is all that a user would see."""
    call = "import sys; from training.export import main; sys.exit(main())"
    command = [sys.executable, "-c", before + call, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def exported_default(factory: pytest.TempPathFactory) -> ExportedModel:
    """The packaged model as ONNX, by the command in a process of its own."""

    def make(folder: Path) -> None:
        arguments = ("--model", "default", "--format", "onnx", "--size", _words(DEFAULT_SIZE))
        done = run_export(*arguments, "-o", folder / "exported" / "m.onnx")
        assert done.returncode == 0, done.stderr
        (folder / "said.json").write_text(json.dumps([done.stdout, done.stderr]))

    folder = _made_once(factory, "exported_default", make)
    weights = REPOSITORY / "resource" / "default.safetensors"
    return ExportedModel(weights, folder / "exported" / "m.onnx", DEFAULT_SIZE)


def exported_sartm(factory: pytest.TempPathFactory) -> ExportedModel:
    """A nano SARTM whose LoRA does something, in both formats; as ONNX it is written without a word."""

    def make(folder: Path) -> None:
        model = _write_sartm(folder / "m.safetensors")
        arguments = ("--model", str(model), "--format", "torch-export", "--size", _words(PROGRAM_SIZE))
        with redirect_stdout(io.StringIO()) as told:
            assert main([*arguments, "-o", str(folder / "program" / "m.pt2")]) == 0
        (folder / "said.json").write_text(json.dumps([told.getvalue(), ""]))
        said = io.StringIO()
        handler = logging.StreamHandler(said)
        logging.getLogger().addHandler(handler)
        network, pairs = serving_form(load_model(model)), check_pairs(SMALL_SIZE)
        own = network.get_buffer("class_embeddings")
        card = encode_json(describe(read_card(model), file_hash(model), SMALL_SIZE, own))
        path = folder / "exported" / "m.onnx"
        write_checked(trace(network, pairs[0]), network, pairs, FORMATS["onnx"], path, card)
        logging.getLogger().removeHandler(handler)
        assert said.getvalue() == ""

    folder = _made_once(factory, "exported_sartm", make)
    return ExportedModel(folder / "m.safetensors", folder / "exported" / "m.onnx", SMALL_SIZE)


def exported_tiny(factory: pytest.TempPathFactory) -> ExportedModel:
    """As wide as the paper's, of random weights that tell things apart, and without class similarity in the text."""

    def make(folder: Path) -> None:
        torch.manual_seed(0)
        network = build_model("shifnet", {"size": "tiny"}, torch.randn(9, 768))
        network.hpd.logit_scale.data.fill_(5.0)
        card = ModelCard(
            "shifnet", {"size": "tiny"}, MFNET.names, MFNET.things, {"encoder": "random"}, short_side=64
        )
        save_model(folder / "m.safetensors", network, card)
        arguments = ("--model", str(folder / "m.safetensors"), "--format", "onnx", "--size")
        with redirect_stdout(io.StringIO()):
            path = folder / "exported" / "m.onnx"
            assert main([*arguments, _words(SMALL_SIZE), "-o", str(path)]) == 0

    folder = _made_once(factory, "exported_tiny", make)
    return ExportedModel(folder / "m.safetensors", folder / "exported" / "m.onnx", SMALL_SIZE)


def _made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that this run's processes share, filled by the first of them that asks."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"needs {package}, with which exports are made")
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            make(folder)
            (folder / "done").touch()
    return folder


def _write_sartm(path: Path) -> Path:
    torch.manual_seed(0)
    network = build_model("sartm", {"size": "nano"}, torch.randn(len(MFNET.names), 16))
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    card = ModelCard(
        "sartm", {"size": "nano"}, MFNET.names, MFNET.things, {"encoder": "random"}, short_side=64
    )
    save_model(path, network, card)
    return path


def _words(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))
