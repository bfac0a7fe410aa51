"""Let programs that drop privileges run where there is only one user id.

tcpdump changes its user before it captures, gives its file to that user, and gives up if either fails, as it must in a
user namespace with one id.  A seccomp filter (``man 2 seccomp``) answers those calls with success and does nothing.
"""

from __future__ import annotations

import ctypes
import platform
import struct

from labhelpers.sandbox.syscalls import libc

__all__ = ["pretend_to_set_ids"]

#: audit architecture; the numbers of setuid setgid setreuid setregid setgroups setresuid setresgid; and those of
#: chown fchown lchown fchownat, each with the position of its argument that is a user id
_CALLS = {
    "x86_64": (0xC000003E, (105, 106, 113, 114, 116, 117, 119), ((92, 1), (93, 1), (94, 1), (260, 2))),
    "aarch64": (0xC00000B7, (143, 144, 145, 146, 147, 149, 159), ((55, 1), (54, 2))),
}
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO_0 = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ROOT, _LEAVE_IT = 0, 0xFFFFFFFF
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]


def pretend_to_set_ids() -> bool:
    """From now on, in this process and its children, setuid and its kin succeed and change nothing.

    So do chown and its kin, if they would give the file to somebody else than root.

    Returns:
        whether the machine could do it.
    """
    if platform.machine() not in _CALLS:
        return False
    program = _program(*_CALLS[platform.machine()])
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    filter_program = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program, 0, 0) == 0)


def _program(architecture: int, set_ids: tuple[int, ...], give_away: tuple[tuple[int, int], ...]) -> list[Instruction]:
    """The filter.  An instruction is its code, how many to skip if it is true and if it is false, and a number."""
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for number in set_ids:
        program += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO_0)]
    for number, position in give_away:
        program += [
            (_JUMP_IF_EQUAL, 0, 5, number),
            (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * position),
            (_JUMP_IF_EQUAL, 2, 0, _ROOT),
            (_JUMP_IF_EQUAL, 1, 0, _LEAVE_IT),
            (_RETURN, 0, 0, _ERRNO_0),
            (_RETURN, 0, 0, _ALLOW),
        ]
    return [*program, (_RETURN, 0, 0, _ALLOW)]
