"""Protocols, modalities and averaging, on a network that answers by the pixels it is given."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rgbt_seg_ros.images.pair import ImagePair, resize_image
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.models import ModelCard
from rgbt_seg_ros.models.scaling import InputScaling
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter import Segmenter
from training.data.sample import Sample
from training.scoring.protocols import NATIVE, protocol_for, segment_sample


class _PixelSegmenter:
    """Class 1 where red is bright, else class 0; or logits [2, h, w] of the test's own. Notes sizes and pairs."""

    card = SimpleNamespace(class_names=("dark", "bright"), thing_classes=())
    device = torch.device("cpu")

    def __init__(self, answer: Callable[[torch.Tensor], torch.Tensor] | None = None) -> None:
        self.answer = answer
        self.sizes: list[tuple[int, int]] = []
        self.padded: tuple[int, int] | None = None
        self.pairs: list[ImagePair] = []

    def network_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return size[0] // 2, size[1] // 2

    def logits(
        self, pair: ImagePair, size: tuple[int, int], padded: tuple[int, int] | None = None
    ) -> torch.Tensor:
        self.padded = padded
        self.sizes.append(size)
        self.pairs.append(pair)
        image = pair.thermal if pair.rgb is None else pair.rgb[..., 0]
        bright = torch.from_numpy(resize_image(image, size)).float() / 255.0
        return (
            torch.stack([0.5 - bright, bright - 0.5]) * 20.0 if self.answer is None else self.answer(bright)
        )

    def __call__(
        self, rgb: np.ndarray | None, thermal: np.ndarray | None, thermal_valid: np.ndarray | None = None
    ) -> SimpleNamespace:
        self.pairs.append(ImagePair(rgb, thermal, thermal_valid))
        return SimpleNamespace(mask=np.zeros(self.pairs[-1].size, np.uint8))


def _sample(height: int = 48, width: int = 64) -> Sample:
    """Bright on the left third, in RGB and in thermal; the label holds every id from 0 to 8."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, : width // 3] = 255
    label = np.random.default_rng(0).integers(0, 9, (height, width)).astype(np.uint8)
    valid = np.ones((height, width), bool)
    valid[:, -5:] = False
    return Sample("00001D", rgb, rgb[..., 0], label, valid)


def test_native_never_resizes_a_label_and_is_what_the_segmenter_answers() -> None:
    sample, segmenter = _sample(), _PixelSegmenter()
    assert protocol_for("native", "fmb") is NATIVE
    assert NATIVE.label(sample) is sample.label
    assert segment_sample(segmenter, sample).mask.shape == sample.label.shape
    assert segmenter.sizes == []


@pytest.mark.parametrize(("data", "size"), [("fmb", (1024, 1376)), ("pst900", (736, 1280))])
def test_official_resizes_images_and_labels_to_the_papers_size(data: str, size: tuple[int, int]) -> None:
    protocol, sample, segmenter = protocol_for("official", data), _sample(), _PixelSegmenter()
    mask = segment_sample(segmenter, sample, protocol).mask
    assert segmenter.sizes == [size], "the network must see exactly this size"
    assert mask.shape == protocol.label(sample).shape == size
    assert protocol.absent == 0.0


def test_official_leaves_other_data_sets_at_their_own_size() -> None:
    protocol, sample, segmenter = protocol_for("official", "mfnet"), _sample(), _PixelSegmenter()
    assert protocol.label(sample) is sample.label
    assert segment_sample(segmenter, sample, protocol).mask.shape == (48, 64)
    assert segmenter.sizes == [(48, 64)]


@pytest.mark.parametrize(
    ("data", "size", "steps"),
    [
        ("fmb", (600, 800), [(1024, 1365), (1024, 1376)]),
        ("fmb15", (600, 800), [(1024, 1365), (1024, 1376)]),
        ("pst900", (720, 1280), [(736, 1280)]),
    ],
)
def test_shifnets_label_grid_is_that_of_its_code(
    data: str, size: tuple[int, int], steps: list[tuple[int, int]]
) -> None:
    """PyTorch's `nearest`, as often as the code resizes."""
    label = np.random.default_rng(1).choice([0, 7, 13, 255], size).astype(np.uint8)
    expected = torch.from_numpy(label)[None, None]
    for step in steps:
        expected = F.interpolate(expected, step, mode="nearest")
    sample = Sample("1", np.zeros((*size, 3), np.uint8), np.zeros_like(label), label)
    assert np.array_equal(protocol_for("official", data).label(sample), expected[0, 0].numpy())
    exact = F.interpolate(torch.from_numpy(label)[None, None], steps[-1], mode="nearest-exact")
    assert not torch.equal(exact, expected)


def test_shifnets_images_of_fmb_are_resized_in_two_steps_as_well() -> None:
    sample, segmenter = _sample(), _PixelSegmenter()
    segment_sample(segmenter, sample, protocol_for("official", "fmb"))
    (pair,) = segmenter.pairs
    assert pair.rgb is not None
    assert pair.size == (1024, 1365)
    assert np.array_equal(pair.rgb, resize_image(sample.rgb, (1024, 1365)))
    assert pair.thermal_valid is not None
    assert not pair.thermal_valid[:, -80:].any()


@pytest.mark.parametrize("data", ["mfnet", "pst900", "fmb15"])
def test_sartms_images_are_padded_and_its_labels_stay(data: str) -> None:
    protocol, sample, segmenter = protocol_for("official", data, "sartm"), _sample(), _PixelSegmenter()
    assert protocol.label(sample) is sample.label
    assert (protocol.head, protocol.absent) == ("mask", 0.0)
    assert segment_sample(segmenter, sample, protocol).mask.shape == sample.label.shape
    assert (segmenter.sizes, segmenter.padded) == ([(48, 64)], (1280, 1280))


def test_padding_is_zeros_below_and_at_the_right() -> None:
    """A network that answers by its inputs sees the image in the corner, and nothing around it."""

    class Inputs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("class_embeddings", torch.eye(2))

        def forward(self, rgb: torch.Tensor, thermal: torch.Tensor) -> torch.Tensor:
            seen.append((rgb, thermal))
            return torch.cat([rgb[:, :1], thermal[:, :1]], 1)

    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    card = ModelCard("shifnet", {}, ("dark", "bright"), (), "", InputScaling())
    segmenter = Segmenter(Inputs(), card, "", torch.device("cpu"), "fp32", ThermalNormalization())
    sample = _sample()
    logits = segmenter.logits(ImagePair(sample.rgb, sample.thermal), (48, 64), (96, 80))
    (rgb, thermal), answer = seen[0], segmenter.logits(ImagePair(sample.rgb, sample.thermal), (48, 64))
    assert torch.equal(logits, answer)
    assert rgb.shape == thermal.shape == (1, 3, 96, 80)
    for padded, whole in zip(seen[0], seen[1], strict=True):
        assert torch.equal(padded[..., :48, :64], whole)
        assert not padded[..., 48:, :].any()
        assert not padded[..., 64:].any()
    assert segmenter.logits(ImagePair(sample.rgb, None), (48, 64), (32, 32)).shape == (2, 48, 64)


@pytest.mark.parametrize(
    ("name", "base"), [("native", (24, 32)), ("official", (48, 64))], ids=["native", "official"]
)
def test_tta_shows_six_scales_each_mirrored_too(name: str, base: tuple[int, int]) -> None:
    sample, segmenter = _sample(), _PixelSegmenter()
    mask = segment_sample(segmenter, sample, protocol_for(name, "mfnet"), tta=True).mask
    scales = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    expected = [(round(base[0] * scale), round(base[1] * scale)) for scale in scales for _ in range(2)]
    assert segmenter.sizes == expected
    images, mirrored = segmenter.pairs[0::2], segmenter.pairs[1::2]
    for pair, mirror in zip(images, mirrored, strict=True):
        for part in ("rgb", "thermal", "thermal_valid"):
            assert np.array_equal(getattr(pair, part)[:, ::-1], getattr(mirror, part)), part
    # What the mirrored images say is mirrored back: the bright third stays on the left.
    assert (mask[:, :20] == 1).all()
    assert (mask[:, 23:] == 0).all()


def test_tta_averages_probabilities_and_not_logits() -> None:
    """One scale is very sure of class 0, five are a little in favour of class 1."""

    def answer(bright: torch.Tensor) -> torch.Tensor:
        sure = bright.shape == (48, 64)
        logits = torch.tensor([50.0, 0.0]) if sure else torch.tensor([0.0, 0.8])
        return logits[:, None, None].expand(2, *bright.shape)

    # Mean probability of class 0: (1 + 5 * sigmoid(-0.8)) / 6 = 0.425; its mean logit is 8.3 against 0.7.
    mask = segment_sample(
        _PixelSegmenter(answer), _sample(), protocol_for("official", "mfnet"), tta=True
    ).mask
    assert (mask == 1).all()


@pytest.mark.parametrize("tta", [False, True])
@pytest.mark.parametrize(
    ("modality", "rgb", "thermal"), [("both", True, True), ("rgb", True, False), ("thermal", False, True)]
)
def test_model_is_given_the_chosen_modality_alone_and_the_holes_of_thermal(
    modality: str, rgb: bool, thermal: bool, tta: bool
) -> None:
    sample, segmenter = _sample(), _PixelSegmenter()
    segment_sample(segmenter, sample, modality=modality, tta=tta)
    pair = segmenter.pairs[0]
    assert (pair.rgb is sample.rgb, pair.thermal is sample.thermal) == (rgb, thermal)
    assert (pair.thermal_valid is sample.thermal_valid) == thermal


def test_a_network_that_is_not_finite_is_told() -> None:
    segmenter = _PixelSegmenter(lambda bright: torch.full((2, *bright.shape), float("nan")))
    with pytest.raises(ValueError, match="not finite"):
        segment_sample(segmenter, _sample(), protocol_for("official", "mfnet"))


def test_official_equals_native_where_the_network_sees_the_labels_size() -> None:
    """Nothing but the size differs between the ways of a real model."""
    still = render_still(0, (96, 128))
    sample = Sample("1", still.rgb, still.thermal, still.label)
    segmenter = Segmenter.load("default", device="cpu")
    assert segmenter.network_size((96, 128)) == (96, 128)
    native = segment_sample(segmenter, sample).mask
    assert len(np.unique(native)) > 1, "the model must find several classes for this test to say something"
    official = segment_sample(segmenter, sample, protocol_for("official", "mfnet"))
    assert np.array_equal(official.mask, native)
