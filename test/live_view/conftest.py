"""A browser and a live page's server, for the tests of the page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser import chromium
from live_page import View

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def view() -> Iterator[View]:
    view = View()
    yield view
    view.close()
