"""The parameter reference of the documentation, made from the declarations.

python3 -m rgbt_seg_ros.settings.reference > docs/parameters.md
"""

import sys
from collections.abc import Iterable

from rgbt_seg_ros.settings import PARAMETERS
from rgbt_seg_ros.settings.parameter import Parameter

INTRODUCTION = """\
# Parameters of rgbt_segmenter

Made from the declarations by `python3 -m rgbt_seg_ros.settings.reference > docs/parameters.md`; do not edit.
[config/segment.yaml](../config/segment.yaml) has the same as a parameter file to copy. Each parameter can be given

- to the launch file: `ros2 launch rgbt_seg_ros segment.launch.py sync.max_dt:=0.02`
- to the node: `python3 -m rgbt_seg_ros.node --ros-args -p sync.max_dt:=0.02`
- in a file: `params_file:=my.yaml`, or `--ros-args --params-file my.yaml`; [cameras.md](cameras.md) has some for
  common thermal cameras
- while the node runs, where *takes effect* allows it: `ros2 param set /rgbt_segmenter max_age 0.5`

| takes effect | |
| --- | --- |
| **next pair** | may be changed at any time |
| **configure** | is refused on a configured node: clean the node up, set it, configure again |
| **start** | can only be given to the process |

`ros2 lifecycle set /rgbt_segmenter cleanup` cleans up, `ros2 lifecycle set /rgbt_segmenter configure` configures.

A value that breaks its rule is refused in one sentence with the parameter's name; at start the exit code is then 1. An
unknown name is refused in the same way, and the nearest name is told. In a section for several nodes (`/**`) an unknown
name may belong to another node. There it is refused only if it is spelt almost like one of these; otherwise the log
names it.

The QoS of topics can be overridden at start:

- of images: reliability, depth and history, as in `qos_overrides.<topic>.subscription.reliability`
- of all that is published: these and durability, as in `qos_overrides.<topic>.publisher.durability`
"""


def parameter_reference(parameters: Iterable[Parameter]) -> str:
    """Markdown: the introduction, and a table for each section of the names, those without one first."""
    sections: dict[str, list[str]] = {"General": []}
    for parameter in parameters:
        section = parameter.name.partition(".")[0] if "." in parameter.name else "General"
        sections.setdefault(section, []).append(_row(parameter))
    parts = [INTRODUCTION]
    for section, rows in sections.items():
        parts.append(f"## {section}\n")
        parts.append(
            "| parameter | default | must be | takes effect | meaning |\n| --- | --- | --- | --- | --- |"
        )
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(parameter: Parameter) -> str:
    effect = "next pair" if parameter.live else "start" if parameter.read_only else "configure"
    cells = [
        f"`{parameter.name}`",
        f"`{parameter.yaml_default}`",
        parameter.rule,
        effect,
        parameter.description,
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(parameter_reference(PARAMETERS.values()))
