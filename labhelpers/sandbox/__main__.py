"""``python -m labhelpers.sandbox -f CONNECTION_FILE``: the command of the kernelspec ``pod-networking``."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from typing import Any

from labhelpers.sandbox.frontend import FrontEnd
from labhelpers.sandbox.launch import launch
from labhelpers.sandbox.ports import hand_to_zmq, open_ports, socket_files

_CONNECTION_FILE = re.compile(r"\0(?:-f|--f|--connection-file|--IPKernelApp\.connection_file)[=\0]([^\0]+)")


def main(argv: list[str]) -> None:
    """Open the ports, move into the sandbox, run the kernel there."""
    found = _CONNECTION_FILE.search("\0" + "\0".join(argv))
    if not found:
        sys.exit("usage: python -m labhelpers.sandbox -f CONNECTION_FILE")
    connection_file = found[1].strip('"')
    connection = _read(connection_file)
    fds = open_ports(connection)

    def inside(refusal: str) -> None:
        hand_to_zmq(fds)
        # The supervisor watches the front end.  ipykernel reads this when it is imported; 1 turns its own watch off.
        os.environ["JPY_PARENT_PID"] = "1"
        gc.disable()  # nothing that is imported is garbage; looking for it takes longer than all the mounts
        from labhelpers.sandbox.kernel import run_kernel

        run_kernel(argv, refusal)

    # Without JPY_PARENT_PID nobody told us that the front end waits for us, and it may be free to end.
    announced = os.environ.get("JPY_PARENT_PID", "")
    watched = announced.isdigit() and int(announced) > 1
    leftovers = [connection_file, *socket_files(connection)]
    launch(inside, front_end=FrontEnd(int(announced), leftovers) if watched else None, files=list(fds.values()))


def _read(connection_file: str) -> dict[str, Any]:
    try:
        with open(connection_file) as file:
            connection = json.load(file)
        if not isinstance(connection, dict):
            raise ValueError("it holds no JSON object")
        return connection
    except (OSError, ValueError) as error:
        sys.exit(f"The connection file {connection_file} cannot be read: {error}. Start the kernel from a front end.")


if __name__ == "__main__":
    main(sys.argv[1:])
