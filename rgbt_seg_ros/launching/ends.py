"""What the end of a process of ours means for the `ros2 launch` that started it."""

import signal
from enum import Enum, auto

from launch.action import Action
from launch.actions import RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.substitutions import LaunchConfiguration

_STOPPED = {code for number in (signal.SIGINT, signal.SIGTERM) for code in (-number, 128 + number)}
"""Codes of processes that a signal ended before they could do so themselves."""


TIME_TO_END = {"sigterm_timeout": LaunchConfiguration("sigterm_timeout", default="30")}
"""For launch's `Node`: how long after Ctrl-C a process of ours may finish its files and its last images [s].

launch's own 5 s are too few on a busy machine. Whoever wants others gives the argument `sigterm_timeout`.
"""


class EndsAll(Enum):
    """Whether the end of a process ends everything that was launched."""

    NEVER = auto()
    IF_IT_FAILS = auto()
    ALWAYS = auto()


def when_it_ends(
    process: Action, ends_all: EndsAll = EndsAll.NEVER, respawns: bool = False
) -> RegisterEventHandler:
    """An action for beside `process`: if that fails, `ros2 launch` will end with 1, whoever includes the launch file.

    launch itself ignores exit codes. Other processes go on, as those of other robots or cameras may depend on them.

    Args:
        process: the action that starts it.
        ends_all: which of its ends is the end of everything that was launched.
        respawns: whether launch starts it again; a failure is then none of the whole.
    """

    def take(event: ProcessExited, context: LaunchContext) -> list[Action]:
        code = event.returncode
        stopped = context.is_shutdown and code in _STOPPED
        if code and not stopped and not respawns:
            # The one way to an exit code that leaves the other processes and event handlers alone: launch's own
            # handler of exceptions notes a failure. It also prints the sentence.
            context.asyncio_loop.call_exception_handler(
                {
                    "message": f"{event.process_name} has failed with exit code {code}: the launch will end with 1"
                }
            )
        ends = ends_all is EndsAll.ALWAYS or (code and ends_all is EndsAll.IF_IT_FAILS)
        return (
            [Shutdown(reason=f"{event.process_name} has ended")] if ends and not context.is_shutdown else []
        )

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=take))
