"""Released SHIFNet weights become a model file, or are refused by name."""

import json
import subprocess
import sys

import pytest
import torch

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.models.shifnet.network import SHIFNet
from training.weights.released_shifnet import convert_state_dict, import_shifnet, our_key, size_of


def released_key(ours: str) -> str:
    """The released name of one of our entries: the inverse of the importer's rules, written independently."""
    parts = ours.split(".")
    if parts[0] == "encoder":
        name = ours.replace("encoder.", "image_encoder.", 1)
        name = name.replace("attn.adapter.", "Space_Adapter.").replace("mlp.adapter.", "MLP_Adapter.")
        return name.replace("_Adapter.down", "_Adapter.D_fc1").replace("_Adapter.up", "_Adapter.D_fc2")
    if parts[0] == "sacf":
        renamed = {"blocks": "layers", "thermal_proj": "x_proj"}.get(parts[2], parts[2])
        return ".".join(["fuse_block", parts[1], renamed, *parts[3:]])
    if parts[1] == "sem":
        context = f"decoder.ContextModule.{parts[2]}"
        if parts[3] in ("branch2", "branch3"):
            branch = "branch7x7" if parts[3] == "branch2" else "branch7x7dbl"
            return ".".join([f"{context}.inception.{branch}_{int(parts[4]) + 1}", *parts[5:]])
        inside = {
            "reduce": "conv1_1",
            "branch1": "inception.branch1x1",
            "squeeze": "inception.final_conv",
            "expand": "upsample.conv",
        }[parts[3]]
        return ".".join([context, inside, *parts[4:]])
    if parts[1] == "merge":
        return f"decoder.GlobalFeatureConcat2D.{parts[2]}.project.0.{parts[3]}"
    if parts[1] == "level_proj":
        return f"decoder.postprocess1.{parts[2]}.project.0.proj.{parts[3]}"
    return ours.replace("hpd.fuse", "decoder.linear_fuse").replace("hpd.", "decoder.")


def released_state_dict(size: str) -> dict[str, torch.Tensor]:
    model = SHIFNet(size, torch.zeros(2, 768))
    return {released_key(name): t for name, t in model.state_dict().items() if name != "class_embeddings"}


@pytest.fixture(scope="module")
def tiny() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return released_state_dict("tiny")


def test_names_of_the_released_model_are_known(golden):
    entries = json.loads((golden / "shifnet" / "tiny.json").read_text())["state_dict"]
    assert {our_key(name) for name in entries} | {"class_embeddings"} == set(
        SHIFNet("tiny", torch.zeros(14, 768)).state_dict()
    )


@pytest.mark.parametrize("size", ["tiny", "small", "base_plus", "large"])
def test_checkpoints_of_all_four_sizes_are_read(size):
    released = released_state_dict(size)
    assert size_of(released) == size
    ours = convert_state_dict(released)
    assert set(ours) | {"class_embeddings"} == set(SHIFNet(size, torch.zeros(2, 768)).state_dict())


def test_weights_arrive_where_they_belong(tiny):
    model, size = import_shifnet(tiny, torch.eye(2, 768))
    assert size == "tiny"
    for name, tensor in model.state_dict().items():
        if name != "class_embeddings":
            assert torch.equal(tensor, tiny[released_key(name)]), name
    assert torch.equal(model.class_embeddings, torch.eye(2, 768))


def test_an_unknown_entry_is_refused_by_name(tiny):
    with pytest.raises(UserError, match=r"decoder\.surprise\.weight"):
        import_shifnet({**tiny, "decoder.surprise.weight": torch.zeros(1)}, torch.eye(2, 768))


def test_a_missing_entry_is_refused_by_name(tiny):
    incomplete = {name: tensor for name, tensor in tiny.items() if name != "decoder.head.bias"}
    with pytest.raises(UserError, match=r"hpd\.head\.bias"):
        import_shifnet(incomplete, torch.eye(2, 768))


def test_a_misshapen_entry_is_refused_by_name(tiny):
    with pytest.raises(UserError, match=r"hpd\.head\.bias .* is \[3\] .* and \[768\]"):
        import_shifnet({**tiny, "decoder.head.bias": torch.zeros(3)}, torch.eye(2, 768))


def import_command(repository, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "training.import_checkpoint", "--from", "shifnet", *map(str, arguments)]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_the_command_writes_a_model_file(repository, tmp_path, tiny):
    torch.save(tiny, tmp_path / "released.pth")
    torch.save(torch.eye(14, 768), tmp_path / "classes.pt")
    done = import_command(
        repository, tmp_path / "released.pth", "--class-embeddings", tmp_path / "classes.pt",
        "--classes", "fmb", "-o", tmp_path / "m.safetensors",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    card = read_card(tmp_path / "m.safetensors")
    assert card.config == {"size": "tiny"}
    assert card.scaling.rule == "shifnet-fmb"
    assert card.class_names[0] == "road"
    model = load_model(tmp_path / "m.safetensors")
    assert torch.equal(model.hpd.head.bias, tiny["decoder.head.bias"])


def test_the_command_refuses_what_is_not_plain_tensors(repository, tmp_path):
    torch.save({"weights": print}, tmp_path / "unsafe.pth")
    torch.save(torch.eye(14, 768), tmp_path / "classes.pt")
    done = import_command(
        repository, tmp_path / "unsafe.pth", "--class-embeddings", tmp_path / "classes.pt",
        "--classes", "fmb", "-o", tmp_path / "m.safetensors",
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be read as plain tensors" in done.stderr
    assert "weights_only" not in done.stderr  # PyTorch's advice to unpickle it all the same
    assert done.stderr.removeprefix(f"reading {tmp_path / 'unsafe.pth'}\n").count("\n") == 1
    assert not (tmp_path / "m.safetensors").exists()


def test_the_command_refuses_embeddings_of_other_classes(repository, tmp_path, tiny):
    torch.save(tiny, tmp_path / "released.pth")
    torch.save(torch.eye(9, 768), tmp_path / "classes.pt")
    done = import_command(
        repository, tmp_path / "released.pth", "--class-embeddings", tmp_path / "classes.pt",
        "--classes", "fmb", "-o", tmp_path / "m.safetensors",
    )  # fmt: skip
    assert done.returncode == 1
    assert "one tensor [14, D] for fmb, found [9, 768]" in " ".join(done.stderr.split())
