"""The benchmark measures what it says, and counts what can be counted by hand."""

import json
import subprocess
import sys
from functools import partial

import pytest
import torch
from random_model import write_model
from torch import nn
from training_runs import write_msrs

from rgbt_seg_ros.models import build_model
from rgbt_seg_ros.models.sartm.lora import LoraQkv, MergedQkv, add_lora
from rgbt_seg_ros.models.serving_form import serving_form
from training.benchmark import main
from training.config import load_config
from training.measure.baseline import OnePassEach
from training.measure.multiply_adds import forward_multiply_adds, training_multiply_adds
from training.measure.training_cost import hours, training_images


class TwoConvolutions(nn.Module):
    """1x1 from 3 to 8 channels (24 multiply-adds a pixel), then 7x7 on each channel (8 x 49)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)

    def forward(self, rgb: torch.Tensor, thermal: torch.Tensor) -> torch.Tensor:
        return self.depthwise(self.first(rgb + thermal))


def test_multiply_adds_of_convolutions():
    pixels, first, depthwise = 32 * 48, 24, 8 * 49
    assert forward_multiply_adds(TwoConvolutions(), (32, 48)).total == (first + depthwise) * pixels
    # Backward: as much again for the weights' gradients and for those of inputs, which nothing asks of the image.
    assert training_multiply_adds(TwoConvolutions(), (32, 48)).total == (2 * first + 3 * depthwise) * pixels


class OneProjection(nn.Module):
    """Queries, keys and values of both images' pixels, 3 channels to 3 x 5."""

    def __init__(self, qkv: nn.Module) -> None:
        super().__init__()
        self.attn = nn.ModuleDict({"qkv": qkv})

    def forward(self, rgb: torch.Tensor, thermal: torch.Tensor) -> torch.Tensor:
        return self.attn["qkv"](torch.cat([rgb, thermal]).permute(0, 2, 3, 1))


def test_multiply_adds_of_lora():
    dim, dim_out, rank, tokens = 3, 5, 4, 2 * 32 * 48
    trained = OneProjection(LoraQkv(dim, dim_out))
    add_lora(trained, rank)
    merged = OneProjection(serving_form(MergedQkv(dim, dim_out, rank)))
    fused, lora = dim * 3 * dim_out, 2 * rank * (dim + dim_out)  # of queries and of values
    assert forward_multiply_adds(merged, (32, 48)).total == tokens * fused
    assert forward_multiply_adds(trained, (32, 48)).total == tokens * (fused + lora)


def nano(arch: str = "shifnet") -> nn.Module:
    return build_model(arch, {"size": "nano"}, torch.eye(9, 384)).train()


def test_the_serving_form_spares_sartm_the_multiply_adds_of_lora_and_equal_channels():
    network = nano("sartm").eval()
    spared = []

    def count(module: nn.Module, inputs: tuple[torch.Tensor], _: torch.Tensor) -> None:
        tokens = inputs[0].numel() // module.in_features
        spared.append(tokens * 2 * 16 * (module.in_features + module.out_features // 3))

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, LoraQkv)]
    # Attention's first and last layer: of windows, which are filled up, and of the positions that there are.
    windows, positions = [], []

    def of_layer(dim: int, _module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        windows.append(output.numel() * dim)

    def of_block(block: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        positions.append((3 * inputs[0].numel() + output.numel()) * block.dim_out)

    for block in network.encoder.trunk.blocks:
        block.attn.qkv.register_forward_hook(partial(of_layer, block.dim))
        block.attn.proj.register_forward_hook(partial(of_layer, block.dim_out))
        block.register_forward_hook(of_block)
    trained = forward_multiply_adds(network, (64, 96))
    assert len(hooks) == len(spared) == len(positions) == len(windows) // 2 == 11
    served = forward_multiply_adds(serving_form(nano("sartm")), (64, 96))
    two_of_three_thermal_channels = 2 * 7 * 7 * 24 * (64 // 4) * (96 // 4)
    filling = sum(windows) - sum(positions)
    assert filling > 0
    assert served.total == trained.total - sum(spared) - filling - two_of_three_thermal_channels
    assert served.attention == trained.attention > 0


def test_multiply_adds_of_a_training_step():
    checkpointed, frozen = nano(), nano()
    checkpointed.encoder.checkpointing = True
    frozen.encoder.freeze_base()
    forward, plain, repeated, spared = (
        forward_multiply_adds(nano(), (64, 64)).total,
        *(training_multiply_adds(network, (64, 64)).total for network in (nano(), checkpointed, frozen)),
    )
    assert 2 * forward < plain < 3 * forward  # weights' and inputs' gradients, but none of the images
    assert plain < repeated < plain + forward  # the trunk's blocks twice
    assert spared < plain
    assert training_multiply_adds(nano("sartm"), (64, 64)).total > 2 * forward_multiply_adds(
        nano("sartm"), (64, 64)
    ).total  # fmt: skip


def test_the_baseline_runs_the_encoder_for_each_modality_and_agrees():
    torch.manual_seed(0)
    encoder = nano().eval().encoder
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        for once, each in zip(encoder(images), OnePassEach(encoder)(images), strict=True):
            torch.testing.assert_close(once, each, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("arch", ["shifnet", "sartm"])
def test_inference_is_measured_beside_the_baseline(arch, tmp_path, capsys):
    model = write_model(tmp_path / "nano.safetensors", arch=arch)
    arguments = ["--model", str(model), "--size", "96x128", "--pairs", "3", "--device", "cpu"]
    former = ["--precision", "float32"]  # is still read
    assert main([*arguments, *former, "--json", str(tmp_path / "speed.json")]) == 0
    result = json.loads((tmp_path / "speed.json").read_text())
    latency, baseline = result["latency_ms"], result["baseline"]["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    assert result["stages_ms"].keys() == {"preprocess", "inference", "postprocess"}
    assert max(stage["p50"] for stage in result["stages_ms"].values()) <= latency["p99"]
    assert result["speedup"] == pytest.approx(baseline["p50"] / latency["p50"])
    assert result["pairs_per_second"] == pytest.approx(1e3 / latency["p50"], rel=0.9)
    assert result["equal_pixels"] > 0.99
    assert result["peak_memory"] > model.stat().st_size
    assert (result["size"], result["network_size"]) == ([96, 128], [96, 128])
    assert result["precision"] == "fp32"
    assert 0 < result["multiply_adds"]["without_attention"] < result["multiply_adds"]["total"]
    assert "times as fast as the baseline" in capsys.readouterr().out


def test_networks_are_compared_in_one_run(tmp_path, capsys):
    arguments = [
        "--compare",
        "shifnet/nano",
        "sartm/nano",
        "--size",
        "64x96",
        "--pairs",
        "2",
        "--device",
        "cpu",
    ]
    assert main([*arguments, "--json", str(tmp_path / "networks.json")]) == 0
    result = json.loads((tmp_path / "networks.json").read_text())
    shifnet, sartm = result["networks"]
    for facts, arch in ((shifnet, "shifnet"), (sartm, "sartm")):
        weights = sum(weight.numel() for weight in nano(arch).parameters())
        assert facts["parameters"] == facts["trained"] == weights  # nano has no pretrained base
        assert facts["multiply_adds"] == forward_multiply_adds(nano(arch).eval(), (64, 96)).total
        assert 0 < facts["multiply_adds_served"] < facts["multiply_adds"]
        assert facts["speedup"] > 0
    assert shifnet["times_first"] == 1
    assert sartm["times_first"] == pytest.approx(sartm["latency_ms"] / shifnet["latency_ms"])
    told = capsys.readouterr().out
    assert "shifnet/nano" in told
    assert "plain sartm: PyTorch eager, float32" in told


SMALL = (
    "--train",
    "config/train/nano/shifnet_msrs.yaml",
    "augment.crop_height=64",
    "augment.crop_width=96",
    "train.batch_size=2",
    "train.accumulate=2",
)


def test_a_training_step_is_measured(repository, tmp_path):
    # In a process of its own, whose peak memory is not that of other tests.
    command = [sys.executable, "-m", "training.benchmark", *SMALL, "train.checkpointing=true", "--steps", "1"]
    done = subprocess.run(
        [*command, "--device", "cpu", "--json", str(tmp_path / "step.json")],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "step.json").read_text())
    assert result["seconds_per_step"] > 0
    weights = sum(p.numel() for p in nano().parameters())
    # Weights, gradients and the two moments of AdamW at the least, and what Python and PyTorch are at the most.
    assert 4 * 4 * weights < result["peak_memory"] < 3e9
    assert f"peak memory {result['peak_memory'] / 1e9:.2f} GB" in done.stdout


def test_a_run_is_counted_without_computing_it(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(repository)
    whole_run = ["train.max_steps=null", "train.epochs=3", "--count-only", "--tflops", "2"]
    assert main([*SMALL, *whole_run, "--json", str(tmp_path / "run.json")]) == 0
    result = json.loads((tmp_path / "run.json").read_text())
    assert "seconds_per_step" not in result
    assert result["pairs_per_step"] == 4
    assert result["steps"] == -(-3 * 1083 // 4)
    pairs = result["pairs_per_step"] * result["steps"]
    assert result["hours"] == pytest.approx(2 * result["multiply_adds_per_pair"] * pairs / 2e12 / 3600)


def test_a_run_of_minutes_is_counted_and_its_samples_are_made(tmp_path, monkeypatch, repository, capsys):
    monkeypatch.chdir(repository)
    scenes = [
        "data.name=scenes",
        "data.rendered_stills=4",
        "data.rendered_height=48",
        "data.rendered_width=64",
    ]
    budget = ["train.max_steps=null", "train.budget_minutes=30", "data.workers=2"]
    samples = ["--count-only", "--samples", "5", "--device", "cpu", "--json", str(tmp_path / "run.json")]
    assert main([*SMALL, *scenes, *budget, *samples]) == 0
    result = json.loads((tmp_path / "run.json").read_text())
    assert (result["minutes"], result["workers"]) == (30, 2)
    assert result["samples_per_second"] > 0 < result["samples_per_second_alone"]
    said = capsys.readouterr().out
    assert "samples a second are made by 2 worker processes" in said
    assert "whole run: 30 minutes" in said
    assert hours(result, 10.0) == 0.5


def test_a_sample_that_cannot_be_read_ends_it(tmp_path, monkeypatch, repository, capsys):
    monkeypatch.chdir(repository)
    root = write_msrs(tmp_path)
    broken = min((root / "vi").iterdir())
    broken.write_bytes(b"no image")
    real = [f"data.root={root}", "data.rendered_share=0", "data.rendered_share_end=0"]
    assert main([*SMALL, *real, "--count-only", "--samples", "40", "--device", "cpu"]) == 1
    assert str(broken) in " ".join(capsys.readouterr().err.split())


def test_hours_of_a_run():
    run = {"multiply_adds_per_pair": 1e12, "pairs_per_step": 4, "steps": 4500}
    assert hours(run, 10.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "split", "images"),
    [
        ("mfnet", "train", 784),
        ("pst900", "train", 537),
        ("pst900", "train_all", 597),
        ("fmb", "train", 1098),
        ("scenes", "train", 1000),
    ],
)
def test_training_images_of_the_complete_data_set(name, split, images):
    assert training_images(load_config(None, [f"data.name={name}", f"data.train_split={split}"])) == images


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("arguments", [SMALL, ("--model", "default")])
def test_a_missing_gpu_is_said(arguments, capsys, monkeypatch, repository):
    monkeypatch.chdir(repository)
    assert main([*arguments, "--device", "cuda"]) == 1
    assert "device 'cuda' was asked for but" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "absent.safetensors"], "there is no model file absent.safetensors"),
        (["--compare", "segnet/nano"], "there is no model architecture 'segnet'"),
        (["--compare", "sartm/huge"], "there is no SARTM size 'huge'"),
        (["--train", "absent.yaml"], "there is no configuration file absent.yaml"),
        (
            ["--train", "config/train/shifnet/mfnet.yaml", "train.batchsize=1"],
            "did you mean train.batch_size?",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(arguments, sentence, capsys, monkeypatch, repository):
    monkeypatch.chdir(repository)
    assert main(arguments) == 1
    assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "arguments",
    [["train.batch_size=1"], ["--count-only"], ["--samples", "9"], ["--size", "480"], ["--compare", "nano"]],
)
def test_wrong_usage_is_told_apart(arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
