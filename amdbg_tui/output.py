"""What becomes of stdout: closed, full, or read by somebody who went away. None of it is a crash of the program."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

CANNOT_WRITE = 74
"""Exit status: output could not be written (EX_IOERR of sysexits.h)."""
_OF_OUTPUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE})


class Lost(Exception):  # noqa: N818 - stdout is what was lost
    """Stdout could not be written; `error` says why."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def is_closed() -> bool:
    """Whether the program was started without a stdout."""
    return sys.stdout is None


def is_of_output(error: BaseException) -> bool:
    """Whether an error tells of stdout, not of a file with a name."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _OF_OUTPUT


def give_up(error: OSError) -> tuple[str, int]:
    """(what to say, exit status) when stdout could not be written; nothing is written to it any more.

    A reader that went away wants no more: that is no failure.
    """
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if error.errno == errno.EPIPE:
        return "", 0
    why = (error.strerror or str(error)).lower()
    return f"cannot write to stdout: {why}", CANNOT_WRITE


def finish() -> None:
    """Write what is still on its way. Raises `OSError`."""
    if sys.stdout is not None:
        sys.stdout.flush()
