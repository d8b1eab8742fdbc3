"""What every architecture and every variant of it must do."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import ModelCard, build_model, load_model, save_model
from rgbt_seg_ros.models.sam2_encoder import is_added
from rgbt_seg_ros.models.sartm.network import SARTM, SartmOutput
from rgbt_seg_ros.models.serving_form import serving_form

CLASSES = tuple(f"class {i}" for i in range(9))
VARIANTS = {
    "shifnet": {},
    "shifnet-add": {"fusion": "add"},
    "shifnet-concat": {"fusion": "concat"},
    "shifnet-uniform": {"fusion": "uniform"},
    "shifnet-segformer": {"decoder": "segformer"},
    "shifnet-ppm": {"decoder": "ppm"},
    "shifnet-no-sem": {"sem": False},
    "shifnet-add-segformer": {"fusion": "add", "decoder": "segformer"},
    "sartm": {},
    "sartm-sum": {"neck": "sum", "rank": 4},
    "sartm-off": {"auxiliary": "off"},
    "sartm-deeplab": {"auxiliary": "deeplab", "prediction": "aux"},
    "sartm-segformer": {"auxiliary": "segformer", "prediction": "mask"},
}
# What SARTM's decoder keeps of SAM 2's.
FROZEN_DECODER = ("transformer.", "no_mask_embed.", "obj_score_token.", "iou_token.")


def class_embeddings(classes: int = len(CLASSES), width: int = 384) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return F.normalize(torch.randn(classes, width, generator=draw), dim=1)


def build(variant: str) -> nn.Module:
    torch.manual_seed(0)
    config = {"size": "nano", **VARIANTS[variant]}
    model = build_model(variant.partition("-")[0], config, class_embeddings())
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:  # new LoRA adds nothing
            nn.init.normal_(parameter, std=0.1)
    return model


def backward(output: torch.Tensor | SartmOutput) -> None:
    """Gradients of a loss in which everything that a network returns in training has a part."""
    parts = output if isinstance(output, SartmOutput) else [output]
    sum(part.square().mean() for part in parts if part is not None).backward()


def freeze_base(model: nn.Module) -> set[str]:
    """Freeze what comes from SAM 2 where it has weights of this size; names of these parameters."""
    model.encoder.freeze_base()
    base = {f"encoder.{name}" for name, _ in model.encoder.named_parameters() if not is_added(name)}
    if isinstance(model, SARTM):
        model.decoder.freeze_base()
        base |= {
            f"decoder.{name}"
            for name, _ in model.decoder.named_parameters()
            if name.startswith(FROZEN_DECODER)
        }
    return base


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(variant: str) -> nn.Module:
    return build(variant).eval()


def pair(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(2, batch, 3, height, width, generator=draw)
    return images[0], images[1, :, :1].repeat(1, 3, 1, 1)


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
    torch.testing.assert_close(direct, padded[..., :40, :50], atol=1e-5, rtol=1e-5)


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
        noise = torch.randn(thermal.shape, generator=torch.Generator().manual_seed(2))
        assert not torch.allclose(logits, model(rgb, noise), atol=1e-3)


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
    arch = variant.partition("-")[0]
    card = ModelCard(arch, {"size": "nano", **VARIANTS[variant]}, CLASSES, (), {"encoder": "test"})
    save_model(tmp_path / "m.safetensors", model, card)
    loaded = load_model(tmp_path / "m.safetensors")
    saved, brought_back = model.state_dict(), loaded.state_dict()
    assert brought_back.keys() == saved.keys()
    assert [name for name, tensor in saved.items() if not torch.equal(tensor, brought_back[name])] == []
    with torch.inference_mode():
        torch.testing.assert_close(loaded(*pair(64, 64)), model(*pair(64, 64)), atol=1e-5, rtol=0)


def test_the_serving_form_gives_the_same_logits(variant, model):
    served = serving_form(build(variant))
    assert served.state_dict().keys() == model.state_dict().keys()
    with torch.inference_mode():
        torch.testing.assert_close(served(*pair(64, 96)), model(*pair(64, 96)), atol=1e-4, rtol=0)


def test_weights_have_the_names_of_the_state_dict(model):
    assert (
        model.state_dict().keys()
        == dict(model.named_parameters()).keys() | dict(model.named_buffers()).keys()
    )


def test_every_trainable_weight_gets_a_gradient(variant):
    model = build(variant).train()
    backward(model(*pair(64, 64)))
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_frozen_weights_get_no_gradient(variant):
    model = build(variant).train()
    base = freeze_base(model)
    backward(model(*pair(64, 64)))
    assert {name for name, p in model.named_parameters() if p.grad is None} == base


def test_checkpointing_changes_neither_logits_nor_gradients(variant):
    rgb, thermal = pair(64, 64)
    plain, checkpointed = build(variant), build(variant)
    checkpointed.encoder.checkpointing = True
    outputs = []
    for model in (plain, checkpointed):
        torch.manual_seed(1)  # of the dropout
        outputs.append(model.train()(rgb, thermal))
        backward(outputs[-1])
    torch.testing.assert_close(*outputs, atol=0, rtol=0)
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
        ("sartm", {"size": "huge"}, "no SARTM size 'huge'"),
        ("sartm", {"size": "nano", "fusion": "add"}, "does not fit architecture sartm"),
        ("sartm", {"size": "nano", "rank": 0}, "rank 0"),
        ("sartm", {"size": "nano", "neck": "mean"}, "no neck 'mean'"),
        ("sartm", {"size": "nano", "auxiliary": "fcn"}, "no auxiliary head 'fcn'"),
        ("sartm", {"size": "nano", "prediction": "max"}, "no prediction 'max'"),
        (
            "sartm",
            {"size": "nano", "prediction": "aux", "auxiliary": "off"},
            "prediction aux needs an auxiliary",
        ),
    ],
)
def test_unknown_architecture_or_configuration_is_refused(arch, config, sentence):
    with pytest.raises(UserError, match=sentence):
        build_model(arch, config, class_embeddings())
