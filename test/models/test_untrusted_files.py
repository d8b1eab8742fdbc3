"""Model files, class embeddings and training states of strangers: refused in one sentence, fast and within memory."""

import json
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from places import REPOSITORY
from safetensors.torch import save_file

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import MAX_HEADER_BYTES
from rgbt_seg_ros.models import build_model, load_model, read_card
from rgbt_seg_ros.models.registry import state_shapes
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings

CARD = json.loads(read_card("default").to_json())


def write_card(path: Path, card: str, tensors: dict[str, torch.Tensor] | None = None) -> Path:
    save_file(tensors or load_model("default").state_dict(), path, metadata={"rgbt_seg_ros": card})
    return path


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (lambda card: card.update(class_names="car"), r"\$\.class_names: expected a list, got text"),
        (lambda card: card.update(class_names=[]), r"\$\.class_names: "),
        (lambda card: card.update(class_names=["car"] * 9), "lists the class 'car' twice"),
        (lambda card: card.update(thing_classes=["unicorn"]), "has no class 'unicorn' to detect"),
        (lambda card: card.update(thing_classes=[["car"]]), r"\$\.thing_classes\[0\]: expected text"),
        (lambda card: card.update(config=[]), r"\$\.config: expected an object"),
        (lambda card: card["config"].update(size={"a": 1}), r"\$\.config\[\.\.\.\]: "),
        (lambda card: card["config"].update(rank=10**30), r"\$\.config\[\.\.\.\]: "),
        (lambda card: card.update(short_side=0), r"\$\.short_side: expected a whole number >= 1"),
        (lambda card: card.update(short_side=float("nan")), None),
        (lambda card: card["scaling"].update(rule="none"), "there is no input scaling 'none'"),
        (
            lambda card: card["scaling"].update(thermal_mean=0.5, thermal_std=None),
            "needs both thermal_mean and thermal_std",
        ),
        (lambda card: card["scaling"].update(thermal_mean=0.5, thermal_std=0.0), r"\$\.scaling\.thermal_std: "),
        (lambda card: card.pop("scaling"), None),
        (lambda card: card.update(embeddings=None), r"\$\.embeddings: expected an object"),
        (lambda card: card.update(format_version="1"), r"\$\.format_version: expected a whole number"),
        (lambda card: card.pop("format_version"), "object missing required field format_version"),
    ],
    ids=range(17),
)  # fmt: skip
def test_a_card_is_checked_field_by_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], clause: str | None
) -> None:
    card = json.loads(json.dumps(CARD))
    change(card)
    path = write_card(tmp_path / "m.safetensors", json.dumps(card), {"x": torch.zeros(1)})
    if clause is None:
        assert read_card(path).class_names
        return
    with pytest.raises(
        UserError, match=rf"m\.safetensors has a damaged card \(.*{clause}.*\): write the model"
    ):
        read_card(path)


@pytest.mark.parametrize(
    "card", ["", "[]", "null", "[" * 100_000, '{"format_version": 1, "a": %s}' % ("[" * 99 + "]" * 99)]
)
def test_a_card_that_is_none_is_one_sentence(tmp_path: Path, card: str) -> None:
    path = write_card(tmp_path / "m.safetensors", card, {"x": torch.zeros(1)})
    with pytest.raises(UserError, match=r"m\.safetensors has a damaged card") as error:
        read_card(path)
    assert "\n" not in str(error.value)


def test_keys_of_the_same_format_that_are_not_known_are_left_out(tmp_path: Path) -> None:
    path = write_card(tmp_path / "m.safetensors", json.dumps({**CARD, "mood": {"of": ["a", "later"]}}))
    assert read_card(path) == read_card("default")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"size": "large"}, "do not fit its card"),
        ({"size": "nano", "rank": 65536}, "configuration .* does not fit architecture shifnet"),
        ({"size": ""}, "there is no SHIFNet size ''"),
        ({"size": "nano", "fusion": "glue"}, "there is no fusion 'glue'"),
        ({"size": None}, "there is no SHIFNet size None"),
        ({}, "configuration {} does not fit architecture shifnet"),
        ({"size": "nano", "class_embeddings": 1}, "does not fit architecture shifnet"),
    ],
)
def test_a_card_that_its_weights_do_not_fit_is_refused_before_a_network_is_made(
    tmp_path: Path, config: dict[str, Any], sentence: str
) -> None:
    path = write_card(tmp_path / "m.safetensors", json.dumps({**CARD, "config": config}))
    with pytest.raises(UserError, match=rf"m\.safetensors.*{sentence}|{sentence}.*m\.safetensors|{sentence}"):
        load_model(path)


def test_a_large_card_on_small_weights_costs_no_more_memory_than_the_weights(tmp_path: Path) -> None:
    for arch, config in (("shifnet", {"size": "large"}), ("sartm", {"size": "large", "rank": 65536})):
        path = write_card(
            tmp_path / f"{arch}.safetensors", json.dumps({**CARD, "arch": arch, "config": config})
        )
        # Not ru_maxrss, which a process has from the one that started it.
        script = f"""
from pathlib import Path
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
load_model("default")
before = peak()
try:
    load_model({str(path)!r})
except UserError as error:
    print(error)
print(peak() - before)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=REPOSITORY)
        sentence, kilobytes = done.stdout.splitlines()
        assert "do not fit its card" in sentence
        assert int(kilobytes) < 200_000


@pytest.mark.parametrize(
    ("arch", "config"),
    [
        ("shifnet", {"size": "nano"}),
        ("shifnet", {"size": "nano", "decoder": "segformer", "fusion": "add"}),
        ("sartm", {"size": "nano", "auxiliary": "deeplab", "rank": 4}),
    ],
)
def test_shapes_told_are_those_of_the_network(arch: str, config: dict[str, Any]) -> None:
    network = build_model(arch, config, torch.zeros(5, 384), served=True)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert state_shapes(arch, config, (5, 384)) == shapes
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"cpu"}


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_weights_of_another_type_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    for name in ("class_embeddings", "hpd.detail.head.bias"):
        tensors = load_model("default").state_dict()
        tensors[name] = torch.zeros(tensors[name].shape).to(dtype)
        path = write_card(tmp_path / "m.safetensors", json.dumps(CARD), tensors)
        with pytest.raises(UserError, match=rf"do not fit its card \({name} is of {str(dtype)[6:]}\)"):
            load_model(path)


@pytest.mark.parametrize("reader", [read_card, load_model, load_class_embeddings])
def test_a_header_of_any_claimed_size_is_refused_at_once(
    tmp_path: Path, reader: Callable[[Path], object]
) -> None:
    path = tmp_path / "m.safetensors"
    for length, header in ((MAX_HEADER_BYTES + 1, b"{}"), (2**63, b""), (10**6, b"{}"), (90, b'{"a":' * 18)):
        path.write_bytes(struct.pack("<Q", length) + header)
        with pytest.raises(UserError, match=r"m\.safetensors is (damaged|not a class embedding file)"):
            reader(path)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 1 << 30))
        file.truncate(1 << 40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="claims 1,073,741,824 bytes, and at most 8,388,608 are read"):
        reader(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


EMBEDDINGS = {"names": '["a", "b"]', "templates": '["{}"]', "encoder": "e", "encoder_hash": "h"}


@pytest.mark.parametrize(
    ("metadata", "vectors", "sentence"),
    [
        ({"names": "3"}, None, r"is not a class embedding file \(\$: expected a list"),
        ({"names": '["a", 3]'}, None, r"\(\$\[1\]: expected text, got a whole number"),
        ({"names": "[" * 100_000}, None, "is not a class embedding file"),
        ({"templates": "{}"}, None, r"\(\$: expected a list, got an object"),
        ({"names": '["a"]'}, None, r"names 1 classes but holds vectors \[2, 4\]"),
        ({}, torch.zeros(2), r"names 2 classes but holds vectors \[2\]"),
        ({}, torch.zeros(2, 4, dtype=torch.int64), "holds vectors that are not finite numbers"),
        ({}, torch.tensor([[1.0], [float("nan")]]), "holds vectors that are not finite numbers"),
    ],
    ids=range(8),
)
def test_class_embeddings_are_checked_field_by_field(
    tmp_path: Path, metadata: dict[str, str], vectors: torch.Tensor | None, sentence: str
) -> None:
    path = tmp_path / "e.safetensors"
    tensor = torch.zeros(2, 4) if vectors is None else vectors
    save_file({"class_embeddings": tensor}, path, metadata={**EMBEDDINGS, **metadata})
    with pytest.raises(UserError, match=rf"e\.safetensors.*{sentence}"):
        load_class_embeddings(path)


@pytest.mark.parametrize("key", EMBEDDINGS)
def test_class_embeddings_without_an_entry_name_it(tmp_path: Path, key: str) -> None:
    path = tmp_path / "e.safetensors"
    save_file(
        {"class_embeddings": torch.zeros(2, 4)},
        path,
        metadata={name: text for name, text in EMBEDDINGS.items() if name != key},
    )
    with pytest.raises(UserError, match=rf"e\.safetensors is not a class embedding file .*{key}"):
        load_class_embeddings(path)
