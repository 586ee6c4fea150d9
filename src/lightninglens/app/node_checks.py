"""Does a node's adapter keep what its port promises? Asked by `lens doctor --node`, and by the contract tests.

Only questions: nothing is set, sent or opened.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from lightninglens.app.doctor import Finding
from lightninglens.core.channels import ANCHORS_SAT, ChannelState
from lightninglens.core.clock import Clock
from lightninglens.core.errors import ConfigError, LensError
from lightninglens.core.forwards import ForwardPage
from lightninglens.core.node import NodeInfo
from lightninglens.core.ports import NodeReader
from lightninglens.core.units import MSAT_PER_SAT, NS_PER_DAY
from lightninglens.nodes.lnd.client import LndOptions, LndReader, TransportChoice

LISTEN_S = 1.0
"""How long HTLC events are waited for; a quiet node has none, and that is no fault."""
HISTORY_DAYS = 30
DUST_SAT = 2_000
"""HTLCs too small for an output, and msat, are in a commitment's fee: the sum of a channel may differ by so much."""


_OPTIONS = {
    "network": "network",
    "grpc-host": "grpc_host",
    "rest-host": "rest_host",
    "tls-cert": "tls_cert",
    "macaroon": "macaroon",
    "transport": "transport",
}
_PATHS = ("tls-cert", "macaroon")


def parse_node(text: str) -> LndOptions:
    """Read `lnd:DIRECTORY?network=mainnet&grpc-host=localhost:10009`; raises ConfigError."""
    kind, separator, rest = text.partition(":")
    if kind != "lnd" or not separator:
        raise ConfigError(
            f"--node: {text[:80]!r} is no node that can be checked, for example lnd:~/.lnd?network=mainnet"
        )
    folder, _, query = rest.partition("?")
    given: dict[str, Any] = {"lnd_dir": Path(folder).expanduser() if folder else None}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise ConfigError(f"--node: {name!r} is none of {', '.join(_OPTIONS)}")
        given[_OPTIONS[name]] = Path(value) if name in _PATHS else value
    try:
        given["transport"] = TransportChoice(given.get("transport", TransportChoice.AUTO))
    except ValueError:
        raise ConfigError(f"--node: transport is one of {', '.join(TransportChoice)}") from None
    return LndOptions(**given)


async def examine_node(text: str, clock: Clock) -> list[Finding]:
    """Return what is found at a node, or why it cannot be looked at; raises ConfigError for a text that names none."""
    options = parse_node(text)
    try:
        async with LndReader.at(options, clock) as reader:
            findings = [each async for each in check_node(reader, clock.now_ns())]
            if reader.warning:
                advice = "make a narrower one with `lens node bake --role monitor`"
                findings.append(Finding(check="node macaroon", status="warn", detail=reader.warning, advice=advice))
            return findings
    except LensError as problem:
        return [Finding(check="node", status="fail", detail=str(problem))]


async def check_node(reader: NodeReader, now_ns: int) -> AsyncIterator[Finding]:
    """Yield one finding per promise of the reading port; the rest is left out when the node does not answer."""
    info = None
    try:
        info = await reader.info()
    except LensError as problem:
        yield Finding(check="node", status="fail", detail=str(problem), advice="the rest is not checked")
        return
    yield check_info(info)
    checks: tuple[tuple[str, Callable[[], Awaitable[Finding]]], ...] = (
        ("node channels", lambda: _channels(reader, info)),
        ("node graph", lambda: _graph(reader)),
        ("node history", lambda: _history(reader, now_ns)),
        ("node HTLC events", lambda: _events(reader)),
    )
    for name, check in checks:
        try:
            yield await check()
        except LensError as problem:
            yield Finding(check=name, status="fail", detail=str(problem))


def check_info(info: NodeInfo) -> Finding:
    """Check that the node is up to date."""
    shown = f"{info.alias or info.node_id[:12]} on {info.network or 'no network'}, {info.version or 'no version'}"
    if not info.synced_to_chain:
        detail = f"{shown}, is at block {info.block_height} and not synced to the chain"
        return Finding(check="node", status="fail", detail=detail, advice="wait, or look at its chain backend")
    lacks = "".join(f"; lacks {each}" for each in info.lacks)
    if not info.synced_to_graph:
        advice = "a node that has just started needs some minutes; fees of others may be old until then"
        return Finding(check="node", status="warn", detail=f"{shown}, is not synced to the graph{lacks}", advice=advice)
    return Finding(check="node", status="ok", detail=f"{shown}, synced at block {info.block_height}{lacks}")


async def _channels(reader: NodeReader, info: NodeInfo) -> Finding:
    channels = await reader.channels()
    problems = list(channel_problems(channels))
    if len(channels) != info.channel_count:
        problems.append(f"{len(channels)} are listed, and the node counts {info.channel_count}")
    if problems:
        return Finding(
            check="node channels", status="fail", detail="; ".join(problems[:5]), advice="please report this"
        )
    silent = sum(each.local_policy is None for each in channels)
    detail = f"{len(channels)} open, {sum(each.active for each in channels)} active"
    if silent:
        advice = "LND lost its own policy: setting it anew repairs the channel"
        return Finding(
            check="node channels", status="warn", detail=f"{detail}, {silent} without a policy", advice=advice
        )
    return Finding(check="node channels", status="ok", detail=detail)


def channel_problems(channels: Sequence[ChannelState]) -> list[str]:
    """Return what contradicts itself in channels: money that does not add up, more to be sent than a side has."""
    problems = []
    for each in channels:
        parts_msat = each.local_msat + each.remote_msat + each.unsettled_msat
        rest_sat = each.capacity_sat - parts_msat / MSAT_PER_SAT - each.commit_fee_sat
        if not -DUST_SAT <= rest_sat <= ANCHORS_SAT + DUST_SAT:
            problems.append(f"{each.channel_id}: its parts differ from its capacity by {rest_sat:,.0f} sat")
        if each.outbound_msat > each.local_msat or each.inbound_msat > each.remote_msat:
            problems.append(f"{each.channel_id}: more can be sent than a side has")
    if len({each.channel_id for each in channels}) != len(channels):
        problems.append("a channel is listed twice")
    return problems


async def _graph(reader: NodeReader) -> Finding:
    graph = await reader.graph()
    own = {each.channel_id for each in await reader.channels() if not each.private}
    known = {graph.channel_id(row) for row in range(graph.channel_count)}
    detail = f"{graph.node_count:,} nodes, {graph.channel_count:,} channels"
    if missing := own - known:
        detail = f"{detail}; {len(missing)} of our own public channels are not in it"
        return Finding(check="node graph", status="warn", detail=detail, advice="normal until six blocks after opening")
    return Finding(check="node graph", status="ok", detail=detail)


async def _history(reader: NodeReader, now_ns: int) -> Finding:
    since_ns = now_ns - HISTORY_DAYS * NS_PER_DAY
    pages = [page async for page in reader.forwarding_history(since_ns=since_ns, until_ns=now_ns)]
    problems = history_problems(pages)
    forwards = [each for page in pages for each in page.forwards]
    if problems:
        return Finding(check="node history", status="fail", detail="; ".join(problems), advice="please report this")
    fees_sat = sum(each.fee_msat for each in forwards) / MSAT_PER_SAT
    detail = f"{len(forwards):,} forwards in {HISTORY_DAYS} days, {fees_sat:,.0f} sat of fees"
    return Finding(check="node history", status="ok", detail=detail)


def history_problems(pages: Sequence[ForwardPage]) -> list[str]:
    """Return what is wrong with pages of forwards: order, doubles, holes in what they cover."""
    forwards = [each for page in pages for each in page.forwards]
    times = [each.settled_ns for each in forwards]
    checks = (
        (not pages, "there is no page, so nothing says what is covered"),
        (times != sorted(times), "the forwards are not oldest first"),
        (len(set(forwards)) != len(forwards), "a forward is there twice"),
        (
            any(before.covered_until_ns != after.covered_from_ns for before, after in itertools.pairwise(pages)),
            "a page does not begin where the one before it ends",
        ),
        (
            any(
                not page.covered_from_ns <= each.settled_ns < page.covered_until_ns
                for page in pages
                for each in page.forwards
            ),
            "a forward lies outside what its page covers",
        ),
    )
    return [text for wrong, text in checks if wrong]


async def _events(reader: NodeReader) -> Finding:
    seen = 0
    async with contextlib.aclosing(reader.htlc_events()) as events:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S):
                async for _ in events:
                    seen += 1
    return Finding(check="node HTLC events", status="ok", detail=f"{seen} in {LISTEN_S:.0f} s")
