"""What every architecture and every variant of it must do."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.models import ModelCard, build_model, load_model, save_model

CLASSES = tuple(f"class {i}" for i in range(9))
VARIANTS = {
    "shifnet": {},
    "shifnet-add": {"fusion": "add"},
    "shifnet-concat": {"fusion": "concat"},
    "shifnet-segformer": {"decoder": "segformer"},
    "shifnet-ppm": {"decoder": "ppm"},
    "shifnet-no-sem": {"sem": False},
    "shifnet-add-segformer": {"fusion": "add", "decoder": "segformer"},
}


def class_embeddings(classes: int = len(CLASSES), width: int = 384) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(classes, width, generator=draw), dim=1)


def build(variant: str) -> torch.nn.Module:
    torch.manual_seed(0)
    config = {"size": "nano", **VARIANTS[variant]}
    return build_model(variant.partition("-")[0], config, class_embeddings())


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(variant: str) -> torch.nn.Module:
    return build(variant).eval()


def pair(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(2, batch, 3, height, width, generator=draw)
    return images[0], images[1]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 47), (32, 32), (61, 128)])
def test_any_size_gives_logits_of_that_size(model, height, width):
    with torch.inference_mode():
        logits = model(*pair(height, width))
    assert logits.shape == (1, 9, height, width)
    assert logits.isfinite().all()


def test_padding_is_zeros_on_the_right_and_below(model):
    rgb, thermal = pair(40, 50)
    with torch.inference_mode():
        direct = model(rgb, thermal)
        padded = model(F.pad(rgb, (0, 14, 0, 24)), F.pad(thermal, (0, 14, 0, 24)))
    assert torch.equal(direct, padded[..., :40, :50])


def test_samples_of_a_batch_do_not_mix(model):
    rgb, thermal = pair(64, 64, batch=2)
    with torch.inference_mode():
        together = model(rgb, thermal)
        apart = torch.cat([model(rgb[i : i + 1], thermal[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


def test_both_modalities_reach_the_logits(model):
    rgb, thermal = pair(64, 64)
    with torch.inference_mode():
        logits = model(rgb, thermal)
        assert not torch.allclose(logits, model(rgb, thermal.flip(-1)), atol=1e-3)
        assert not torch.allclose(logits, model(rgb.flip(-1), thermal), atol=1e-3)


def test_one_modality_is_enough(model):
    rgb, thermal = pair(64, 64)
    missing = torch.zeros_like(rgb)
    with torch.inference_mode():
        rgb_only, thermal_only, nothing = (
            model(rgb, missing),
            model(missing, thermal),
            model(missing, missing),
        )
    for logits in (rgb_only, thermal_only):
        assert logits.isfinite().all()
        assert not torch.allclose(logits, nothing, atol=1e-3)


def test_the_same_pair_gives_the_same_logits(variant, model):
    rgb, thermal = pair(64, 64)
    with torch.inference_mode():
        first = model(rgb, thermal)
        assert torch.equal(first, model(rgb, thermal))
        assert torch.equal(first, build(variant).eval()(rgb, thermal))  # the seed fixes the weights


def test_a_model_file_brings_the_variant_back(tmp_path: Path, variant, model):
    card = ModelCard("shifnet", {"size": "nano", **VARIANTS[variant]}, CLASSES, (), {"encoder": "test"})
    save_model(tmp_path / "m.safetensors", model, card)
    loaded = load_model(tmp_path / "m.safetensors")
    with torch.inference_mode():
        assert torch.equal(loaded(*pair(64, 64)), model(*pair(64, 64)))


def test_every_trainable_weight_gets_a_gradient(variant):
    model = build(variant).train()
    model(*pair(64, 64)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_frozen_weights_get_no_gradient(variant):
    model = build(variant).train()
    model.encoder.freeze_base()
    model(*pair(64, 64)).square().mean().backward()
    frozen = {name for name, p in model.named_parameters() if p.grad is None}
    base = {name for name, _ in model.encoder.named_parameters(prefix="encoder") if ".adapter." not in name}
    assert frozen == base


def test_checkpointing_changes_neither_logits_nor_gradients(variant):
    rgb, thermal = pair(64, 64)
    plain, checkpointed = build(variant), build(variant)
    checkpointed.encoder.checkpointing = True
    logits = []
    for model in (plain, checkpointed):
        torch.manual_seed(1)  # of the dropout
        logits.append(model.train()(rgb, thermal))
        logits[-1].square().mean().backward()
    assert torch.equal(*logits)
    for (name, a), b in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("shapes", [((1, 3, 32, 32), (1, 3, 32, 64)), ((1, 1, 32, 32), (1, 1, 32, 32))])
def test_wrong_shapes_are_refused(model, shapes):
    with pytest.raises(ValueError, match=r"must both be \[B, 3, H, W\]"):
        model(torch.zeros(shapes[0]), torch.zeros(shapes[1]))


@pytest.mark.parametrize(
    ("arch", "config", "sentence"),
    [
        ("unet", {"size": "nano"}, "no model architecture 'unet'"),
        ("shifnet", {"size": "huge"}, "no SHIFNet size 'huge'"),
        ("shifnet", {"scale": 1}, "does not fit architecture shifnet"),
        ("shifnet", {"size": "nano", "fusion": "mean"}, "no fusion 'mean'"),
        ("shifnet", {"size": "nano", "decoder": "fcn"}, "no decoder 'fcn'"),
        ("shifnet", {"size": "nano", "decoder": "ppm", "sem": False}, "decoder ppm has no SEM"),
    ],
)
def test_unknown_architecture_or_configuration_is_refused(arch, config, sentence):
    with pytest.raises(UserError, match=sentence):
        build_model(arch, config, class_embeddings())
