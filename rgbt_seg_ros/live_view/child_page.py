"""The page of a watch command that runs as a child of another command; no ROS."""

import os
import re
import threading
import webbrowser

from rgbt_seg_ros.base.child_process import ChildProcess, last_words

_ADDRESS = re.compile(r"open (http://\S+) in a browser")


class ChildPage:
    """Says where the page is once it is served, and opens it where there is a display.

    Args:
        watch: its child process; that it fails costs the page alone, and is said.
    """

    def __init__(self, watch: ChildProcess) -> None:
        self._watch = watch
        self._said = False

    def show(self) -> None:
        """Say it, unless it is said already or not served yet."""
        if self._said:
            return
        found = _ADDRESS.search(self._watch.log.read_text(errors="replace"))
        if self._watch.exit_code is not None:
            self._said = True
            print(f"there is no live page: {last_words(self._watch.log)}", flush=True)
        elif found:
            self._said = True
            print(f"live page, while this plays: {found[1]}", flush=True)
            if has_display():
                # Some browsers keep who has started them waiting until they end.
                threading.Thread(target=webbrowser.open, args=(found[1],), daemon=True).start()


def has_display() -> bool:
    """Whether a browser's window could be seen; without one, text browsers would take the terminal."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
