"""The cheap way to masks and probabilities tells what interpolation of every class's logits tells."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rgbt_seg_ros.masks.detections import find_detections
from rgbt_seg_ros.models.coarse_logits import CoarseLogits, Enlargement
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter import decision as decisions
from rgbt_seg_ros.segmenter.class_selection import ClassSelection
from rgbt_seg_ros.segmenter.decision import decide, most_probable

ENLARGEMENTS = [Enlargement(4, align_corners=True), Enlargement(4), Enlargement(2), Enlargement(1)]
SIZES = [
    ((64, 96), (64, 96)),
    ((61, 83), (61, 83)),
    ((64, 96), (150, 200)),
    ((50, 90), (31, 45)),
    ((32, 32), (1, 1)),
]


def classes(number: int, ids: np.ndarray | None = None) -> ClassSelection:
    return ClassSelection(tuple(f"c{i}" for i in range(number)), (), ids=ids)


def logits(
    enlargement: Enlargement,
    size: tuple[int, int],
    number: int = 9,
    paths: int = 1,
    smooth: int = 1,
    seed: int = 0,
    last: bool = True,
) -> CoarseLogits:
    """Seeded maps of two images; `smooth`: places between two that are drawn; `last`: classes lie last in memory."""
    draw = torch.Generator().manual_seed(seed)
    height, width = (-(-side // 32) * 32 // enlargement.factor for side in size)
    maps = []
    for _ in range(paths):
        drawn = torch.randn(2, number, height // smooth, width // smooth, generator=draw, dtype=torch.float64)
        whole = F.interpolate(drawn, size=(height, width), mode="bilinear")
        maps.append(4 * (whole.to(memory_format=torch.channels_last) if last else whole))
    return CoarseLogits(tuple(maps), enlargement, size)


def densely(coarse: CoarseLogits, size: tuple[int, int]) -> Tensor:
    """Probabilities [B, N, H, W], by interpolation of all logits."""
    full = coarse.full()
    if coarse.size != size:
        full = F.interpolate(full, size=size, mode="bilinear", align_corners=False)
    return full.softmax(dim=1)


@pytest.mark.parametrize("paths", [1, 2])
@pytest.mark.parametrize(("own", "size"), SIZES)
@pytest.mark.parametrize("enlargement", ENLARGEMENTS, ids=str)
def test_masks_and_probabilities_are_those_of_plain_interpolation(enlargement, own, size, paths) -> None:
    for smooth in (1, 4):
        coarse = logits(enlargement, own, paths=paths, smooth=smooth, last=smooth == 1)
        expected, answers = densely(coarse, size).max(dim=1)
        for number, found in enumerate(decide(coarse, size, classes(9))):
            np.testing.assert_array_equal(found.mask, answers[number])
            np.testing.assert_allclose(found.probabilities(), expected[number], atol=1e-12)


def test_in_single_precision_classes_differ_only_where_logits_are_equal_up_to_rounding() -> None:
    differing = 0
    for enlargement in ENLARGEMENTS[:3]:
        for size in ((128, 192), (200, 300)):
            coarse = logits(enlargement, (128, 192), number=90).each(Tensor.float)
            expected = densely(coarse, size)
            for number, found in enumerate(decide(coarse, size, classes(90))):
                largest, answers = expected[number].max(dim=0)
                chosen = expected[number].gather(0, torch.from_numpy(found.mask.astype(np.int64))[None])[0]
                differing += int((answers.numpy() != found.mask).sum())
                # Where another class is chosen, it is as probable.
                torch.testing.assert_close(chosen, largest, atol=0, rtol=1e-5)
                np.testing.assert_allclose(found.probabilities(), largest, atol=3e-6)
    assert differing <= 1e-4 * 3 * 2 * 2 * 128 * 192


def test_equal_logits_are_the_first_class_and_a_third_class_may_win_between_two() -> None:
    equal = CoarseLogits((torch.zeros(1, 5, 8, 8),), Enlargement(4), (32, 32))
    (found,) = decide(equal, (32, 32), classes(5))
    assert not found.mask.any()
    np.testing.assert_allclose(found.probabilities(), 0.2, rtol=1e-6)
    # Left and right have a class of their own, and one is the second in both.
    row = torch.tensor([[10.0, 0.0], [0.0, 10.0], [9.0, 9.0]])
    between = CoarseLogits((row[None, :, None].repeat(1, 1, 2, 1),), Enlargement(4), (8, 8))
    (found,) = decide(between, (8, 8), classes(3))
    assert found.mask[0].tolist() == [0, 0, 2, 2, 2, 2, 1, 1]


def test_probabilities_of_single_pixels_are_those_of_the_map_and_scores_as_well() -> None:
    ids = np.array([0, 1, 2, 255, 255, 3, 0, 1, 2], np.uint8)
    selection = replace(classes(4, ids), thing_classes=("c1", "c2"))
    for found in decide(logits(Enlargement(4), (64, 96), smooth=4), (120, 160), selection):
        whole = found.probabilities()
        rows, columns = np.nonzero(found.mask != 2)
        np.testing.assert_allclose(found.probability(rows, columns), whole[rows, columns], rtol=1e-12)
        assert (whole[found.mask == 255] == 0).all()
        assert (whole[found.mask != 255] > 0).all()
        assert {0, 1, 2, 3, 255} == set(np.unique(found.mask))
        none = np.zeros(0, np.int64)
        assert found.probability(none, none).shape == (0,)
        for least in (1, 60):
            by_map, by_pixel = (
                find_detections(found.mask, sure, selection.names, selection.thing_classes, least, 0.0)
                for sure in (whole, found)
            )
            assert len(by_map) > 0
            for one, other in zip(by_map, by_pixel, strict=True):
                assert one == replace(other, score=pytest.approx(one.score, rel=1e-12))


def test_more_than_255_classes_have_masks_of_16_bits() -> None:
    coarse = logits(Enlargement(4), (64, 96), number=300, smooth=2)
    answers = densely(coarse, (64, 96)).argmax(dim=1)
    for number, found in enumerate(decide(coarse, (64, 96), classes(300))):
        assert found.mask.dtype == np.uint16
        np.testing.assert_array_equal(found.mask, answers[number])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_not_finite_are_an_error_wherever_they_are(value) -> None:
    coarse = logits(Enlargement(4), (64, 96))
    coarse.maps[0][1, 3, -1, -1] = value
    with pytest.raises(ValueError, match="not finite"):
        decide(coarse, (64, 96), classes(9))


@pytest.mark.parametrize(("number", "paths"), [(9, 1), (90, 1), (9, 2)])
def test_a_device_enlarges_some_classes_at_a_time_and_answers_the_same(monkeypatch, number, paths) -> None:
    coarse = logits(Enlargement(2), (64, 96), number=number, paths=paths)
    enlarged: list[int] = []
    interpolate = decisions.F.interpolate

    def counted(map: Tensor, *args: object, **options: object) -> Tensor:
        enlarged.append(map.shape[1])
        return interpolate(map, *args, **options)

    monkeypatch.setattr(decisions.F, "interpolate", counted)
    probabilities, answers = most_probable(coarse, (100, 150))
    assert max(enlarged) <= 32
    monkeypatch.undo()
    expected, likeliest = densely(coarse, (100, 150)).max(dim=1)
    assert torch.equal(answers, likeliest)
    torch.testing.assert_close(probabilities, expected)


def test_only_pixels_between_answers_are_interpolated_and_probabilities_only_when_asked_for(
    monkeypatch,
) -> None:
    """Ten times the classes are more work only there: what grows with classes and pixels is counted, not timed."""
    single: list[int] = []
    strips: list[Tensor] = []
    averaged, rows_of = decisions.F.embedding_bag, decisions.Grid.rows_of

    def counted(places: Tensor, table: Tensor, **options: object) -> Tensor:
        single.append(len(places))
        return averaged(places, table, **options)

    def kept(*args: object) -> Tensor:
        strips.append(rows_of(*args))  # type: ignore[arg-type]
        return strips[-1].clone()

    monkeypatch.setattr(decisions.F, "embedding_bag", counted)
    monkeypatch.setattr(decisions.Grid, "rows_of", kept)
    height, width = 480, 640
    step = torch.full((1, 90, height // 4, width // 4), -5.0)
    step[:, 3, :, :80], step[:, 70, :, 80:] = 5.0, 5.0
    coarse = CoarseLogits((step,), Enlargement(4), (height, width))
    (found,) = decide(coarse, (height, width), classes(90))
    assert np.unique(found.mask).tolist() == [3, 70]
    assert sum(single) == 4 * height  # the columns between both
    assert not strips
    single.clear()
    found.probabilities()
    assert not single
    assert sum(strip[0].numel() for strip in strips) == height * width
    assert max(strip.numel() for strip in strips) <= 1 << 20


def test_a_segmentation_computes_its_confidence_once_and_lets_the_logits_go() -> None:
    segmenter = Segmenter.load("default", device="cpu", runtime="torch")
    draw = np.random.default_rng(0)
    out = segmenter(draw.integers(0, 256, (48, 64, 3), np.uint8), draw.integers(0, 256, (48, 64), np.uint8))
    assert not isinstance(out.probability, np.ndarray)
    confidence = out.confidence
    assert confidence.dtype == np.float32
    assert out.confidence is confidence
    assert out.probability is confidence
