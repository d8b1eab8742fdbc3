"""What every architecture must do, and SHIFNet's own numbers."""

import json
import sys

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.models import build_model
from rgbt_seg_ros.models.shifnet import SHIFNet
from training.import_checkpoint import import_shifnet


def class_embeddings(classes: int, width: int, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(classes, width, generator=draw), dim=1)


@pytest.fixture(scope="module")
def nano() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("shifnet", {"size": "nano"}, class_embeddings(9, 384)).eval()


def pair(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(2, batch, 3, height, width, generator=draw)
    return images[0], images[1]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 47), (32, 32), (61, 128)])
def test_any_size_gives_logits_of_that_size(nano, height, width):
    with torch.inference_mode():
        logits = nano(*pair(height, width))
    assert logits.shape == (1, 9, height, width)
    assert logits.isfinite().all()


def test_padding_is_zeros_on_the_right_and_below(nano):
    rgb, thermal = pair(40, 50)
    with torch.inference_mode():
        direct = nano(rgb, thermal)
        padded = nano(F.pad(rgb, (0, 14, 0, 24)), F.pad(thermal, (0, 14, 0, 24)))
    assert torch.equal(direct, padded[..., :40, :50])


def test_samples_of_a_batch_do_not_mix(nano):
    rgb, thermal = pair(64, 64, batch=2)
    with torch.inference_mode():
        together = nano(rgb, thermal)
        apart = torch.cat([nano(rgb[i : i + 1], thermal[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


def test_both_modalities_reach_the_logits(nano):
    rgb, thermal = pair(64, 64)
    with torch.inference_mode():
        logits = nano(rgb, thermal)
        assert not torch.allclose(logits, nano(rgb, thermal.flip(-1)), atol=1e-3)
        assert not torch.allclose(logits, nano(rgb.flip(-1), thermal), atol=1e-3)


def test_every_trainable_weight_of_nano_gets_a_gradient():
    torch.manual_seed(0)
    model = build_model("shifnet", {"size": "nano"}, class_embeddings(9, 384)).train()
    model(*pair(64, 64, batch=2)).square().mean().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("shapes", [((1, 3, 32, 32), (1, 3, 32, 64)), ((1, 1, 32, 32), (1, 1, 32, 32))])
def test_wrong_shapes_are_refused(nano, shapes):
    with pytest.raises(ValueError, match=r"must both be \[B, 3, H, W\]"):
        nano(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


@pytest.mark.parametrize(
    ("arch", "config", "sentence"),
    [
        ("unet", {"size": "nano"}, "no model architecture 'unet'"),
        ("shifnet", {"size": "huge"}, "no SHIFNet size 'huge'"),
        ("shifnet", {"scale": 1}, "does not fit architecture shifnet"),
    ],
)
def test_unknown_architecture_or_configuration_is_refused(arch, config, sentence):
    with pytest.raises(UserError, match=sentence):
        build_model(arch, config, class_embeddings(3, 8))


def millions(parameters) -> float:
    return round(sum(p.numel() for p in parameters) / 1e6, 3)


@pytest.mark.parametrize(
    ("size", "total", "trainable", "adapters", "giga_multiply_adds"),
    [("tiny", 43.934, 16.715, 2.307, 163), ("large", 244.971, 32.268, 17.860, 645)],
)
def test_parameters_and_multiply_adds_are_the_papers(size, total, trainable, adapters, giga_multiply_adds):
    model = SHIFNet(size, class_embeddings(14, 768)).eval()
    assert millions(model.parameters()) == total
    assert millions(p for p in model.parameters() if p.requires_grad) == trainable
    assert millions(p for name, p in model.named_parameters() if ".adapter." in name) == adapters
    assert millions(model.sacf.parameters()) == 10.880
    assert millions(model.hpd.parameters()) == 3.528
    # Shapes only, nothing is computed; the counter leaves out the products inside fused attention on the CPU.
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(allow_non_fake_inputs=True), counter, torch.no_grad():
        model(torch.zeros(1, 3, 480, 640), torch.zeros(1, 3, 480, 640))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga_multiply_adds, abs=1)


def test_nano_is_small_and_trained_as_a_whole(nano):
    assert millions(nano.parameters()) <= 6
    assert all(p.requires_grad for p in nano.parameters())


def test_new_adapters_change_nothing():
    torch.manual_seed(0)
    model = build_model("shifnet", {"size": "nano"}, class_embeddings(9, 384)).eval()
    images = pair(64, 64)[0]
    with torch.inference_mode():
        adapted = model.encoder(images)
        for module in model.encoder.modules():
            if hasattr(module, "adapter"):
                module.adapter.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
        plain = model.encoder(images)
    for a, b in zip(adapted, plain, strict=True):
        assert torch.equal(a, b)


@pytest.fixture(scope="module")
def released_tiny(golden):
    """The released tiny model's names and shapes, filled, with its recorded outputs."""
    sys.path.insert(0, str(golden))
    try:
        from fill import fill, shifnet_inputs
    finally:
        sys.path.pop(0)
    facts = json.loads((golden / "shifnet" / "tiny.json").read_text())
    released = {
        key: torch.from_numpy(fill(key, tuple(entry["shape"]), entry["dtype"]))
        for key, entry in facts["state_dict"].items()
    }
    arrays = dict(np.load(golden / "shifnet" / "tiny_256x320.npz"))
    return facts["stats"], released, shifnet_inputs(), arrays


def test_released_tiny_model_is_reproduced(released_tiny):
    stats, released, (text, rgb, thermal), arrays = released_tiny
    model, size = import_shifnet(released, torch.from_numpy(text))
    assert size == "tiny"
    rgb, thermal = torch.from_numpy(rgb), torch.from_numpy(thermal)
    with torch.inference_mode():
        images = torch.cat([rgb, thermal])
        trunk = model.encoder.trunk(images)
        fpn = model.encoder(images)
        sacf = model.fuse(fpn)
        sem = [module(level) for module, level in zip(model.hpd.sem, sacf, strict=True)]
        found = {
            f"{name}{i}": level
            for name, levels in {"trunk": trunk, "fpn": fpn, "sacf": sacf, "sem": sem}.items()
            for i, level in enumerate(levels)
        }
        found["pixel_embedding"] = model.hpd.pixel_embeddings(sacf)
        found["logits"] = model(rgb, thermal)
    for name, expected in arrays.items():
        ours = found["logits"][..., ::4, ::4] if name == "logits" else found[_level(name)]
        assert np.abs(ours.numpy() - expected).max() <= 1e-4, name
    for name, expected in stats.items():
        ours = found[name]
        assert list(ours.shape) == expected["shape"], name
        assert ours.mean().item() == pytest.approx(expected["mean"], abs=1e-4), name
        assert ours.std().item() == pytest.approx(expected["std"], rel=1e-4), name
        assert ours.norm().item() == pytest.approx(expected["l2"], rel=1e-4), name


def _level(name: str) -> str:
    """`fpn_stride16` -> `fpn2`."""
    kind, stride = name.split("_stride")
    return f"{kind}{ {'4': 0, '8': 1, '16': 2, '32': 3}[stride] }"
