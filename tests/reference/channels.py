"""One channel as LND's commitment logic sees it: objects and the steps of the Go code.

Source: LND `lnwallet/channel.go` (availableCommitmentBalance, applyCommitFee,
CalcFeeBuffer, HtlcIsDust) for channels with zero-fee anchors, where second-level
transactions pay nothing, so that dust is what is below the dust limit.
"""

from dataclasses import dataclass, field

ANCHORS_MSAT = 660_000
COMMIT_WEIGHT = 1124
HTLC_WEIGHT = 172
DUST_LIMIT_SAT = 354
MAX_HTLCS = 483


@dataclass
class Htlc:
    """Money under way from `side` to the other."""

    side: int
    amount_msat: int
    htlc_id: int

    @property
    def is_dust(self) -> bool:
        """Whether it gets no output of its own."""
        return self.amount_msat // 1000 < DUST_LIMIT_SAT


@dataclass
class Channel:
    """Balances are gross: the opener's includes what the commitment transaction costs."""

    capacity_msat: int
    opener: int
    balance_msat: list[int]
    feerate_per_kw: int
    htlcs: list[Htlc] = field(default_factory=list)
    next_id: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def reserve_msat(self) -> int:
        """One per cent of the capacity, but no dust."""
        return max(self.capacity_msat // 1000 // 100, DUST_LIMIT_SAT) * 1000

    def _fee_msat(self, feerate: int, weight: int) -> int:
        return feerate * weight // 1000 * 1000

    @property
    def _commit_weight(self) -> int:
        return COMMIT_WEIGHT + HTLC_WEIGHT * sum(not htlc.is_dust for htlc in self.htlcs)

    def _net(self, side: int) -> int:
        """What the commitment transaction has for a side before the fee, and what is above its reserve."""
        balance = self.balance_msat[side] - (ANCHORS_MSAT if side == self.opener else 0)
        return balance - self.reserve_msat if balance >= self.reserve_msat else 0

    def available(self, side: int) -> int:
        """`AvailableBalance` with the fee buffer: what `side` may send now."""
        ours = self._net(side)
        if side == self.opener:
            future_weight = self._commit_weight + HTLC_WEIGHT
            buffer = self._fee_msat(2 * self.feerate_per_kw, future_weight + HTLC_WEIGHT)
            return ours - buffer if buffer < ours else 0
        commit_fee = self._fee_msat(self.feerate_per_kw, self._commit_weight)
        additional = self._fee_msat(self.feerate_per_kw, HTLC_WEIGHT)
        non_dust = DUST_LIMIT_SAT * 1000
        if self._net(1 - side) < commit_fee + additional and ours >= non_dust:
            return non_dust - 1
        return ours

    def pending(self, side: int) -> int:
        """How many HTLCs `side` has offered."""
        return sum(htlc.side == side for htlc in self.htlcs)

    def pending_msat(self, side: int) -> int:
        """What `side` has under way."""
        return sum(htlc.amount_msat for htlc in self.htlcs if htlc.side == side)

    def add(self, side: int, amount_msat: int) -> Htlc:
        """Lock an amount."""
        htlc = Htlc(side, amount_msat, self.next_id[side])
        self.next_id[side] += 1
        self.balance_msat[side] -= amount_msat
        self.htlcs.append(htlc)
        return htlc

    def resolve(self, htlc: Htlc, *, settled: bool) -> None:
        """Give the amount to the other side, or back."""
        self.htlcs.remove(htlc)
        self.balance_msat[1 - htlc.side if settled else htlc.side] += htlc.amount_msat
