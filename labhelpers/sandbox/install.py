"""``python -m labhelpers.sandbox.install``: register the two kernels with Jupyter."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["KERNELS", "main"]

#: name, what front ends call it, the module it runs
KERNELS = (
    ("pod-networking", "Pod networking (sandbox)", "labhelpers.sandbox"),
    ("pod-networking-cluster", "Pod networking (your cluster)", "labhelpers.sandbox.cluster"),
)


def main(argv: list[str] | None = None) -> None:
    """Write both kernelspecs: for this environment, for the user, or below a prefix."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpecManager

    parser = argparse.ArgumentParser(description="Register the kernels of the course with Jupyter.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--sys-prefix", action="store_true", help=f"for this environment, {sys.prefix}")
    where.add_argument("--user", action="store_true", help="for you, whatever the environment")
    where.add_argument("--prefix", help="below this folder")
    options = parser.parse_args(argv)
    for name, display_name, module in KERNELS:
        # what else this ipykernel says of itself: it has a debugger, it can encrypt
        spec = {
            **get_kernel_dict(),
            "argv": [sys.executable, "-m", module, "-f", "{connection_file}"],
            "display_name": display_name,
        }
        with TemporaryDirectory() as folder:
            file = Path(folder, "kernel.json")
            file.write_text(json.dumps(spec, indent=1) + "\n")
            Path(folder).chmod(0o755)  # both are copied with their modes, and others may use this environment too
            file.chmod(0o644)
            target = KernelSpecManager().install_kernel_spec(
                folder, name, user=options.user, prefix=sys.prefix if options.sys_prefix else options.prefix
            )
        print(f"{display_name}: {target}")


if __name__ == "__main__":
    main()
