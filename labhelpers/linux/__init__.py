"""The only layer that talks to the Linux kernel's network.

It raises and never prints.  Each module is one concept of the kernel: ``link``, ``veth``, ``bridge``, ``address``,
``route``, ``neighbour``, ``fdb``, ``rule``, ``sysctl``, ``nft``, ``packet``, ``process``.  A change is a netlink
message together with the shell command that does the same; ``changes`` collects and sends them, ``namespace`` says
where.
"""
