"""SARTM's three levels by hand: what the neck joins, what is narrowed, and what is fused with what."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rgbt_seg_ros.models.sartm.network import SARTM, SIZES


@pytest.fixture(scope="module")
def model() -> SARTM:
    torch.manual_seed(0)
    model = SARTM("nano", torch.eye(5, 8)).eval()
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:  # new LoRA adds nothing
            nn.init.normal_(parameter, std=0.1)
    return model


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    rgb, thermal = torch.randn(2, 2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    return rgb, thermal


@pytest.fixture(scope="module")
def levels(model: SARTM, pair: tuple[torch.Tensor, torch.Tensor]) -> list[torch.Tensor]:
    with torch.inference_mode():
        return model.encoder(*pair)


@torch.inference_mode()
def test_the_neck_averages_stride_16_with_stride_32_and_nothing_else(model, pair, levels):
    trunk = model.encoder.trunk(torch.cat(pair))
    # The neck's first convolution is that of stride 32.
    stride4, stride8, stride16, stride32 = (
        convolution(level)
        for convolution, level in zip(reversed(model.encoder.neck.convs), trunk, strict=True)
    )
    above = F.interpolate(stride32, scale_factor=2, mode="nearest")
    expected = [stride4, stride8, (stride16 + above) / 2]  # Eq. 8
    assert [level.shape for level in levels] == [(4, 64, 16, 24), (4, 64, 8, 12), (4, 64, 4, 6)]
    for ours, by_hand in zip(levels, expected, strict=True):
        torch.testing.assert_close(ours, by_hand, atol=1e-6, rtol=0)


@torch.inference_mode()
def test_both_modalities_are_narrowed_alike_and_then_fused(model, levels):
    fused = model.fuse(levels)
    narrow = (model.decoder.conv_s0, model.decoder.conv_s1, nn.Identity())
    for ours, fusion, layer, level in zip(fused, model.fusion, narrow, levels, strict=True):
        torch.testing.assert_close(ours, fusion(layer(level[:2]), layer(level[2:])), atol=1e-5, rtol=0)
    assert [level.shape[1] for level in fused] == [8, 16, 64]


@torch.inference_mode()
def test_swapped_modalities_are_fused_otherwise(model, levels):
    swapped = [torch.cat(level.chunk(2)[::-1]) for level in levels]
    for straight, other in zip(model.fuse(levels), model.fuse(swapped), strict=True):
        assert not torch.allclose(straight, other, atol=1e-3)


def test_widths_and_heads_are_those_of_the_golden_fusions(model):
    assert [fusion.fuse.cross.cross_attn.heads for fusion in model.fusion] == [1, 2, 4]
    assert {size.dim for name, size in SIZES.items() if name != "nano"} == {256}
