"""Writes docs/licences.md: every package that `make setup` installs, with the licence that its own metadata tells.

.venv/bin/python environment/licences.py
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).resolve().parent.parent
LISTS = ("requirements.txt", "requirements-sam2.txt")
PAGE = REPOSITORY / "docs" / "licences.md"
UNKNOWN = "not told in its metadata"
LONGEST = 80
"""Characters of a licence's name. What is longer is its text."""

HEAD = """# Licences of what is installed

`make setup` installs these packages for Python {python} on Linux. Each licence is what the package says of itself;
nobody has checked it, and packages bring parts of others under licences of their own. The page is made by
`.venv/bin/python environment/licences.py`; a test compares its names with `environment/requirements.txt`.

None of them is part of this repository, which is under Apache-2.0. Two to know of: `imageio-ffmpeg` brings an ffmpeg
program under the GPL, which is run as a process of its own, and only where the system has none. The `nvidia-` packages
are NVIDIA's, under its own terms; without a GPU nothing of them is used.

One file of this repository is another's: `docs/site/iframe-worker.js` (MIT), with which the site of `make docs` can be
searched when it is opened as files.

| package | licence |
| --- | --- |
"""


def locked_names() -> list[str]:
    """Names of all locked packages, in lower case with hyphens."""
    found = set()
    for name in LISTS:
        text = (REPOSITORY / "environment" / name).read_text()
        found |= {normal(match) for match in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    return sorted(found)


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(package: PackageMetadata) -> str:
    """What a package's metadata tells of its licence, on one line."""
    classifiers = [
        text.rpartition(" :: ")[2] for text in package.get_all("Classifier") or () if "License ::" in text
    ]
    lines = [line.strip() for line in (package.get("License") or "").splitlines() if line.strip()]
    short = lines[0] if lines and len(lines[0]) <= LONGEST and lines[0].lower() != "unknown" else ""
    told = (
        package.get("License-Expression")
        or " and ".join(classifiers)
        or short
        or ros_licence(package["Name"])
    )
    return told.replace("|", "/") or UNKNOWN


def ros_licence(name: str) -> str:
    """What the package.xml of a ROS package tells, by the name of its wheel; empty for other packages."""
    manifest = Path(sys.prefix, "share", normal(name).removeprefix("ros-").replace("-", "_"), "package.xml")
    if not (normal(name).startswith("ros-") and manifest.is_file()):
        return ""
    return " and ".join(entry.text or "" for entry in ElementTree.parse(manifest).iter("license"))


def page(python: str) -> str:
    """The whole page."""
    rows, elsewhere = [], []
    for name in locked_names():
        try:
            rows.append(f"| {name} | {licence(metadata(name))} |\n")
        except PackageNotFoundError:
            elsewhere.append(f"`{name}`")
    more = f"On other versions of Python, or systems, also {', '.join(elsewhere)}."
    return f"{HEAD.format(python=python)}{''.join(rows)}\n{more}\n"


if __name__ == "__main__":
    PAGE.write_text(page(f"{sys.version_info[0]}.{sys.version_info[1]}"))
    print(PAGE)
