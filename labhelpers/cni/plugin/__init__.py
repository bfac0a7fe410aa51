"""What a CNI plugin is made of: the protocol, delegation to an IPAM plugin, and the course's own plugins.

A runtime starts a plugin anew for each call, so the price of a call is mostly the price of starting Python.  The
modules here, and those of ``labhelpers.linux`` that they use, import little: no ``json``, ``re``, ``typing``,
``dataclasses`` or ``subprocess``.  A test keeps it so.
"""
