"""Configurations that are no configuration: too long, too deep, binary, referring to themselves."""

import time
from pathlib import Path

import pytest

from rgbt_seg_ros.base.errors import UserError
from training.config import load_config
from training.config.load import MAX_CONFIG

BOMB = [f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
SENSELESS = {
    "deep": "[" * 50_000,
    "deep keys": "{a: " * 5000,
    "bomb": "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(BOMB),
    "itself": "train: &a {epochs: *a}\n",
    "long": "# " + "x" * MAX_CONFIG,
    "binary": "\x00\x01\x02",
    "object": "train: !!python/object/apply:os.system [true]\n",
    "digits": "train: {epochs: " + "9" * 5000 + "}\n",
    "loop": "train: {lr: '${train.lr}'}\n",
    "nothing there": "train: {lr: '${train.none}'}\n",
    "grammar": "train: {lr: '${'}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", SENSELESS)
def test_a_senseless_file_is_one_short_sentence(tmp_path: Path, name: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(SENSELESS[name])
    started = time.process_time()
    with pytest.raises(UserError) as error:
        load_config(file)
    assert time.process_time() - started < 5
    assert len(str(error.value)) < 1000
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "override",
    [
        "train.epochs=" + "[" * 5000,
        "train.lr=${train.lr}",
        "train=${",
        "a" * 100_000 + "=1",
        "=",
        "x.\n.y=1",
        "a." * 9000 + "b=1",
    ],
)
def test_a_senseless_override_is_one_short_sentence(override: str) -> None:
    with pytest.raises(UserError) as error:
        load_config(None, [override])
    assert len(str(error.value)) < 2000
    assert str(error.value).isprintable()
