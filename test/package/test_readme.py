"""The README is short, its links lead somewhere, and what it shows is the program's own (see test_pages as well)."""

import re
import shlex

import numpy as np
from pages import PAGES, README, blocks, links, shell_lines, text_of
from places import REPOSITORY

from rgbt_seg_ros.models import read_card


def test_it_is_read_in_five_minutes():
    assert len(text_of(README).splitlines()) <= 130
    assert len(re.findall(r"\w+", text_of(README))) < 1300


def test_the_first_command_that_it_shows_is_the_demo():
    assert shlex.split(shell_lines(README)[0], comments=True) == ["make", "demo"]


def test_every_page_can_be_reached_from_it():
    """By links of links: a page that no other one names is not found on the web."""
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md" and page.is_file():
            reached.add(page)
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    assert [page.name for page in PAGES if page not in reached] == []


def test_the_packaged_model_is_as_the_table_says():
    """Its numbers are those of docs/model_card.md, which test_default_model compares with the file."""
    card = text_of(REPOSITORY / "docs" / "model_card.md")
    (row,) = re.findall(r"^\| `default`: SHIFNet `nano` \|(.+)$", text_of(README), re.MULTILINE)
    assert read_card(REPOSITORY / "resource/default.safetensors").config["size"] == "nano"
    parameters = re.findall(r"([\d.]+) M parameters", card)[0]
    megabytes = re.findall(r"\| file \| ([\d.]+) MB", card)[0]
    miou = re.findall(r"\| \*\*mean\*\* \| \*\*([\d.]+)\*\*", card)[0]
    assert f"{parameters} M parameters, {megabytes} MB" in row
    assert f" {miou} on 18 pairs" in row
    reliability = text_of(REPOSITORY / "docs" / "reliability.md")
    (median_ms,) = re.findall(r"^\| age of masks: p50, p99 .+ \| (\d+), \d+ \|$", reliability, re.MULTILINE)
    assert f" {int(median_ms) / 1000:.2f} s on two busy CPU cores" in row


def test_the_papers_numbers_are_those_of_the_page_about_them():
    page = text_of(REPOSITORY / "docs" / "reproduce.md")
    for paper in ("SHIFNet", "SARTM"):
        (row,) = re.findall(rf"^\| {paper}, SAM 2 .+$", text_of(README), re.MULTILINE)
        told = dict(re.findall(r"(PST900|FMB|MFNet) ([\d.]+)", row))
        folder = paper.lower()
        printed = re.findall(rf"^\| (\w+) \| `{folder}/\w+\.yaml` \| ([\d.]+) mIoU", page, re.MULTILINE)
        assert told == {data: score for data, score in printed if data in told}
        assert len(told) == 3


def test_the_python_example_runs():
    (example,) = blocks(README, "python")
    names = {"rgb": np.zeros((48, 64, 3), np.uint8), "thermal": np.zeros((24, 32), np.uint16)}
    exec(example, names)
    assert names["out"].mask.shape == names["out"].confidence.shape == (48, 64)
