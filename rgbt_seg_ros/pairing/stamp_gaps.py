"""Images that a camera's stamps say are missing: gaps in a stream that is otherwise regular."""

from collections import deque
from dataclasses import dataclass

LEARNING_INTERVALS = 8
"""Intervals from which a stream's period is told."""

_SEVERAL = 4
"""Of these so many must be about equal."""

_WINDOW = 30
"""Regular intervals that the period is the mean of: a gap of a second at 30 Hz is counted to the image."""

_ODD_INTERVALS = 9
"""So many without a regular one among them are a new rate, not gaps."""

_NEAR = 0.25
"""A regular interval differs from the period by less than this share of it."""

_WHOLE = 0.30
"""A gap is a whole number of periods to within this share of one."""

_FITTING, _FITS, _UNFIT = 16, 0.75, 0.5
"""Of the newest intervals so large a share must be whole numbers of periods for gaps to count; below the smaller share
the period is wrong."""

_SILENCE_NS, _SILENCE_PERIODS = 1_000_000_000, 4
"""A longer gap is a camera that was off, a pause, or a clock that was set: nobody knows what it would have sent."""

_RESTART_IMAGES = 3
"""So many images in a row before the newest one are time that has jumped back; fewer are late."""

_KEPT_GAPS = 64

_MOST_CREDIT = 64
"""Images that speak for a gap: as many as it lacks must have come before or after it. Bursts with pauses have fewer."""

_SHORTEST_PERIOD_NS = 1_000_000
"""No camera is faster; stamps that are nearer to each other are made up."""


@dataclass
class _Gap:
    first: int
    last: int
    missing: int


class StampGaps:
    """Counts the images that are missing in one stream, from stamps alone.

    Exact where the camera is regular: interval = whole number of periods, to within a third of one. What cannot be
    told from gaps is not counted: a lasting change of the rate, a period that varies, a silence of more than a second
    (four periods of a slow camera), time that jumps. An image that comes late is taken out of the count again.

    A gap counts once an interval of one period has followed it, and as many images have come as it lacks. The work per
    image is constant. Stamps are integer nanoseconds.

    Attributes:
        missing: images that should have come between the first image and the newest.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._newest: int | None = None
        self._period: float | None = None
        self._learning: deque[tuple[int, int]] = deque(maxlen=_ODD_INTERVALS)
        self._regular: deque[tuple[int, int]] = deque(maxlen=_WINDOW)
        # Sums over `_regular`, kept as it changes: it is noted with every image.
        self._span = self._spanned = 0
        self._fits: deque[bool] = deque(maxlen=_FITTING)
        self._least_fits = 0
        self._odd: list[tuple[int, int]] = []
        self._odd_since = 0
        self._late = 0
        self._unproven = 0
        self._credit = 0
        self._silences = 0
        self._gaps: deque[_Gap] = deque(maxlen=_KEPT_GAPS)
        self._behind: list[int] = []
        self._before_jump: int | None = None

    def add(self, stamp: int, lost: int = 0) -> None:
        """Note the next image as it comes.

        Args:
            stamp: of the image.
            lost: images between the one before and this one that are known to be lost, and not to be counted here.
        """
        if self._newest is not None and stamp <= self._newest:
            self._come_late(stamp)
            return
        self._behind.clear()
        before, self._newest = self._newest, stamp
        if before is None:
            return
        if self._before_jump is not None and stamp > self._before_jump:
            # Back where it was before: what lies between has been received.
            self._before_jump = None
            self._end_odd(before)
            return
        self._take(before, stamp - before, lost + 1)
        self._credit = min(self._credit + 1, _MOST_CREDIT)
        self._count_what_is_proven()

    def _take(self, before: int, interval: int, images: int) -> None:
        """Judge the interval after an image, in which so many images were sent, the one at its end included."""
        period = self._period
        if period is None:
            self._learning.append((interval, images))
            self._learn(before + interval)
            return
        if interval / images > max(_SILENCE_NS, _SILENCE_PERIODS * period):
            self._end_odd(before)
            self._silences += 1
            if self._silences >= LEARNING_INTERVALS:
                self._forget_period()
            return
        periods = interval / period
        self._fits.append(_fits(periods))
        if len(self._fits) == _FITTING and sum(self._fits) < _UNFIT * _FITTING:
            self._odd.clear()
            self._late = 0
            self._forget_period()
            return
        if abs(interval / images - period) < _NEAR * period:
            self._silences = 0
            if self._odd:
                self._odd.append((interval, images))
                self._end_odd(before + interval)
            else:
                self._note_regular(interval, images)
            return
        if not self._odd:
            self._odd_since = before
        self._odd.append((interval, images))
        if len(self._odd) >= _ODD_INTERVALS:
            self._forget_period()
            self._learning.extend(self._odd)
            self._odd.clear()
            self._learn(before + interval)

    def _end_odd(self, last: int) -> None:
        """Count what is missing from the first odd interval to this stamp, and start anew."""
        odd, late = self._odd, self._late
        self._odd, self._late = [], 0
        if not odd or self._period is None:
            return
        # A stamp that is late by itself makes one interval longer and the next one shorter: only their sum counts.
        periods = sum(interval for interval, _ in odd) / self._period
        if abs(periods - round(periods)) > _WHOLE or not all(self._is_whole(interval) for interval, _ in odd):
            return
        missing = round(periods) - sum(images for _, images in odd) - late
        if missing >= 0:
            self._note_regular(sum(interval for interval, _ in odd), round(periods))
        if missing > 0 and sum(self._fits) >= _FITS * max(len(self._fits), self._least_fits):
            self._unproven += missing
            self._gaps.append(_Gap(self._odd_since, last, missing))

    def _count_what_is_proven(self) -> None:
        if 0 < self._unproven <= self._credit:
            self._credit -= self._unproven
            self.missing += self._unproven
            self._unproven = 0

    def _note_regular(self, interval: int, periods: int) -> None:
        if len(self._regular) == _WINDOW:
            self._span -= self._regular[0][0]
            self._spanned -= self._regular[0][1]
        self._regular.append((interval, periods))
        self._span += interval
        self._spanned += periods
        self._period = self._span / self._spanned

    def _is_whole(self, interval: int) -> bool:
        assert self._period is not None
        periods = interval / self._period
        return periods < 1.0 or abs(periods - round(periods)) <= _WHOLE

    def _learn(self, last: int) -> None:
        """Tell the period from the first intervals, if they have one; then judge these by it."""
        intervals = sorted(interval / images for interval, images in self._learning)
        if len(intervals) < LEARNING_INTERVALS:
            return
        # Gaps only make intervals longer: the period is the shortest of which there are several.
        for period in intervals:
            for _ in range(2):
                near = [interval for interval in intervals if abs(interval - period) < _NEAR * period]
                period = sum(near) / len(near)
            fits = sum(_fits(interval / period) for interval in intervals)
            if period >= _SHORTEST_PERIOD_NS and len(near) >= _SEVERAL and fits >= _FITS * len(intervals):
                break
        else:
            return
        self._period = period
        first, self._learning = list(self._learning), deque(maxlen=_ODD_INTERVALS)
        before = last - sum(interval for interval, _ in first)
        for interval, images in first:
            self._take(before, interval, images)
            before += interval

    def _forget_period(self) -> None:
        self._period = None
        self._silences = 0
        self._regular.clear()
        self._span = self._spanned = 0
        self._fits.clear()
        self._least_fits = _FITTING
        self._learning.clear()

    def _come_late(self, stamp: int) -> None:
        """An image that is not the newest: a late one, the same one again, or the first after a jump of time."""
        if stamp == self._newest:
            return
        for gap in self._gaps:
            if gap.first < stamp < gap.last and gap.missing > 0:
                gap.missing -= 1
                if self._unproven > 0:
                    self._unproven -= 1
                else:
                    self.missing -= 1
                return
        if self._odd and stamp > self._odd_since:
            self._late += 1
            return
        if self._behind and stamp <= self._behind[-1]:
            self._behind.clear()
        self._behind.append(stamp)
        if len(self._behind) == _RESTART_IMAGES:
            assert self._newest is not None
            self._end_odd(self._newest)
            self._before_jump, self._newest = self._newest, None
            self._gaps.clear()
            for each in list(self._behind):
                self.add(each)


def _fits(periods: float) -> bool:
    """Whether an interval is a whole number of periods."""
    return abs(periods - max(round(periods), 1)) < _NEAR
