"""The loop of the supervisor and of init: pass signals on, collect the dead, end with the child."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from labhelpers.sandbox.frontend import FrontEnd

__all__ = ["SIGNALS", "signal_group", "supervise"]

#: blocked in both processes and taken one by one: there is no handler that could come at a wrong moment
SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD})


def supervise(child: int, forward: Callable[[int, int], object], front_end: FrontEnd | None = None) -> NoReturn:
    """Wait for the child and exit with its status.

    Args:
        child: its process id.
        forward: ``os.kill`` or ``signal_group``, given the child and a signal.
        front_end: when it is gone, the child is killed.
    """
    while True:
        info = signal.sigtimedwait(SIGNALS, 1.0)
        with suppress(ProcessLookupError):
            if front_end and front_end.is_gone():
                front_end.clean_up()
                os.kill(child, signal.SIGKILL)
            if info and info.si_signo != signal.SIGCHLD:
                forward(child, info.si_signo)
        pid = -1
        while pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)


def signal_group(child: int, number: int) -> None:
    """Send a signal to a process and to all it has started that did not leave its group."""
    try:
        os.killpg(child, number)
    except ProcessLookupError:  # it has just been forked and has no group yet: the signal waits for it
        os.kill(child, number)
