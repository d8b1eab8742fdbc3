"""The way over a device gives the masks of the plain way; here on the CPU, in the same steps but for streams."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from random_model import write_node_model

from rgbt_seg_ros.images.pair import WHOLE, ImagePair, resize_image, resize_valid
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.models.serving_form import halve_weights
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.device_images import resize_weights
from rgbt_seg_ros.segmenter.device_path import MOST_PLANS
from rgbt_seg_ros.segmenter.devices import is_out_of_memory
from rgbt_seg_ros.segmenter.held_tensors import held_tensors


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_node_model(tmp_path_factory.mktemp("model") / "m.safetensors", short_side=64)


@pytest.fixture(scope="module")
def plain(model: Path) -> Segmenter:
    return Segmenter.load(model, device="cpu")


@pytest.fixture
def device(model: Path) -> Segmenter:
    segmenter = Segmenter.load(model, device="cpu")
    segmenter.use_device_path()
    return segmenter


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def thermal_picture(height: int, width: int, kind: type, seed: int = 0) -> np.ndarray:
    gray = picture(height, width, seed + 1)[..., 0]
    return gray if kind is np.uint8 else gray.astype(np.uint16) * 100 + 30_000


def assert_same(plain: Segmenter, device: Segmenter, *pairs: ImagePair) -> None:
    for ours, theirs in zip(device.segment(pairs), plain.segment(pairs), strict=True):
        assert ours.mask.dtype == theirs.mask.dtype
        assert ours.classes is device._classes
        assert np.mean(ours.mask == theirs.mask) > 0.999
        assert len(np.unique(theirs.mask)) > 1
        agreed = ours.mask == theirs.mask
        np.testing.assert_allclose(ours.confidence[agreed], theirs.confidence[agreed], atol=0.02)
        assert set(ours.stage_ms) == set(theirs.stage_ms)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("size", "thermal_size"),
    [((64, 96), (64, 96)), ((64, 96), (32, 48)), ((96, 160), (96, 160)), ((100, 150), (75, 110)), ((50, 70), (64, 60))],
)  # fmt: skip
def test_masks_are_those_of_the_plain_way(plain, device, kind, size, thermal_size) -> None:
    pair = ImagePair(picture(*size), thermal_picture(*thermal_size, kind))
    assert_same(plain, device, pair)


@pytest.mark.parametrize("missing", ["rgb", "thermal"])
def test_an_image_may_be_missing(plain, device, missing) -> None:
    pair = ImagePair(picture(80, 112), thermal_picture(80, 112, np.uint16))
    assert_same(plain, device, replace(pair, **{missing: None}), replace(pair, **{missing: None}))
    assert_same(plain, device, pair, replace(pair, **{missing: None}))


def test_pixels_without_a_temperature_are_left_out(plain, device) -> None:
    valid = np.ones((80, 112), bool)
    valid[:, :50] = False
    assert_same(plain, device, ImagePair(picture(80, 112), thermal_picture(80, 112, np.uint16), valid))


def test_another_size_or_list_of_classes_never_gives_a_mask_of_before(plain, device) -> None:
    names = plain.class_names
    lists = ((), names[:3], names[::-1], names[2:5])
    for number in range(3 * MOST_PLANS):
        height = 64 + 8 * (number % 5)
        pair = ImagePair(picture(height, 96, number), thermal_picture(height, 96, np.uint8, number))
        for segmenter in (plain, device):
            segmenter.use(segmenter.select_classes(lists[number % 4]))
        ours, theirs = device.segment([pair])[0], plain.segment([pair])[0]
        assert np.mean(ours.mask == theirs.mask) > 0.999
        assert ours.classes.names == theirs.classes.names
        assert (ours.confidence[ours.mask == ours.classes.unlabeled] == 0).all()
    plain.use(plain.select_classes(()))


def test_two_batches_may_be_under_way(plain, device) -> None:
    pairs = [ImagePair(picture(64, 96, i), thermal_picture(64, 96, np.uint8, i)) for i in range(6)]
    before, answers = None, []
    for pair in pairs:
        pending = device.begin([pair])
        if before is not None:
            answers += device.collect(before)
        before = pending
    answers += device.collect(before)
    for pair, answer in zip(pairs, answers, strict=True):
        assert np.mean(answer.mask == plain.segment([pair])[0].mask) > 0.999


def test_an_output_that_is_not_finite_is_no_mask(device) -> None:
    with torch.no_grad():
        next(device._network.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        device.segment([ImagePair(picture(64, 96), thermal_picture(64, 96, np.uint8))])


def test_halved_weights_give_the_numbers_of_mixed_precision(model) -> None:
    pair = ImagePair(picture(64, 96), thermal_picture(64, 96, np.uint8))
    segmenter = Segmenter.load(model, device="cpu", precision="bf16")
    full = segmenter.logits(pair, (64, 96))
    halve_weights(segmenter._network, torch.bfloat16)
    assert torch.equal(segmenter.logits(pair, (64, 96)), full)


@pytest.mark.parametrize("target", [(48, 64), (40, 50), (97, 130), (120, 40)])
def test_resizing_by_products_is_resizing(target) -> None:
    image = np.random.default_rng(0).random((96, 128), np.float32)
    rows, columns = (each.numpy() for each in resize_weights(image.shape, target))
    np.testing.assert_allclose(rows @ image @ columns.T, resize_image(image, target), atol=1e-5)
    valid = image > 0.1
    resized = rows @ valid.astype(np.float32) @ columns.T > WHOLE
    assert np.mean(resized == resize_valid(valid, target)) > 0.999


def test_what_a_graph_reads_is_kept_with_it(device) -> None:
    for height in (64, 96):
        device.segment([ImagePair(picture(height, 96), thermal_picture(height, 96, np.uint8))])
        (positions,) = device._network.encoder.trunk._kept_positions.values()
        held = held_tensors(device._network)
        assert any(tensor is positions for tensor in held)
        assert {id(tensor) for tensor in device._network.parameters()} <= {id(tensor) for tensor in held}


def test_whoever_drops_it_gives_its_memory_back_at_once(device) -> None:
    """Not when Python next looks for cycles: a training would fill a GPU's memory with graphs of past validations."""
    segmenter = Segmenter(
        device._network, device.card, "", torch.device("cpu"), "fp32", device._normalize_thermal
    )
    segmenter.use_device_path()
    segmenter.segment([ImagePair(picture(64, 96), None)])
    gc.disable()
    try:
        alive = weakref.ref(segmenter.device_path)
        del segmenter
        assert alive() is None
    finally:
        gc.enable()


def test_weights_in_training_stay_where_they_are(model) -> None:
    """In another order than their gradients and the optimiser's state, every later step would be slower."""
    network = load_model(model)
    before = {name: weight.stride() for name, weight in network.named_parameters()}
    segmenter = Segmenter(network, read_card(model), "", torch.device("cpu"), "fp32", ThermalNormalization())
    segmenter.use_device_path()
    segmenter.segment([ImagePair(picture(64, 96), None)])
    assert {name: weight.stride() for name, weight in network.named_parameters()} == before


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (MemoryError("out of memory"), False),
    ],
)
def test_a_gpu_without_memory_says_so_in_several_ways(error, is_one) -> None:
    assert is_out_of_memory(error) == is_one
