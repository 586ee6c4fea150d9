"""The one error that routes raise, and the one shape that errors have."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """What is wrong, where, and what to do about it; for people."""

    what: str
    where: str
    what_to_do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """The body of every answer that is an error."""

    error: ErrorText


class Problem(Exception):
    """A request that cannot be served: what is wrong, where, and what to do."""

    def __init__(
        self, status: int, what: str, *, where: str, what_to_do: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.where = where
        self.what_to_do = what_to_do
        self.headers = headers
