"""Downloads of weights are recognised, incomplete ones named; the page that says where they are has sound commands."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch
from places import REPOSITORY
from sam2.build_sam import build_sam2

from rgbt_seg_ros.models import build_model, file_hash
from training import inspect_weights
from training.data.sources import DATASETS

PAGE = (REPOSITORY / "docs/data_and_weights.md").read_text()
COMMANDS = [
    shlex.split(line)[2:]
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def sam2() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", ckpt_path=None, device="cpu").state_dict()


def test_sam2s_file_is_recognised(
    sam2: dict[str, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({"model": sam2, "epoch": 3}, path)
    assert inspect_weights.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: SAM 2 tiny, 39.0 M values, complete; SHA-256 {file_hash(path)}")
    assert said.endswith("beside the weights: epoch (int)\n")


def test_what_is_incomplete_or_something_else_is_said(
    sam2: dict[str, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "part.pt"
    torch.save({n: t for n, t in sam2.items() if n != "image_encoder.neck.convs.1.conv.bias"}, path)
    assert inspect_weights.main([str(path)]) == 1
    assert "encoder.neck.convs.1.conv.bias is missing" in capsys.readouterr().err
    torch.save(build_model("shifnet", {"size": "nano"}, torch.eye(3, 8)).state_dict(), path)
    assert inspect_weights.main([str(path)]) == 1
    assert "is none of SAM 2, SHIFNet and SARTM" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_option_of_the_page_is_in_its_commands_help(command, monkeypatch, capsys) -> None:
    module, *arguments = command
    monkeypatch.setattr("sys.argv", [module, "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module(module).main()
    help_text = capsys.readouterr().out
    for option in (word for word in arguments if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text), option


def test_every_data_set_has_its_row_and_its_check() -> None:
    downloads = set(DATASETS) - {"fmb15"}  # FMB again, with its background
    rows = {row.split("`")[1] for row in PAGE.splitlines() if row.startswith("| `")} - {"--data"}
    assert rows == downloads
    checked = {
        command[command.index("--data") + 1] for command in COMMANDS if command[0] == "training.inspect_data"
    }
    assert checked == downloads
    for name in downloads:
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}`")]
        height, width = DATASETS[name].size
        assert f"of {width}x{height}" in row
    assert "drive.google" not in PAGE
    assert "fbaipublicfiles" not in PAGE
