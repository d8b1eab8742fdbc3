"""`make docs`: the pages become a site without a warning, all its links lead somewhere, and it needs no network."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from axe import axe_script, violations
from browser import DESKTOP, PHONE, chromium, visit
from pages import DOCS
from places import REPOSITORY

pytest.importorskip("mkdocs")
ENVIRONMENT = os.environ | {"NO_MKDOCS_2_WARNING": "1"}


def build(repository: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """As `make docs` does, and with everything told that it tells at all."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(site)]
    return subprocess.run(
        command, cwd=repository, env=ENVIRONMENT, stderr=subprocess.STDOUT, stdout=-1, text=True, timeout=300
    )


class Found(HTMLParser):
    """What a page links, what it loads, and what may be linked in it."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        address = values.get("href") or values.get("src")
        if address:
            (self.links if tag == "a" else self.loads).append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    built = build(REPOSITORY, site)
    assert built.returncode == 0, built.stdout
    told = [
        line for line in built.stdout.splitlines() if "Cleaning" not in line and "ocumentation" not in line
    ]
    assert told == []
    return site


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Found]:
    return {path: Found(path.read_text()) for path in site.rglob("*.html")}


def test_every_page_of_docs_is_in_the_site(site: Path) -> None:
    assert [page.name for page in DOCS if not (site / f"{page.stem}.html").is_file()] == []
    assert "rgbt_seg_ros" in (site / "index.html").read_text()


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Found]) -> None:
    dead = []
    for path, found in pages.items():
        if path.name == "404.html":  # its addresses are those of a server's root
            continue
        for link in [*found.links, *found.loads]:
            name, _, heading = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            if re.match(r"[a-z]+:", link):
                continue
            fits = target.is_file() and (not heading or target not in pages or heading in pages[target].ids)
            if not fits and heading != "__search":
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []
    assert len(pages) > 40


def test_nothing_is_loaded_from_a_network(pages: dict[Path, Found], site: Path) -> None:
    assert [load for found in pages.values() for load in found.loads if re.match(r"(https?:)?//", load)] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"url\([\"']?https?:[^)]*\)|@import[^;]*", styles) == []


def test_a_dead_link_ends_it(tmp_path: Path) -> None:
    for path in REPOSITORY.iterdir():
        if path.name not in ("docs", "out"):
            (tmp_path / path.name).symlink_to(path)
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs")
    with (tmp_path / "docs" / "limits.md").open("a") as page:
        page.write("\n[a](nowhere.md) [b](cameras.md#nothing) [c](../config/nothing.yaml)\n")
    built = build(tmp_path, tmp_path / "out")
    assert built.returncode == 1
    assert built.stdout.count("WARNING") == 3
    for name in ("nowhere.md", "#nothing", "config/nothing.yaml"):
        assert name in built.stdout


def test_pages_opened_as_files_are_searched(site: Path) -> None:
    with chromium() as browser, visit(browser, (site / "index.html").as_uri()) as visited:
        visited.page.get_by_placeholder("Search").first.fill("homography")
        visited.page.locator(".md-search-result__link").first.wait_for()
        assert "registration" in str(
            visited.page.locator(".md-search-result__link").first.get_attribute("href")
        )
        assert visited.errors == []
        assert all(request.startswith(("file:", "data:", "blob:")) for request in visited.requests)


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_no_serious_violation(site: Path, size: tuple[int, int], scheme: str) -> None:
    """Of accessibility, by axe-core: a page of text and code, and one of tables."""
    script = axe_script()
    with chromium() as browser:
        for name in ("index", "troubleshooting"):
            with visit(browser, (site / f"{name}.html").as_uri(), size, scheme) as visited:
                assert violations(visited, script) == []
