"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 120.0
"""For whatever is waited for: busy machines are slow."""


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> Any:
    """The first true value of a condition; an assertion fails with `what` if none comes."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:.0f} s"
        time.sleep(0.005)
    return value
