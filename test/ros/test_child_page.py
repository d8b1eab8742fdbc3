"""The page of a watch command that another command has started: real processes, and a browser that is a script."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.base.child_process import ChildProcess
from rgbt_seg_ros.live_view.child_page import ChildPage


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], repository: Path
) -> Callable[..., str]:
    """What is said of a watch with these arguments, with and without a display; what is opened is in opened.txt."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "opened.txt"}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    environment = {**os.environ, "PYTHONPATH": str(repository)}

    def say(*arguments: str, display: str = "") -> str:
        monkeypatch.setenv("DISPLAY", display)
        texts: list[str] = []
        with ChildProcess("view", "watch", arguments, environment, tmp_path / "view.log") as watch:
            page = ChildPage(watch)

            def told() -> str:
                page.show()
                texts.append(capsys.readouterr().out)
                return "".join(texts)

            text = wait_for(told, "a word of the page")
            if "http" in text:
                address = re.findall(r"http://\S+", text)[0]
                with urlopen(address, timeout=TIMEOUT_S) as answer:
                    assert answer.status == 200
            assert told() == text, "it is said once"
        return text

    return say


def test_the_address_is_said_and_nothing_opened_where_nobody_could_see_it(
    said: Callable[..., str], tmp_path: Path
) -> None:
    assert re.fullmatch(r"live page, while this plays: http://127\.0\.0\.1:\d+/\n", said("--port", "0"))
    assert not (tmp_path / "opened.txt").exists()


def test_it_is_opened_where_there_is_a_display(said: Callable[..., str], tmp_path: Path) -> None:
    address = said("--port", "0", display=":1").split()[-1]
    wait_for(
        lambda: (tmp_path / "opened.txt").is_file() and (tmp_path / "opened.txt").read_text(), "a browser"
    )
    assert (tmp_path / "opened.txt").read_text() == f"{address}\n"


def test_a_page_that_cannot_be_served_is_said_and_costs_nothing_else(said: Callable[..., str]) -> None:
    text = said("--host", "203.0.113.1", "--port", "0", display=":1")
    assert text.startswith("there is no live page: error: cannot listen on port 0 of 203.0.113.1: ")
