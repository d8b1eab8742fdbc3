"""Less than a minute of `make soak`: every image is accounted for, and nothing grows. Its speed is not judged here."""

from pathlib import Path

import pytest
from node_bench import Bench
from soak import soak
from soak_checks import P99, P99_TREND, Plan, page

SECONDS = 36.0


@pytest.mark.alone
def test_a_short_soak_accounts_for_every_image_and_holds_nothing_more(
    bench: Bench, node_model: Path, tmp_path: Path
) -> None:
    parameters: dict[str, object] = {"model": node_model, "device": "cpu"}
    plan = Plan(SECONDS, hz=30.0, size=(240, 320), busy=1, parameters=parameters)
    checks, figures = soak(plan, tmp_path / "node.log")
    text = page(plan, checks, figures)
    assert not [check.name for check in checks if not check.holds and check.name not in (P99, P99_TREND)], (
        text
    )
    # The run did what it is for.
    assert figures["sent"]["sent"] > 0.9 * SECONDS * plan.hz
    values = {check.name: check.value for check in checks}
    assert values["RGB images received"] > 0
    assert values["masks"] > 0
    assert P99 in text
