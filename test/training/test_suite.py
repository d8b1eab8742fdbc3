"""The suite measures what it says within its budget, survives what fails, and its page is that of its files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from places import REPOSITORY

from training.benchmark import main
from training.measure.growth import Growth
from training.measure.performance_page import PAGE, RUNS, performance_page, read_runs
from training.measure.stage_costs import NETWORK_STAGES, STAGES
from training.measure.suite import FORMS, Suite


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Small pictures, one network that there is and one that there is not."""
    path = tmp_path_factory.mktemp("suite") / "suite.json"
    sizes = ((64, 96), (96, 128))
    growth = ((64, 96), (96, 128), (128, 192))
    suite = Suite(torch.device("cpu"), 2, 600.0, path, lambda what: None, ("nano", "absent"), sizes, growth)
    suite.run()
    return json.loads(path.read_text())


def test_every_form_with_a_meaning_here_is_measured(result: dict[str, Any]) -> None:
    cases = {(case["network"], tuple(case["size"]), case["batch"], case["form"]) for case in result["cases"]}
    forms = [form for form in FORMS if form != "graph"]
    assert cases == {
        ("nano", size, batch, form) for size in ((64, 96), (96, 128)) for batch in (1, 4) for form in forms
    }
    for case in result["cases"]:
        assert 0 < case["latency_ms"]["p50"] <= case["latency_ms"]["p99"]
        if case["form"] == "eager":
            assert case["same_class"] >= 0.999
            assert case["pairs_per_second"] > 0


def test_stages_add_up_and_have_a_floor(result: dict[str, Any]) -> None:
    small, large = (stages["stages"] for stages in result["stages"])
    assert tuple(small) == STAGES
    for stage in NETWORK_STAGES:
        assert small[stage]["floor_ms"] > 0
        # Twice the pixels; the weights stay.
        assert 1.5 < large[stage]["multiply_adds"] / small[stage]["multiply_adds"] < 2.5
        assert 1 < large[stage]["bytes"] / small[stage]["bytes"] < 2.5


def test_growth_is_fitted_over_the_pixels_and_told_of_the_classes(result: dict[str, Any]) -> None:
    growth = result["growth"]
    assert [tuple(case["size"]) for case in growth["sizes"]] == [(64, 96), (96, 128), (128, 192)]
    assert list(growth["classes"]) == ["9", "90"]
    assert growth["classes_ratio"] == growth["classes"]["90"] / growth["classes"]["9"]
    page = performance_page({"here": result})
    assert "How nano grows" in page
    assert "90 classes" in page


def test_fits_find_a_line_and_a_power() -> None:
    sizes = [(100, 100 * side) for side in (1, 2, 5, 10)]
    pixels = np.array([height * width for height, width in sizes])
    straight = Growth("wall", sizes, 3.0 + 40e-6 * pixels, pixels, {9: 2.0, 90: 2.1}, (8, 8)).to_json()
    assert straight["ms_per_megapixel"] == pytest.approx(40.0)
    assert straight["multiply_adds_exponent"] == pytest.approx(1.0)
    assert straight["base_ms"] == pytest.approx(3.0)
    assert straight["largest_residual"] == pytest.approx(0.0, abs=1e-9)
    assert straight["classes_ratio"] == pytest.approx(1.05)
    # Errors count by their share: the largest time must not hide that the smallest is far off.
    bent = Growth("wall", sizes, [10.0, 10.0, 20.0, 1000.0], pixels, {9: 2.0, 90: 2.1}, (8, 8)).to_json()
    assert bent["largest_residual"] < 1.0
    power = Growth("wall", sizes, 1e-4 * pixels**1.5, pixels, {9: 2.0, 90: 2.1}, (8, 8)).to_json()
    assert power["exponent"] == pytest.approx(1.5)
    assert power["largest_residual"] > 0.1


def test_a_failure_and_what_is_left_out_are_noted(result: dict[str, Any]) -> None:
    failed = {error["what"] for error in result["errors"]}
    assert failed == {
        f"absent {size}, {rest}"
        for size in ("64x96", "96x128")
        for rest in ("stages", *(f"batch {batch}, {form}" for batch in (1, 4) for form in ("plain", "eager")))
    }
    assert {left["why"] for left in result["left_out"]} == {"it needs CUDA"}


def test_a_spent_budget_leaves_out_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "suite.json"
    assert main(["--suite", "--device", "cpu", "--pairs", "1", "--budget", "0.001", "--json", str(path)]) == 0
    written = json.loads(path.read_text())
    assert written["cases"] == []
    assert written["ceilings"]["operations_per_s"]["fp32"] > 0
    assert "the budget of time was spent" in {left["why"] for left in written["left_out"]}
    assert "cases were left out" in " ".join(capsys.readouterr().out.split())


def test_a_page_tells_what_a_run_holds(result: dict[str, Any]) -> None:
    page = performance_page({"here": {**result, "machine": "two cores", "note": "Beside others."}})
    assert "## two cores" in page
    assert "Beside others." in page
    assert page.count("| nano | ") == len(result["cases"])
    assert "No GPU has been measured yet" in page
    plain, eager = (case for case in result["cases"][:2])
    assert (plain["form"], eager["form"]) == ("plain", "eager")
    times = plain["latency_ms"]["p50"] / eager["latency_ms"]["p50"]
    rows = [line for line in page.splitlines() if line.startswith("| nano | ")]
    assert f"| {times:.2f} x |" in rows[1]
    assert " x |" not in rows[0]


def test_the_page_is_that_of_the_files() -> None:
    hint = "run python -m training.measure.performance_page"
    assert (REPOSITORY / PAGE).read_text() == performance_page(read_runs(REPOSITORY / RUNS)), hint
