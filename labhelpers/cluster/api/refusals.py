"""What an API server refuses besides what a store does."""

from __future__ import annotations

from typing import Any

from labhelpers.store import Gone, Refused

__all__ = [
    "ContinueExpired",
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


class ContinueExpired(Gone):
    """The first part of a list is too long ago for the rest of it to fit.

    Args:
        token: goes on with what is there now.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        super().__init__(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter, or use the continue token in this response to retrieve the remainder of "
            "the results. Continuing with the provided token results in an inconsistent list - objects that were "
            "created, modified, or deleted between the time the first chunk was returned and now may show up in the "
            "list."
        )

    def status(self) -> dict[str, Any]:
        """See ``Refused``."""
        return {**super().status(), "metadata": {"continue": self._token}}
