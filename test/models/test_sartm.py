"""SARTM as a whole: what is trained, what it answers, and that every command takes its model file."""

import dataclasses
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bags import rgb_frame, thermal_frame, write_bag
from random_model import write_model
from torch import nn
from torch.nn import functional as F

from rgbt_seg_ros import offline, segment
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.models import build_model, file_hash, load_model, read_card, save_model
from rgbt_seg_ros.models.sartm.network import SARTM, SartmOutput
from rgbt_seg_ros.segmenter import Segmenter


def network(size: str = "nano", **choices: str) -> SARTM:
    torch.manual_seed(0)
    return SARTM(size, F.normalize(torch.randn(9, 384), dim=1), **choices)


def pair(height: int = 64, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    rgb, thermal = torch.randn(2, 1, 3, height, width, generator=torch.Generator().manual_seed(1))
    return rgb, thermal


@pytest.fixture(scope="module")
def nano() -> SARTM:
    return network().eval()


def test_trained_are_lora_fusion_auxiliary_head_and_the_decoders_own_parts() -> None:
    model = network("tiny")
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    decoder = ("mask_tokens.", "output_upscaling.", "output_hypernetworks_mlps.", "conv_s0.", "conv_s1.")
    for name, _ in model.named_parameters():
        part, _, rest = name.partition(".")
        expected = {
            "encoder": ".lora_" in name,
            "fusion": True,
            "decoder": rest.startswith(decoder),
            "auxiliary": True,
        }
        assert (name in trained) == expected[part], name


def test_nano_is_trained_whole_and_starts_as_a_transformer_should(nano: SARTM) -> None:
    assert all(p.requires_grad for p in nano.parameters())
    trunk = nano.encoder.trunk
    assert trunk.pos_embed.std() > 0.01
    assert 0.015 < trunk.blocks[-1].attn.qkv.weight.std() < 0.025
    lora_b = [p for name, p in trunk.named_parameters() if ".lora_B." in name]
    assert len(lora_b) == 4 * len(trunk.blocks)
    assert not any(p.any() for p in lora_b)


def test_lora_before_training_leaves_logits_bit_identical_to_the_network_without_it(nano: SARTM) -> None:
    plain = network().eval()
    for block in plain.encoder.trunk.blocks:
        fused = nn.Linear(block.dim, 3 * block.dim_out)
        fused.weight, fused.bias = block.attn.qkv.weight, block.attn.qkv.bias
        block.attn.qkv = fused
    assert not any("lora" in name for name in plain.state_dict())
    with torch.inference_mode():
        assert torch.equal(nano(*pair()), plain(*pair()))


def test_training_returns_both_paths_and_the_fused_map() -> None:
    model = network().train()
    output = model(*pair(40, 70))
    assert isinstance(output, SartmOutput)
    assert output.mask.shape == output.auxiliary.shape == (1, 9, 40, 70)
    assert output.fused.shape == (1, 64, 4, 6)  # of 64 x 96
    assert network(auxiliary="off").train()(*pair()).auxiliary is None


def test_predictions_are_the_paths_and_the_mean_of_their_probabilities(nano: SARTM) -> None:
    with torch.inference_mode():
        mean, mask, auxiliary = (
            network(prediction=prediction).eval()(*pair(40, 70)).softmax(dim=1)
            for prediction in ("mean", "mask", "aux")
        )
        fused = nano.fuse(nano.encoder(*(F.pad(image, (0, 26, 0, 24)) for image in pair(40, 70))))
        logits = F.interpolate(nano.decoder(fused), scale_factor=4, mode="bilinear")[..., :40, :70]
    assert not torch.allclose(mask, auxiliary, atol=1e-3)
    torch.testing.assert_close(mean, (mask + auxiliary) / 2)
    torch.testing.assert_close(mask, logits.softmax(dim=1))


def test_without_auxiliary_head_the_mean_is_the_mask_alone() -> None:
    only = network(auxiliary="off")
    both = network()
    only.load_state_dict({n: t for n, t in both.state_dict().items() if not n.startswith("auxiliary.")})
    both.paths = ("decoder",)
    with torch.inference_mode():
        assert torch.equal(only.eval()(*pair()), both.eval()(*pair()))


BEFORE_NORMALISATION = {"segformer": {f"level_proj.{level}.bias" for level in range(3)}}
"""Biases that batch normalisation takes out again: their gradients are zero but for rounding."""


@pytest.mark.parametrize("auxiliary", ["fpn", "deeplab", "segformer"])
def test_the_auxiliary_heads_weights_move_in_a_training_step(auxiliary: str) -> None:
    model = network(auxiliary=auxiliary).train()
    before = {name: p.detach().clone() for name, p in model.auxiliary.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    rgb, thermal = torch.cat([torch.cat(pair()), torch.cat(pair()).flip(-1)]).chunk(2)
    label = torch.randint(9, (2, 64, 64), generator=torch.Generator().manual_seed(2))
    F.cross_entropy(model(rgb, thermal).auxiliary, label).backward()
    optimizer.step()
    moved = {
        name
        for name, p in model.auxiliary.named_parameters()
        if not torch.allclose(p, before[name], atol=1e-6, rtol=0)
    }
    assert moved == before.keys() - BEFORE_NORMALISATION.get(auxiliary, set())
    assert before.keys() <= {name.removeprefix("auxiliary.") for name in model.state_dict()}


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SARTM with trained LoRA."""
    path = write_model(tmp_path_factory.mktemp("model") / "sartm.safetensors", arch="sartm")
    card, model = read_card(path), load_model(path)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(parameter, std=0.1)
    save_model(path, model, card)
    return path


def test_service_needs_neither_peft_nor_transformers(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("peft", "transformers"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match="peft"):
        network()
    for model in (model_file, "default"):
        assert Segmenter.load(model, device="cpu")(rgb_frame(0), thermal_frame(0)).mask.any()


def test_a_file_of_another_rank_than_its_card_says_is_refused(tmp_path: Path, model_file: Path) -> None:
    card = dataclasses.replace(read_card(model_file), config={"size": "nano", "rank": 4})
    save_model(tmp_path / "m.safetensors", load_model(model_file), card)
    with pytest.raises(UserError, match=r"lora_A.default.weight is \[16, 24\], not \[4, 24\]"):
        load_model(tmp_path / "m.safetensors")


def test_the_segmenter_serves_what_was_trained(model_file: Path) -> None:
    card = read_card(model_file)
    saved = load_model(model_file).state_dict()
    trained = build_model("sartm", card.config, saved["class_embeddings"])
    trained.load_state_dict(saved)
    device = torch.device("cpu")
    expected = Segmenter(trained.eval(), card, file_hash(model_file), device, "fp32", ThermalNormalization())
    served = Segmenter.load(model_file, device="cpu")
    images = rgb_frame(0), thermal_frame(0)
    for rgb, thermal in (images, (images[0], None), (None, images[1])):
        ours, theirs = served(rgb, thermal), expected(rgb, thermal)
        np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=1e-4)
        assert np.mean(ours.mask == theirs.mask) > 0.999
    assert len(np.unique(served(*images).mask)) > 1


def test_a_segmenter_takes_some_of_its_classes_and_refuses_others(model_file: Path) -> None:
    segmenter = Segmenter.load(model_file, device="cpu")
    whole = segmenter(rgb_frame(0), thermal_frame(0)).mask
    wanted = int(np.bincount(whole.ravel()).argmax())
    segmenter.use(segmenter.select_classes([MFNET.names[wanted]]))
    part = segmenter(rgb_frame(0), thermal_frame(0)).mask
    np.testing.assert_array_equal(part, np.where(whole == wanted, 0, 255))
    with pytest.raises(UserError, match="no class 'forklift'"):
        segmenter.select_classes(["forklift"])


def test_one_pair_and_a_bag_are_segmented_alike(tmp_path: Path, model_file: Path) -> None:
    cv2.imwrite(str(tmp_path / "rgb.png"), cv2.cvtColor(rgb_frame(0), cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "thermal.png"), thermal_frame(0))
    options = ["--model", str(model_file), "--device", "cpu"]
    images = [str(tmp_path / "rgb.png"), str(tmp_path / "thermal.png")]
    assert segment.main([*images, *options, "-o", str(tmp_path / "mask.png")]) == 0
    bag = write_bag(tmp_path / "bag")
    assert offline.main([str(bag), *options, "--output", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["masks"] == 6
    masks = sorted((tmp_path / "out" / "masks").glob("*.png"))
    one, first = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (tmp_path / "mask.png", masks[0]))
    np.testing.assert_array_equal(one, first)
