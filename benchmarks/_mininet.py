"""Run on a node by the Python that Mininet is installed for: COUNT hosts on one switch; print the seconds it took.

usage: _mininet.py COUNT

The switch is a Linux bridge, as the lab's; there is no controller to wait for.
"""

import sys
import time

import mininet.net
from mininet.log import setLogLevel
from mininet.nodelib import LinuxBridge


def main(count: int) -> None:
    mininet.net.fixLimits = lambda: None  # raises limits of the whole machine, which a sandbox may not
    setLogLevel("error")
    start = time.perf_counter()
    net = mininet.net.Mininet(switch=LinuxBridge, controller=None, ipBase="10.0.0.0/22")
    switch = net.addSwitch("s1")
    for number in range(count):
        host = net.addHost(f"h{number}", defaultRoute="via 10.0.0.1")
        net.addLink(host, switch)
    net.start()
    seconds = time.perf_counter() - start
    ports = sum(1 for interface in switch.intfList() if interface.link)
    if ports != count:
        sys.exit(f"the switch has {ports} ports")
    net.stop()
    print(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]))
