"""An exported network says what the model says, anywhere, or it is not written."""

import dataclasses
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_models import DEFAULT_SIZE, PROGRAM_SIZE, ExportedModel, run_export
from PIL import Image
from small_disk import small_disk
from torch import nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import file_hash, load_model, read_card
from rgbt_seg_ros.models.choices import SCALINGS
from rgbt_seg_ros.models.model_file import resolve_model
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.segmenter import Segmenter
from training.export import main
from training.weights.export_formats import FORMATS, Network, trace
from training.work.export import check_pairs, pixel_scaling, write_checked

onnx = pytest.importorskip("onnx", reason="needs onnx, with which exports are made")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime, which opens exports")


@dataclasses.dataclass(frozen=True)
class Exported:
    """A written file, opened by nothing of this package, and the model that it was made of."""

    model: str
    path: Path
    size: tuple[int, int]

    @cached_property
    def opened(self) -> tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], dict[str, Any]]:
        """The network, and what the file says of itself."""
        if self.path.suffix == ".pt2":
            extra = {"rgbt_seg_ros": ""}
            network = torch.export.load(self.path, extra_files=extra).module()
            return network, json.loads(extra["rgbt_seg_ros"])
        session = onnxruntime.InferenceSession(self.path)

        def run(rgb: torch.Tensor, thermal: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(session.run(None, {"rgb": rgb.numpy(), "thermal": thermal.numpy()})[0])

        return run, json.loads(session.get_modelmeta().custom_metadata_map["rgbt_seg_ros"])


@pytest.fixture(scope="module")
def default_onnx(exported_default: ExportedModel) -> Exported:
    return Exported("default", exported_default.exported, exported_default.size)


@pytest.fixture(scope="module")
def sartm(exported_sartm: ExportedModel) -> dict[str, Exported]:
    """In both formats."""
    model = str(exported_sartm.weights)
    return {
        "onnx": Exported(model, exported_sartm.exported, exported_sartm.size),
        "torch-export": Exported(model, exported_sartm.program, PROGRAM_SIZE),
    }


@pytest.fixture(params=["shifnet onnx", "sartm onnx", "sartm torch-export"])
def exported(request) -> Exported:
    arch, name = request.param.split()
    if arch == "shifnet":
        return request.getfixturevalue("default_onnx")
    return request.getfixturevalue("sartm")[name]


def test_it_says_what_the_model_says(exported):
    network = load_model(exported.model)
    draw = torch.Generator().manual_seed(7)
    rgb, thermal = torch.randn(2, 1, 3, *exported.size, generator=draw)
    thermal = thermal[:, :1].repeat(1, 3, 1, 1)
    nothing = torch.zeros_like(rgb)
    for pair in ((rgb, thermal), (rgb, nothing), (nothing, thermal)):
        with torch.no_grad():
            expected = network(*pair)
            found = exported.opened[0](*pair)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_it_says_of_itself_what_is_needed_to_use_it(exported):
    model, (_, card) = read_card(exported.model), exported.opened
    assert card["format_version"] == 1
    assert card["model_hash"] == file_hash(resolve_model(exported.model))
    assert (card["arch"], card["config"]) == (model.arch, model.config)
    assert (card["size"], card["short_side"]) == ([*exported.size], model.short_side)
    assert (card["class_names"], card["thing_classes"]) == ([*model.class_names], [*model.thing_classes])
    assert len(card["palette"]) == len(model.class_names)
    assert card["class_embeddings"]["shape"][0] == len(model.class_names)
    assert card["card"]["embeddings"] == model.embeddings
    assert card["scaling"]["rgb"]["offset"] == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])


def test_an_onnx_file_has_named_inputs_of_one_size(default_onnx):
    session = onnxruntime.InferenceSession(default_onnx.path)
    shapes = {end.name: (end.shape, end.type) for end in (*session.get_inputs(), *session.get_outputs())}
    assert shapes == {
        "rgb": ([1, 3, *DEFAULT_SIZE], "tensor(float)"),
        "thermal": ([1, 3, *DEFAULT_SIZE], "tensor(float)"),
        "logits": ([1, "classes", *DEFAULT_SIZE], "tensor(float)"),
    }
    (classes,) = session.get_overridable_initializers()
    assert (classes.name, classes.shape, classes.type) == (
        "class_embeddings",
        ["classes", 384],
        "tensor(float)",
    )


def test_the_file_is_one_and_knows_no_paths_of_this_machine(exported, repository):
    content = written(exported)
    assert b"conv2d" in content or b"Conv" in content
    assert str(repository).encode() not in content
    assert b"site-packages" not in content
    assert [path.name for path in exported.path.parent.iterdir()] == [exported.path.name]


def test_what_serves_training_alone_is_gone(sartm):
    for exported in sartm.values():
        assert b"encoder.trunk.blocks.0.attn.qkv.merged" in written(exported)
    program = torch.export.load(sartm["torch-export"].path)
    weights = [weight.name for weight in onnx.load(sartm["onnx"].path).graph.initializer]
    for gone in ("lora_", "qkv.weight", "class_embeddings"):
        assert not [name for name in weights if gone in name], gone
        assert not [name for name in (*program.state_dict, *program.constants) if gone in name], gone


def written(exported: Exported) -> bytes:
    """All bytes of a file, those of an archive one after the other."""
    if not zipfile.is_zipfile(exported.path):
        return exported.path.read_bytes()
    with zipfile.ZipFile(exported.path) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_the_command_tells_the_difference_and_nothing_else(exported_default: ExportedModel):
    stdout, stderr = exported_default.said
    assert stderr in ("", f"exporting the model default to {exported_default.exported}\n")
    told = " ".join(stdout.split())
    assert "shifnet nano, 240x320, 9 classes" in told
    assert re.search(r"differs from PyTorch by \S+ of the largest logit \(0.0001 is allowed\)", told)
    assert "short side" not in told


def test_the_command_takes_a_file_of_sartm(exported_sartm: ExportedModel):
    told = " ".join(exported_sartm.said[0].split())
    assert "sartm nano, 96x128, 9 classes" in told
    assert "shrunk to a short side of 64 pixels" in told


@pytest.mark.parametrize("scaling", [*map(InputScaling, SCALINGS), InputScaling("standard", 0.4, 0.2)])
def test_scaling_in_plain_numbers(scaling):
    rgb, thermal = pixel_scaling(scaling)
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 256).expand(3, 1, 256)
    by_numbers = torch.tensor(rgb.factor)[:, None, None] * pixels + torch.tensor(rgb.offset)[:, None, None]
    torch.testing.assert_close(by_numbers, scaling.rgb(pixels), atol=1e-3, rtol=1e-5)
    unit = torch.linspace(0, 1, 11).view(1, 11)
    by_numbers = (
        torch.tensor(thermal.factor)[:, None, None] * unit + torch.tensor(thermal.offset)[:, None, None]
    )
    torch.testing.assert_close(by_numbers, scaling.thermal(unit), atol=1e-4, rtol=1e-5)


def test_the_examples_of_the_documentation_run(default_onnx, sartm, repository, tmp_path, monkeypatch):
    with_onnx, with_torch = re.findall(
        r"```python\n(.*?)```", (repository / "docs" / "export.md").read_text(), re.DOTALL
    )
    draw = np.random.default_rng(5)
    rgb = np.kron(draw.integers(0, 256, (12, 16, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    thermal = np.kron(draw.integers(0, 256, (12, 16)), np.ones((20, 20))).astype(np.uint8)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(rgb).save("rgb.png")
    Image.fromarray(thermal).save("thermal.png")
    Path("default.onnx").symlink_to(default_onnx.path)
    Path("default.pt2").symlink_to(sartm["torch-export"].path)
    names: dict[str, object] = {}
    exec(with_onnx, names)
    expected = Segmenter.load(default_onnx.model, "cpu")(rgb, thermal).mask
    assert len(np.unique(expected)) > 1
    assert (names["mask"] == expected).mean() > 0.995
    exec(with_torch, names)
    assert names["logits"].shape == (1, 9, *PROGRAM_SIZE)


class Sum(nn.Module):
    """Logits that can be told by hand: rgb + thermal."""

    def forward(self, rgb: torch.Tensor, thermal: torch.Tensor) -> torch.Tensor:
        return rgb + thermal


def write_faulty(output: Path, fault: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
    """Write `Sum` in a format whose files answer with a fault, which is added to their logits."""
    right = FORMATS["torch-export"]

    def load(path: Path) -> Network:
        loaded = right.load(path)
        return lambda rgb, thermal: loaded(rgb, thermal) + fault(rgb, thermal)

    pairs = check_pairs((32, 32))
    faulty = dataclasses.replace(right, load=load)
    return write_checked(trace(Sum(), pairs[0]), Sum(), pairs, faulty, output, "{}")


def test_a_small_difference_is_told(tmp_path):
    difference = write_faulty(tmp_path / "new" / "sum.pt2", lambda rgb, thermal: 1e-5 * (rgb + thermal))
    assert difference == pytest.approx(1e-5, rel=0.1)
    assert (tmp_path / "new" / "sum.pt2").is_file()


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_is_said_and_keeps_the_old_file(name, tmp_path):
    pairs = check_pairs((32, 32))
    program = trace(Sum(), pairs[0])
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        output = disk / f"sum{FORMATS[name].suffix}"
        output.write_text("the one of yesterday")
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free))
        with pytest.raises(
            UserError, match=rf"cannot write {output} \(No space left on device\): there are 0\.0 MB"
        ):
            write_checked(program, Sum(), pairs, FORMATS[name], output, "{}")
        assert output.read_text() == "the one of yesterday"
        assert {path.name for path in disk.iterdir()} == {output.name, "others"}


@pytest.mark.parametrize("fault", [2e-4, float("nan")])
def test_a_file_that_differs_is_not_written(fault, tmp_path):
    (tmp_path / "sum.pt2").write_text("the one of yesterday")
    with pytest.raises(UserError, match=r"differs from PyTorch by .* is not written"):
        # Wrong for the last pair alone, the one without RGB.
        write_faulty(tmp_path / "sum.pt2", lambda rgb, thermal: thermal * (0 if rgb.any() else fault))
    assert [path.name for path in tmp_path.iterdir()] == ["sum.pt2"]
    assert (tmp_path / "sum.pt2").read_text() == "the one of yesterday"


def test_a_missing_package_is_named(tmp_path):
    arguments = ("--format", "onnx", "--size", "64x96", "-o", tmp_path / "m.onnx")
    done = run_export(*arguments, before="import sys; sys.modules['onnxscript'] = None; ")
    assert done.returncode == 1
    assert done.stderr == (
        "error: the format onnx needs the package onnxscript: "
        "run `pip install onnx onnxscript onnxruntime`\n"
    )  # fmt: skip
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "absent.safetensors", "-o", "m.pt2"], "there is no model file absent.safetensors"),
        (["--model", "default", "-o", "."], ". is a folder: give the name of a file"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(arguments, sentence, capsys):
    assert main([*arguments, "--format", "torch-export", "--size", "64x96"]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("size", ["480", "480x16", "4.5x64"])
def test_a_wrong_size_is_wrong_usage(size, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--format", "onnx", "-o", "m.onnx", "--size", size])
    assert exit_.value.code == 2
    assert f"{size!r} is not a size such as 480x640" in capsys.readouterr().err
