"""How news of policies reaches the senders, compiled.

Everybody hears of a change after a delay of their own, or at once by a failure
that brings the policy along. A search sees the view as its sender knows it:
what this sender has heard of the directions in motion is written into the view
before the search, and taken out after it. So every bound of the search sees the
same policies as the search itself. Plain-Python twin: tests/reference/gossip.py.
"""

import math
from typing import Any

import numpy as np

from lightninglens.core.jit import kernel
from lightninglens.core.rng import Stream, standard_normal
from lightninglens.sim.gossip import FREE_VERSIONS, MOVING, SLOWEST_SIGMAS, TOLD
from lightninglens.sim.life import NOT_THERE

_GOSSIP_DELAY = int(Stream.GOSSIP_DELAY)
_EVERYBODY_KNOWS_NS = np.int64(-(2**62))
_NEVER_SENT_NS = np.int64(2**62)
_NUMBER_BITS = 24
_NODE_BITS = 32


@kernel
def write_policy(view: Any, columns: Any, row: Any, direction: Any) -> None:
    """Write one row of policies into the view as a direction's: its own edge, and the inbound part of the reverse."""
    reverse = view.position[direction ^ 1]
    if reverse >= 0:
        edge = view.edges[reverse]
        edge.inbound_base_fee_msat = np.int32(columns.inbound_base_fee_msat[row])
        edge.inbound_fee_rate_ppm = np.int32(columns.inbound_fee_rate_ppm[row])
    own = view.position[direction]
    if own >= 0:
        edge = view.edges[own]
        edge.base_fee_msat = columns.base_fee_msat[row]
        edge.fee_rate_ppm = columns.fee_rate_ppm[row]
        edge.time_lock_delta_blocks = np.uint16(columns.time_lock_delta_blocks[row])
        edge.min_htlc_msat = columns.min_htlc_msat[row]
        edge.max_htlc_msat = columns.max_htlc_msat[row]
        edge.disabled = np.uint8(columns.disabled[row])


@kernel
def is_announced(view: Any, direction: Any) -> Any:
    """Say whether everybody has heard of a direction."""
    row = view.position[direction]
    return row >= 0 and view.edges[row].disabled != NOT_THERE


@kernel
def _read_policy(view: Any, columns: Any, row: Any, direction: Any) -> None:
    """Write what the view says of a direction into a row of policies."""
    reverse = view.position[direction ^ 1]
    if reverse >= 0:
        edge = view.edges[reverse]
        columns.inbound_base_fee_msat[row] = edge.inbound_base_fee_msat
        columns.inbound_fee_rate_ppm[row] = edge.inbound_fee_rate_ppm
    own = view.position[direction]
    if own >= 0:
        edge = view.edges[own]
        columns.base_fee_msat[row] = edge.base_fee_msat
        columns.fee_rate_ppm[row] = edge.fee_rate_ppm
        columns.time_lock_delta_blocks[row] = edge.time_lock_delta_blocks
        columns.min_htlc_msat[row] = edge.min_htlc_msat
        columns.max_htlc_msat[row] = edge.max_htlc_msat
        columns.disabled[row] = edge.disabled


@kernel
def _copy_policy(enforced: Any, direction: Any, columns: Any, row: Any) -> None:
    columns.base_fee_msat[row] = enforced.base_fee_msat[direction]
    columns.fee_rate_ppm[row] = enforced.fee_rate_ppm[direction]
    columns.time_lock_delta_blocks[row] = enforced.time_lock_delta_blocks[direction]
    columns.min_htlc_msat[row] = enforced.min_htlc_msat[direction]
    columns.max_htlc_msat[row] = enforced.max_htlc_msat[direction]
    columns.inbound_base_fee_msat[row] = enforced.inbound_base_fee_msat[direction]
    columns.inbound_fee_rate_ppm[row] = enforced.inbound_fee_rate_ppm[direction]
    columns.disabled[row] = enforced.disabled[direction]


@kernel
def _take_row(news: Any, announced_ns: Any, number: Any, older: Any) -> Any:
    news.counters[FREE_VERSIONS] -= 1
    row = news.free[news.counters[FREE_VERSIONS]]
    version = news.versions[row]
    version.announced_ns = announced_ns
    version.number = np.int32(number)
    version.older = np.int32(older)
    return row


@kernel
def _give_back(news: Any, row: Any) -> None:
    news.free[news.counters[FREE_VERSIONS]] = row
    news.counters[FREE_VERSIONS] += 1


@kernel
def announce(news: Any, view: Any, enforced: Any, direction: Any, announced_ns: Any, now: Any) -> Any:
    """Let a direction's policy as enforced now set out at `announced_ns`; return when it does.

    What still waits to set out gives its place to this one: LND sends the
    newest of several updates that waited together. There must be room for two versions.
    """
    newest = news.newest[direction]
    if newest < 0:
        newest = _take_row(news, _EVERYBODY_KNOWS_NS, news.numbers[direction], -1)
        _read_policy(view, news.policies, newest, direction)
        news.place[direction] = np.int32(news.counters[MOVING])
        news.moving[news.counters[MOVING]] = direction
        news.counters[MOVING] += 1
    elif news.versions[newest].announced_ns > now:
        announced_ns = min(announced_ns, news.versions[newest].announced_ns)
        news.versions[newest].announced_ns = _NEVER_SENT_NS
    news.numbers[direction] += 1
    row = _take_row(news, announced_ns, news.numbers[direction], newest)
    _copy_policy(enforced, direction, news.policies, row)
    news.newest[direction] = row
    return announced_ns


@kernel
def hearing_delay_ns(seed: Any, median_ns: Any, sigma: Any, sender: Any, direction: Any, number: Any) -> Any:
    """Return how long a sender waits for change number `number` of a direction: log-normal, its tails cut off."""
    index = np.int64(direction) << _NUMBER_BITS | np.int64(number) & ((1 << _NUMBER_BITS) - 1)
    z = standard_normal(seed, sender, _GOSSIP_DELAY, index)
    return np.int64(median_ns * math.exp(sigma * min(max(z, -SLOWEST_SIGMAS), SLOWEST_SIGMAS)))


@kernel
def forget_old(news: Any, view: Any, direction: Any, heard_since_ns: Any) -> None:
    """Drop the versions before the newest that everybody has heard: one that set out at `heard_since_ns` or before."""
    if news.newest[direction] < 0:
        return
    known = news.newest[direction]
    while news.versions[known].announced_ns > heard_since_ns:
        known = news.versions[known].older
    write_policy(view, news.policies, known, direction)
    row = news.versions[known].older
    news.versions[known].older = np.int32(-1)
    while row >= 0:
        _give_back(news, row)
        row = news.versions[row].older
    news.versions[known].announced_ns = _EVERYBODY_KNOWS_NS
    if known == news.newest[direction]:
        _stop_motion(news, direction)


@kernel
def _stop_motion(news: Any, direction: Any) -> None:
    _give_back(news, news.newest[direction])
    news.newest[direction] = -1
    news.counters[MOVING] -= 1
    last, place = news.moving[news.counters[MOVING]], news.place[direction]
    news.moving[place] = last
    news.place[last] = place


@kernel
def _told_slot(news: Any, key: Any) -> Any:
    mask = np.uint64(news.told_key.shape[0] - 1)
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    slot = (mixed ^ (mixed >> np.uint64(29))) & mask
    while news.told_key[slot] != 0 and news.told_key[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def tell(news: Any, source: Any, parameters: Any, sender: Any, direction: Any, now: Any) -> None:
    """Let one sender know a direction's policy as it is enforced now, as a failure does.

    An update of a channel that the sender has not heard of is of no use to it.
    """
    if news.newest[direction] < 0:
        return
    known = _known_version(news, source, parameters, sender, direction, now)
    if news.policies.disabled[known] != NOT_THERE:
        _note(news, (np.int64(sender) << _NODE_BITS | np.int64(direction)) + 1, news.numbers[direction])


@kernel
def _note(news: Any, key: Any, number: Any) -> None:
    slot = _told_slot(news, key)
    if news.told_key[slot] == 0:
        news.told_key[slot] = key
        news.counters[TOLD] += 1
    news.told_number[slot] = number


@kernel
def keep_told(news: Any, former_key: Any, former_number: Any) -> None:
    """Enter what had been told of directions that are still in motion into an empty table."""
    for slot in range(former_key.shape[0]):
        key = former_key[slot]
        if key != 0 and news.newest[(key - 1) & 0xFFFFFFFF] >= 0:
            _note(news, key, former_number[slot])


@kernel
def _known_version(news: Any, source: Any, parameters: Any, sender: Any, direction: Any, now: Any) -> Any:
    """Return the row of the newest version of a direction that a sender knows."""
    seed, median_ns, sigma = parameters.seed, parameters.gossip_delay_median_ns, parameters.gossip_delay_sigma
    row = news.newest[direction]
    if source[direction] == sender:
        return row
    slot = _told_slot(news, (np.int64(sender) << _NODE_BITS | np.int64(direction)) + 1)
    told = news.told_number[slot] if news.told_key[slot] != 0 else np.int32(-1)
    soonest = np.int64(median_ns * math.exp(-sigma * SLOWEST_SIGMAS))
    while True:
        version = news.versions[row]
        if version.older < 0 or version.number <= told:
            return row
        waited = now - version.announced_ns
        if waited >= soonest and waited >= hearing_delay_ns(seed, median_ns, sigma, sender, direction, version.number):
            return row
        row = version.older


@kernel
def show_known(news: Any, view: Any, source: Any, parameters: Any, sender: Any, now: Any) -> None:
    """Write what a sender knows of the directions in motion into the view."""
    for place in range(news.counters[MOVING]):
        direction = news.moving[place]
        row = _known_version(news, source, parameters, sender, direction, now)
        if news.versions[row].older >= 0:
            write_policy(view, news.policies, row, direction)


@kernel
def show_common(news: Any, view: Any) -> None:
    """Write what everybody knows of the directions in motion back into the view."""
    for place in range(news.counters[MOVING]):
        direction = news.moving[place]
        row = news.newest[direction]
        while news.versions[row].older >= 0:
            row = news.versions[row].older
        write_policy(view, news.policies, row, direction)


@kernel
def drop_news(news: Any, direction: Any) -> None:
    """Forget what is under way of a direction that has ceased to be."""
    row = news.newest[direction]
    if row < 0:
        return
    older = news.versions[row].older
    _stop_motion(news, direction)
    while older >= 0:
        _give_back(news, older)
        older = news.versions[older].older
