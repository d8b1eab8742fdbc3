"""Which training images PST900, FMB and the whole MSRS are validated on."""

import hashlib

import pytest
from places import GOLDEN

from training.data.validation_lists import choose_validation_names, committed_list, validation_names

# Names of all files in train/ of the released data sets.
TRAIN_NAMES = GOLDEN / "train_names"


def test_rule_is_the_documented_one() -> None:
    names = [f"image{i}" for i in range(30)]
    ranked = sorted(names, key=lambda name: hashlib.sha256(b"0:" + name.encode()).hexdigest())
    assert choose_validation_names(names) == tuple(sorted(ranked[:3]))
    assert choose_validation_names(reversed(names)) == choose_validation_names(names)
    assert choose_validation_names(names, seed=1) != choose_validation_names(names)


@pytest.mark.parametrize(("count", "chosen"), [(0, 0), (1, 0), (4, 0), (6, 1), (597, 60), (1220, 122)])
def test_a_tenth_is_chosen(count: int, chosen: int) -> None:
    assert len(choose_validation_names(str(i) for i in range(count))) == chosen


@pytest.mark.parametrize(("data", "count"), [("pst900", 597), ("fmb", 1220)])
def test_committed_list_follows_the_rule(data: str, count: int) -> None:
    train = (TRAIN_NAMES / f"{data}.txt").read_text().split()
    assert len(set(train)) == count
    path = committed_list(data)
    assert path is not None
    assert tuple(path.read_text().split()) == choose_validation_names(train)


def test_data_set_without_a_list_is_split_by_the_rule() -> None:
    names = [f"{i:05d}D" for i in range(50)]
    assert committed_list("msrs") is None
    assert validation_names("msrs", names) == choose_validation_names(names)
