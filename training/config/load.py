"""From YAML files and `key=value` arguments to a checked `Config`, and back to a file."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.precision import precision_name
from rgbt_seg_ros.base.whole_files import write_file

from .checks import check_values
from .schema import Config


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
            raise UserError(f"{override!r} is not an override: write section.key=value")
        layers.append((override, OmegaConf.to_container(OmegaConf.from_dotlist([override]))))
    merged = _structured(Config)
    for source, values in layers:
        try:
            merged = OmegaConf.merge(merged, _checked(values, Config, source))
        except OmegaConfBaseException as error:
            raise UserError(f"{source}: {str(error).splitlines()[0]}") from error
    merged.train.precision = precision_name(merged.train.precision)
    config = cast(Config, OmegaConf.to_object(merged))
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
    if not path.is_file():
        raise UserError(
            f"there is no configuration file {path}: the ready ones are in the folders of config/train"
        )
    try:
        return OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a YAML configuration: {str(error).splitlines()[0]}") from error


def _checked(values: Any, schema: type, source: str, prefix: str = "") -> dict[str, Any]:
    """The values of a file or override; raises for the first key that the dataclass does not have."""
    if not isinstance(values, Mapping):
        raise UserError(f"{source}: {prefix.rstrip('.') or 'the file'} must hold keys, not {values!r}")
    fields = {entry.name: entry for entry in dataclasses.fields(schema)}
    checked = {}
    for key, value in values.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.0)[0]
            raise UserError(f"{source}: there is no key {prefix}{key}, did you mean {prefix}{near}?")
        if dataclasses.is_dataclass(fields[key].type):
            value = _checked(value, cast(type, fields[key].type), source, f"{prefix}{key}.")
        elif fields[key].type is str and value is False:
            value = "off"  # YAML takes this word for false
        checked[key] = value
    return checked
