"""A model file comes back as it was written, and a broken one says what is wrong."""

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from small_disk import small_disk

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.models import ModelCard, build_model, load_model, read_card, save_model
from rgbt_seg_ros.models.scaling import InputScaling

CARD = ModelCard(
    arch="shifnet",
    config={"size": "nano"},
    class_names=MFNET.names,
    thing_classes=MFNET.things,
    embeddings={"encoder": "test", "templates": ["{}"]},
    scaling=InputScaling(thermal_mean=0.4, thermal_std=0.2),
    short_side=240,
    training={"data": "none", "steps": 0},
)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("shifnet", {"size": "nano"}, torch.randn(9, 384)).eval()


def test_weights_and_card_come_back(tmp_path, model):
    save_model(tmp_path / "m.safetensors", model, CARD)
    assert read_card(tmp_path / "m.safetensors") == CARD
    loaded = load_model(tmp_path / "m.safetensors")
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_a_file_with_other_spellings_of_the_classes_is_read_alike(tmp_path, model):
    spelled = dict(zip(MFNET.names, MFNET.published, strict=True))
    things = tuple(spelled[name] for name in MFNET.things)
    former = dataclasses.replace(CARD, class_names=MFNET.published, thing_classes=things)
    save_model(tmp_path / "m.safetensors", model, former)
    assert b"car_stop" in (tmp_path / "m.safetensors").read_bytes()
    assert read_card(tmp_path / "m.safetensors") == CARD


def test_half_storage_is_smaller_and_loads_as_float32(tmp_path, model):
    save_model(tmp_path / "full.safetensors", model, CARD)
    save_model(tmp_path / "half.safetensors", model, CARD, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * (
        tmp_path / "full.safetensors"
    ).stat().st_size
    loaded = load_model(tmp_path / "half.safetensors")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.hpd.head.weight, model.hpd.head.weight, atol=1e-3, rtol=1e-3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no model file .*absent\.safetensors"):
        load_model(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 1000, -100])
def test_a_truncated_file_is_refused(tmp_path, model, kept):
    save_model(tmp_path / "m.safetensors", model, CARD)
    content = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "m.safetensors").write_bytes(content[:kept])
    with pytest.raises(UserError, match=r"m\.safetensors is damaged"):
        load_model(tmp_path / "m.safetensors")


def test_foreign_safetensors_are_refused(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="not a model file of rgbt_seg_ros"):
        load_model(tmp_path / "foreign.safetensors")


def rewrite(path, model, change) -> None:
    """Write a model file whose tensors and card `change(tensors, fields)` has altered."""
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fields = json.loads(CARD.to_json())
    change(tensors, fields)
    save_file(tensors, path, metadata={"rgbt_seg_ros": json.dumps(fields)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t, f: f.update(format_version=99), "model format 99"),
        (lambda t, f: f.pop("class_names"), "damaged card"),
        (lambda t, f: f.update(arch="unet"), "no model architecture 'unet'"),
        (lambda t, f: t.pop("hpd.head.bias"), r"hpd\.head\.bias is missing"),
        (lambda t, f: t.update(extra=torch.zeros(1)), "extra is unknown"),
        (lambda t, f: t.update({"hpd.head.bias": torch.zeros(3)}), r"hpd\.head\.bias is \[3\], not \[384\]"),
        (lambda t, f: t.update(class_embeddings=torch.zeros(4, 384)), r"9 classes but has class embeddings \[4, 384\]"),
        (lambda t, f: t.pop("class_embeddings"), "names 9 classes but has no class embeddings"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(tmp_path, model, change, sentence):
    rewrite(tmp_path / "m.safetensors", model, change)
    with pytest.raises(UserError, match=sentence):
        load_model(tmp_path / "m.safetensors")


def test_a_save_that_fails_keeps_the_old_file(tmp_path, model):
    with small_disk(tmp_path / "disk", kilobytes=50_000) as disk:
        path = disk / "m.safetensors"
        save_model(path, model, CARD, half=True)
        before = path.read_bytes()
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - len(before) // 2))
        with pytest.raises(UserError, match=r"cannot write .*m\.safetensors \(No space left on device\)"):
            save_model(path, model, CARD, half=True)
        assert path.read_bytes() == before
        assert {file.name for file in disk.iterdir()} == {"m.safetensors", "others"}
