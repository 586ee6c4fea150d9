"""What LND itself answered, against the kernels and against their twins: every recorded case.

Integers, routes and kinds of failure are equal. Estimates agree to the last bit
of a number near 1, not below: LND adds up a node's results in the order of a Go
map, and Go's `math.Exp` and `math.Pow` and the C library's differ in the last
bit. The bimodal estimator enlarges that where it takes the difference of two
integrals that are nearly alike, most of all at the greatest scale it allows.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.reference import lnd
from tests.reference import mission_control as twin
from tests.reference import pathfinding as twin_search
from tests.reference.payment_session import request_route

from lightninglens.core.htlc import FailureCode, HtlcOutcome
from lightninglens.routing import NoRoute, PathFinder, Route, RouteQuery, _memory, _probability, _results
from lightninglens.routing.growth import make_room
from lightninglens.routing.memory import make_mission_control, remembered_results
from lightninglens.routing.pathfinding import BLOCK_PADDING
from lightninglens.routing.state import REPORT_PAIRS, Estimator, make_scratch

pytestmark = pytest.mark.kernel

ERRORS = {HtlcOutcome.NO_ROUTE: "no_route", HtlcOutcome.INSUFFICIENT_BALANCE: "insufficient_balance"}
TOLERANCE = {"apriori": 2.3e-16, "bimodal": 1e-15}
GREATEST_SCALE_MSAT, TOLERANCE_AT_GREATEST_SCALE = 250_000_000_000, 5e-14
NODES = 8
FORWARDER, SENDER = 6, 7


@pytest.mark.parametrize("name", ["apriori", "bimodal"])
def test_estimates(name: str) -> None:
    """Random results of a node's pairs, all ages, amounts around the capacity and around what is known."""
    recorded = lnd.recording(name)
    for case in recorded["cases"]:
        config = recorded["configs"][case["config"]]
        expected = case["probability"]
        if expected is None:
            expected = undefined(case, config)
        tolerance = TOLERANCE[name]
        if config.get("scale_msat") == GREATEST_SCALE_MSAT:
            tolerance = TOLERANCE_AT_GREATEST_SCALE
        for found in (kernel_estimate(case, lnd.estimator_of(config)), twin_estimate(case, config)):
            assert found == pytest.approx(expected, rel=0, abs=tolerance), case


def undefined(case: dict[str, Any], config: dict[str, Any]) -> float:
    """Return what stands for LND's 0/0: with no weight of its own, the prior counts where nothing else does."""
    assert config["apriori_weight"] == 0
    capacity = case["capacity_sat"] * 1_000
    return float(config["hop_probability"]) * twin.capacity_factor(
        case["amount_msat"], capacity, config["capacity_fraction"]
    )


def kernel_estimate(case: dict[str, Any], estimator: Estimator) -> float:
    """Return the kernels' answer."""
    memory = make_mission_control(NODES)
    node = SENDER if case["local"] else FORWARDER
    for to_node, *row in case["results"] or []:
        lnd.remember(memory, SENDER, node, to_node, row)
    scratch = make_scratch(NODES)
    scratch.counters[0] += 1
    scratch.tried["place"] = -1
    _probability.load_history(memory, scratch, SENDER)
    return float(
        _probability.pair_probability(
            _memory.remembered(memory),
            scratch.tried[node],
            scratch.ignored,
            estimator,
            node == SENDER,
            node,
            case["to"],
            case["amount_msat"],
            case["capacity_sat"] * 1_000,
            case["now_ns"],
        )
    )


def twin_estimate(case: dict[str, Any], config: dict[str, Any]) -> float:
    """Return the twin's answer."""
    estimator, now = lnd.twin_config(config), case["now_ns"]
    results = {to_node: lnd.timed(row) for to_node, *row in case["results"] or []}
    if case["local"]:
        return estimator.local_pair_probability(now, results, case["to"])
    return estimator.pair_probability(now, results, case["to"], case["amount_msat"], case["capacity_sat"] * 1_000)


def test_states() -> None:
    """Sequences of results, node failures and second chances, close together and far apart."""
    for sequence in lnd.recording("state"):
        memory = make_mission_control(NODES)
        estimator = Estimator(min_failure_relax_ns=sequence["min_failure_relax_ns"])
        state = twin.State(min_failure_relax_interval=sequence["min_failure_relax_ns"])
        for name, now, *values in sequence["operations"]:
            if name == "all_fail":
                _memory.fail_all_of_node(memory, SENDER, values[0], now)
                state.set_all_fail(values[0], now)
            elif name == "second_chance":
                low, high, granted = values
                assert bool(_memory.grant_second_chance(memory, estimator, SENDER, low, high, now)) == granted
                assert state.request_second_chance(now, (low, high)) == granted
            else:
                low, high, success, amount = values
                state.set_last_pair_result((low, high), now, twin.PairResult(success=success, amt=amount))
                if success:
                    _memory.record_success(memory, SENDER, low, high, amount, now)
                else:
                    _memory.record_failure(memory, estimator, SENDER, low, high, amount, now)
        expected = lnd.twin_state(sequence["pairs"]).last_pair_result
        assert {node: pairs for node, pairs in state.last_pair_result.items() if pairs} == expected
        kernel_memory = make_mission_control(NODES)
        for low, high, *row in sequence["pairs"]:
            lnd.remember(kernel_memory, SENDER, low, high, row)
        assert remembered_results(memory) == remembered_results(kernel_memory)


def test_interpretations() -> None:
    """Every failure code from every position of routes of one to five hops."""
    pairs = np.zeros((REPORT_PAIRS, 4), np.int64)
    for case in lnd.recording("interpretation"):
        nodes, amounts, code = case["nodes"], case["amounts_msat"], FailureCode(case["code"])
        hops, source = len(amounts), -1 if case["source"] is None else case["source"]
        over = code == FailureCode.NONE or case["final_reason"] is not None

        count, failed, ends = _results.interpret_result(
            pairs, np.array(nodes), np.array(amounts), hops, int(code), source
        )
        assert sorted(pairs[:count].tolist()) == case["pairs"], case
        assert (int(failed) if failed >= 0 else None) == case["failed_node"], case
        assert bool(ends) == over, case
        policy = bool(_results.is_policy_failure(int(code), source, hops))
        assert policy == (case["policy_failure"] is not None), case

        result = twin.Interpretation(nodes=nodes, amounts=amounts)
        result.process(code, source)
        rows = [[*pair, int(outcome.success), outcome.amt] for pair, outcome in result.pair_results.items()]
        assert sorted(rows) == case["pairs"], case
        assert result.node_failure == case["failed_node"], case
        assert result.final_reason == case["final_reason"], case
        assert result.policy_failure == (tuple(case["policy_failure"]) if case["policy_failure"] else None), case


def test_routes() -> None:
    """Every recorded search: the same channels, amounts, expiries and probability, or the same reason for none."""
    answers: Counter[str] = Counter()
    for network in lnd.recording("find_path"):
        graph = lnd.graph_of(network)
        for query in network["queries"]:
            answers[query["answer"].get("error", "found")] += 1
            finder = finder_for(graph, network, query)
            found = finder.find(query_of(query), now_ns=query["now_ns"])
            expected = query["answer"]
            assert answer_of(found) == (expected.get("error"), expected.get("hops")), query
            if isinstance(found, Route):
                assert found.probability == pytest.approx(expected["probability"], rel=1e-12)
    assert answers["found"] > 500
    assert answers["no_route"] > 100
    assert answers["insufficient_balance"] > 50


def test_routes_of_the_twin() -> None:
    """The same with the plain-Python search."""
    for network in lnd.recording("find_path"):
        graph = twin_search.Graph(lnd.graph_of(network))
        for query in network["queries"]:
            error, hops, probability = twin_answer(graph, network, query)
            expected = query["answer"]
            assert (error, hops) == (expected.get("error"), expected.get("hops")), query
            if hops is not None:
                assert probability == pytest.approx(expected["probability"], rel=1e-12)


def finder_for(graph: Any, network: dict[str, Any], query: dict[str, Any]) -> PathFinder:
    """Return a path finder with the query's settings and the sender's history."""
    estimator = lnd.estimator_of(network["estimator"])._replace(
        attempt_cost_msat=float(query["attempt_cost_msat"]),
        attempt_cost_ppm=query["attempt_cost_ppm"],
        min_probability=float(query["min_probability"]),
    )
    finder = PathFinder(graph, lnd.spendable_of(network), height=query["height"], estimator=estimator)
    if query["use_history"]:
        for low, high, *row in network["history"]:
            finder._memory = make_room(finder._memory)
            lnd.remember(finder._memory, query["sender"], low, high, row)
    return finder


def query_of(query: dict[str, Any]) -> RouteQuery:
    """Return a recorded query."""
    return RouteQuery(
        sender=query["sender"],
        receiver=query["receiver"],
        amount_msat=query["amount_msat"],
        fee_limit_msat=query["fee_limit_msat"],
        final_cltv_blocks=query["final_cltv_blocks"] - BLOCK_PADDING,
        cltv_limit_blocks=query["cltv_limit_blocks"],
        outgoing_channels=tuple(query["outgoing_channels"]),
        last_hop=query["last_hop"],
        ignored_pairs=tuple((low, high) for low, high in query["ignored_pairs"]),
        ignored_nodes=tuple(query["ignored_nodes"]),
        time_preference=query["time_preference"],
    )


def answer_of(found: Route | NoRoute) -> tuple[str | None, list[list[int]] | None]:
    """Return (error, hops) as they are recorded."""
    if isinstance(found, NoRoute):
        return ERRORS[found.outcome], None
    return None, [[hop.direction, hop.amount_msat, hop.expiry_height] for hop in found.hops]


def twin_answer(
    graph: twin_search.Graph, network: dict[str, Any], query: dict[str, Any]
) -> tuple[str | None, list[list[int]] | None, float]:
    """Return (error, hops, probability) of the plain-Python search."""
    state = lnd.twin_state(network["history"] if query["use_history"] else [])
    memory = twin.MissionControl(query["sender"], lnd.twin_config(network["estimator"]), state)
    ignored_pairs = {(low, high) for low, high in query["ignored_pairs"]}

    def probability(low: int, high: int, amount: int, capacity: int) -> float:
        if low in query["ignored_nodes"] or (low, high) in ignored_pairs:
            return 0.0
        return memory.probability(low, high, amount, capacity, query["now_ns"])

    own = {direction // 2: direction for direction in graph.outgoing_directions(query["sender"])}
    search = twin_search.Search(
        graph,
        twin_search.PathFindingConfig(
            query["attempt_cost_msat"], query["attempt_cost_ppm"], query["min_probability"], query["time_preference"]
        ),
        twin_search.Restrictions(
            probability=probability,
            fee_limit=query["fee_limit_msat"],
            cltv_limit=query["cltv_limit_blocks"],
            outgoing_directions=frozenset(own.get(channel, -1) for channel in query["outgoing_channels"]) or None,
            last_hop=query["last_hop"],
        ),
        lambda direction: network["spendable_msat"][direction],
        source=query["sender"],
        target=query["receiver"],
        amount=query["amount_msat"],
        height=query["height"],
        final_delta=query["final_cltv_blocks"],
    )
    try:
        path = search.run()
    except twin_search.NoPath:
        return "no_route", None, 0.0
    except twin_search.InsufficientBalance:
        return "insufficient_balance", None, 0.0
    hops = twin_search.new_route(path, query["amount_msat"], search.final_expiry)
    rows = [[hop.direction, hop.amount_msat, hop.expiry] for hop in hops]
    return None, rows, search.distance[query["sender"]].probability


class NoBalance(Exception):
    """The sender's channels together cannot carry what is left."""


def test_payments_in_parts() -> None:
    """Every recorded payment: the same parts by the same routes, with what each attempt taught."""
    parts: Counter[str] = Counter()
    for network in lnd.recording("payment_session"):
        graph = lnd.graph_of(network)
        for session in network["queries"]:
            replay_session(graph, network, session, parts)
    assert parts["part"] > 500
    assert parts["whole"] > 50
    assert parts["no_route"] > 30


def replay_session(graph: Any, network: dict[str, Any], session: dict[str, Any], parts: Counter[str]) -> None:
    """Ask for the same parts at the same times, and report the same ends of attempts."""
    spendable = lnd.spendable_of(network)
    finder = PathFinder(graph, spendable, height=session["height"], estimator=lnd.estimator_of(network["estimator"]))
    for step in session["steps"]:
        query = RouteQuery(
            sender=session["sender"],
            receiver=session["receiver"],
            amount_msat=step["max_amount_msat"],
            fee_limit_msat=step["fee_limit_msat"],
            final_cltv_blocks=session["final_cltv_blocks"],
            cltv_limit_blocks=session["cltv_limit_blocks"],
            time_preference=session["time_preference"],
        )
        error, found = ask(finder, query, session, step)
        expected = step["answer"]
        hops = None if found is None else answer_of(found)[1]
        assert (error, hops) == (expected.get("error"), expected.get("hops")), (session, step)
        if found is None:
            parts[str(error)] += 1
            continue
        parts["whole" if found.hops[-1].amount_msat == step["max_amount_msat"] else "part"] += 1
        if step["reported_code"] == FailureCode.NONE:
            finder._own.spendable_msat[found.hops[0].direction] -= found.hops[0].amount_msat
        else:
            code = FailureCode(step["reported_code"])
            finder.report(found, now_ns=step["now_ns"] + 10**9, code=code, reported_by=step["reported_by"])


def ask(
    finder: PathFinder, query: RouteQuery, session: dict[str, Any], step: dict[str, Any]
) -> tuple[str | None, Route | None]:
    """Return (error, route) of one call of RequestRoute."""

    def find(amount_msat: int) -> Route | None:
        found = finder.find(with_amount(query, amount_msat), now_ns=step["now_ns"])
        if isinstance(found, Route):
            return found
        if found.outcome == HtlcOutcome.INSUFFICIENT_BALANCE:
            raise NoBalance
        return None

    try:
        route = request_route(
            find,
            max_amount=step["max_amount_msat"],
            active_shards=step["active_shards"],
            max_parts=session["max_parts"],
            max_shard=session["max_shard_msat"],
        )
    except NoBalance:
        return "insufficient_balance", None
    return ("no_route", None) if route is None else (None, route)


def with_amount(query: RouteQuery, amount_msat: int) -> RouteQuery:
    """Return a query for another amount."""
    return replace(query, amount_msat=amount_msat)
