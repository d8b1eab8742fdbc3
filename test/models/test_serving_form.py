"""The serving form of a network gives the same numbers, and is nothing that lasts."""

import copy

import pytest
import torch
from random_model import write_model
from torch import nn
from torch.func import functional_call

from rgbt_seg_ros.models import build_model, load_model
from rgbt_seg_ros.models.layers import fused_layers
from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, FusedLinear
from rgbt_seg_ros.models.sartm.lora import MergedQkv
from rgbt_seg_ros.models.serving_form import serving_form
from rgbt_seg_ros.models.shifnet.encoder import Adapter
from rgbt_seg_ros.models.shifnet.sacf import ConvNeXtBlock
from rgbt_seg_ros.models.text_similarity import TextSimilarity, text_similarity
from rgbt_seg_ros.models.trunk_block import Attention
from rgbt_seg_ros.segmenter import Segmenter


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 1, 3, 64, 96, generator=draw)
    return images[0], images[1, :, :1].expand(1, 3, 64, 96)


def similarities(network: nn.Module) -> int:
    return sum(isinstance(module, TextSimilarity) for module in network.modules())


@pytest.fixture(scope="module")
def default() -> nn.Module:
    return load_model("default")


def test_logits_are_the_same(default):
    served = serving_form(copy.deepcopy(default))
    assert similarities(served) == 2 * 4 + 1
    with torch.inference_mode():
        torch.testing.assert_close(served(*pair()), default(*pair()), atol=1e-4, rtol=1e-5)


def test_it_is_exact_but_for_rounding(default):
    plain = copy.deepcopy(default).double()
    served = serving_form(copy.deepcopy(plain))
    images = [image.double() for image in pair()]
    with torch.inference_mode():
        torch.testing.assert_close(served(*images), plain(*images), atol=1e-9, rtol=1e-9)


def test_other_class_embeddings_are_compared_with_in_both_forms(default):
    served = serving_form(copy.deepcopy(default))
    others = {"class_embeddings": torch.randn(5, 384, generator=torch.Generator().manual_seed(3))}
    with torch.inference_mode():
        logits = functional_call(served, others, pair(), tie_weights=False)
        assert logits.shape[1] == 5
        expected = functional_call(default, others, pair(), tie_weights=False)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-5)


def test_neither_names_nor_weights_change(default):
    served = serving_form(copy.deepcopy(default))
    assert served.state_dict().keys() == default.state_dict().keys()


def test_training_drops_it(default):
    network = serving_form(copy.deepcopy(default))
    network.train()
    with torch.no_grad():
        network.hpd.detail.head.weight.mul_(torch.linspace(0.5, 2, 384)[:, None, None, None])
    network.eval()
    assert similarities(network) == 0
    served = serving_form(copy.deepcopy(network))
    with torch.inference_mode():
        torch.testing.assert_close(network(*pair()), served(*pair()), atol=1e-4, rtol=1e-5)


def test_positions_are_kept_for_the_last_size(default):
    served = serving_form(copy.deepcopy(default))
    trunk, wide, narrow = served.encoder.trunk, pair(), [image[..., :64] for image in pair()]
    with torch.inference_mode():
        for images in (wide, wide, narrow, wide):
            torch.testing.assert_close(served(*images), default(*images), atol=1e-4, rtol=1e-5)
            assert len(trunk._kept_positions) == 1
    served.train()
    assert trunk._kept_positions is None
    with torch.no_grad():
        trunk.pos_embed.add_(1.0)
    changed = serving_form(copy.deepcopy(served))
    with torch.inference_mode():
        torch.testing.assert_close(changed(*wide), served.eval()(*wide), atol=1e-4, rtol=1e-5)
        assert not torch.allclose(changed(*wide), default(*wide), atol=1e-2)


def test_positions_follow_what_moves_or_converts_the_network(default):
    served = serving_form(copy.deepcopy(default))
    images = [image.double() for image in pair()]
    with torch.inference_mode():
        served(*pair())
        # Both from the same weights: what else is prepared was made of float32 ones.
        exact, expected = served.double()(*images), serving_form(copy.deepcopy(default)).double()(*images)
        assert torch.equal(exact, expected)
        assert served.to("meta")(*(image.to("meta") for image in images)).shape == (1, 9, 64, 96)


def test_a_loaded_segmenter_serves_by_it():
    assert similarities(Segmenter.load("default", "cpu")._network) == 2 * 4 + 1


def test_sartm_is_served_by_one_merged_product_a_layer(tmp_path):
    path = write_model(tmp_path / "sartm.safetensors", arch="sartm")
    layers = [m for m in Segmenter.load(path, "cpu")._network.modules() if isinstance(m, MergedQkv)]
    assert len(layers) == 11
    for layer in layers:
        assert layer.merged.shape == (2, layer.out_features, layer.in_features)


def test_it_is_taken_only_where_it_is_cheaper():
    assert text_similarity(nn.Linear(48, 384)) is not None
    assert text_similarity(nn.Linear(384, 384)) is None
    # As wide as the paper's: SACF's hidden layer has the text's width, HPD's head a third of it.
    wide = serving_form(build_model("shifnet", {"size": "tiny"}, torch.eye(2, 768)))
    assert similarities(wide) == 1


def test_networks_without_text_have_nothing_to_prepare():
    config = {"size": "nano", "fusion": "add", "decoder": "segformer"}
    assert similarities(serving_form(build_model("shifnet", config, torch.eye(3, 384)))) == 0


FORMS = {
    "nano": {},
    "detail and centred": {"detail": True, "centred": True},
    "without sem": {"sem": False},
    "another fusion": {"fusion": "concat"},
    "another decoder": {"decoder": "ppm"},
    "sizes of the paper": {"size": "tiny"},
}


def as_if_trained(network: nn.Module) -> nn.Module:
    """With random numbers where a new network has zeros and ones, so that no layer is left out unseen."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
        if isinstance(module, Adapter):
            nn.init.normal_(module.up.weight, std=0.1)
            nn.init.normal_(module.up.bias, std=0.1)
        if isinstance(module, ConvNeXtBlock):
            nn.init.uniform_(module.gamma, 0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="module", params=FORMS.values(), ids=FORMS)
def trained(request) -> nn.Module:
    torch.manual_seed(0)
    config = {"size": "nano", **request.param}
    return as_if_trained(build_model("shifnet", config, torch.randn(9, 384)))


@torch.inference_mode()
def test_every_network_is_exact_but_for_rounding(trained):
    plain = copy.deepcopy(trained).double()
    served = serving_form(copy.deepcopy(plain))
    assert any(isinstance(module, FoldedLayer) for module in served.modules())
    rgb, thermal = (image.double() for image in pair())
    missing = torch.zeros_like(rgb)
    for images in ((rgb, thermal), (rgb, missing), (missing, thermal)):
        torch.testing.assert_close(served(*images), plain(*images), atol=1e-9, rtol=1e-9)
    if plain.decoder == "hpd":
        # Many classes are divided by the norm before they are compared, see `TextSimilarity`.
        for number in (5, 300):
            others = torch.randn(number, 384, dtype=torch.float64)
            expected = plain(rgb, thermal, others)
            torch.testing.assert_close(served(rgb, thermal, others), expected, atol=1e-9, rtol=1e-9)
    # Training begins with the layers themselves again.
    served.train()
    assert not any(isinstance(module, FoldedLayer | FusedLinear) for module in served.modules())
    assert torch.equal(served.eval()(rgb, thermal), plain(rgb, thermal))


@torch.inference_mode()
def test_what_a_list_of_classes_decides_is_made_once_for_each_list(default):
    served, plain = (
        form(copy.deepcopy(default).double()) for form in (serving_form, lambda network: network)
    )
    images = [image.double() for image in pair()]
    others = torch.randn(5, 384, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    kept = [module for module in served.modules() if hasattr(module, "_directions")]
    made = []
    for classes in (None, None, others, others, None):
        torch.testing.assert_close(served(*images, classes), plain(*images, classes), atol=1e-9, rtol=1e-9)
        made.append([module._directions.result for module in kept])
    assert len(kept) == 2 * 4 + 1
    for before, after, same in zip(made, made[1:], (True, False, True, False), strict=False):
        assert [a is b for a, b in zip(before, after, strict=True)] == [same] * len(kept)


@torch.inference_mode()
def test_large_layers_are_made_in_parts(trained, monkeypatch):
    served = serving_form(copy.deepcopy(trained).double())
    images = [image.double() for image in pair()]
    whole, sizes, windows = served(*images), [], []
    run, attend = fused_layers.linear, Attention.of_qkv
    monkeypatch.setattr(fused_layers, "linear", lambda x, *rest: sizes.append(x.numel()) or run(x, *rest))
    monkeypatch.setattr(Attention, "of_qkv", lambda self, x: windows.append(len(x)) or attend(self, x))
    served(*images)
    largest, most_windows = max(sizes), max(windows)
    monkeypatch.setattr(fused_layers, "_LARGEST_HIDDEN", 1 << 12)
    sizes.clear()
    windows.clear()
    torch.testing.assert_close(served(*images), whole, atol=1e-9, rtol=1e-9)
    assert max(sizes) < largest
    assert max(windows) < most_windows


@torch.inference_mode()
def test_in_parts_both_modalities_of_sartm_keep_their_weights(monkeypatch):
    """Its first layer of attention sees RGB in the first half of a batch: windows must not come to it in parts."""
    torch.manual_seed(0)
    classes = torch.randn(9, 384)
    plain, served = (build_model("sartm", {"size": "nano"}, classes, served=form) for form in (False, True))
    for name, weight in plain.named_parameters():
        if "lora" in name:
            nn.init.normal_(weight, std=0.1)
    served.load_state_dict(plain.state_dict())
    plain, served = plain.eval(), serving_form(served)
    expected = plain(*pair())
    monkeypatch.setattr(fused_layers, "_LARGEST_HIDDEN", 1 << 10)
    torch.testing.assert_close(served(*pair()), expected, atol=1e-5 * float(expected.abs().max()), rtol=0)


@torch.inference_mode()
def test_float32_is_as_near_to_the_truth_in_both_forms(trained):
    exact = copy.deepcopy(trained).double()(*(image.double() for image in pair()))
    served = serving_form(copy.deepcopy(trained))
    assert float((served(*pair()) - exact).abs().max()) < 2e-5 * float(exact.abs().max())


def test_gradients_flow_through_the_serving_form(trained):
    served = serving_form(copy.deepcopy(trained))
    (rgb, thermal) = (image.requires_grad_() for image in pair())
    served(rgb, thermal).sum().backward()
    expected = copy.deepcopy(rgb.grad)
    rgb.grad = None
    copy.deepcopy(trained)(rgb, thermal).sum().backward()
    torch.testing.assert_close(rgb.grad, expected, atol=1e-3 * float(expected.abs().max()), rtol=1e-3)
