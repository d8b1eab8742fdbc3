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
[config/segment.yaml](../config/segment.yaml) is the same as a parameter file to copy. Each parameter can be given

- to the launch file: `ros2 launch rgbt_seg_ros segment.launch.py sync.max_dt:=0.02`
- to the node: `python3 -m rgbt_seg_ros.node --ros-args -p sync.max_dt:=0.02`
- in a file: `params_file:=my.yaml`, or `--ros-args --params-file my.yaml`; [cameras.md](cameras.md) has some for
  common thermal cameras
- while the node runs, where *takes effect* allows it: `ros2 param set /rgbt_segmenter max_age 0.5`

*Takes effect*: **next pair** may be changed at any time; **configure** is refused on a configured node: clean it up,
set it, configure again (`ros2 lifecycle set /rgbt_segmenter cleanup`); **start** can only be given to the process. A
value that breaks its rule is refused in one sentence with the parameter's name, at start with exit code 1.
A name that is none of these is refused in the same way, with the nearest one. In a section for several nodes (`/**`)
it may be another node's: there it is refused where it is spelt almost like one of these, and named in the log else.
The QoS of topics can be overridden at start: reliability, depth and history of images, as by
`qos_overrides.<topic>.subscription.reliability`; these and durability of all that is published, as by
`qos_overrides.<topic>.publisher.durability`.
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
