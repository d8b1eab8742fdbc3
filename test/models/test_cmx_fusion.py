"""SARTM's fusion of two modalities: CMX's own numbers, and both modalities matter."""

import json
import sys

import numpy as np
import pytest
import torch

from rgbt_seg_ros.models.sartm.cmx_fusion import CmxFusion


@pytest.mark.parametrize(("dim", "heads"), [(32, 1), (64, 2), (256, 4)])
def test_cmxs_outputs_are_reproduced(golden, dim, heads):
    sys.path.insert(0, str(golden))
    try:
        from fill import fill, fusion_inputs
    finally:
        sys.path.pop(0)
    facts = json.loads((golden / "cmx_fusion" / "golden.json").read_text())[f"d{dim}"]
    assert facts["heads"] == heads
    arrays = np.load(golden / "cmx_fusion" / "golden.npz")
    fusion = CmxFusion(dim, heads).eval()
    fusion.load_state_dict(
        {
            key: torch.from_numpy(fill(key, tuple(entry["shape"]), entry["dtype"]))
            for key, entry in facts["state_dict"].items()
        }
    )
    rgb, thermal = map(torch.from_numpy, fusion_inputs(dim))
    with torch.inference_mode():
        rectified_rgb, rectified_thermal = fusion.rectify(rgb, thermal)
        found = {
            "rectified_rgb": rectified_rgb,
            "rectified_thermal": rectified_thermal,
            "fused": fusion(rgb, thermal),
        }
    for name, ours in found.items():
        assert np.abs(ours.numpy() - arrays[f"d{dim}_{name}"]).max() <= 1e-5, name


def test_every_weight_and_both_modalities_get_gradients():
    torch.manual_seed(0)
    fusion = CmxFusion(8, 2).train()
    rgb, thermal = (torch.randn(2, 8, 4, 6, requires_grad=True) for _ in range(2))
    fused = fusion(rgb, thermal)
    assert fused.shape == rgb.shape
    (fused * torch.randn_like(fused)).sum().backward()
    for name, parameter in [("rgb", rgb), ("thermal", thermal), *fusion.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_half_precision_does_not_overflow_on_a_large_map():
    torch.manual_seed(0)
    fusion = CmxFusion(8, 1).eval()
    rgb, thermal = 20 * torch.randn(1, 8, 64, 64), 20 * torch.randn(1, 8, 64, 64)
    with torch.inference_mode():
        expected = fusion(rgb, thermal)
        with torch.autocast("cpu", dtype=torch.float16):
            found = fusion(rgb, thermal)
    assert torch.isfinite(found).all()
    assert (found - expected).abs().max() < 0.05 * expected.abs().max()
