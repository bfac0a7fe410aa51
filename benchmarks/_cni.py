"""Run on a node: give COUNT new namespaces a network with the reference CNI plugins, and print the seconds it took.

usage: _cni.py COUNT PLUGINS     the folder PLUGINS holds bridge, host-local and loopback

Each pod: ``ip netns add``, ADD of loopback, ADD of bridge, which asks host-local for the address.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

LOOPBACK = {"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}
BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
    "isDefaultGateway": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/22", "gateway": "10.0.0.1"}]]},
}


def add(plugins: str, network: Mapping[str, object], namespace: str, interface: str) -> None:
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": namespace,
        "CNI_NETNS": f"/run/netns/{namespace}",
        "CNI_IFNAME": interface,
        "CNI_PATH": plugins,
        "PATH": os.environ["PATH"],
    }
    program = f"{plugins}/{network['type']}"
    done = subprocess.run([program], input=json.dumps(network), env=environment, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{program}: {done.stdout}{done.stderr}")


def main(count: int, plugins: str) -> None:
    start = time.perf_counter()
    for number in range(count):
        namespace = f"cni-{number}"
        subprocess.run(["ip", "netns", "add", namespace], check=True)
        add(plugins, LOOPBACK, namespace, "lo")
        add(plugins, BRIDGE, namespace, "eth0")
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
