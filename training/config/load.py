"""From YAML files and `key=value` arguments to a checked `Config`, and back to a file."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from rgbt_seg_ros.base.errors import UserError, meant, nearest
from rgbt_seg_ros.base.file_limits import MAX_DEPTH
from rgbt_seg_ros.base.precision import precision_name
from rgbt_seg_ros.base.shared_files import share_path
from rgbt_seg_ros.base.text import quoted, shown
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.base.yaml_files import check_yaml, read_yaml_text

from .checks import check_values
from .schema import Config
from .synonyms import SYNONYMS

MAX_CONFIG = 1 << 16
"""Characters of a configuration file. OmegaConf reads a thousand in a few milliseconds; the longest has 2000."""


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration.

    Args:
        path: YAML file; None starts from the defaults. Its key `base` names another file, which it changes, by the
            path from its own folder.
        overrides: `section.key=value`, applied last.

    Raises:
        UserError: no such file, no YAML, a key that does not exist (the nearest right one is named), a value of a
            wrong type, or files that are each other's base.
    """
    layers = [] if path is None else _read_layers(Path(path))
    for override in overrides:
        key, equals, _ = override.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{quoted(override)} is not an override: write section.key=value")
        if key.count(".") > MAX_DEPTH:
            raise UserError(f"{quoted(override)} is not an override: its key has no end")
        layers.append((override, _read_override(override)))
    merged = _structured(Config)
    for source, values in layers:
        try:
            merged = OmegaConf.merge(merged, _checked(values, Config, source))
        except (OmegaConfBaseException, ValueError, TypeError, OverflowError) as error:
            raise UserError(f"{source}: {_mistake(error, values)}") from error
    try:
        merged.train.precision = precision_name(merged.train.precision)
        config = cast(Config, OmegaConf.to_object(merged))
    except (OmegaConfBaseException, RecursionError) as error:
        raise UserError(
            f"the configuration refers to values that there are not: {_first_line(error)}"
        ) from error
    check_values(config)
    return config


def save_config(path: Path, config: Config) -> None:
    """Write the whole configuration as YAML, so that it can be read again and tells every value.

    Raises:
        UserError: it cannot be written.
    """
    write_file(path, OmegaConf.to_yaml(OmegaConf.structured(config)))


def _structured(schema: type) -> Any:
    """An OmegaConf schema whose values can be set: it makes those of frozen dataclasses read-only."""
    config = OmegaConf.structured(schema)
    for entry in dataclasses.fields(schema):
        OmegaConf.set_readonly(config[entry.name], False)
    OmegaConf.set_readonly(config, False)
    return config


def _read_layers(path: Path, above: tuple[Path, ...] = ()) -> list[tuple[str, Any]]:
    """A file and those it is based on, as (name, values), the one below all others first."""
    if path.resolve() in above:
        raise UserError(f"{path} is its own base: remove the key `base` from it")
    values = _read_yaml(path)
    base = values.pop("base", None) if isinstance(values, dict) else None
    below = [] if base is None else _read_layers(path.parent / str(base), (*above, path.resolve()))
    return [*below, (str(path), values)]


def _read_yaml(path: Path) -> Any:
    if not os.path.isfile(path) and path.parts[:1] == ("config",):
        path = _shipped(path)
    if not os.path.isfile(path):  # also where a name is too long for one
        raise UserError(
            f"there is no configuration file {path}: the ready ones are in the folders of config/train"
        )
    text = read_yaml_text(path)
    if len(text) > MAX_CONFIG:
        raise UserError(
            f"{path} is no configuration, it has more than {MAX_CONFIG} characters: give another file"
        )
    try:
        check_yaml(text)
        return OmegaConf.to_container(OmegaConf.load(StringIO(text)))
    except (YAMLError, OmegaConfBaseException, OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a YAML configuration: {_first_line(error)}") from error


def _shipped(path: Path) -> Path:
    """A file below `config/` of this installation, where there is such a one."""
    try:
        return share_path(str(path))
    except (UserError, OSError):
        return path


def _read_override(override: str) -> Any:
    try:
        check_yaml(override.partition("=")[2])
        return OmegaConf.to_container(OmegaConf.from_dotlist([override]))
    except (YAMLError, OmegaConfBaseException, ValueError, TypeError, AttributeError, LookupError) as error:
        raise UserError(f"{quoted(override)} is not an override: {_first_line(error)}") from error


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list[float]": "a list of numbers",
}


def _mistake(error: Exception, values: Any) -> str:
    """What is wrong with a value, without the words for types that programmers have."""
    key = getattr(error, "full_key", None) or ""
    section, _, name = key.partition(".")
    name = name.partition("[")[0]
    types = {each.name: each.type for each in dataclasses.fields(Config)}
    fields = dataclasses.fields(cast(type, types[section])) if section in types else ()
    wanted = [each.type for each in fields if each.name == name]
    if not wanted:
        return _first_line(error)
    kind, *no_value = str(getattr(wanted[0], "__name__", wanted[0])).split(" | ")
    if "list" in str(wanted[0]):
        kind = "list[float]"
    value = values.get(section, {}).get(name) if isinstance(values, Mapping) else None
    return f"{section}.{name} must be {_TYPES[kind]}{' or null' if no_value else ''}, not {shown(value)}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _keys() -> list[str]:
    """All keys, dotted."""
    return [
        f"{section.name}.{entry.name}"
        for section in dataclasses.fields(Config)
        for entry in dataclasses.fields(cast(type, section.type))
    ]


def _meant(key: str, value: Any) -> str:
    """The key, or for a mapping the section, that was most probably meant by one that does not exist."""
    sections = [entry.name for entry in dataclasses.fields(Config)]
    section, _, word = key.rpartition(".")
    if isinstance(value, Mapping):
        return meant(key, sections, SYNONYMS)
    known = _keys()
    found = meant(key, known, SYNONYMS)
    if section and found.rpartition(".")[2] != word and found not in SYNONYMS.values():
        # Neither meaning nor name: a slip of the pen within its section.
        return nearest(key, [each for each in known if each.startswith(f"{section}.")])
    return found


def _checked(values: Any, schema: type, source: str, prefix: str = "") -> dict[str, Any]:
    """The values of a file or override; raises for the first key that the dataclass does not have."""
    if not isinstance(values, Mapping):
        raise UserError(f"{source}: {prefix.rstrip('.') or 'the file'} must hold keys, not {values!r}")
    fields = {entry.name: entry for entry in dataclasses.fields(schema)}
    checked = {}
    for key, value in values.items():
        if key not in fields:
            raise UserError(
                f"{source}: there is no key {prefix}{key}, did you mean {_meant(f'{prefix}{key}', value)}?"
            )
        if dataclasses.is_dataclass(fields[key].type):
            value = _checked(value, cast(type, fields[key].type), source, f"{prefix}{key}.")
        elif fields[key].type is str and value is False:
            value = "off"  # YAML takes this word for false
        checked[key] = value
    return checked
