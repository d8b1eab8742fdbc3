"""Brings into the site what the pages of docs/ link outside of it, by the names that GitHub knows.

README.md is the first page; other pages in Markdown keep their text; of any other file its content becomes a page.
So no link of the site leads to a network.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TOP = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Pages of the site by their names in the repository."""
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]+)(#[^)\s]*)?\)")
LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".xml": "xml", ".py": "python", ".json": "json", ".rst": "rst"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are no files of docs/."""
    texts = {name: (REPOSITORY / name).read_text() for name in TOP}
    for name, uri in TOP.items():
        files.append(File.generated(config, uri, content=texts[name]))
    texts |= {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    for path in sorted({found for name, text in texts.items() for found, _ in _targets(text, name)}):
        if path not in TOP and not path.startswith("docs/"):
            files.append(File.generated(config, _uri(path), content=_listing(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links as the site has them."""
    here = page.file.src_uri
    sources = {uri: name for name, uri in TOP.items()}
    if here.startswith("files/"):
        sources[here] = here.removeprefix("files/").removesuffix(".md")
    return _rewritten(markdown, sources.get(here, f"docs/{here}"), here)


def _targets(text: str, source: str) -> list[tuple[str, str]]:
    """Files of the repository that a page links: their paths in it, and the links."""
    folder = os.path.dirname(source)
    found = [(os.path.normpath(os.path.join(folder, match[1])), match[0]) for match in LINK.finditer(text)]
    return [(path, link) for path, link in found if (REPOSITORY / path).is_file()]


def _rewritten(text: str, source: str, here: str) -> str:
    for path, link in _targets(text, source):
        _, mark, heading = link.removesuffix(")").partition("#")
        text = text.replace(
            link, f"]({os.path.relpath(_uri(path), os.path.dirname(here) or '.')}{mark}{heading})"
        )
    return text


def _uri(path: str) -> str:
    """Name in the site of a file of the repository; one that begins with a dot would be left out."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return TOP.get(path, f"files/{path.removeprefix('.')}.md")


def _listing(path: str) -> str:
    """A page that shows a file."""
    name, ending = Path(path).name, Path(path).suffix
    content = (REPOSITORY / path).read_text()
    if ending == ".ipynb":
        return "\n\n".join(_cell(cell) for cell in json.loads(content)["cells"])
    return f"# {name}\n\n`{path}`\n\n{_fenced(content, LANGUAGES.get(ending, 'text'))}\n"


def _cell(cell: dict[str, Any]) -> str:
    """Of a notebook, without what it once printed."""
    text = "".join(cell["source"])
    return text if cell["cell_type"] == "markdown" else _fenced(text, "python")


def _fenced(content: str, language: str) -> str:
    return f"~~~~~~{language}\n{content.rstrip()}\n~~~~~~"
