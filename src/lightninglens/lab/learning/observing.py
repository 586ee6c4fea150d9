"""What a simulated world does, as observations to learn from."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.graph import NetworkGraph
from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.core.ids import NodeId
from lightninglens.core.observations import AttemptSeen, ChannelSeen, PaymentSeen
from lightninglens.core.units import Msat, Sat, UnixNs
from lightninglens.sim.records import FinishedPayments, Harvest, PaymentKind


class HarvestReader:
    """Turns what comes out of an engine into observations; keeps the attempts of payments that have not ended."""

    def __init__(self, graph: NetworkGraph) -> None:
        self._graph = graph
        self._node_ids = [NodeId(node_id) for node_id in graph.node_ids]
        self._channel_ids = [graph.channel_id(row) for row in range(graph.channel_count)]
        self._ends = np.stack([graph.node1, graph.node2], axis=1).tolist()
        self._attempts: dict[int, list[AttemptSeen]] = {}

    def payments(self, harvest: Harvest) -> Iterator[PaymentSeen]:
        """Yield the payments that ended, in that order."""
        self._remember_attempts(harvest)
        for row in range(len(harvest.payments.payment_id)):
            yield self._payment(harvest.payments, row)

    def channels(self, time_ns: int, local_msat: NDArray[np.int64]) -> Iterator[ChannelSeen]:
        """Yield all channels; `local_msat` is by direction, as `Engine.local_msat` has it."""
        locals_msat = local_msat.reshape(-1, 2).tolist()
        capacities_sat = self._graph.capacity_sat.tolist()
        for row, (node1, node2) in enumerate(self._ends):
            yield ChannelSeen(
                seen_ns=UnixNs(time_ns),
                channel_id=self._channel_ids[row],
                node1_id=self._node_ids[node1],
                node2_id=self._node_ids[node2],
                capacity_sat=Sat(capacities_sat[row]),
                node1_local_msat=Msat(locals_msat[row][0]),
                node2_local_msat=Msat(locals_msat[row][1]),
            )

    def _remember_attempts(self, harvest: Harvest) -> None:
        start = 0
        for row in harvest.attempts:
            end = start + int(row["hops"])
            route = harvest.routes[start:end].tolist()
            amounts_msat = harvest.route_amounts_msat[start:end].tolist()
            self._attempts.setdefault(int(row["payment_id"]), []).append(self._attempt(row, route, amounts_msat))
            start = end

    def _attempt(self, row: NDArray[np.void], route: list[int], amounts_msat: list[int]) -> AttemptSeen:
        code, failed_direction = FailureCode(int(row["code"])), int(row["failed_direction"])
        rows = [self._ends[route[0] // 2][route[0] % 2]] if route else []
        rows += [self._ends[direction // 2][1 - direction % 2] for direction in route]
        return AttemptSeen(
            started_ns=UnixNs(int(row["start_ns"])),
            ended_ns=UnixNs(int(row["end_ns"])),
            channel_ids=tuple(self._channel_ids[direction // 2] for direction in route),
            node_ids=tuple(self._node_ids[node] for node in rows),
            hop_amounts_msat=tuple(Msat(amount) for amount in amounts_msat),
            failed_hop=route.index(failed_direction) if failed_direction in route else None,
            settled=code is FailureCode.NONE,
            code=code,
        )

    def _payment(self, payments: FinishedPayments, row: int) -> PaymentSeen:
        payment_id = int(payments.payment_id[row])
        succeeded = int(payments.outcome[row]) == HtlcOutcome.SUCCEEDED
        return PaymentSeen(
            payment_id=str(payment_id),
            kind="rebalance" if payments.kind[row] == PaymentKind.REBALANCE else "payment",
            started_ns=UnixNs(int(payments.start_ns[row])),
            ended_ns=UnixNs(int(payments.end_ns[row])),
            sender_id=self._node_ids[payments.sender[row]],
            receiver_id=self._node_ids[payments.receiver[row]],
            amount_msat=Msat(int(payments.amount_msat[row])),
            fee_msat=Msat(int(payments.fee_msat[row])) if succeeded else None,
            succeeded=succeeded,
            attempts=tuple(self._attempts.pop(payment_id, ())),
        )
