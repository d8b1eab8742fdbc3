"""The kinds of charts that resource/report/charts.js draws, and their members; `charts` fills them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple


class Point(NamedTuple):
    """One value at a place on the axis."""

    place: float
    value: float


class Span(NamedTuple):
    """A part of the axis."""

    start: float
    end: float


class Segment(NamedTuple):
    """A part of the axis in which a state is the same: level as in `StripChart.levels`, and the state in words."""

    start: float
    end: float
    level: str
    sentence: str


class StripRow(NamedTuple):
    """States of one thing along the axis."""

    name: str
    segments: Sequence[Segment]


@dataclass(frozen=True)
class Chart:
    """What every chart has.

    Attributes:
        title: what it shows.
        text: the same and the result in a sentence, for those who do not see it and for its caption.
        unit: of the values, shown behind the title; of the axis below a histogram.
    """

    kind: ClassVar[str]
    title: str
    text: str
    unit: str

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw: its text says all then."""
        return False

    def to_json(self) -> dict[str, Any]:
        """For the page's script: the fields of its own kind are in `data`."""
        data = asdict(self)
        common = {name: data.pop(name) for name in ("title", "text", "unit")}
        return {"kind": self.kind, **common, "data": data}


@dataclass(frozen=True)
class PointsChart(Chart):
    """Points over the run's axis, a series for each name; `lines` are values [of the unit] to be marked."""

    kind = "points"
    series: Mapping[str, Sequence[Point]]
    lines: Mapping[str, float]


@dataclass(frozen=True)
class BarsChart(Chart):
    """Bars over spans of the run's axis, the series on top of each other: each has a value for each span.

    A series that has no color (CSS) here gets one from the page.
    """

    kind = "bars"
    spans: Sequence[Span]
    series: Mapping[str, Sequence[float]]
    colors: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        return not any(any(values) for values in self.series.values())


@dataclass(frozen=True)
class Histogram(Chart):
    """How many values of each series lie in each bin; `edges` of the bins are one more than these."""

    kind = "histogram"
    edges: Sequence[float]
    series: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class StripChart(Chart):
    """States over the run's axis, and names of their levels for its key."""

    kind = "strip"
    rows: Sequence[StripRow]
    levels: Mapping[str, str]
