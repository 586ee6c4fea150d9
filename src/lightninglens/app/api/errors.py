"""The one error that routes raise."""

from collections.abc import Mapping


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
