"""An exported network serves as its model does, by whichever runtime is faster, and never with another mask."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exported_models import DEFAULT_SIZE, ExportedModel, exported_tiny
from PIL import Image
from torch import nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.models.onnx_file import read_onnx
from rgbt_seg_ros.segmenter import Segmenter, exported_network, runtime
from rgbt_seg_ros.segmenter.class_embeddings import ClassEmbeddings
from rgbt_seg_ros.segmenter.exported_network import ExportedNetwork

onnx = pytest.importorskip("onnx", reason="needs onnx, with which exports are made")


def segmenters(model: ExportedModel) -> tuple[Segmenter, Segmenter]:
    """By PyTorch, and by onnxruntime alone."""
    return (
        Segmenter.load(model.weights, "cpu"),
        Segmenter.load(model.exported, "cpu", runtime="onnxruntime"),
    )


@pytest.fixture
def default(exported_default: ExportedModel) -> ExportedModel:
    return exported_default


@pytest.fixture
def sartm(exported_sartm: ExportedModel) -> ExportedModel:
    return exported_sartm


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return exported_tiny(tmp_path_factory)


@pytest.fixture(scope="module")
def pair(samples) -> tuple[np.ndarray, np.ndarray]:
    """A real one, 480x640."""
    four = np.array(Image.open(samples / "mfnet" / "images" / "01477D.png"))
    return np.ascontiguousarray(four[..., :3]), np.ascontiguousarray(four[..., 3])


def small(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    rgb, thermal = pair
    return rgb[100:228, 100:292].copy(), thermal[100:228, 100:292].copy()


def equal(first: Segmenter, second: Segmenter, rgb: np.ndarray | None, thermal: np.ndarray | None) -> float:
    """Part of the pixels with the same class; probabilities are the same up to rounding."""
    one, other = first(rgb, thermal), second(rgb, thermal)
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-3)
    return float(np.mean(one.mask == other.mask))


@pytest.mark.parametrize("name", ["01477D.png", "01234N.png"])
def test_the_packaged_model_gives_the_same_masks_of_real_pairs(default, samples, name):
    four = np.array(Image.open(samples / "mfnet" / "images" / name))
    rgb, thermal = np.ascontiguousarray(four[..., :3]), np.ascontiguousarray(four[..., 3])
    by_torch, by_onnx = segmenters(default)
    assert by_onnx.runtime == "onnxruntime (CPU)"
    assert len(np.unique(by_torch(rgb, thermal).mask)) > 4
    for images in ((rgb, thermal), (rgb, None), (None, thermal)):
        assert equal(by_torch, by_onnx, *images) >= 0.999


@pytest.mark.parametrize("name", ["sartm", "tiny"])
def test_other_networks_give_the_same_masks(name, pair, request):
    by_torch, by_onnx = segmenters(request.getfixturevalue(name))
    rgb, thermal = small(pair)
    for images in ((rgb, thermal), (rgb, None), (None, thermal)):
        assert equal(by_torch, by_onnx, *images) >= 0.999
    assert by_onnx.card == by_torch.card


def test_a_batch_and_thermal_defects_go_through_a_file_of_one_pair(default, pair):
    by_torch, by_onnx = segmenters(default)
    rgb, thermal = pair
    valid = np.ones(thermal.shape, bool)
    valid[:100] = False
    first, second = by_torch(rgb, thermal, valid), by_onnx(rgb, thermal, valid)
    assert np.mean(first.mask == second.mask) >= 0.999
    images = torch.randn(3, 3, *DEFAULT_SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = by_onnx._network(images, images)
        assert together.shape == (3, 9, *DEFAULT_SIZE)
        torch.testing.assert_close(together[1:2], by_onnx._network(images[1:2], images[1:2]))


def test_images_of_another_shape_are_shrunk_until_they_fit(default, pair):
    _, by_onnx = segmenters(default)
    rgb, thermal = pair
    wide = slice(0, 240)
    assert by_onnx(rgb[wide], thermal[wide]).mask.shape == (240, 640)
    assert by_onnx.network_size((240, 640)) == (120, 320)
    assert by_onnx.network_size((100, 50)) == (100, 50)
    assert by_onnx.network_size((720, 1280)) == (180, 320)


def other_classes(model: ExportedModel) -> tuple[ClassEmbeddings, list[str]]:
    """Eleven names, one of them the model's own."""
    card, own = read_card(model.weights), load_model(model.weights).get_buffer("class_embeddings")
    names = tuple(f"other {number}" for number in range(10))
    noise = torch.randn(10, own.shape[1], generator=torch.Generator().manual_seed(2))
    vectors = nn.functional.normalize(own[torch.arange(10) % 9] + 0.02 * noise, dim=1)
    embeddings = ClassEmbeddings(vectors, names, (), "encoder", card.embeddings["encoder_hash"])
    return embeddings, [*names, "person"]


@pytest.mark.parametrize("own_alone", [False, True])
def test_classes_can_be_chosen(default, pair, own_alone):
    by_torch, by_onnx = segmenters(default)
    embeddings, names = other_classes(default)
    for segmenter in (by_torch, by_onnx):
        if own_alone:
            segmenter.use(segmenter.select_classes(["person", "car"]))
        else:
            segmenter.use(segmenter.select_classes(names, embeddings))
    assert by_onnx.class_names == by_torch.class_names
    assert len(np.unique(by_torch(*pair).mask)) > 2
    assert equal(by_torch, by_onnx, *pair) >= 0.999


def test_both_forms_side_by_side_are_measured_and_one_answers(default, pair, tmp_path):
    shutil.copy(default.weights, tmp_path / "m.safetensors")
    shutil.copy(default.exported, tmp_path / "m.onnx")
    by_torch, _ = segmenters(default)
    embeddings, names = other_classes(default)
    for path in (tmp_path / "m.safetensors", tmp_path / "m.onnx"):
        segmenter = Segmenter.load(path, "cpu")
        assert segmenter.runtime in ("torch", "onnxruntime (CPU)")
        assert "for a pair of 240x320" in segmenter.runtime_note
        assert segmenter.runtime_note.endswith(f"{segmenter.runtime} answers")
        assert equal(by_torch, segmenter, *pair) >= 0.999
        segmenter.use(segmenter.select_classes(names, embeddings))
        assert segmenter(*pair).mask.max() > 4
    assert Segmenter.load(tmp_path / "m.onnx", "cpu", runtime="torch").runtime == "torch"


class Slow(nn.Module):
    """PyTorch's form, on a bad day."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("class_embeddings", network.get_buffer("class_embeddings"), persistent=False)
        self.asked: list[tuple[int, ...]] = []

    def forward(self, *inputs: torch.Tensor, **options: bool) -> torch.Tensor:
        self.asked.append(tuple(inputs[0].shape[-2:]))
        for _ in range(3):
            answer = self.network(*inputs, **options)
        return answer


def serve_slowly(monkeypatch: pytest.MonkeyPatch) -> list[Slow]:
    made: list[Slow] = []
    right = runtime.serving_form

    def slow(network: nn.Module) -> Slow:
        made.append(Slow(right(network)))
        return made[-1]

    monkeypatch.setattr(runtime, "serving_form", slow)
    return made


def test_the_exported_network_answers_for_its_size_alone(default, pair, monkeypatch):
    (by_torch, _), made = segmenters(default), serve_slowly(monkeypatch)
    segmenter = Segmenter.load(default.exported, "cpu")
    assert segmenter.runtime == "onnxruntime (CPU)"
    slow = made[0]
    slow.asked.clear()
    assert equal(by_torch, segmenter, *pair) >= 0.999
    assert not slow.asked
    assert equal(by_torch, segmenter, *small(pair)) >= 0.999
    assert slow.asked == [(128, 192)]
    for each in (by_torch, segmenter):
        embeddings, names = other_classes(default)
        each.use(each.select_classes(names, embeddings))
    assert equal(by_torch, segmenter, *small(pair)) >= 0.999
    assert equal(by_torch, segmenter, *pair) >= 0.999


def test_a_runtime_that_disagrees_does_not_answer(default, monkeypatch):
    serve_slowly(monkeypatch)
    right = ExportedNetwork._run

    def wrong(self: ExportedNetwork, *inputs: torch.Tensor) -> torch.Tensor:
        logits = right(self, *inputs)
        logits[..., :2, :] = logits[..., :2, :].flip(1)
        return logits

    monkeypatch.setattr(ExportedNetwork, "_run", wrong)
    segmenter = Segmenter.load(default.exported, "cpu")
    assert segmenter.runtime == "torch"
    assert "gives another class to 0." in segmenter.runtime_note


def test_a_runtime_that_ignores_other_classes_does_not_answer(default, monkeypatch):
    serve_slowly(monkeypatch)
    right = ExportedNetwork._run

    def wrong(self: ExportedNetwork, rgb: torch.Tensor, thermal: torch.Tensor, _: object) -> torch.Tensor:
        return right(self, rgb, thermal, self.class_embeddings)

    monkeypatch.setattr(ExportedNetwork, "_run", wrong)
    assert "does not answer for other classes" in Segmenter.load(default.exported, "cpu").runtime_note
    with pytest.raises(UserError, match="is not used \\(does not answer for other classes\\)"):
        Segmenter.load(default.exported, "cpu", runtime="onnxruntime")


def test_without_onnxruntime_torch_answers_or_it_is_one_sentence(default, sartm, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    segmenter = Segmenter.load(default.exported, "cpu")
    assert segmenter.runtime == "torch"
    assert "needs the package onnxruntime: run `pip install onnxruntime`" in segmenter.runtime_note
    with pytest.raises(UserError, match=r"m\.onnx needs the package onnxruntime: run `pip install"):
        Segmenter.load(sartm.exported, "cpu")


def test_without_a_provider_for_the_device_it_is_one_sentence(monkeypatch):
    monkeypatch.setitem(exported_network.PROVIDERS, "cpu", {"OtherProvider": "other"})
    with pytest.raises(UserError, match=r"m cannot run on cpu with the installed onnxruntime"):
        exported_network.installed_providers(torch.device("cpu"), "m")


@pytest.mark.parametrize(
    ("load", "sentence"),
    [
        (lambda m: Segmenter.load(m.exported, "cpu", runtime="tensorflow"), "there is no runtime 'tensorflow'"),
        (lambda m: Segmenter.load(m.exported, "cpu", runtime="torch"), r"beside it as m\.safetensors"),
        (lambda m: Segmenter.load(m.exported, "cpu", "bf16"), "cannot answer in precision bf16"),
        (lambda m: Segmenter.load(m.exported, "cpu", head="aux"), "cannot answer in another head"),
        (
            lambda m: Segmenter.load(m.weights, "cpu", runtime="onnxruntime"),
            r"no exported network beside it .*: write it with training\.export",
        ),
        (lambda m: load_model(m.exported), "is an exported network: give the model file"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_one_sentence(sartm, load: Callable[[ExportedModel], object], sentence: str):
    with pytest.raises(UserError, match=sentence):
        load(sartm)


def test_an_exported_network_of_another_model_is_left_out(default, sartm, tmp_path):
    shutil.copy(default.weights, tmp_path / "m.safetensors")
    shutil.copy(sartm.exported, tmp_path / "m.onnx")
    segmenter = Segmenter.load(tmp_path / "m.safetensors", "cpu")
    assert segmenter.runtime == "torch"
    assert "m.onnx is of another model file: torch answers" in segmenter.runtime_note


def spoiled(model: ExportedModel, folder: Path, spoil: Callable[[onnx.ModelProto], None]) -> Path:
    content = onnx.load(model.exported)
    spoil(content)
    path = folder / "m.onnx"
    path.write_bytes(content.SerializeToString())
    return path


def keep_weights_elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def add_loop(model: onnx.ModelProto) -> None:
    body = onnx.helper.make_graph([], "body", [], [])
    model.graph.node.append(onnx.helper.make_node("Loop", ["a"], ["b"], body=body))


def add_graph(model: onnx.ModelProto) -> None:
    body = onnx.helper.make_graph([], "body", [], [])
    model.graph.node.append(onnx.helper.make_node("Relu", ["a"], ["b"], body=body))


def add_foreign(model: onnx.ModelProto) -> None:
    model.graph.node.append(onnx.helper.make_node("Run", ["a"], ["b"], domain="com.example"))


def drop_card(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def edit_card(old: str, new: str) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        (entry,) = (each for each in model.metadata_props if each.key == "rgbt_seg_ros")
        assert old in entry.value
        entry.value = entry.value.replace(old, new)

    return edit


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (keep_weights_elsewhere, "keeps weights in other files, which are never read"),
        (add_loop, "has the operation Loop"),
        (add_graph, "has graphs within its graph"),
        (add_foreign, "has operations of the domain 'com.example'"),
        (drop_card, "not an exported network of rgbt_seg_ros"),
        (edit_card('"card"', '"former"'), "exported by an earlier version"),
        (edit_card('"format_version": 1, "model_hash"', '"format_version": 7, "model_hash"'), "export format 7"),
        (edit_card('"size": [64, 96]', '"size": [64, 128]'), "inputs or an output that are not those of its card"),
        (edit_card('"size": [64, 96]', '"size": [1, 96]'), "has a damaged card"),
        (edit_card('"base64": "', '"base64": "!'), "has a damaged card"),
        (edit_card('"shape": [9,', '"shape": [8,'), "has a damaged card"),
    ],
)  # fmt: skip
def test_a_file_of_somebody_is_refused_in_one_sentence(sartm, tmp_path, spoil, sentence):
    with pytest.raises(UserError, match=sentence):
        Segmenter.load(spoiled(sartm, tmp_path, spoil), "cpu")


def test_a_damaged_file_is_refused_in_one_sentence(sartm, tmp_path):
    content = sartm.exported.read_bytes()
    path = tmp_path / "m.onnx"
    for damaged in (b"", b"\xff" * 50, content[:-5], content[: len(content) // 2], b"PNG" + content):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"is not used|no ONNX|not an exported"):
            read_onnx(path)
    with pytest.raises(UserError, match="there is no model file"):
        Segmenter.load(tmp_path / "absent.onnx", "cpu")
