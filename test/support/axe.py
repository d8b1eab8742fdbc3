"""axe-core, Deque's checker of accessibility, run on a page in the browser of the tests."""

import os
from pathlib import Path

import pytest
from browser import Visit
from places import REPOSITORY

INSTALLED = REPOSITORY / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
"""Where `make axe` puts it; it is no part of the repository."""

SERIOUS = ("serious", "critical")

# Colours that are on their way to others contrast with neither.
SETTLE = """() => Promise.allSettled(document.getAnimations()
  .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime)).map((one) => one.finished))"""


def axe_script() -> str:
    """Its source; the test is skipped where it is not installed. $AXE_CORE names another file."""
    path = Path(os.environ.get("AXE_CORE") or INSTALLED)
    if not path.is_file():
        pytest.skip(
            "needs axe-core: `make axe` gets it from npm, or name axe.min.js with AXE_CORE=/path/to/it"
        )
    return path.read_text()


def violations(visited: Visit, script: str) -> list[str]:
    """Its serious and critical complaints about a page once it moves no more: rule, what is wrong, the first place."""
    visited.page.evaluate(SETTLE)
    visited.page.evaluate(script)
    found = visited.page.evaluate("axe.run()")
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {rule['nodes'][0]['html']}"
        for rule in found["violations"]
        if rule["impact"] in SERIOUS
    ]
