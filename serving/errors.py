"""Errors that travel to the client: a canonical code, as gRPC names it, and a message."""

HTTP_STATUS = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""The HTTP status of each code, as TF Serving's REST interface answers (http_server.cc, `ToHTTPStatusCode`)."""


class ServingError(Exception):
    """A request, a configuration or a load that fails, with the code and the text that TF Serving gives.

    Args:
        code: Canonical code, such as `NOT_FOUND`; a key of `HTTP_STATUS`.
        message: What went wrong, for the client.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def invalid(message: str) -> ServingError:
    """Returns the most frequent error, INVALID_ARGUMENT, to be raised."""
    return ServingError("INVALID_ARGUMENT", message)
