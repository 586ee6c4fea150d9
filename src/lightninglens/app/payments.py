"""The log of payments that can be searched: written in batches, read on demand, in a thread of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import orjson

from lightninglens.app.bus import Bus
from lightninglens.app.events import Alert, Payment
from lightninglens.core.errors import LensError
from lightninglens.storage.payments import FoundPayments, LoggedPayment, PaymentLog, PaymentQuery

BATCH = 1_000
FLUSH_S = 1.0

_Result = TypeVar("_Result")


class SearchablePayments:
    """Takes payments as they end; a search first writes what is waiting, so that it finds the newest too."""

    def __init__(self, log: PaymentLog, bus: Bus) -> None:
        self._log = log
        self._bus = bus
        self._waiting: list[Payment] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="payments")
        self.problem = ""
        """Why the log is no longer written, if so; what it holds can still be searched."""

    def take(self, payments: tuple[Payment, ...]) -> None:
        """Remember payments that have ended."""
        if not self.problem:
            self._waiting.extend(payments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._thread.shutdown(wait=True)  # what waits is not written: the file is for the running world only

    async def write_each_second(self) -> None:
        """Write what was taken, until it is cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self._flush()

    async def find(self, query: PaymentQuery) -> FoundPayments:
        """Return the payments that fit; raises LensError when they cannot be read."""
        await self._flush()
        return await self._in_thread(lambda: self._log.find(query))

    async def _flush(self) -> None:
        while self._waiting and not self.problem:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._in_thread(lambda: self._log.append([_logged(payment) for payment in batch]))  # noqa: B023
            except LensError as problem:
                self.problem = str(problem)
                self._waiting.clear()
                alert = Alert(
                    level="error", source="payments", text=self.problem, state="raised", alert_id="payments-not-logged"
                )
                self._bus.publish(alert)

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _logged(payment: Payment) -> LoggedPayment:
    tried = {channel: None for attempt in payment.attempt_log for channel in attempt.route_channel_ids}
    words = (
        payment.sender_name,
        payment.receiver_name,
        payment.description,
        payment.kind,
        payment.sender_id,
        payment.receiver_id,
        str(payment.payment_id),
        *tried,
    )
    return LoggedPayment(
        payment_id=payment.payment_id,
        ended_ms=payment.started_ms + payment.duration_ms,
        kind=payment.kind,
        succeeded=payment.succeeded,
        outcome=payment.outcome,
        channels=f" {' '.join(tried)} ",
        words="\n".join(words).casefold(),
        body=orjson.dumps(payment),
    )
