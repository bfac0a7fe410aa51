"""Tracepoints: places in the kernel that tell when they are passed (``man 2 perf_event_open``)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

__all__ = ["open_tracepoint"]

_CALL = {"x86_64": 298, "aarch64": 241}  # the number of the system call
_TYPE_TRACEPOINT, _SIZE, _DISABLED, _CLOSE_ON_EXEC = 2, 64, 1, 8

_libc = ctypes.CDLL(None, use_errno=True)


def open_tracepoint(tracefs: Path, name: str) -> int:
    """Open a tracepoint on processor 0, switched off.  Nothing is recorded before it is switched on.

    Args:
        tracefs: where a tracefs is mounted; only the number of the tracepoint is read there.
        name: ``skb:kfree_skb``, where packets are dropped.

    Returns:
        a file descriptor.

    Raises:
        OSError: ENOENT without the tracepoint, EACCES or EPERM for who may not.

    Shell: ``perf trace --event NAME``.
    """
    if platform.machine() not in _CALL:
        raise OSError(38, f"the course does not know the perf system call of {platform.machine()}")  # ENOSYS
    number = int((tracefs / "events" / name.replace(":", "/") / "id").read_text())
    # struct perf_event_attr up to bp_len: type, size, config, period, sample_type, read_format, flags, three unused
    attributes = struct.pack("=IIQQQQQIIQ", _TYPE_TRACEPOINT, _SIZE, number, 0, 0, 0, _DISABLED, 0, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    fd: int = _libc.syscall(_CALL[platform.machine()], buffer, -1, 0, -1, _CLOSE_ON_EXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd
