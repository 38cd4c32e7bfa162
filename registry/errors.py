"""The two ways to fail that a user sees.

Every message says what was given, what is known, and what to do::

    BenchError
    ├── UsageError    the request is wrong             -> exit code 2
    └── WorkError     the request is fine, work failed -> exit code 1
"""


class BenchError(Exception):
    """A failure whose message is for the user; printed without a traceback."""

    exit_code = 1


class UsageError(BenchError):
    """A wrong axis, value, option or path: nothing was started."""

    exit_code = 2


class WorkError(BenchError):
    """A right request whose work failed: a corrupt image, weights that do not fit, a full disk."""
