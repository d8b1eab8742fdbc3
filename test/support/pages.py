"""What the README and the pages of docs/ show: their commands, snippets, inline code and links."""

import re
from functools import cache
from pathlib import Path

from places import REPOSITORY

README = REPOSITORY / "README.md"
DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
PAGES = [README, REPOSITORY / "CONTRIBUTING.md", *DOCS]


@cache
def text_of(page: Path) -> str:
    return page.read_text()


def blocks(page: Path, language: str) -> list[str]:
    """Contents of the page's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def shell_lines(page: Path) -> list[str]:
    """Lines of its `bash` blocks; one that goes on with a backslash is one line."""
    joined = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip()]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> list[str]:
    """Where the page's links and pictures lead, other than to the web."""
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)) if "://" not in link]


def headings(page: Path) -> set[str]:
    """As links name them: `what-it-is-for` is "What it is for"."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
