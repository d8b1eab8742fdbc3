"""axe-core finds nothing serious on the pages, in both schemes, on a desktop and on a phone."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe import axe_script, violations
from browser import DESKTOP, PHONE, visit
from recorded_runs import write_run

from rgbt_seg_ros.report_page.write import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def script() -> str:
    return axe_script()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run without a frame."""
    return write_report(write_run(tmp_path_factory.mktemp("empty") / "run", masks=0))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["a/report.html", "comparison.html", "empty"])
def test_no_serious_violation(
    browser: "Browser", runs: Path, empty: Path, script: str, name: str, scheme: str
) -> None:
    path = empty if name == "empty" else runs / name
    for size in (DESKTOP, PHONE):
        with visit(browser, path.as_uri(), size, scheme) as visited:
            assert violations(visited, script) == []
            if size == PHONE:
                visited.page.get_by_role("button", name="Keys: ?").click()
                assert violations(visited, script) == []
            assert visited.errors == []
