"""A real browser for tests of pages: the Chromium of this machine, driven by playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: in containers the tests run as root, where Chromium has none. The rest keeps it from calling home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_S = 120
"""For whatever the browser is asked to do: busy machines are slow."""

DESKTOP, PHONE = (1280, 900), (390, 844)
"""Width and height of windows."""


@dataclass
class Visit:
    """A page in a window, and what it has done since it was opened.

    Attributes:
        page: playwright's.
        errors: uncaught exceptions and console messages of level error or warning, in order.
        requests: addresses that it has asked for, its own included; inlined (data:) ones are not among them.
    """

    page: "Page"
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A headless browser; the test is skipped where there is none.

    It is $CHROMIUM, or the first of `PROGRAMS` on the path.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright to drive a browser")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("needs a browser: install Chromium, or name one with CHROMIUM=/path/to/chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=list(ARGUMENTS), timeout=1e3 * TIMEOUT_S
        )
        yield browser
        browser.close()


@contextmanager
def visit(
    browser: "Browser",
    address: str,
    size: tuple[int, int] = DESKTOP,
    color_scheme: str = "light",
    reduced_motion: str = "no-preference",
    touch: bool = False,
    scripts: bool = True,
) -> Iterator[Visit]:
    """Open an address in a fresh window.

    Args:
        browser: see `chromium`.
        address: file:// or http://.
        size: of the window, `DESKTOP` or `PHONE`.
        color_scheme: what the user prefers, light or dark.
        reduced_motion: the same, no-preference or reduce.
        touch: whether the window has a touch screen.
        scripts: whether the page's scripts run.
    """
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=color_scheme,
        reduced_motion=reduced_motion,
        has_touch=touch,
        java_script_enabled=scripts,
    )
    context.set_default_timeout(1e3 * TIMEOUT_S)
    visited = Visit(context.new_page())

    def note_console(message) -> None:
        if message.type in ("error", "warning"):
            visited.errors.append(message.text)

    visited.page.on("console", note_console)
    visited.page.on("pageerror", lambda error: visited.errors.append(str(error)))
    visited.page.on("request", lambda request: visited.requests.append(request.url))
    visited.page.goto(address)
    yield visited
    context.close()
