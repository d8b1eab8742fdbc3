"""Layers in service: one call for product, bias and activation, or the same numbers without it."""

import copy
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.models.layers import fused_layers, onednn
from rgbt_seg_ros.models.layers.fused_layers import (
    FoldedLayer,
    FusedLinear,
    exact,
    fold_norm,
    fuse_linear_layers,
    run,
)
from rgbt_seg_ros.models.layers.onednn import PackedWeight, has_onednn

ACTIVATIONS = {"": lambda y: y, "relu": F.relu, "gelu": F.gelu}


@pytest.fixture(params=["AVX2", "AVX512"])
def processor(request, monkeypatch):
    """What PyTorch says of the processor: layers are computed in other ways, all of which work on any."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: request.param)
    onednn._has_avx512.cache_clear()
    yield request.param
    onednn._has_avx512.cache_clear()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("order", ["rows", "transposed"])
@pytest.mark.parametrize(("channels", "made"), [(24, 40), (512, 256)])
def test_a_product_is_pytorchs(activation, order, channels, made, processor):
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 5, 7, generator=draw)
    x = x.permute(0, 2, 3, 1) if order == "transposed" else x.permute(0, 2, 3, 1).contiguous()
    before = x.clone()
    weight = torch.randn(made, channels, generator=draw) / channels**0.5
    bias = torch.randn(made, generator=draw)
    with torch.inference_mode():
        for b in (bias, None):
            expected = ACTIVATIONS[activation](F.linear(x, weight, b))
            found = fused_layers.linear(x, weight, b, activation)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
            assert torch.equal(x, before)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("order", ["rows", "transposed"])
@pytest.mark.parametrize("kernel", [None, 1, 3])
@pytest.mark.parametrize(("channels", "made"), [(24, 40), (512, 256)])
def test_a_sum_is_pytorchs_and_leaves_its_parts_as_they_are(
    activation, order, kernel, channels, made, processor
):
    draw = torch.Generator().manual_seed(0)
    x, plus = (torch.randn(2, number, 9, 12, generator=draw) for number in (channels, made))
    if order == "transposed":
        x, plus = (image.to(memory_format=torch.channels_last) for image in (x, plus))
    before = plus.clone()
    weight = torch.randn(made, channels, kernel or 1, kernel or 1, generator=draw) / channels**0.5
    bias = torch.randn(made, generator=draw)
    with torch.inference_mode():
        expected = ACTIVATIONS[activation](F.conv2d(x, weight, bias, padding=(kernel or 1) // 2)) + plus
        if kernel is None:
            rows, summand = (image.permute(0, 2, 3, 1) for image in (x, plus))
            found = fused_layers.linear(rows, weight.flatten(1), bias, activation, summand)
            found = found.permute(0, 3, 1, 2)
        else:
            found = FoldedLayer(weight, bias, weight, activation)(x, plus)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)
        assert torch.equal(plus, before)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("fused", [False, True])
def test_a_layer_runs_with_what_follows_it(activation, fused):
    torch.manual_seed(0)
    layer, x, plus = nn.Linear(24, 40), torch.randn(5, 7, 24), torch.randn(5, 7, 40)
    with torch.inference_mode():
        expected = ACTIVATIONS[activation](layer(x))
        if fused:
            fuse_linear_layers(layer)
        for summand, whole in ((None, expected), (plus, expected + plus)):
            found = run(layer, x, activation, summand)
            torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not has_onednn(), reason="this PyTorch was built without oneDNN")
def test_the_one_call_is_taken_for_float32_answers_alone():
    def calls(x: Tensor, layer: nn.Linear) -> int:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            layer(x)
        return sum(event.count for event in profile.key_averages() if "linear_pointwise" in event.key)

    layer = nn.Linear(8, 16)
    fuse_linear_layers(layer)
    x = torch.randn(4, 8)
    assert isinstance(layer, FusedLinear)
    with torch.inference_mode():
        assert calls(x, layer) == 1
        with torch.autocast("cpu", torch.bfloat16):
            assert calls(x, layer) == 0
            assert layer(x).dtype == torch.bfloat16
    assert calls(x, layer) == 0
    with torch.no_grad():
        assert calls(x.double(), layer.double()) == 0
    assert type(layer.train()) is nn.Linear


@pytest.mark.skipif(not has_onednn(), reason="this PyTorch was built without oneDNN")
@torch.inference_mode()
def test_the_processor_decides_on_gelu_and_large_products(processor):
    def called(channels: int, made: int, activation: str) -> set[str]:
        layer = nn.Linear(channels, made)
        fuse_linear_layers(layer)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            run(layer, torch.randn(4, channels), activation)
        names = {
            event.key.removeprefix("aten::").removeprefix("mkldnn::") for event in profile.key_averages()
        }
        return names & {"_linear_pointwise", "gelu_", "linear"}

    wide = processor == "AVX512"
    assert called(24, 16, "gelu") == ({"_linear_pointwise"} if wide else {"_linear_pointwise", "gelu_"})
    pytorchs = not wide and torch.backends.mkl.is_available()
    assert called(256, 512, "") == ({"linear"} if pytorchs else {"_linear_pointwise"})
    for channels, made in ((24, 1 << 13), (1 << 13, 24), (256, 257)):
        assert called(channels, made, "") == {"_linear_pointwise"}


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), ((1, 7), 1)])
def test_a_convolution_with_its_normalisation_is_one_layer(kernel, stride):
    torch.manual_seed(0)
    sizes = (kernel, kernel) if isinstance(kernel, int) else kernel
    convolution = nn.Conv2d(6, 10, sizes, stride, padding=[size // 2 for size in sizes], bias=False)
    norm = nn.BatchNorm2d(10, eps=1e-3)
    norm(torch.randn(8, 10, 4, 4) * 3.0 + 1.0)
    for layer in (convolution.double(), norm.double().eval()):
        layer.requires_grad_(False)
    folded = FoldedLayer(*fold_norm(convolution, norm), convolution.weight, "relu", stride)
    assert not folded.state_dict()
    x = torch.randn(2, 6, 16, 22, dtype=torch.float64)
    expected = F.relu(norm(convolution(x)))
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), expected, atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(folded.float()(x.float()), expected.float(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kernel", [1, 3])
def test_what_is_not_a_number_stays_so(activation, kernel):
    torch.manual_seed(0)
    layer = FoldedLayer(torch.randn(8, 20, kernel, kernel), torch.randn(8), torch.empty(1), activation)
    x = torch.randn(1, 20, 9, 9)
    x[0, 3, 4, 4] = float("nan")
    with torch.inference_mode():
        assert layer(x)[0, :, 4, 4].isnan().all()
        assert layer(x)[0, :, 0, 0].isfinite().all()


@pytest.mark.skipif(not has_onednn(), reason="this PyTorch was built without oneDNN")
@torch.inference_mode()
def test_the_order_in_which_onednn_reads_a_weight_follows_size_copy_and_type():
    torch.manual_seed(0)
    plain, x = nn.Linear(24, 40), torch.randn(50, 24)
    weight, bias = torch.randn(40, 24, 3, 3), torch.randn(40)
    fused = copy.deepcopy(plain)
    fuse_linear_layers(fused)
    folded = FoldedLayer(weight, bias, weight, "relu")
    images = [torch.randn(1, 24, height, 20) for height in (16, 9)]
    close = partial(torch.testing.assert_close, atol=1e-4, rtol=1e-5)
    for _ in range(2):
        close(fused(x), plain(x))
        for image in images:
            close(folded(image), F.relu(F.conv2d(image, weight, bias, padding=1)))
    assert fused.packed._made is not None
    assert folded._packed._made is not None
    twin, other = copy.deepcopy(fused), copy.deepcopy(folded)
    assert twin.packed._made is None
    # Whatever changes a weight through its module has the order made anew.
    for layer in (plain, twin, other):
        layer._apply(lambda tensor: 2.0 * tensor)
    close(twin(x), plain(x))
    close(other(images[0]), F.relu(F.conv2d(images[0], 2.0 * weight, 2.0 * bias, padding=1)))
    close(twin.double()(x.double()).float(), plain(x))
    assert twin.packed._made is None
    assert not hasattr(twin.train(), "packed")


@pytest.mark.skipif(not has_onednn(), reason="this PyTorch was built without oneDNN")
def test_onednn_is_not_taken_where_it_gives_other_numbers_or_lacks_a_part(monkeypatch):
    monkeypatch.setattr(onednn, "_has_avx512", lambda: True)
    with monkeypatch.context() as patch:
        # Its own ReLU, which makes 0 of what is not a number.
        patch.setitem(onednn._ACTIVATIONS, "relu", ("relu", [], ""))
        assert not has_onednn.__wrapped__()
    with monkeypatch.context() as patch:
        patch.setitem(onednn._ACTIVATIONS, "gelu", ("no such", [], ""))
        assert not has_onednn.__wrapped__()
    with monkeypatch.context() as patch:
        patch.setattr(PackedWeight, "linear", lambda self, weight: torch.ops.mkldnn.no_such_order(weight))
        assert not has_onednn.__wrapped__()
    assert has_onednn.__wrapped__()


@torch.inference_mode()
def test_layers_need_no_onednn(monkeypatch):
    torch.manual_seed(0)
    weight, bias, x, plus = (torch.randn(*size) for size in ((8, 6, 3, 3), (8,), (1, 6, 9, 7), (1, 8, 9, 7)))
    layer = FoldedLayer(weight, bias, weight, "relu")
    expected = F.relu(F.conv2d(x, weight, bias, padding=1)) + plus
    torch.testing.assert_close(layer(x, plus), expected, atol=1e-4, rtol=1e-5)
    monkeypatch.setattr(fused_layers, "has_onednn", lambda: False)
    monkeypatch.setattr(fused_layers, "onednn", None)
    torch.testing.assert_close(layer(x, plus), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_what_is_made_in_parts_stays_together_as_asked(monkeypatch):
    def centred(windows: Tensor) -> Tensor:
        shapes.append(tuple(windows.shape))
        return (windows - windows.mean((1, 2), keepdim=True))[:, ::2, ::2]

    shapes: list[tuple[int, ...]] = []
    windows = torch.randn(5, 4, 6, 3, generator=torch.Generator().manual_seed(0))
    whole = centred(windows)
    monkeypatch.setattr(fused_layers, "_LARGEST_HIDDEN", 2 * 4 * 6 * 8)  # two windows of 8 channels
    parts = fused_layers.in_parts(centred, 8, windows, together=2)
    assert shapes == [(5, 4, 6, 3), (2, 4, 6, 3), (2, 4, 6, 3), (1, 4, 6, 3)]
    assert torch.equal(parts, whole)


@pytest.mark.skipif(not has_onednn(), reason="this PyTorch was built without oneDNN")
@torch.inference_mode()
def test_large_weights_are_kept_once():
    layer = nn.Linear(520, 520)
    fuse_linear_layers(layer)
    layer(torch.randn(3, 520))
    assert layer.packed._made is None


def test_a_layer_without_bias_counts_as_one_with_zeros():
    assert not exact(nn.Conv2d(3, 4, 1, bias=False))[1].any()
