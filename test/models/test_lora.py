"""LoRA of its own for each modality: trained by peft, merged in service, and never mixed up."""

import copy

import pytest
import torch
from torch import nn

from rgbt_seg_ros.models.sam2_encoder import TRUNKS
from rgbt_seg_ros.models.sartm.encoder import SartmEncoder
from rgbt_seg_ros.models.sartm.lora import MergedQkv

MODALITIES = ("rgb", "thermal")


def encoder() -> SartmEncoder:
    torch.manual_seed(0)
    return SartmEncoder(TRUNKS["nano"], 16, 4, "avg").eval()


def trained() -> SartmEncoder:
    """An encoder whose LoRA adds something."""
    made = encoder()
    for modality in MODALITIES:
        change(made, modality)
    return made


def change(network: nn.Module, modality: str) -> None:
    """Draw B of one modality's LoRA."""
    torch.manual_seed(MODALITIES.index(modality))
    for name, parameter in network.named_parameters():
        if f".{modality}.lora_B." in name:
            nn.init.normal_(parameter, std=0.1)


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    rgb, thermal = torch.randn(2, 2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    return rgb, thermal


def features(network: SartmEncoder) -> dict[str, list[torch.Tensor]]:
    """Maps of each modality."""
    with torch.inference_mode():
        halves = [level.chunk(2) for level in network(*pair())]
    return {modality: [half[i] for half in halves] for i, modality in enumerate(MODALITIES)}


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> list[bool]:
    return [torch.equal(a, b) for a, b in zip(first, second, strict=True)]


def test_split_projections_are_bit_identical_to_the_fused_one() -> None:
    qkv = encoder().trunk.blocks[-1].attn.qkv
    tokens = torch.randn(4, 3, 5, qkv.in_features)
    fused = nn.functional.linear(tokens, qkv.weight, qkv.bias)
    assert torch.equal(qkv(tokens), fused)


@pytest.mark.parametrize(("changed", "other"), [("rgb", "thermal"), ("thermal", "rgb")])
def test_lora_of_one_modality_leaves_the_others_features_untouched(changed: str, other: str) -> None:
    network = encoder()
    before = features(network)
    change(network, changed)
    after = features(network)
    assert same(before[other], after[other]) == [True] * 3
    assert same(before[changed], after[changed]) == [False] * 3


def test_each_modality_has_its_own_lora_and_shares_all_else() -> None:
    network = trained()
    rgb, thermal = pair()
    with torch.inference_mode():
        for straight, swapped in zip(network(rgb, thermal), network(thermal, rgb), strict=True):
            assert not torch.allclose(straight, torch.cat(swapped.chunk(2)[::-1]), atol=1e-3)
        for straight, swapped in zip(encoder()(rgb, thermal), encoder()(thermal, rgb), strict=True):
            torch.testing.assert_close(straight, torch.cat(swapped.chunk(2)[::-1]), atol=1e-5, rtol=1e-5)


def lora_gradients(network: SartmEncoder, modality: str) -> dict[str, torch.Tensor]:
    """Gradients, by name, of a loss on the features of one modality."""
    half = MODALITIES.index(modality)
    sum(level.chunk(2)[half].square().mean() for level in network(*pair())).backward()
    return {name: p.grad for name, p in network.named_parameters() if ".lora_" in name}


@pytest.mark.parametrize("modality", MODALITIES)
def test_gradients_reach_the_own_lora_alone_with_and_without_checkpointing(modality: str) -> None:
    plain, checkpointed = trained(), trained()
    checkpointed.checkpointing = True
    expected = lora_gradients(plain, modality)
    assert {name for name, gradient in expected.items() if gradient.any()} == {
        name for name in expected if f".{modality}." in name
    }
    for name, gradient in lora_gradients(checkpointed, modality).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=1e-5, msg=name)


def test_lora_has_663040_weights_a_modality_in_base_plus() -> None:
    network = SartmEncoder(TRUNKS["base_plus"], 256, 16, "avg")
    for modality in MODALITIES:
        lora = [p for name, p in network.named_parameters() if f".{modality}.lora_" in name]
        assert sum(p.numel() for p in lora) == 663_040
        assert all(p.requires_grad for p in lora)
    assert not any(p.requires_grad for name, p in network.trunk.named_parameters() if ".lora_" not in name)


def test_the_state_dict_holds_the_fused_weights_once() -> None:
    attention = encoder().trunk.blocks[0].attn
    lora = {f"qkv.{x}.{m}.lora_{f}.default.weight" for x in "qv" for m in MODALITIES for f in "AB"}
    fused = {"qkv.weight", "qkv.bias", "proj.weight", "proj.bias"}
    assert attention.state_dict().keys() == fused | lora
    assert dict(attention.named_parameters()).keys() == fused | lora


@pytest.mark.parametrize("form", ["deepcopy", "assign", "to_empty", "double"])
def test_nothing_unties_the_modalities(form: str) -> None:
    """Both modalities go on reading the one fused weight after all that would untie two parameters."""
    network = trained()
    values = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    if form == "deepcopy":
        network = copy.deepcopy(network)
    elif form == "assign":
        network.load_state_dict(values, assign=True)
    elif form == "to_empty":
        network.to("meta").to_empty(device="cpu").load_state_dict(values)
    else:
        network.double().float()
    assert same(features(network)["thermal"], features(trained())["thermal"]) == [True] * 3
    qkv = network.trunk.blocks[0].attn.qkv
    with torch.no_grad():
        qkv.weight.zero_()
        qkv.bias.zero_()
    for layer in (qkv.q.rgb, qkv.q.thermal, qkv.v.rgb, qkv.v.thermal):
        assert not layer.base_layer.weight.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_merged_form_is_exact_but_for_rounding(dtype: torch.dtype) -> None:
    network = trained().to(dtype)
    images = [image.to(dtype) for image in pair()]
    merged = copy.deepcopy(network)
    merged.merge_lora()
    assert {type(block.attn.qkv) for block in merged.trunk.blocks} == {MergedQkv}
    assert merged.state_dict().keys() == network.state_dict().keys()
    tolerance = 1e-4 if dtype is torch.float32 else 1e-12
    with torch.inference_mode():
        for ours, expected in zip(merged(*images), network(*images), strict=True):
            assert ours.dtype == dtype
            torch.testing.assert_close(ours, expected, atol=tolerance, rtol=0)
    assert not torch.allclose(
        expected, encoder().to(dtype)(*images)[-1], atol=1e-2
    )  # LoRA is no rounding error


def test_in_sam2s_tiny_trunk_new_lora_changes_no_bit_and_trained_one_is_merged() -> None:
    torch.manual_seed(0)
    network = SartmEncoder(TRUNKS["tiny"], 256, 16, "avg").eval()
    split = features(network)
    trunk = network.trunk
    layers = [block.attn.qkv for block in trunk.blocks]
    for block, layer in zip(trunk.blocks, layers, strict=True):
        fused = nn.Linear(layer.in_features, layer.out_features)
        fused.weight, fused.bias = layer.weight, layer.bias
        block.attn.qkv = fused
    plain = features(network)
    for block, layer in zip(trunk.blocks, layers, strict=True):
        block.attn.qkv = layer
    for modality in MODALITIES:
        assert same(split[modality], plain[modality]) == [True] * 3
        change(network, modality)
    trained = features(network)
    network.merge_lora()
    for modality, levels in features(network).items():
        assert same(trained[modality], plain[modality]) == [False] * 3
        torch.testing.assert_close(levels, trained[modality], atol=1e-4, rtol=0)


def test_training_drops_what_was_merged_for_serving() -> None:
    layer = MergedQkv(8, 16, 2)
    tokens = torch.randn(2, 3, 8)
    with torch.no_grad():
        layer.prepare_for_serving()
        before = layer(tokens)
        layer.q["rgb"].lora_B["default"].weight.fill_(1.0)
        assert torch.equal(layer(tokens), before)
        after = layer.train()(tokens)
    assert torch.equal(after[1], before[1])
    assert (after[0] != before[0]).any(dim=0).tolist() == [True] * 16 + [False] * 32


def test_half_precision_autocast_reaches_both_modalities() -> None:
    network = trained().train()
    with torch.autocast("cpu", torch.bfloat16):
        level = network(*pair())[-1]
    level.float().square().mean().backward()
    for name, parameter in network.named_parameters():
        if ".lora_" in name:
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name
