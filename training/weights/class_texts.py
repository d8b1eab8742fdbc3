"""What is embedded of class names: their list, and the sentences that they are put into. Without PyTorch."""

from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import CLASS_SETS, current_names

from ..data.own_data import read_description

MINILM = "minilm"
"""The word for the packaged text encoder."""

DEFAULT_TEMPLATES = ("a photo of a {}.", "a {} on a street at night.", "a thermal image of a {}.")


def check_texts(names: Sequence[str], templates: Sequence[str]) -> None:
    """Refuse what is no class name, and templates without a place for one.

    Raises:
        UserError: a name is empty or occurs twice, or a template has no `{}`, or several.
    """
    if not names or not all(readable(name) for name in names):
        raise UserError("a class name is empty: give names separated by commas")
    if len(set(names)) != len(names):
        raise UserError(f"a class name occurs twice in {', '.join(names)}: give each once")
    for template in templates:
        if template.count("{}") != 1:
            raise UserError(f"the template {template!r} needs one {{}} where the class name goes")


def readable(name: str) -> str:
    """A class name as words: underscores and hyphens are read as spaces."""
    return " ".join(name.replace("_", " ").replace("-", " ").split())


def class_names(text: str) -> tuple[str, ...]:
    """Names of a data set's class list, of an own data set's, or the names in a comma-separated list."""
    if text in CLASS_SETS:
        return CLASS_SETS[text].names
    if Path(text).suffix in (".yaml", ".yml") or Path(text).is_dir():
        return read_description(text).table.names
    if "," not in text:
        raise UserError(
            f"there is no class list {text!r}: choose {', '.join(CLASS_SETS)}, or give NAME,NAME,... "
            "or the folder of your own data"
        )
    return current_names([name.strip() for name in text.split(",")])


def published_words(text: str) -> tuple[str, ...]:
    """What a data set's authors call its classes, which their encoders were given; of other lists nothing."""
    return CLASS_SETS[text].published if text in CLASS_SETS else ()
