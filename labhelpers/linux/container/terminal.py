"""Terminals that a program is given (``man 7 pty``)."""

from __future__ import annotations

import fcntl
import struct
import termios

__all__ = ["control", "resize"]


def control(terminal: int) -> None:
    """Make the terminal this process's own: its Ctrl-C goes to it.  The process leads a session and has none yet."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def resize(terminal: int, columns: int, rows: int) -> None:
    """Tell a terminal, and through it the program, its size.  Shell: ``stty cols COLUMNS rows ROWS``."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
