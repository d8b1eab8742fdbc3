"""Arrays in, arrays out."""

import numpy as np
import pytest
import torch
from random_model import write_model

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.models import load_model
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.segmenter import Segmenter


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "m.safetensors", short_side=None)


@pytest.fixture(scope="module")
def segmenter(model_path) -> Segmenter:
    return Segmenter.load(model_path, device="cpu")


def images(height: int = 48, width: int = 64, dtype: type = np.uint8) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    rgb = draw.integers(0, 256, (height, width, 3), np.uint8)
    thermal = draw.integers(0, np.iinfo(dtype).max, (height, width), dtype, endpoint=True)
    return rgb, thermal


def test_mask_is_the_argmax_of_the_network_on_scaled_inputs(model_path, segmenter):
    rgb, thermal = images()
    out = segmenter(rgb, thermal)
    scaling = InputScaling()
    with torch.inference_mode():
        logits = load_model(model_path)(
            scaling.rgb(torch.from_numpy(rgb).permute(2, 0, 1)[None]),
            scaling.thermal(torch.from_numpy(thermal / np.float32(255))[None]),
        )
    probabilities = logits.softmax(dim=1)[0].numpy()
    assert out.mask.dtype == np.uint8
    assert out.confidence.dtype == np.float32
    # The form that serves rounds in another way, which can decide between two equally probable classes.
    assert np.mean(out.mask == probabilities.argmax(axis=0)) > 0.999
    np.testing.assert_allclose(out.confidence, probabilities.max(axis=0), atol=1e-5)
    assert set(out.stage_ms) == {"preprocess", "inference", "postprocess"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (31, 45), (97, 33)])
def test_any_size_and_depth(segmenter, dtype, height, width):
    out = segmenter(*images(height, width, dtype))
    assert out.mask.shape == out.confidence.shape == (height, width)
    assert out.mask.max() < 9
    assert 1 / 9 - 1e-6 <= out.confidence.min() <= out.confidence.max() <= 1


def test_thermal_of_another_size_is_laid_onto_rgb(segmenter):
    rgb, _ = images(96, 128)
    _, thermal = images(48, 64)
    assert segmenter(rgb, thermal).mask.shape == (96, 128)


@pytest.mark.parametrize("missing", ["rgb", "thermal"])
def test_a_missing_modality_is_zeros_after_scaling(model_path, segmenter, missing):
    rgb, thermal = images()
    scaling = InputScaling()
    inputs = {
        "rgb": scaling.rgb(torch.from_numpy(rgb).permute(2, 0, 1)[None]),
        "thermal": scaling.thermal(torch.from_numpy(thermal / np.float32(255))[None]),
    }
    inputs[missing] = torch.zeros_like(inputs[missing])
    with torch.inference_mode():
        expected = load_model(model_path)(inputs["rgb"], inputs["thermal"]).argmax(dim=1)[0].numpy()
    out = segmenter(None if missing == "rgb" else rgb, None if missing == "thermal" else thermal)
    assert np.mean(out.mask == expected) > 0.999


def test_large_images_are_shrunk_to_the_cards_short_side(tmp_path):
    small = Segmenter.load(write_model(tmp_path / "m.safetensors", short_side=32), device="cpu")
    seen = []
    small._network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[-2:]))
    assert small(*images(96, 128)).mask.shape == (96, 128)
    assert small(*images(24, 48)).mask.shape == (24, 48)
    assert [tuple(shape) for shape in seen] == [(32, 43), (24, 48)]


def test_the_same_pair_gives_the_same_bytes(segmenter):
    rgb, thermal = images(dtype=np.uint16)
    first, second = segmenter(rgb, thermal), segmenter(rgb, thermal)
    assert first.mask.tobytes() == second.mask.tobytes()
    assert first.confidence.tobytes() == second.confidence.tobytes()


def test_read_only_views_are_accepted(segmenter):
    rgb, thermal = images()
    expected = segmenter(rgb, thermal).mask
    rgb.flags.writeable = thermal.flags.writeable = False
    np.testing.assert_array_equal(segmenter(rgb, thermal).mask, expected)


@pytest.mark.parametrize(
    ("rgb", "thermal", "sentence"),
    [
        (None, None, "neither an RGB nor a thermal image"),
        (np.zeros((48, 64), np.uint8), None, r"RGB image must be uint8 \[H, W, 3\], got uint8 \[48, 64\]"),
        (None, np.zeros((48, 64), np.float32), "thermal image must be uint8 or uint16"),
        (np.zeros((4, 64, 3), np.uint8), None, "smaller than 8 pixels"),
        (np.zeros((0, 0, 3), np.uint8), None, "smaller than 8 pixels"),
    ],
)
def test_bad_input_is_one_sentence(segmenter, rgb, thermal, sentence):
    with pytest.raises(ValueError, match=sentence):
        segmenter(rgb, thermal)


def test_an_output_that_is_not_finite_is_an_error(model_path):
    broken = Segmenter.load(model_path, device="cpu")
    with torch.no_grad():
        broken._network.encoder.trunk.patch_embed.proj.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        broken(*images())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"device": "tpu"}, "no device 'tpu'"),
        ({"device": "meta"}, "device 'meta' is not supported"),
        ({"device": "cpu", "precision": "int3"}, "no precision 'int3': choose auto, fp32, bf16 or fp16"),
        ({"device": "cuda:99"}, "device 'cuda:99' was asked for but this machine has"),
    ],
)
def test_unknown_device_or_precision_is_refused(model_path, options, sentence):
    with pytest.raises(UserError, match=sentence):
        Segmenter.load(model_path, **options)


def test_bf16_agrees_with_fp32_on_almost_every_pixel(model_path, segmenter):
    rgb, thermal = images(64, 96)
    half = Segmenter.load(model_path, device="cpu", precision="bf16")
    assert np.mean(half(rgb, thermal).mask == segmenter(rgb, thermal).mask) > 0.9


@pytest.mark.parametrize(
    ("former", "today"), [("float32", "fp32"), ("bfloat16", "bf16"), ("float16", "fp16")]
)
def test_former_names_of_precisions_are_read(model_path, former, today):
    assert Segmenter.load(model_path, device="cpu", precision=former).precision == today
    assert Segmenter.load(model_path, device="cpu", precision=today).precision == today
    assert Segmenter.load(model_path, device="cpu").precision == "fp32"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and -m cuda")
def test_cuda_agrees_with_the_cpu(model_path, segmenter):
    rgb, thermal = images(64, 96)
    gpu = Segmenter.load(model_path, device="cuda", precision="fp32")
    assert np.mean(gpu(rgb, thermal).mask == segmenter(rgb, thermal).mask) > 0.99


def test_scaling_rules():
    rgb = torch.full((3, 2, 2), 255, dtype=torch.uint8)
    thermal = torch.full((2, 2), 0.5)
    standard = InputScaling(thermal_mean=0.25, thermal_std=0.5)
    assert standard.rgb(rgb)[:, 0, 0].tolist() == pytest.approx(
        [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    )
    assert standard.thermal(thermal).shape == (3, 2, 2)
    assert standard.thermal(thermal).unique().tolist() == [0.5]
    assert InputScaling("shifnet-fmb").thermal(thermal).unique().tolist() == [0.5]
    assert InputScaling("shifnet-pst900").thermal(thermal).unique().tolist() == [127.5]
    assert InputScaling("shifnet-pst900").rgb(rgb)[0, 0, 0].item() == pytest.approx((255 - 0.485) / 0.229)
    with pytest.raises(UserError, match="no input scaling 'magic'"):
        InputScaling("magic")
    with pytest.raises(UserError, match="both thermal_mean and thermal_std"):
        InputScaling(thermal_mean=0.1)


def test_a_batch_answers_each_pair_as_it_would_alone(segmenter):
    pairs = [ImagePair(*images()), ImagePair(None, images()[1]), ImagePair(images()[0][::-1].copy(), None)]
    for pair, out in zip(pairs, segmenter.segment(pairs), strict=True):
        alone = segmenter(pair.rgb, pair.thermal)
        np.testing.assert_allclose(out.confidence, alone.confidence, atol=1e-5)
        assert np.mean(out.mask == alone.mask) > 0.999


def test_a_batch_of_two_sizes_is_refused(segmenter):
    with pytest.raises(ValueError, match="one size"):
        segmenter.segment([ImagePair(*images(48, 64)), ImagePair(*images(64, 64))])


def test_what_lies_where_thermal_is_not_valid_makes_no_difference(segmenter):
    rgb, thermal = images(dtype=np.uint16)
    valid = np.ones(thermal.shape, bool)
    valid[10:30, 20:50] = False
    filled = np.where(valid, thermal, 65535)
    holes = np.where(valid, thermal, 0).astype(np.uint16)
    np.testing.assert_array_equal(
        segmenter(rgb, holes, valid).confidence, segmenter(rgb, filled, valid).confidence
    )
    assert not np.array_equal(segmenter(rgb, holes, valid).confidence, segmenter(rgb, holes).confidence)


def test_thermal_that_is_valid_nowhere_is_missing(segmenter):
    rgb, thermal = images()
    nowhere = np.zeros(thermal.shape, bool)
    np.testing.assert_array_equal(segmenter(rgb, thermal, nowhere).mask, segmenter(rgb, None).mask)


def test_logits_come_at_the_size_that_was_asked_for(segmenter):
    rgb, thermal = images()
    logits = segmenter.logits(ImagePair(rgb, thermal), (48, 64))
    np.testing.assert_array_equal(logits.argmax(dim=0).numpy(), segmenter(rgb, thermal).mask)
    assert segmenter.logits(ImagePair(rgb, thermal), (33, 70)).shape == (9, 33, 70)


def test_what_the_confidence_costs_is_told_once_it_was_asked_for(segmenter):
    out = segmenter(*images())
    assert out.confidence_ms == 0.0
    assert out.confidence.shape == out.mask.shape
    assert out.confidence_ms > 0.0
