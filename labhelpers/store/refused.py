"""What a store refuses, in the words of the Kubernetes API: each error is also a ``Status`` with code and reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.errors import AlreadyExists, BadInput, LabError, NotFound

__all__ = ["BadRequest", "Conflict", "Gone", "Invalid", "ObjectExists", "ObjectNotFound", "Refused"]


class Refused(LabError):
    """The store or the API server said no.  ``what`` is the API's own message, as kubectl prints it."""

    code = 500
    reason = "InternalError"

    def __init__(self, what: str, to_do: str = "", *, details: Mapping[str, Any] | None = None) -> None:
        self.details = dict(details or {})
        super().__init__(what, to_do)

    def status(self) -> dict[str, Any]:
        """The ``Status`` object that says it."""
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.what,
            "reason": self.reason, "details": self.details,  # kubectl looks into them also where there are none
            "code": self.code,
        }  # fmt: skip


class ObjectNotFound(Refused, NotFound):
    """No object of this name."""

    code = 404
    reason = "NotFound"


class ObjectExists(Refused, AlreadyExists):
    """There is an object of this name already."""

    code = 409
    reason = "AlreadyExists"


class Conflict(Refused):
    """The object is not the one that was read: somebody wrote meanwhile.  Read it again and repeat."""

    code = 409
    reason = "Conflict"


class Gone(Refused):
    """A watch asked for changes that are no longer remembered.  List again and watch from there."""

    code = 410
    reason = "Expired"


class Invalid(Refused, BadInput):
    """The object breaks a rule of its kind."""

    code = 422
    reason = "Invalid"


class BadRequest(Refused, BadInput):
    """The question itself makes no sense, a selector for example."""

    code = 400
    reason = "BadRequest"
