"""What is answered to what never becomes a call of an action."""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """HTTP status, code and message."""

    MALFORMED = (400, "ParseRequestParameterException", "The request is not valid HTTP/1.1.")
    NOT_FOUND = (404, "InvalidAction.NotFound", "There is nothing here: the API is at /.")
    SLOW = (408, "RequestTimeout", "The request did not arrive in time.")
    BODY_TOO_LARGE = (413, "RequestBodyTooLarge", "The request's body is larger than this server takes.")
    URL_TOO_LONG = (414, "RequestUrlTooLong", "The request's URL is longer than this server takes.")
    HEADERS_TOO_LARGE = (431, "RequestHeadersTooLarge", "The request's headers are larger than this server takes.")
    TOO_MANY = (503, "ServiceUnavailableTemporary", "The server has too many connections. Try again later.")
    BUSY = (503, "ServiceUnavailableTemporary", "The server has too much to do. Try again later.")
    DRAINING = (503, "ServiceUnavailableTemporary", "The server is about to stop. Try again later.")

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
