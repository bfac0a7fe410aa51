"""Snapshots made by hand, for tests of what reads them and needs no kernel."""
