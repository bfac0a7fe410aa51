"""Kernel settings below ``/proc/sys/net``, which belong to a namespace (Documentation/networking/ip-sysctl.rst)."""

from __future__ import annotations

from pathlib import Path

from labhelpers.errors import BadInput, NeedsPrivilege, NotFound
from labhelpers.linux.inside import require_sandbox

__all__ = ["path_of", "read", "write"]


def path_of(name: str) -> Path:
    """The file of a setting: ``net.ipv4.ip_forward`` is ``/proc/sys/net/ipv4/ip_forward``.

    As with ``sysctl``, a name with a dot in a part is written with slashes: ``net/ipv4/conf/eth0.5/rp_filter``.
    """
    parts = name.split("/" if "/" in name else ".") if isinstance(name, str) else []
    if len(parts) < 3 or parts[0] != "net" or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise BadInput(f"{name!r} is not a network setting.", "Write it like 'net.ipv4.ip_forward'.")
    return Path("/proc/sys", *parts)


def read(name: str) -> str:
    """Read a setting of the calling thread's namespace.  Shell: ``sysctl -n NAME``."""
    try:
        return path_of(name).read_text().strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise _missing(name) from None
    except OSError as error:  # one that can only be written, or has no value yet
        raise BadInput(f"{name} cannot be read: {_words(error)}.", "See `sysctl -a` for those that can.") from None


def write(name: str, value: object) -> None:
    """Change a setting of the calling thread's namespace.  Shell: ``sysctl -qw NAME=VALUE``.

    Raises:
        NotInSandbox, NotFound, NeedsPrivilege, BadInput.
    """
    require_sandbox()
    try:
        path_of(name).write_text(f"{value}\n")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise _missing(name) from None
    except PermissionError:
        raise NeedsPrivilege(f"{name} cannot be changed here.", "It is not a setting of one namespace.") from None
    except OSError as error:
        raise BadInput(
            f"The kernel does not take {value!r} for {name}: {_words(error)}.", "See `sysctl` for its values."
        ) from None


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _missing(name: str) -> NotFound:
    return NotFound(f"This kernel has no setting {name!r} in this namespace.", "List them with `sysctl -a`.")
