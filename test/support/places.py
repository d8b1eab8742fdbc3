"""Folders that tests read."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SHARED = REPOSITORY.parent / "shared"
"""Real samples and reference outputs beside the checkout; not part of the project."""

GOLDEN = REPOSITORY / "test" / "golden"
"""Results that may not change by accident."""
