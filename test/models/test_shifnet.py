"""SHIFNet's own numbers: parameters, multiply-adds, and the released model's outputs."""

import json
import sys

import numpy as np
import pytest
import torch
from sam2.modeling.backbones.hieradet import Hiera
from torch.func import functional_call
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models.shifnet.network import SHIFNet
from training.measure.multiply_adds import forward_multiply_adds
from training.weights.released_shifnet import import_shifnet


def class_embeddings(classes: int, width: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(classes, width, generator=draw), dim=1)


def millions(parameters) -> float:
    return round(sum(p.numel() for p in parameters) / 1e6, 3)


@pytest.mark.parametrize(
    ("size", "total", "trainable", "adapters", "without_attention", "with_attention"),
    [("tiny", 43.934, 16.715, 2.307, 163, 172), ("large", 244.971, 32.268, 17.860, 645, 687)],
)
def test_parameters_and_multiply_adds_are_the_papers(
    size, total, trainable, adapters, without_attention, with_attention
):
    model = SHIFNet(size, class_embeddings(14, 768)).eval()
    assert millions(model.parameters()) == total
    assert millions(p for p in model.parameters() if p.requires_grad) == trainable
    assert millions(p for name, p in model.named_parameters() if ".adapter." in name) == adapters
    assert millions(model.sacf.parameters()) == 10.880
    assert millions(model.hpd.parameters()) == 3.528
    count = forward_multiply_adds(model, (480, 640))
    assert round((count.total - count.attention) / 1e9) == without_attention
    assert round(count.total / 1e9) == with_attention


def test_nano_is_small_and_trained_as_a_whole():
    nano = SHIFNet("nano", class_embeddings(9, 384))
    assert millions(nano.parameters()) <= 6
    assert all(p.requires_grad for p in nano.parameters())


def test_new_adapters_change_nothing():
    torch.manual_seed(0)
    model = SHIFNet("nano", class_embeddings(9, 384)).eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        adapted = model.encoder(images)
        for module in model.encoder.modules():
            if hasattr(module, "adapter"):
                module.adapter.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
        plain = model.encoder(images)
    for a, b in zip(adapted, plain, strict=True):
        assert torch.equal(a, b)


def test_the_trunk_computes_what_hiera_does():
    torch.manual_seed(0)
    trunk = SHIFNet("nano", class_embeddings(9, 384)).encoder.trunk
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        for ours, theirs in zip(trunk(images), Hiera.forward(trunk, images), strict=True):
            assert torch.equal(ours, theirs)


def test_checkpointing_keeps_less_for_the_backward_pass():
    torch.manual_seed(0)
    model = SHIFNet("nano", class_embeddings(9, 384)).train()
    assert not model.encoder.checkpointing

    def kept_bytes() -> int:
        sizes: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            features = model.encoder(torch.randn(1, 3, 64, 64))
        assert features[0].requires_grad
        return sum(sizes.values())

    plain = kept_bytes()
    model.encoder.checkpointing = True
    assert kept_bytes() < plain / 2


@pytest.mark.parametrize(
    ("config", "without", "instead"),
    [
        ({"fusion": "add"}, "sacf.", None),
        ({"fusion": "concat"}, "sacf.", "concat."),
        ({"fusion": "uniform"}, "sacf.", "uniform."),
        ({"decoder": "segformer"}, "hpd.", "segformer."),
        ({"decoder": "ppm"}, "hpd.", "ppm."),
        ({"sem": False}, "hpd.sem.", None),
    ],
)
def test_an_ablation_replaces_one_part(config, without, instead):
    full = SHIFNet("nano", class_embeddings(9, 384)).state_dict()
    ablated = SHIFNet("nano", class_embeddings(9, 384), **config).state_dict()
    assert full.keys() - ablated.keys() == {name for name in full if name.startswith(without)}
    new = {name for name in ablated if instead and name.startswith(instead)}
    assert ablated.keys() - full.keys() == new
    assert bool(new) == bool(instead)


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


def test_detail_and_centred_are_options_of_nano_alone():
    plain, ours = (
        SHIFNet("nano", class_embeddings(9, 384), detail=on, centred=on).eval() for on in (False, True)
    )
    added = sum(p.numel() for p in ours.parameters()) - sum(p.numel() for p in plain.parameters())
    assert 0 < added < 30_000
    assert (
        forward_multiply_adds(ours, (256, 320)).total < 1.25 * forward_multiply_adds(plain, (256, 320)).total
    )
    for wrong in ({"size": "tiny", "detail": True}, {"size": "nano", "decoder": "ppm", "centred": True}):
        with pytest.raises(UserError, match="an addition of ours to SHIFNet nano"):
            SHIFNet(class_embeddings=class_embeddings(9, 384), **wrong)


def test_detail_sees_what_is_smaller_than_the_stride_of_the_decoder():
    """A pixel of the image moves the logits around it by more than those some pixels away, at stride 2."""
    torch.manual_seed(0)
    model = SHIFNet("nano", class_embeddings(9, 384), detail=True).eval()
    fused = torch.zeros(1, 64, 16, 16)
    images = torch.zeros(2, 3, 64, 64)
    dotted = images.clone()
    dotted[0, :, 32, 32] = 5.0
    classes, scale = model.class_embeddings, torch.tensor(1.0)
    with torch.inference_mode():
        before, after = (model.hpd.detail(fused, each, classes, scale) for each in (images, dotted))
    change = (after - before).abs()[0].sum(0)
    assert change.shape == (32, 32)
    assert change[15:18, 15:18].max() > 0
    far = torch.ones(32, 32, dtype=torch.bool)
    far[13:20, 13:20] = False
    assert not change[far].any()


def test_centred_classes_are_compared_around_the_centre_of_the_trained_ones():
    torch.manual_seed(0)
    vectors = class_embeddings(4, 384) + 0.2  # alike, as texts of one domain are
    model = SHIFNet("nano", vectors, detail=True, centred=True).eval()
    torch.testing.assert_close(model.state_dict()["hpd.centre"], vectors.mean(dim=0))
    images = torch.randn(2, 1, 3, 64, 64)
    with torch.inference_mode():
        whole = model(*images)
        some = functional_call(model, {"class_embeddings": vectors[[1, 3]]}, tuple(images))
        model.hpd.centre.zero_()
        plain = model(*images)
    # (The fusion takes the mean of the classes that it is asked for.)
    assert (some.argmax(1) == (whole[:, 3] > whole[:, 1]).long()).float().mean() > 0.8
    assert whole.std(dim=1).mean() > 1.2 * plain.std(dim=1).mean()
