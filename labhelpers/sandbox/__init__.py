"""A Jupyter kernel that lives in a world of its own: its own network, mounts, processes, host name, and users.

::

    front end ──pid──> supervisor ──> init (pid 1 inside) ──> the IPython kernel, or any other command

The supervisor opens the kernel's TCP ports where the front end is, and then moves into new namespaces.  A socket stays
in the namespace it was made in, so the front end connects as usual.  When any of the three ends, the Linux kernel takes
the rest away: processes, namespaces, mounts, devices.

This package stands alone: it imports nothing else of the course before it has moved, and little after.
"""
