"""The system call ``bpf``, and the commands that need no more than numbers (``man 2 bpf``)."""

from __future__ import annotations

import ctypes
import os
import platform
import struct

__all__ = [
    "MAP_CREATE",
    "MAP_DELETE_ELEM",
    "MAP_GET_FD_BY_ID",
    "MAP_GET_NEXT_ID",
    "MAP_GET_NEXT_KEY",
    "MAP_LOOKUP_ELEM",
    "MAP_UPDATE_ELEM",
    "OBJ_GET_INFO_BY_FD",
    "PROG_BIND_MAP",
    "PROG_GET_FD_BY_ID",
    "PROG_GET_NEXT_ID",
    "PROG_LOAD",
    "PROG_TEST_RUN",
    "RAW_TRACEPOINT",
    "RING_BUFFER",
    "SCHED_CLS",
    "call",
    "create_map",
    "load",
    "open_raw_tracepoint",
]

# commands (enum bpf_cmd, bpf.h)
MAP_CREATE, MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, MAP_GET_NEXT_KEY, PROG_LOAD = range(6)
PROG_TEST_RUN, PROG_GET_NEXT_ID, MAP_GET_NEXT_ID, PROG_GET_FD_BY_ID, MAP_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = range(
    10, 16
)
_RAW_TRACEPOINT_OPEN, PROG_BIND_MAP = 17, 35
#: program types (bpf.h): a traffic classifier, and a program at a raw tracepoint
SCHED_CLS, RAW_TRACEPOINT = 3, 17
#: map types: a queue that a program fills and a process reads
RING_BUFFER = 27
_NUMBER = {"x86_64": 321, "aarch64": 280}.get(platform.machine())  # of the system call
#: r0 = 0; exit
_DO_NOTHING = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)

_libc = ctypes.CDLL(None, use_errno=True)


def call(command: int, attributes: bytes) -> tuple[int, bytes]:
    """Ask the kernel one thing about eBPF.

    Args:
        attributes: the part of ``union bpf_attr`` that the command needs; the kernel takes the rest to be zero.

    Returns:
        the call's result, and the attributes as the kernel left them.

    Raises:
        OSError: what the kernel said.
    """
    if _NUMBER is None:
        raise OSError(38, f"the course does not know the bpf system call of {platform.machine()}")  # ENOSYS
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result: int = _libc.syscall(_NUMBER, command, buffer, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result, buffer.raw


def create_map(kind: int, size: int) -> int:
    """Create a map without keys, of ``size`` bytes.  It goes when the file descriptor is closed.

    Returns:
        a file descriptor.

    Raises:
        OSError: EPERM for who may not.

    Shell: ``bpftool map create PATH type ringbuf entries SIZE``, which keeps it.
    """
    return call(MAP_CREATE, struct.pack("=IIII", kind, 0, 0, size))[0]


def load(kind: int = SCHED_CLS, instructions: bytes = _DO_NOTHING) -> int:
    """Give the kernel a program to check.  It goes when the file descriptor is closed, unless something uses it.

    Returns:
        a file descriptor.

    Raises:
        OSError: EPERM for who may not, EINVAL or EACCES if the program is refused; ``program.load`` says why.

    Shell: ``bpftool prog load FILE PATH``, which keeps it.
    """
    code, license = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"GPL")
    count = len(instructions) // 8
    # prog_type, insn_cnt, insns, license, log_level, log_size, log_buf, kern_version, prog_flags
    where = ctypes.addressof(code), ctypes.addressof(license)
    return call(PROG_LOAD, struct.pack("=IIQQIIQII", kind, count, *where, 0, 0, 0, 0, 0))[0]


def open_raw_tracepoint(name: str, program: int) -> int:
    """Run a program at a point in the kernel, in every namespace, until the file descriptor is closed.

    Args:
        name: such as ``kfree_skb``, where packets are dropped.
        program: from ``load``, of the type RAW_TRACEPOINT.

    Shell: ``bpftrace -e 'rawtracepoint:NAME { }'``.
    """
    at = ctypes.create_string_buffer(name.encode())
    return call(_RAW_TRACEPOINT_OPEN, struct.pack("=QII", ctypes.addressof(at), program, 0))[0]
