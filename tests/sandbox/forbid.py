"""``python forbid.py COMMAND``: run a command under a seccomp filter like the one containers have by default.

New namespaces and mounts are refused, as Docker refuses them to a container without CAP_SYS_ADMIN.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

#: audit architecture; the numbers of unshare, mount, umount2, setns; of clone; of clone3
_CALLS = {
    "x86_64": (0xC000003E, (272, 165, 166, 308), 56, 435),
    "aarch64": (0xC00000B7, (97, 40, 39, 268), 220, 435),
}
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_CLONE_NEW_ANYTHING = 0x7E020000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2


def main(command: list[str]) -> None:
    architecture, refused, clone, clone3 = _CALLS[platform.machine()]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _EPERM),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for number in refused:
        program += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    program += [
        (_JUMP_IF_EQUAL, 0, 1, clone3),  # a filter cannot see its flags, so the C library must take clone
        (_RETURN, 0, 0, _ENOSYS),
        (_JUMP_IF_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_JUMP_IF_ANY_BIT, 0, 1, _CLONE_NEW_ANYTHING),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    libc = ctypes.CDLL(None, use_errno=True)
    filter_program = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program, 0, 0
    ):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
