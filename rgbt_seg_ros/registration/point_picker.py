"""A window in which the same points are clicked in two images, one after the other."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backend_bases import Event, KeyEvent, MouseButton, MouseEvent
from matplotlib.figure import Figure

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.registration.point_pairs import COLUMNS, PointPairs

_HELP = "Click a point left, then the same point right, and so on. Backspace: undo. Enter: done."


class PointPicker:
    """Two images side by side, and the points clicked in them so far.

    Args:
        figure: an empty figure.
        rgb: uint8 [H, W, 3].
        thermal: uint8 [h, w, 3], in false colours.
    """

    def __init__(self, figure: Figure, rgb: np.ndarray, thermal: np.ndarray) -> None:
        self._figure = figure
        self._axes = figure.subplots(1, 2)
        for axes, picture, title in zip(self._axes, (rgb, thermal), ("RGB", "thermal"), strict=True):
            axes.imshow(picture)
            axes.set_title(title)
        figure.suptitle(_HELP)
        self._clicks: list[tuple[float, float]] = []
        self._marks: list[tuple[Any, ...]] = []
        figure.canvas.mpl_connect("button_press_event", self._click)
        figure.canvas.mpl_connect("key_press_event", self._key)

    @property
    def pairs(self) -> PointPairs:
        """The pairs that are complete."""
        complete = len(self._clicks) // 2 * 2
        points = np.array(self._clicks[:complete], float).reshape(-1, 2, 2)
        return PointPairs(rgb=points[:, 0], thermal=points[:, 1])

    def _click(self, event: Event) -> None:
        assert isinstance(event, MouseEvent)
        toolbar = self._figure.canvas.toolbar
        zooming = toolbar is not None and toolbar.mode
        side = len(self._clicks) % 2
        if event.button != MouseButton.LEFT or zooming or event.inaxes is not self._axes[side]:
            return
        assert event.xdata is not None
        assert event.ydata is not None
        self._clicks.append((event.xdata, event.ydata))
        number = str((len(self._clicks) + 1) // 2)
        cross = self._axes[side].plot(event.xdata, event.ydata, "+", color="cyan", markersize=12)
        label = self._axes[side].annotate(
            number, (event.xdata, event.ydata), (4, 4), textcoords="offset points", color="cyan"
        )
        self._marks.append((*cross, label))
        self._figure.canvas.draw_idle()

    def _key(self, event: Event) -> None:
        assert isinstance(event, KeyEvent)
        if event.key == "backspace" and self._clicks:
            self._clicks.pop()
            for mark in self._marks.pop():
                mark.remove()
            self._figure.canvas.draw_idle()
        elif event.key == "enter":
            plt.close(self._figure)


def pick_points(rgb: np.ndarray, thermal: np.ndarray) -> PointPairs:
    """Show both images in a window until it is closed, and return what was clicked; see `PointPicker`.

    Raises:
        UserError: there is no window system.
    """
    figure = plt.figure(figsize=(14, 6), layout="constrained")
    if type(figure.canvas).required_interactive_framework is None:
        plt.close(figure)
        raise UserError(
            "points cannot be clicked here, because matplotlib finds no window system: list them in a CSV file with "
            f"the columns {', '.join(COLUMNS)} and give it as --points"
        )
    picker = PointPicker(figure, rgb, thermal)
    plt.show(block=True)
    return picker.pairs
