"""What an API server refuses besides what a store does."""

from __future__ import annotations

from labhelpers.store import Refused

__all__ = [
    "Forbidden",
    "MethodNotAllowed",
    "NoSuchPath",
    "NotAcceptable",
    "TooLarge",
    "Unauthorized",
    "UnsupportedBody",
]


class Unauthorized(Refused):
    """The request has no token, or a wrong one."""

    code = 401
    reason = "Unauthorized"


class Forbidden(Refused):
    """Known who asks, and not allowed."""

    code = 403
    reason = "Forbidden"


class NoSuchPath(Refused):
    """The API has nothing at this path."""

    code = 404
    reason = "NotFound"


class MethodNotAllowed(Refused):
    """The path is there, and this cannot be done with it."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(Refused):
    """The client wants an answer in a form that is not spoken here."""

    code = 406
    reason = "NotAcceptable"


class TooLarge(Refused):
    """The body is larger than the API server reads."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedBody(Refused):
    """The body is in a form that is not spoken here."""

    code = 415
    reason = "UnsupportedMediaType"
