"""The table of promises names tests, targets and pages that there are."""

import re

import pytest
from places import REPOSITORY

PAGES = ("docs/reliability.md", "SECURITY.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_is_named_exists(page: str) -> None:
    named = set(re.findall(r"\b(?:test/\w+/)?test_\w+\.py", (REPOSITORY / page).read_text()))
    assert page == "SECURITY.md" or len(named) > 20
    for name in named:
        found = list((REPOSITORY / "test").rglob(name.rpartition("/")[2]))
        assert any(str(path).endswith(name) for path in found), name


@pytest.mark.parametrize("page", PAGES)
def test_every_target_that_is_named_exists(page: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", (REPOSITORY / page).read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_every_linked_file_exists(page: str) -> None:
    folder = (REPOSITORY / page).parent
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (REPOSITORY / page).read_text()):
        assert "://" in link or (folder / link).exists(), link


def test_every_promise_has_its_test() -> None:
    text = (REPOSITORY / "docs" / "reliability.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert not [row for row in rows if "| not yet |" in row]
