"""Programs: give one to the kernel's verifier, which loads it or says why not (Documentation/bpf/verifier.rst)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping

from labhelpers.linux.bpf import system_call as bpf
from labhelpers.linux.bpf.elf import Code
from labhelpers.linux.bpf.maps import Map, refused
from labhelpers.linux.bpf.verifier import VerifierRefused, verdict

__all__ = ["Program", "load"]

_LICENSE = b"GPL"  # some helper functions are for programs under it only
_NAME = 16  # bytes, with the zero at the end

_LOG = 1 << 22  # bytes
#: how the kernel answers if the verifier has refused
_VERDICTS = (errno.EINVAL, errno.EACCES, errno.E2BIG, errno.EPERM, errno.EFAULT, errno.ENOSPC)


class Program:
    """A loaded program by its file descriptor.  It goes when the descriptor is closed, unless it is in use."""

    def __init__(self, fd: int, name: str) -> None:
        self.fd, self.name = fd, name

    def run(self, packet: bytes, times: int = 1) -> tuple[int, int]:
        """Run a classifier on a made-up packet, without any network (Documentation/bpf/bpf_prog_run.rst).

        Args:
            packet: with its Ethernet header.

        Returns:
            what the program returned, and the nanoseconds that one run took on average.

        Shell: ``bpftool prog run id ID data_in FILE repeat TIMES``.
        """
        data = ctypes.create_string_buffer(packet, len(packet))
        # prog_fd, retval, data_size_in, data_size_out, data_in, data_out, repeat, duration
        asked = struct.pack("=IIIIQQII", self.fd, 0, len(packet), 0, ctypes.addressof(data), 0, times, 0)
        try:
            _, answer = bpf.call(bpf.PROG_TEST_RUN, asked)
        except OSError as error:
            raise refused(error, f"run {self.name}") from error
        (returned,) = struct.unpack_from("=i", answer, 4)
        (duration,) = struct.unpack_from("=I", answer, 36)
        return returned, duration

    def keep(self, map: Map) -> None:
        """Have the program keep a map that it does not use itself, since Linux 5.10.

        Shell: ``bpftool prog show id ID`` lists it then.
        """
        try:
            bpf.call(bpf.PROG_BIND_MAP, struct.pack("=III", self.fd, map.fd, 0))
        except OSError as error:
            raise refused(error, f"have {self.name} keep the map {map.name}") from error

    def close(self) -> None:
        """Let go of it; it stays where it is attached."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def load(code: Code, maps: Mapping[str, Map], kind: int = bpf.SCHED_CLS) -> Program:
    """Give the kernel a program to check, and load it if nothing in it can go wrong.

    Args:
        code: what the compiler made.
        maps: those that it names, and maybe others.

    Raises:
        VerifierRefused: with the verifier's reasons, beside the lines of the source.
        NeedsPrivilege, KernelRefused: nothing was loaded.

    Shell: ``bpftool prog load FILE PATH``, which keeps it.
    """
    instructions = code.with_maps({name: one.fd for name, one in maps.items()})
    try:
        return Program(_load(code.name, instructions, kind, b""), code.name)
    except OSError as error:
        if error.errno not in _VERDICTS:
            raise refused(error, f"load the program {code.name}") from error
        first = error
    log = ctypes.create_string_buffer(_LOG)
    try:  # once more, and let it write down what it thinks
        return Program(_load(code.name, instructions, kind, log), code.name)
    except OSError:
        said = log.value.decode(errors="replace")
    if not said:  # it was not the verifier
        raise refused(first, f"load the program {code.name}") from first
    raise VerifierRefused(code.name, verdict(said, code.lines), said, errno=first.errno) from first


def _load(name: str, instructions: bytes, kind: int, log: ctypes.Array[ctypes.c_char] | bytes) -> int:
    code, license = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(_LICENSE)
    where = 0 if isinstance(log, bytes) else ctypes.addressof(log)
    # prog_type, insn_cnt, insns, license, log_level, log_size, log_buf, kern_version, prog_flags, prog_name
    attributes = struct.pack(
        f"=IIQQIIQII{_NAME}s",
        *(kind, len(instructions) // 8, ctypes.addressof(code), ctypes.addressof(license)),
        *(1 if where else 0, len(log) if where else 0, where, 0, 0, name[: _NAME - 1].encode()),
    )
    return bpf.call(bpf.PROG_LOAD, attributes)[0]
