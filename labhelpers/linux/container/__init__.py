"""Containers: processes in namespaces and with a root file system of their own.

``shim`` is what the kubelet holds: it starts pods' sandboxes, containers and programs in containers, and learns how
they end.  The work is done in a process of its own, ``server``, which is the parent of them all and writes what
containers say into their logs.  It has one thread, so that it may fork, and its children set up their own surroundings:
``birth`` says in which order, ``rootfs`` makes the file system, ``capabilities`` takes privileges away.
"""
