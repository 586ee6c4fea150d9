"""Books of a node's channels as one writes them in tests, and any such books at all."""

from typing import Any

from hypothesis import strategies as st

from lightninglens.analytics.profit.books import Books, ChannelFacts, Tried
from lightninglens.core.costs import BalanceSum, CostKind, HourSum, OnChainCost, SelfPayment, SettledSum
from lightninglens.core.ids import ChannelId, NodeId
from lightninglens.core.units import NS_PER_DAY, NS_PER_HOUR, Msat, UnixNs

FROM_NS = 1_700_000_000 * 10**9 // NS_PER_HOUR * NS_PER_HOUR
FROM_HOUR = FROM_NS // NS_PER_HOUR
DAYS = 30
IDS = tuple(ChannelId.of(800_000, number, 0) for number in range(6))


def books(**given: Any) -> Books:
    """Return books of thirty days."""
    hours = tuple(
        HourSum(each.hour, each.forwards, each.amount_msat, each.fee_msat) for each in given.get("settled", ())
    )
    return Books(from_ns=FROM_NS, to_ns=FROM_NS + DAYS * NS_PER_DAY, hours=hours, **given)


def facts(number: int, **changed: Any) -> ChannelFacts:
    """Return a channel of a million sat; peers have two channels each."""
    given: dict[str, Any] = {"peer_id": f"peer{number // 2}", "capacity_sat": 1_000_000, "is_open": True}
    return ChannelFacts(**(given | changed))


def forwarded(incoming: int, outgoing: int, amount_msat: int, fee_msat: int, *, hour: int = 0) -> SettledSum:
    """Return one forward between two of the channels."""
    return SettledSum(FROM_HOUR + hour, IDS[incoming], IDS[outgoing], 1, amount_msat, fee_msat)


def rebalanced(outgoing: int, incoming: int, amount_msat: int, fee_msat: int, *, hour: int = 0) -> SelfPayment:
    """Return one rebalance between two of the channels."""
    return SelfPayment(
        payment_hash="ab" * 32,
        part=0,
        settled_ns=UnixNs(FROM_NS + hour * NS_PER_HOUR),
        outgoing_channel_id=IDS[outgoing],
        incoming_channel_id=IDS[incoming],
        amount_msat=Msat(amount_msat),
        fee_msat=Msat(fee_msat),
    )


def paid(kind: CostKind, channel: int, fee_msat: int | None, unknown: str = "") -> OnChainCost:
    """Return what opening or closing one of the channels cost."""
    return OnChainCost(
        kind=kind,
        channel_id=IDS[channel],
        channel_point="",
        peer_id=NodeId(""),
        transaction_id="",
        at_ns=UnixNs(FROM_NS),
        fee_msat=None if fee_msat is None else Msat(fee_msat),
        unknown=unknown,
    )


_CHANNEL = st.integers(0, len(IDS) - 1)
_AMOUNT = st.integers(1, 10**12)
_HOUR = st.integers(0, DAYS * 24 - 1)
any_books = st.builds(
    books,
    settled=st.lists(
        st.builds(forwarded, _CHANNEL, _CHANNEL, _AMOUNT, st.integers(-(10**6), 10**9), hour=_HOUR), max_size=20
    ).map(tuple),
    self_payments=st.lists(
        st.builds(rebalanced, _CHANNEL, _CHANNEL, _AMOUNT, st.integers(0, 10**8), hour=_HOUR), max_size=10
    ).map(tuple),
    on_chain=st.lists(
        st.one_of(
            st.builds(paid, st.sampled_from(CostKind), _CHANNEL, st.integers(0, 10**8)),
            st.builds(paid, st.sampled_from(CostKind), _CHANNEL, st.none(), st.just("nobody knows")),
        ),
        max_size=6,
    ).map(tuple),
    balances=st.lists(
        st.builds(
            lambda channel, hours, active, local: BalanceSum(IDS[channel], hours, min(active, hours), local * hours),
            _CHANNEL,
            st.integers(1, 720),
            st.integers(0, 720),
            st.integers(0, 10**9),
        ),
        max_size=6,
        unique_by=lambda each: each.channel_id,
    ).map(tuple),
    tried=st.dictionaries(
        st.sampled_from(IDS),
        st.builds(Tried, settled=st.integers(0, 1_000), failed=st.integers(0, 1_000)),
        max_size=6,
    ),
    channels=st.dictionaries(_CHANNEL, st.booleans()).map(
        lambda given: {IDS[number]: facts(number, is_open=is_open) for number, is_open in given.items()}
    ),
)
