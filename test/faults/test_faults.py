"""A few of the faults of `make faults`, over commands that start fast."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from faults.processes import Failure
from faults.rounds import Round, Whole
from faults.victims import Material, Victim, victims

Known = dict[str, tuple[Victim, Whole]]
BOTH = pytest.mark.parametrize("name", ["make_bag", "scenes"])


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Two commands, which write a recording and a data set, and what they come to."""
    folder = tmp_path_factory.mktemp("faults")
    fast = [each for each in victims(Material(folder / "material")) if each.name in ("make_bag", "scenes")]
    return {victim.name: (victim, Whole(folder / victim.name, victim)) for victim in fast}


@BOTH
def test_kills_and_signals_at_random_moments(tmp_path: Path, known: Known, name: str) -> None:
    rng = random.Random(15)
    Round(tmp_path / "kill", *known[name]).kill(rng)
    Round(tmp_path / "signal", *known[name]).signal(rng)


@BOTH
def test_a_disk_that_becomes_full(tmp_path: Path, known: Known, name: str) -> None:
    Round(tmp_path / "disk", *known[name]).fill_disk(random.Random(15))


def test_findings_are_found(tmp_path: Path, known: Known) -> None:
    """Half a recording under its final name, and a next run that refuses."""
    victim, whole = known["make_bag"]
    half = Round(tmp_path / "half", victim, whole)
    (half.out / "bag").mkdir()
    (half.out / "bag" / "bag.mcap").write_bytes(b"\x89MCAP0\r\n")
    with pytest.raises(Exception, match="damaged or truncated"):
        half.look_after()
    refused = replace(victim, again=lambda _: ["rgbt_seg_ros.make_bag"])
    with pytest.raises(Failure, match="the next run ended with 2"):
        Round(tmp_path / "refused", refused, whole).look_after()
