"""Terminals that a program is given (``man 7 pty``)."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
from contextlib import suppress

__all__ = ["make", "resize"]

# include/uapi/asm-generic/ioctls.h: Python has no names for them
_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441


def make(owner: int) -> tuple[int, int]:
    """Make a terminal below this root's own /dev/pts, and make it this process's: its Ctrl-C goes to it.

    The process leads a session and has no terminal yet.

    Args:
        owner: the user id whose it is, where the machine has it.

    Returns:
        the outer end, and the one for the program.

    Raises:
        OSError: there is no /dev/pts.
    """
    outer = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(outer, _TIOCSPTLCK, struct.pack("i", 0))
    # not by its name: that may be another terminal's in this mount namespace (man 2 ioctl_tty)
    inner = fcntl.ioctl(outer, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    with suppress(OSError):
        os.fchown(inner, owner, -1)
    fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
    return outer, inner


def resize(terminal: int, columns: int, rows: int) -> None:
    """Tell a terminal, and through it the program, its size.  Shell: ``stty cols COLUMNS rows ROWS``."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
