"""The columns of ``kubectl get``: a real API server makes them too, and kubectl only aligns them."""

from __future__ import annotations

from labhelpers.cluster.api.printing.table import table

__all__ = ["table"]
