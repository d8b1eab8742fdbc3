"""The one exception for failures that the user can mend."""


class UserError(Exception):
    """Something the user can put right; the message is one sentence: what, where, what to do.

    Commands print it without a traceback and exit with 1 (see `rgbt_seg_ros.base.cli`).
    """
