"""What the node has learned from its payments, and how it judges by it.

Source: LND `lnrpc/routerrpc/router_server.go`, `routing/missioncontrol.go`.
"""

from lightninglens.core.units import MSAT_PER_SAT, NS_PER_SECOND, Msat, UnixNs
from lightninglens.nodes.lnd.contract import routerrpc
from lightninglens.nodes.lnd.contract.services import Router
from lightninglens.nodes.lnd.server.area import Area
from lightninglens.nodes.lnd.server.calls import Behaviours
from lightninglens.nodes.lnd.server.graph import require_vertex_bytes
from lightninglens.nodes.lnd.server.refusals import Refusal
from lightninglens.nodes.lnd.server.routing import MOST_MSAT
from lightninglens.routing.state import APRIORI, BIMODAL, Estimator, check_estimator
from lightninglens.sim.engine import Engine
from lightninglens.sim.engine_routes import PairMemory
from lightninglens.sim.state import SenderKind

HISTORY = 1_000
"""Results that LND keeps in its database; here nothing is forgotten while a node runs."""


class MissionControl(Area):
    """The node's memory."""

    def behaviours(self) -> Behaviours:
        """Return what this area serves."""
        return {
            Router.QueryMissionControl.path: self.query,
            Router.ResetMissionControl.path: self.reset,
            Router.XImportMissionControl.path: self.import_history,
            Router.QueryProbability.path: self.query_probability,
            Router.GetMissionControlConfig.path: self.get_config,
            Router.SetMissionControlConfig.path: self.set_config,
        }

    async def query(self, _request: routerrpc.QueryMissionControlRequest) -> routerrpc.QueryMissionControlResponse:
        """QueryMissionControl: what is remembered of each pair."""

        def answer(engine: Engine) -> routerrpc.QueryMissionControlResponse:
            ids = engine.graph.node_ids
            return routerrpc.QueryMissionControlResponse(
                pairs=[
                    routerrpc.PairHistory(
                        node_from=bytes.fromhex(ids[pair.from_node]),
                        node_to=bytes.fromhex(ids[pair.to_node]),
                        history=self._data(pair),
                    )
                    for pair in engine.memory_of(self.node.row)
                ]
            )

        return await self.network.read(answer)

    def _data(self, pair: PairMemory) -> routerrpc.PairData:
        shown = self.network.times.shown
        data = routerrpc.PairData()
        if pair.fail_ns is not None:
            data.fail_time = shown(pair.fail_ns) // NS_PER_SECOND
            data.fail_amt_sat = pair.fail_msat // MSAT_PER_SAT
            data.fail_amt_msat = pair.fail_msat
        if pair.success_ns is not None:
            data.success_time = shown(pair.success_ns) // NS_PER_SECOND
            data.success_amt_sat = pair.success_msat // MSAT_PER_SAT
            data.success_amt_msat = pair.success_msat
        return data

    async def reset(self, _request: routerrpc.ResetMissionControlRequest) -> routerrpc.ResetMissionControlResponse:
        """ResetMissionControl."""
        await self.network.read(lambda engine: engine.forget(self.node.row))
        return routerrpc.ResetMissionControlResponse()

    async def import_history(
        self, request: routerrpc.XImportMissionControlRequest
    ) -> routerrpc.XImportMissionControlResponse:
        """XImportMissionControl; pairs of nodes that the graph does not have are of no use and left out."""
        if not request.pairs:
            raise Refusal("at least one pair required for import")
        pairs = [pair for history in request.pairs if (pair := self._pair(history)) is not None]

        def act(engine: Engine) -> None:
            engine.remember(self.node.row, pairs, estimator=self.node.estimator)

        await self.network.read(act)
        return routerrpc.XImportMissionControlResponse()

    def _pair(self, history: routerrpc.PairHistory) -> PairMemory | None:
        """Return what a client says of a pair; raises Refusal where it contradicts itself."""
        ends = (require_vertex_bytes(history.node_from), require_vertex_bytes(history.node_to))
        prefix = f"pair: {ends[0]} -> {ends[1]}:"
        if ends[0] == ends[1]:
            raise Refusal(f"{prefix} source and destination node must differ")
        data = history.history
        fail_msat = _amount(data.fail_amt_msat, data.fail_amt_sat, f"{prefix} invalid failure")
        success_msat = _amount(data.success_amt_msat, data.success_amt_sat, f"{prefix} invalid success")
        if fail_msat and not data.fail_time:
            raise Refusal(f"{prefix} invalid failure: non-zero timestamp required for non-zero amount")
        if success_msat and not data.success_time:
            raise Refusal(f"{prefix} invalid success: non-zero timestamp required for non-zero amount")
        if not fail_msat and not success_msat and not data.fail_time:
            raise Refusal(f"{prefix}: either success or failure result required")
        rows = [self.network.node_row(end) for end in ends]
        if rows[0] is None or rows[1] is None:
            return None
        return PairMemory(
            from_node=rows[0],
            to_node=rows[1],
            fail_ns=self._world_ns(data.fail_time),
            fail_msat=Msat(fail_msat),
            success_ns=self._world_ns(data.success_time),
            success_msat=Msat(success_msat),
        )

    def _world_ns(self, seconds: int) -> UnixNs | None:
        return self.network.times.in_world(seconds * NS_PER_SECOND) if seconds > 0 else None

    async def query_probability(self, request: routerrpc.QueryProbabilityRequest) -> routerrpc.QueryProbabilityResponse:
        """QueryProbability: how likely the node thinks it is that a pair carries an amount."""
        ends = [self.network.node_row(require_vertex_bytes(key)) for key in (request.from_node, request.to_node)]
        if not 0 <= request.amt_msat <= MOST_MSAT:
            raise Refusal("amount cannot be negative")
        start, end = ends
        if start is None or end is None:
            return routerrpc.QueryProbabilityResponse(history=routerrpc.PairData())

        def answer(engine: Engine) -> routerrpc.QueryProbabilityResponse:
            probability = engine.hop_probability(
                self.node.row, start, end, request.amt_msat, estimator=self.node.estimator
            )
            known = [pair for pair in engine.memory_of(self.node.row) if (pair.from_node, pair.to_node) == (start, end)]
            history = self._data(known[0]) if known else routerrpc.PairData()
            return routerrpc.QueryProbabilityResponse(probability=probability, history=history)

        return await self.network.read(answer)

    async def get_config(
        self, _request: routerrpc.GetMissionControlConfigRequest
    ) -> routerrpc.GetMissionControlConfigResponse:
        """GetMissionControlConfig."""
        estimator = self.node.estimator
        config = routerrpc.MissionControlConfig(
            maximum_payment_results=HISTORY,
            minimum_failure_relax_interval=estimator.min_failure_relax_ns // NS_PER_SECOND,
        )
        if estimator.kind == BIMODAL:
            config.model = routerrpc.MissionControlConfig.BIMODAL
            config.bimodal.node_weight = estimator.bimodal_node_weight
            config.bimodal.scale_msat = int(estimator.bimodal_scale_msat)
            config.bimodal.decay_time = int(estimator.bimodal_decay_ns) // NS_PER_SECOND
        else:
            config.model = routerrpc.MissionControlConfig.APRIORI
            config.apriori.half_life_seconds = int(estimator.half_life_ns) // NS_PER_SECOND
            config.apriori.hop_probability = estimator.hop_probability
            config.apriori.weight = estimator.apriori_weight
            config.apriori.capacity_fraction = estimator.capacity_fraction
        return routerrpc.GetMissionControlConfigResponse(config=config)

    async def set_config(
        self, request: routerrpc.SetMissionControlConfigRequest
    ) -> routerrpc.SetMissionControlConfigResponse:
        """SetMissionControlConfig: how the node judges what it sends from now on."""
        estimator = _estimator(self.node.estimator, request.config)
        try:
            check_estimator(estimator)
        except ValueError as problem:
            raise Refusal(str(problem)) from None
        self.node.estimator = estimator
        kind = SenderKind.LND_BIMODAL if estimator.kind == BIMODAL else SenderKind.LND
        await self.network.read(lambda engine: engine.set_senders([self.node.row], kind))
        return routerrpc.SetMissionControlConfigResponse()


def _amount(amount_msat: int, amount_sat: int, what: str) -> int:
    """Return an amount that is given in msat, in sat, or in both."""
    if amount_msat < 0 or amount_sat < 0 or amount_msat > MOST_MSAT:
        raise Refusal(f"{what}: amount cannot be negative")
    if amount_msat and amount_sat and amount_msat // MSAT_PER_SAT != amount_sat:
        raise Refusal(f"{what}: msat: {amount_msat} and sat: {amount_sat} values not equal")
    return amount_msat or amount_sat * MSAT_PER_SAT


def _estimator(old: Estimator, config: routerrpc.MissionControlConfig) -> Estimator:
    """Return an estimator as a client wants it; raises Refusal when the parameters are another one's."""
    relaxed = old._replace(min_failure_relax_ns=config.minimum_failure_relax_interval * NS_PER_SECOND)
    parameters = config.WhichOneof("EstimatorConfig")
    if config.model == routerrpc.MissionControlConfig.BIMODAL:
        if parameters != "bimodal":
            raise Refusal("bimodal estimator requested but corresponding config not set")
        return relaxed._replace(
            kind=BIMODAL,
            bimodal_node_weight=config.bimodal.node_weight,
            bimodal_scale_msat=float(config.bimodal.scale_msat),
            bimodal_decay_ns=float(config.bimodal.decay_time * NS_PER_SECOND),
        )
    if config.model != routerrpc.MissionControlConfig.APRIORI:
        raise Refusal(f"unknown estimator type {config.model}")
    if parameters == "bimodal":
        raise Refusal("bimodal config provided, but apriori model requested")
    apriori = config.apriori
    if parameters is None:
        return relaxed._replace(
            kind=APRIORI,
            half_life_ns=float(config.half_life_seconds * NS_PER_SECOND),
            hop_probability=float(config.hop_probability),
            apriori_weight=float(config.weight),
        )
    return relaxed._replace(
        kind=APRIORI,
        half_life_ns=float(apriori.half_life_seconds * NS_PER_SECOND),
        hop_probability=apriori.hop_probability,
        apriori_weight=apriori.weight,
        capacity_fraction=apriori.capacity_fraction,
    )
