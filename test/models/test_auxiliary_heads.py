"""SARTM's auxiliary heads: what goes in and out, every weight registered and trained."""

import pytest
import torch
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models.sartm.auxiliary_heads import auxiliary_head

HEADS = ["fpn", "deeplab", "segformer"]


def fused_maps(dim: int, batch: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(4)
    return [
        torch.randn(batch, dim // part, 2 * scale, 3 * scale, generator=draw)
        for part, scale in ((8, 4), (4, 2), (1, 1))
    ]


@pytest.mark.parametrize("name", HEADS)
def test_logits_at_stride_4_from_a_batch_of_one_and_a_gradient_for_every_weight(name):
    torch.manual_seed(0)
    head = auxiliary_head(name, 64, classes=5).train()
    registered = set(head.state_dict())
    maps = [level.requires_grad_() for level in fused_maps(64, batch=1)]
    logits = head(maps)
    assert logits.shape == (1, 5, 8, 12)
    (logits * torch.randn_like(logits)).sum().backward()
    for parameter_name, parameter in head.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name
    assert set(head.state_dict()) == registered  # nothing is made anew in a forward
    reached = [level.grad is not None for level in maps]
    assert reached == [True, name != "deeplab", True]


@pytest.mark.parametrize("name", HEADS)
def test_the_same_weights_give_the_same_logits_twice(name):
    torch.manual_seed(0)
    head = auxiliary_head(name, 64, classes=5).eval()
    again = auxiliary_head(name, 64, classes=5).eval()
    again.load_state_dict(head.state_dict())
    maps = fused_maps(64, batch=2)
    with torch.inference_mode():
        assert torch.equal(head(maps), again(maps))
        assert torch.equal(head(maps), head(maps))


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("fpn", {(256, 32, 1, 1): 1, (256, 64, 1, 1): 1, (9, 256, 3, 3): 1}),
        ("segformer", {(256, 32, 1, 1): 1, (256, 64, 1, 1): 1, (256, 256, 1, 1): 1, (256, 768, 1, 1): 1,
                       (9, 256, 1, 1): 1}),
        ("deeplab", {(256, 256, 1, 1): 2, (256, 256, 3, 3): 4, (256, 1280, 1, 1): 1, (48, 32, 1, 1): 1,
                     (256, 304, 3, 3): 1, (9, 256, 1, 1): 1}),
    ],
)  # fmt: skip
def test_convolutions_at_the_papers_width(name, shapes):
    kernels = [tuple(p.shape) for p in auxiliary_head(name, 256, classes=9).parameters() if p.ndim == 4]
    assert {shape: kernels.count(shape) for shape in kernels} == shapes


def kinds(module: torch.nn.Module) -> list[str]:
    """Its layers in the order in which they are registered: that in which they run."""
    return [type(layer).__name__ for layer in module.modules() if not list(layer.children())]


def test_where_heads_normalise_and_rectify():
    block = ["Conv2d", "BatchNorm2d", "ReLU"]
    segformer, deeplab = (auxiliary_head(name, 64, classes=2) for name in ("segformer", "deeplab"))
    assert kinds(segformer) == ["Conv2d"] * 3 + block + ["Conv2d"]
    assert kinds(deeplab.aspp) == 4 * block + ["AdaptiveAvgPool2d", "Conv2d", "ReLU"] + block
    assert kinds(deeplab) == kinds(deeplab.aspp) + 3 * block + ["Conv2d"]
    assert kinds(auxiliary_head("fpn", 64, classes=2)) == ["Conv2d"] * 3


def test_segformer_merges_its_maps_at_stride_4():
    torch.manual_seed(0)
    head, maps = auxiliary_head("segformer", 64, classes=2).eval(), fused_maps(64, batch=2)
    with torch.no_grad():
        head.fuse[1].running_mean.normal_()
        head.fuse[1].running_var.uniform_(0.5, 2.0)
    weights = head.state_dict()

    def pointwise(name: str, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("oi,bihw->bohw", weights[f"{name}.weight"][..., 0, 0], x)

    def channels(name: str) -> torch.Tensor:
        return weights[name][:, None, None]

    projected = [pointwise(f"level_proj.{i}", maps[i]) + channels(f"level_proj.{i}.bias") for i in range(3)]
    upsampled = [F.interpolate(x, size=(8, 12), mode="bilinear", align_corners=False) for x in projected]
    merged = pointwise("fuse.0", torch.cat(upsampled, dim=1)) - channels("fuse.1.running_mean")
    merged = merged / (channels("fuse.1.running_var") + 1e-5).sqrt()
    merged = (merged * channels("fuse.1.weight") + channels("fuse.1.bias")).clamp(min=0)
    expected = pointwise("classifier", merged) + channels("classifier.bias")
    with torch.inference_mode():
        torch.testing.assert_close(head(maps), expected, atol=1e-5, rtol=1e-5)


def test_deeplabs_rates():
    convolutions = [
        m for m in auxiliary_head("deeplab", 64, classes=2).modules() if isinstance(m, torch.nn.Conv2d)
    ]
    assert sorted(m.dilation[0] for m in convolutions if m.dilation != (1, 1)) == [6, 12, 18]


def test_fpn_is_the_sum_of_its_maps_top_down():
    head = auxiliary_head("fpn", 64, classes=2).eval()
    maps = fused_maps(64, batch=1)
    weights = head.state_dict()

    def up(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    # Eq. 10: S1 = conv3x3(up(F1' + up(Fn)) + F0')
    f0 = torch.einsum("oi,bihw->bohw", weights["lateral.0.weight"][..., 0, 0], maps[0])
    f1 = torch.einsum("oi,bihw->bohw", weights["lateral.1.weight"][..., 0, 0], maps[1])
    f0 += weights["lateral.0.bias"][:, None, None]
    f1 += weights["lateral.1.bias"][:, None, None]
    summed = F.pad(up(f1 + up(maps[2])) + f0, (1, 1, 1, 1))
    expected = torch.stack(
        [
            sum(
                torch.einsum("i,bihw->bhw", kernel[:, y, x], summed[..., y : y + 8, x : x + 12])
                for y in range(3)
                for x in range(3)
            )
            + bias
            for kernel, bias in zip(weights["classifier.weight"], weights["classifier.bias"], strict=True)
        ],
        dim=1,
    )
    with torch.inference_mode():
        torch.testing.assert_close(head(maps), expected, atol=1e-5, rtol=1e-5)


def test_an_unknown_head_is_named():
    with pytest.raises(
        UserError, match="there is no auxiliary head 'unet': choose fpn, deeplab, segformer or off"
    ):
        auxiliary_head("unet", 64, classes=5)
