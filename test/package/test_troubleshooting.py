"""The sentences that docs/troubleshooting.md quotes are those that the program says."""

import re
from functools import cache

from pages import text_of
from places import REPOSITORY

PAGE = text_of(REPOSITORY / "docs" / "troubleshooting.md")
TOLD = text_of(REPOSITORY / "docs" / "diagnostics.md")
EXAMPLES = (
    r"\.\.\.|/\w[\w/]*|my_bag[.\w]*|runs/\w+|'?cuda(?::0)?'?|\(?nan\)?|\blarge\b|[+-]?\d+(?:\.\d+)?(?:x\d+)?"
)
"""Names and numbers in a sentence; what the program says has others there."""


@cache
def program() -> str:
    """Its text, with one sign for each value that is filled in."""
    folders = ("rgbt_seg_ros", "training", "environment", "launch")
    files = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    text = "".join(path.read_text() for path in files)
    joined = re.sub(r'"\s*\n\s*f?"', "", text)
    return re.sub(r"\{[^{}]*\}", "\0", joined)


def quoted() -> list[str]:
    """Sentences, of three words at least, in the first columns of the tables."""
    cells = re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE)
    sentences = [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]
    return [
        sentence for sentence in sentences if sentence.count(" ") >= 2 and not sentence.startswith("ros2 ")
    ]


def pieces(sentence: str) -> list[str]:
    found = [piece.strip(" :,") for piece in re.split(EXAMPLES, sentence)]
    return [piece for piece in found if len(piece) > 5]


def test_sentences_are_found() -> None:
    assert len(quoted()) > 25
    assert all(pieces(sentence) for sentence in quoted())


def test_the_program_says_what_is_quoted() -> None:
    unsaid = [
        (piece, sentence)
        for sentence in quoted()
        for piece in pieces(sentence)
        if piece not in program() and piece not in TOLD
    ]
    assert unsaid == []


def test_every_sentence_of_a_missing_mask_is_explained() -> None:
    """Of diagnostics.md, those of level ERROR that keep masks away are on the page in the same words."""
    errors = re.findall(r"^\| ERROR \| `([^`]+)`", TOLD, re.MULTILINE)
    known = [piece for sentence in quoted() for piece in pieces(sentence)]
    missing = [error for error in errors if not any(piece in error for piece in known)]
    assert missing == []
