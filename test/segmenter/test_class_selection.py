"""Choosing classes while a model runs."""

import dataclasses
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import build_model, load_model, read_card
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter import Segmentation, Segmenter
from rgbt_seg_ros.segmenter.class_embeddings import ClassEmbeddings, load_class_embeddings
from rgbt_seg_ros.segmenter.class_selection import ClassSelection, own_classes, select_classes, weak_classes

SCENE = render_still(2, (96, 128))
CARD = read_card("default")
OWN = load_model("default").get_buffer("class_embeddings")
THINGS = ("car", "person", "bike", "car stop", "color cone")


def embeddings(names: Sequence[str], vectors: torch.Tensor, **changes: Any) -> ClassEmbeddings:
    """Vectors that are made, by their own account, with the text encoder of the default model."""
    origin = {"encoder": CARD.embeddings["encoder"], "encoder_hash": CARD.embeddings["encoder_hash"]}
    return ClassEmbeddings(vectors, tuple(names), ("a {}.",), **{**origin, **changes})


# Close to background, car and person, so that each of them is seen in the scene.
NOISE = torch.randn(4, OWN.shape[1], generator=torch.Generator().manual_seed(0)) / OWN.shape[1] ** 0.5
OTHER = embeddings(("floor", "forklift", "worker", "car"), normalize(OWN[[0, 1, 2, 3]] + 0.3 * NOISE, dim=-1))


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter.load("default", device="cpu")


def segment(segmenter: Segmenter) -> Segmentation:
    return segmenter(SCENE.rgb, SCENE.thermal)


def expected_with(vectors: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mask and confidence of a network that was built with these class embeddings."""
    network = build_model(CARD.arch, CARD.config, vectors).eval()
    network.load_state_dict({**load_model("default").state_dict(), "class_embeddings": vectors})
    with torch.inference_mode():
        logits = network(
            CARD.scaling.rgb(torch.from_numpy(SCENE.rgb).permute(2, 0, 1))[None],
            CARD.scaling.thermal(torch.from_numpy(SCENE.thermal / np.float32(255)))[None],
        )
    confidence, mask = logits.softmax(dim=1)[0].max(dim=0)
    return mask.numpy(), confidence.numpy()


def test_no_names_are_the_models_own_list(segmenter: Segmenter) -> None:
    before = segment(segmenter)
    segmenter.use(segmenter.select_classes(["car", "person"]))
    segmenter.use(segmenter.select_classes([], OTHER))
    after = segment(segmenter)
    assert segmenter.class_names == after.classes.names == CARD.class_names
    assert segmenter.classes_off == CARD.weak_classes
    assert segmenter.thing_classes == tuple(name for name in THINGS if name not in CARD.weak_classes)
    off = np.isin(before.mask, [CARD.class_names.index(name) for name in CARD.weak_classes])
    np.testing.assert_array_equal(after.mask, np.where(off, 255, before.mask))
    np.testing.assert_array_equal(after.confidence, np.where(off, 0.0, before.confidence))


@pytest.mark.parametrize("cache", [None, OTHER])
def test_some_own_classes_are_numbered_as_listed_and_the_rest_is_unlabeled(
    segmenter: Segmenter, cache: ClassEmbeddings | None
) -> None:
    whole = segment(segmenter)
    names = ("person", "background")
    segmenter.use(segmenter.select_classes(names, cache))
    part = segment(segmenter)
    expected = np.full(whole.mask.shape, 255, np.uint8)
    expected[whole.mask == 2] = 0
    expected[whole.mask == 0] = 1
    assert set(np.unique(expected)) == {0, 1, 255}
    assert part.mask.dtype == np.uint8
    np.testing.assert_array_equal(part.mask, expected)
    np.testing.assert_array_equal(part.confidence, np.where(expected == 255, 0, whole.confidence))
    assert segmenter.class_names == part.classes.names == names
    assert segmenter.thing_classes == ("person",)


def test_former_names_of_classes_are_understood() -> None:
    for cache in (None, OTHER):
        asked = select_classes(CARD, OWN, ["car_stop", "curve", "unlabeled", "color-cone"], cache)
        assert asked.names == ("car stop", "curb", "background", "color cone")
        assert asked.thing_classes == ("car stop", "color cone")
    with pytest.raises(UserError, match="the class 'car stop' is listed twice"):
        select_classes(CARD, OWN, ["car stop", "car_stop"])


def test_own_classes_in_another_order_are_only_renumbered(segmenter: Segmenter) -> None:
    whole = segment(segmenter)
    segmenter.use(segmenter.select_classes(CARD.class_names[::-1]))
    turned = segment(segmenter)
    np.testing.assert_array_equal(turned.mask, 8 - whole.mask)
    np.testing.assert_array_equal(turned.confidence, whole.confidence)


def test_other_classes_compete_by_their_vectors(segmenter: Segmenter) -> None:
    names = ("worker", "background", "car")
    segmenter.use(segmenter.select_classes(names, OTHER))
    out = segment(segmenter)
    # A name that the model knows itself keeps the vector it was trained with.
    vectors = torch.stack([OTHER.vectors[2], OWN[0], OWN[1]])
    mask, confidence = expected_with(vectors)
    # The form that serves rounds in another way, which can decide between two equally probable classes.
    assert np.mean(out.mask == mask) > 0.999
    np.testing.assert_allclose(out.confidence, confidence, atol=1e-5)
    assert set(np.unique(mask)) == {0, 1, 2}
    assert segmenter.class_names == names
    assert segmenter.thing_classes == ("worker", "car")


def test_one_class_alone_has_every_pixel(segmenter: Segmenter) -> None:
    segmenter.use(segmenter.select_classes(["worker"], OTHER))
    out = segment(segmenter)
    assert not out.mask.any()
    np.testing.assert_allclose(out.confidence, 1.0)


def test_more_than_255_classes_make_masks_of_16_bits(segmenter: Segmenter) -> None:
    noise = torch.randn(297, OWN.shape[1], generator=torch.Generator().manual_seed(1))
    vectors = torch.cat([normalize(noise, dim=-1), OWN[:3]])
    many = embeddings([f"thing {i}" for i in range(300)], vectors)
    segmenter.use(segmenter.select_classes(many.names, many))
    out = segment(segmenter)
    assert out.mask.dtype == np.uint16
    assert out.mask.max() > 255
    assert np.mean(out.mask == expected_with(many.vectors)[0]) > 0.999
    card = dataclasses.replace(CARD, class_names=many.names)
    most = select_classes(card, many.vectors, many.names[1:])
    assert most.ids is not None
    assert (most.unlabeled, most.ids.dtype, most.ids[0], most.ids[-1]) == (65535, np.uint16, 65535, 298)
    few = select_classes(card, many.vectors, many.names[1:256])
    assert few.ids is not None
    assert (few.unlabeled, few.ids.dtype, few.ids[0], few.ids[255]) == (255, np.uint8, 255, 254)


@pytest.mark.parametrize(
    ("names", "cache", "sentence"),
    [
        (["car", "persn"], None, "no class 'persn' .the nearest is 'person'.*other classes need"),
        (
            ["car", "forklifts"],
            OTHER,
            "no class 'forklifts' .the nearest is 'forklift'.: choose among .*worker$",
        ),
        ([""], None, "no class ''"),
        (["car", "person", "car"], None, "the class 'car' is listed twice"),
        (
            ["forklift"],
            embeddings(["forklift"], OWN[:1, :8]),
            r"minilm \(width 8\), but .* minilm \(width 384\)",
        ),
        (
            ["forklift"],
            embeddings(["forklift"], OWN[:1], encoder_hash="x"),
            "make them with the same encoder",
        ),
        ([], embeddings(["forklift"], OWN[:1], encoder_hash="x"), "make them with the same encoder"),
        (["car"], embeddings(["forklift"], OWN[:1], encoder_hash="x"), "make them with the same encoder"),
    ],
)
def test_a_wrong_list_is_refused_and_the_old_one_kept(
    segmenter: Segmenter, names: list[str], cache: ClassEmbeddings | None, sentence: str
) -> None:
    segmenter.use(segmenter.select_classes(["person", "car"]))
    before = segment(segmenter).mask
    with pytest.raises(UserError, match=sentence):
        segmenter.use(segmenter.select_classes(names, cache))
    assert segmenter.class_names == ("person", "car")
    np.testing.assert_array_equal(segment(segmenter).mask, before)


def test_embeddings_are_refused_by_models_that_cannot_use_them() -> None:
    unknown = dataclasses.replace(CARD, embeddings={"origin": "elsewhere"})
    with pytest.raises(UserError, match="the model's own from unknown"):
        select_classes(unknown, OWN, ["forklift"], OTHER)
    fixed = dataclasses.replace(CARD, config={"size": "nano", "decoder": "ppm"})
    with pytest.raises(UserError, match="decoder ppm knows only the classes it was trained on"):
        select_classes(fixed, OWN, ["forklift"], OTHER)
    assert select_classes(fixed, OWN, ["car"]).names == ("car",)


def test_sartm_takes_its_own_classes_alone() -> None:
    card = dataclasses.replace(CARD, arch="sartm", config={"size": "nano"})
    assert select_classes(card, OWN, ["car", "person"]).names == ("car", "person")
    with pytest.raises(
        UserError, match="SARTM knows only the classes it was trained on: take the class embeddings"
    ):
        select_classes(card, OWN, ["forklift"], OTHER)
    with pytest.raises(UserError, match=r"no class 'forklift'.*choose among .*color cone, bump$"):
        select_classes(card, OWN, ["forklift"])


def test_classes_change_between_two_pairs_and_never_within_one(segmenter: Segmenter) -> None:
    selections: list[ClassSelection] = [
        own_classes(CARD),
        segmenter.select_classes(["person", "car", "bump"]),
        segmenter.select_classes(["forklift", "floor"], OTHER),
        segmenter.select_classes(OTHER.names, OTHER),
    ]
    alone = {}
    for selection in selections:
        segmenter.use(selection)
        alone[selection] = segment(segmenter)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for selection in selections:
                segmenter.use(selection)
                time.sleep(1e-3)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        answers = [segment(segmenter) for _ in range(12)]
    finally:
        done.set()
        swapper.join()
    for answer in answers:
        np.testing.assert_array_equal(answer.mask, alone[answer.classes].mask)
        np.testing.assert_array_equal(answer.confidence, alone[answer.classes].confidence)
    assert len({answer.classes for answer in answers}) > 1


def test_classes_may_be_chosen_in_the_middle_of_a_run_with_others(segmenter: Segmenter) -> None:
    """The network holds the others' vectors then, which are not its own."""
    names = ("background", "car", "forklift")
    before, during = segmenter.select_classes(names, OTHER), []
    hook = segmenter._network.register_forward_pre_hook(
        lambda *_: during.append(segmenter.select_classes(names, OTHER))
    )
    segmenter.use(segmenter.select_classes(OTHER.names, OTHER))
    segment(segmenter)
    hook.remove()
    (selection,) = during
    assert selection.vectors is not None
    assert before.vectors is not None
    assert torch.equal(selection.vectors, before.vectors)


def test_the_packaged_embeddings_belong_to_the_default_model(segmenter: Segmenter, repository: Path) -> None:
    packaged = load_class_embeddings(repository / "config/embeddings/mfnet_minilm.safetensors")
    renamed = dataclasses.replace(packaged, names=tuple(f"a {name}" for name in packaged.names))
    before = segment(segmenter)
    segmenter.use(segmenter.select_classes(renamed.names, renamed))
    after = segment(segmenter)
    # The model file holds its vectors with 16 bits.
    np.testing.assert_allclose(after.confidence, before.confidence, atol=5e-3)
    assert np.mean(after.mask == before.mask) > 0.999


def test_weak_classes_are_off_unless_they_are_asked_for() -> None:
    iou = {"background": 0.1, "car": 0.7, "person": 0.15, "bump": 0.149, "guardrail": 0.0, "curb": None}
    assert weak_classes(iou) == ("bump", "guardrail")
    card = dataclasses.replace(CARD, weak_classes=weak_classes(iou))
    chosen = select_classes(card, OWN, [])
    assert chosen.names == CARD.class_names  # ids stay those of the model, and of labels
    assert chosen.off == ("bump", "guardrail")
    assert chosen.ids is not None
    off = [name in chosen.off for name in CARD.class_names]
    np.testing.assert_array_equal(chosen.ids, np.where(off, chosen.unlabeled, np.arange(len(off))))
    assert select_classes(card, OWN, CARD.class_names).names == CARD.class_names
    assert own_classes(card).names == CARD.class_names
    nothing = dataclasses.replace(CARD, weak_classes=CARD.class_names[1:])
    assert select_classes(nothing, OWN, []).names == CARD.class_names
