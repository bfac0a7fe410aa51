"""``python -m labhelpers.sandbox.cluster -f FILE``: the kernelspec ``pod-networking-cluster``, without a sandbox.

For the learner's own minikube or kind: kubectl needs the machine's real network.  Helpers that change the kernel
refuse.
"""

from __future__ import annotations

import os
import sys


def main(argv: list[str]) -> None:
    """Run an ordinary IPython kernel that says where it is."""
    os.environ["POD_NETWORKING_CLUSTER"] = "1"
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=argv)


if __name__ == "__main__":
    main(sys.argv[1:])
