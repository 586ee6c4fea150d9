"""Routes: searching, building along given nodes, and what routing would cost.

Source: LND `lnrpc/routerrpc/router_backend.go`, `routing/router.go` (FindRoute, BuildRoute).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lightninglens.core.channels import ChannelPolicy
from lightninglens.core.htlc import HtlcOutcome
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.nodes.lnd.contract import lnrpc, routerrpc
from lightninglens.nodes.lnd.contract.services import Lightning, Router
from lightninglens.nodes.lnd.server.amounts import value_msat
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.graph import require_vertex, require_vertex_bytes
from lightninglens.nodes.lnd.server.messages import route_message
from lightninglens.nodes.lnd.server.payment_requests import read_request
from lightninglens.nodes.lnd.server.refusals import Refusal, invalid
from lightninglens.nodes.paying.invoices import DEFAULT_CLTV_BLOCKS
from lightninglens.nodes.paying.payments import PaidRoute
from lightninglens.nodes.paying.ways import paid_route, target_of
from lightninglens.routing.pathfinding import NoRoute, RouteQuery, default_fee_limit_msat
from lightninglens.sim.engine import Engine

MAX_TOTAL_BLOCKS = 2_016
_MAX_UINT32 = 2**32 - 1
MOST_MSAT = 2**62
"""More than this is no amount; LND's search finds nothing for it."""


class Routing(Area):
    """Routes through the network as the node knows it."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Lightning.QueryRoutes.path: self.query_routes,
            Router.BuildRoute.path: self.build_route,
            Router.EstimateRouteFee.path: self.estimate_route_fee,
        }

    async def query_routes(self, request: lnrpc.QueryRoutesRequest) -> lnrpc.QueryRoutesResponse:
        """QueryRoutes: the one route that would be tried, and how likely it works."""
        query = self._query(request)

        def answer(engine: Engine) -> lnrpc.QueryRoutesResponse:
            found = engine.find_route(query, estimator=self.node.estimator, from_memory=request.use_mission_control)
            if isinstance(found, NoRoute):
                raise Refusal(no_route_text(found))
            probability = found.probability if request.use_mission_control else 1.0
            route = paid_route(found, final_records=dict(request.dest_custom_records))
            return lnrpc.QueryRoutesResponse(routes=[route_message(route, engine.graph)], success_prob=probability)

        return await self.network.read(answer)

    def _query(self, request: lnrpc.QueryRoutesRequest) -> RouteQuery:
        """Return what is asked for; raises Refusal where LND does."""
        sender = self._source(request.source_pub_key)
        amount_msat = value_msat(request.amt, request.amt_msat)
        cltv = _cltv_limit(request.cltv_limit) if sender == self.node.row else request.cltv_limit or _MAX_UINT32
        if request.blinded_payment_paths:
            raise Refusal("blinded paths are not simulated")
        receiver = self._known(require_vertex(request.pub_key))
        final = request.final_cltv_delta or DEFAULT_CLTV_BLOCKS
        if cltv <= final:
            raise Refusal(f"cltv limit {cltv} should be greater than final cltv delta {final}")
        if not 1 <= amount_msat <= MOST_MSAT or receiver is None or not 0 < final <= MAX_TOTAL_BLOCKS:
            raise Refusal("unable to find a path to destination")
        outgoing = self._outgoing(request)
        ignored = [self.network.node_row(require_vertex_bytes(node)) for node in request.ignored_nodes]
        last = self.network.node_row(require_vertex_bytes(request.last_hop_pubkey)) if request.last_hop_pubkey else None
        if request.last_hop_pubkey and last is None:
            raise Refusal("unable to find a path to destination")
        return RouteQuery(
            sender=sender,
            receiver=receiver,
            amount_msat=amount_msat,
            fee_limit_msat=min(_fee_limit_msat(request, amount_msat), MOST_MSAT),
            final_cltv_blocks=final,
            cltv_limit_blocks=min(cltv, 2**30),
            outgoing_channels=outgoing,
            last_hop=last,
            ignored_pairs=self._ignored_pairs(request),
            ignored_nodes=tuple(node for node in ignored if node is not None),
            time_preference=time_preference(request.time_pref),
        )

    def _source(self, public_key: str) -> int:
        if not public_key:
            return self.node.row
        row = self._known(require_vertex(public_key))
        if row is None:
            raise Refusal("unable to find a path to destination")
        return row

    def _known(self, node_id: str) -> int | None:
        return self.network.node_row(node_id)

    def _outgoing(self, request: lnrpc.QueryRoutesRequest) -> tuple[int, ...]:
        wanted = list(request.outgoing_chan_ids)
        if not wanted and request.outgoing_chan_id and self.network.version.takes_one_outgoing_channel:
            wanted = [request.outgoing_chan_id]
        return outgoing_rows(self, wanted)

    def _ignored_pairs(self, request: lnrpc.QueryRoutesRequest) -> tuple[tuple[int, int], ...]:
        graph, found = self.network.graph, []
        for edge in request.ignored_edges:
            row = self.network.channels.row(edge.channel_id)
            if row is not None:
                ends = (int(graph.node1[row]), int(graph.node2[row]))
                found.append(ends[::-1] if edge.direction_reverse else ends)
        for pair in request.ignored_pairs:
            ends_of_pair = [
                self.network.node_row(require_vertex_bytes(end)) for end in (getattr(pair, "from"), pair.to)
            ]
            if None not in ends_of_pair:
                found.append((int(ends_of_pair[0] or 0), int(ends_of_pair[1] or 0)))
        return tuple(found)

    async def build_route(self, request: routerrpc.BuildRouteRequest) -> routerrpc.BuildRouteResponse:
        """BuildRoute: a route along given nodes, with what each asks; amount 0 is the least that it carries."""
        if not request.hop_pubkeys:
            raise invalid("no hops specified")
        if request.amt_msat < 0:
            raise Refusal("amount cannot be negative")
        hops = [self._known(require_vertex_bytes(key)) for key in request.hop_pubkeys]
        if len(request.payment_addr) not in (0, 32):
            raise Refusal("invalid payment address length")

        def answer(engine: Engine) -> routerrpc.BuildRouteResponse:
            nodes = [self.node.row, *(-1 if hop is None else hop for hop in hops)]
            builder = RouteBuilder(self, engine, nodes, request.outgoing_chan_id)
            route = builder.build(
                request.amt_msat, request.final_cltv_delta or DEFAULT_CLTV_BLOCKS, request.payment_addr
            )
            return routerrpc.BuildRouteResponse(route=route_message(route, engine.graph))

        return await self.network.read(answer)

    async def estimate_route_fee(self, request: routerrpc.RouteFeeRequest) -> routerrpc.RouteFeeResponse:
        """EstimateRouteFee: what the best route would cost, by the node's own view; nothing is sent."""
        if bool(request.dest) == bool(request.payment_request):
            raise Refusal("either a destination or a payment request is required, but not both")
        receiver: int | None
        if request.dest:
            receiver = self._known(require_vertex_bytes(request.dest))
            amount_msat, final = request.amt_sat * MSAT_PER_SAT, int(DEFAULT_CLTV_BLOCKS)
        else:
            invoice = read_request(request.payment_request)
            receiver = self._known(invoice.payee)
            amount_msat, final = int(invoice.amount_msat or 0), int(invoice.final_cltv_blocks)
        if amount_msat <= 0:
            raise Refusal("amount must be greater than 0")
        if receiver is None or amount_msat > MOST_MSAT:
            raise Refusal("unable to find a path to destination")
        query = RouteQuery(
            sender=self.node.row,
            receiver=receiver,
            amount_msat=amount_msat,
            fee_limit_msat=amount_msat + 100 * MSAT_PER_SAT * MSAT_PER_SAT,
            final_cltv_blocks=final,
        )

        def answer(engine: Engine) -> routerrpc.RouteFeeResponse:
            found = engine.find_route(query, estimator=self.node.estimator)
            if isinstance(found, NoRoute):
                raise Refusal(no_route_text(found))
            delay = found.hops[0].expiry_height - engine.block_height
            return routerrpc.RouteFeeResponse(routing_fee_msat=found.fee_msat, time_lock_delay=delay)

        return await self.network.read(answer)


def outgoing_rows(area: Area, channel_ids: Sequence[int]) -> tuple[int, ...]:
    """Return the rows of channels that a route may leave by; one that is not there lets nothing leave."""
    rows = [area.network.channels.row(channel_id) for channel_id in channel_ids]
    graph = area.network.graph
    own = [row for row in rows if row is not None and area.node.row in (int(graph.node1[row]), int(graph.node2[row]))]
    if channel_ids and not own:
        raise Refusal("unable to find a path to destination")
    return tuple(own)


def no_route_text(found: NoRoute) -> str:
    """Return LND's words for having no route."""
    if found.outcome is HtlcOutcome.INSUFFICIENT_BALANCE:
        return "insufficient local balance"
    return "unable to find a path to destination"


def time_preference(value: float) -> float:
    """Return a time preference; raises Refusal outside -1 to 1."""
    if not -1.0 <= value <= 1.0:
        raise Refusal("time preference out of range")
    return value


def _cltv_limit(limit: int) -> int:
    """Return a limit of the total time lock; raises Refusal for one above LND's own."""
    if limit > MAX_TOTAL_BLOCKS:
        raise Refusal(f"total time lock of {limit} exceeds max allowed {MAX_TOTAL_BLOCKS}")
    return limit or MAX_TOTAL_BLOCKS


cltv_limit = _cltv_limit


def _fee_limit_msat(request: lnrpc.QueryRoutesRequest, amount_msat: int) -> int:
    kind = request.fee_limit.WhichOneof("limit")
    if kind == "fixed":
        return max(request.fee_limit.fixed, 0) * MSAT_PER_SAT
    if kind == "fixed_msat":
        return max(request.fee_limit.fixed_msat, 0)
    if kind == "percent":
        return amount_msat * max(request.fee_limit.percent, 0) // 100
    return default_fee_limit_msat(amount_msat)


@dataclass(frozen=True, slots=True)
class RouteBuilder:
    """Puts a route together along given nodes, from the receiver back."""

    area: Area
    engine: Engine
    nodes: Sequence[int]
    outgoing_channel_id: int

    def build(self, amount_msat: int, final_blocks: int, payment_address: bytes) -> PaidRoute:
        """Return the route; raises Refusal when two nodes have no channel that carries the amount."""
        delivered_msat = amount_msat or self._least_msat()
        directions: list[int] = []
        amounts: list[int] = []
        expiries: list[int] = []
        amount, expiry = delivered_msat, self.engine.block_height + final_blocks
        for place in range(len(self.nodes) - 2, -1, -1):
            direction, policy = self._pick(place, amount)
            directions.append(direction)
            amounts.append(amount)
            expiries.append(expiry)
            if place:
                amount += self._fee_msat(place, policy, amount)
                expiry += policy.time_lock_delta_blocks
        return PaidRoute(
            directions=tuple(reversed(directions)),
            amounts_msat=tuple(reversed(amounts)),
            expiry_heights=tuple(reversed(expiries)),
            payment_address=payment_address,
            total_msat=delivered_msat if payment_address else 0,
        )

    def _fee_msat(self, place: int, policy: ChannelPolicy, amount: int) -> int:
        """Return what the node at `place` asks: its outbound fee, and the inbound one of the channel before."""
        outbound = policy.outbound_fee_msat(amount)
        before = [
            other
            for direction in self._directions(place - 1)
            if (other := self.engine.policy(direction ^ 1)) is not None
        ]
        inbound = max((other.inbound_fee_msat(amount + outbound) for other in before), default=0)
        return max(0, outbound + inbound)

    def _least_msat(self) -> int:
        """Return the least amount that every channel of the way takes."""
        least = 1
        for place in range(len(self.nodes) - 1):
            found = [
                policy.min_htlc_msat
                for direction in self._directions(place)
                if (policy := self.engine.policy(direction)) is not None
            ]
            least = max(least, min(found, default=1))
        return least

    def _directions(self, place: int) -> list[int]:
        """Return the directions from a node of the way to the next one, of which the first may be given."""
        sender, receiver = self.nodes[place], self.nodes[place + 1]
        graph = self.engine.graph
        found = [
            direction
            for direction in (self.engine.directions_of(sender) if sender >= 0 else [])
            if target_of(graph, direction) == receiver
        ]
        if place == 0 and self.outgoing_channel_id:
            found = [d for d in found if graph.channel_id(d // 2) == self.outgoing_channel_id]
        return found

    def _pick(self, place: int, amount: int) -> tuple[int, ChannelPolicy]:
        """Return the channel to the next node that takes an amount: of several the dearest, as for any of them."""
        usable = []
        for direction in self._directions(place):
            policy = self.engine.policy(direction)
            if policy is None or policy.disabled or not policy.min_htlc_msat <= amount <= policy.max_htlc_msat:
                continue
            usable.append((policy.outbound_fee_msat(amount), direction, policy))
        if not usable:
            what = "outgoing " if place == 0 else ""
            raise Refusal(f"no matching {what}channel available for node index {place}")
        if place == 0:
            spendable = self.engine.spendable_msat()
            _, direction, policy = max(usable, key=lambda one: int(spendable[one[1]]))
        else:
            _, direction, policy = max(usable, key=lambda one: one[0])
        return direction, policy
