"""Why could the sandbox not be made, and what can be done?"""

from __future__ import annotations

import errno
import os

from labhelpers.sandbox.facts import myself, read, status

__all__ = ["explain"]

_KINDS = ("user", "net", "mnt", "pid", "uts", "ipc")
_OPTIONS = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"


def explain(error: OSError, who: str = "", *, sysctl: str = "/proc/sys", label: str = "/proc/self/attr/current") -> str:
    """A text for the learner: the cause, what to do, and the facts it was concluded from.

    Args:
        error: from ``isolate`` or ``mounts``; its ``filename`` is the stage that was refused.
        who: ``facts.myself()`` before anything was tried.
        sysctl, label: where to read settings and the AppArmor label.
    """
    stage = str(error.filename or "?")
    code = errno.errorcode.get(error.errno or 0, str(error.errno))
    limits = [kind for kind in _KINDS if read(f"{sysctl}/user/max_{kind}_namespaces") == "0"]
    return "\n".join(
        [
            f"This machine does not allow a sandbox, so no cell is run. [{stage}: {code} {error.strerror}]",
            _cause(error, stage, limits, sysctl, label),
            "doctor() is the one cell that runs here: it lists what this machine can do.",
            f"Facts: kernel {os.uname().release}, {who or myself()}, "
            f"limits at zero: {', '.join(limits) or 'none'}, AppArmor: {read(label) or '-'}",
        ]
    )


def _cause(error: OSError, stage: str, limits: list[str], sysctl: str, label: str) -> str:
    denied = error.errno in (errno.EPERM, errno.EACCES)
    apparmor = read(f"{sysctl}/kernel/apparmor_restrict_unprivileged_userns") == "1"
    if error.errno == errno.ENOSPC and limits:
        commands = "; ".join(f"sudo sysctl -w user.max_{kind}_namespaces=10000" for kind in limits)
        return f"A limit forbids namespaces. As administrator: {commands}"
    if error.errno == errno.ENOSPC:
        return "A user.max_*_namespaces limit is used up (end other kernels), or user namespaces are nested too deeply."
    if error.errno in (errno.EINVAL, errno.ENOSYS) and stage == "unshare":
        missing = ", ".join(kind for kind in _KINDS if not os.path.exists(f"/proc/self/ns/{kind}"))
        return f"This system's kernel lacks namespaces of the kind: {missing or 'unknown (gVisor? WSL 1?)'}."
    if stage.endswith((" on /proc", " on /sys")):
        hidden = stage.split()[-1]
        return f"Masked paths: the container hides parts of {hidden}. Start it with {_OPTIONS}, or --privileged."
    if denied and status("Seccomp") == "2":
        return f"A seccomp filter forbids it, as containers have by default. Start it with {_OPTIONS}, or --privileged."
    if denied and read(f"{sysctl}/kernel/unprivileged_userns_clone") == "0":
        return "A setting forbids it. As administrator: sudo sysctl -w kernel.unprivileged_userns_clone=1"
    if denied and (apparmor or read(label).startswith("unprivileged_userns")):
        return (
            "AppArmor restricts user namespaces, as on Ubuntu 24.04. As administrator: "
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if denied and read(label).endswith("(enforce)"):
        return (
            f"The AppArmor profile {read(label)} forbids it. In a container, start it with {_OPTIONS}, or --privileged."
        )
    if stage == "uid_map":
        return "A root without the capability CAP_SETFCAP may not map its id. Run Jupyter as an ordinary user."
    if denied and not any(line.split()[4] == "/" for line in read("/proc/self/mountinfo").splitlines()):
        return "This runs in a chroot, where user namespaces are forbidden."
    if denied and read("/sys/fs/selinux/enforce") == "1":
        return "SELinux is enforcing. As administrator, see: ausearch -m avc -ts recent"
    return "The cause is not one the course knows. Please report the facts below."
