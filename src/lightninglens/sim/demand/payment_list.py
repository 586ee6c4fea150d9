"""Demand that is not drawn: a list of payments, and what a scenario says of demand that it does not hold."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.records import STRICT
from lightninglens.sim.demand.intents import Intents


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentListFile:
    """A demand that is a file of payments, named by its content so that it cannot change unnoticed."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["payment-list"] = "payment-list"
    file: str
    """Its name, for people."""
    sha256: str
    """Of its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugIn:
    """A demand that a program brought: a run with it can be repeated by that program only."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    kind: Literal["plug-in"] = "plug-in"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaymentList:
    """Payments as they were listed, by time; `payments.start_ns` counts from the beginning of the world."""

    payments: Intents
    descriptions: tuple[str, ...]

    @property
    def payments_in_all(self) -> int | None:
        """The length of the list."""
        return len(self.payments.start_ns)

    def intents(self, graph: NetworkGraph, *, seed: int, start_ns: int, end_ns: int, origin_ns: int) -> Intents:  # noqa: ARG002 - a list has no seed
        """Return the payments of a window; see `Demand`."""
        first, last = np.searchsorted(self.payments.start_ns, [start_ns - origin_ns, end_ns - origin_ns])
        found = Intents._make(column[first:last] for column in self.payments)
        return found._replace(start_ns=found.start_ns + origin_ns)
