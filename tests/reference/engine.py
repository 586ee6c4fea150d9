"""An event simulator of objects on a heap, with the meaning of the compiled one and nothing of its make.

It is written from LND's source, a module for each part of it: `engine_network`,
`engine_htlcs`, `engine_receivers`, `engine_senders`. Delays and random links
are drawn by address, so that the two simulators meet the same world.
"""

from tests.reference.engine_records import Payment, Request
from tests.reference.engine_senders import EngineSenders


class Simulator(EngineSenders):
    """The whole simulator, as its callers use it."""

    def submit(self, request: Request) -> None:
        """Schedule a payment."""
        payment = Payment(len(self.payments), request)
        self.payments.append(payment)
        self._schedule(request.start_ns, "start", lambda: self._try(payment))
