"""How likely what was refused would have come by us, had we served it.

What settles may settle by another way: the sender has found one, the peer that it
would have come from has no more to send, or other payments have used it up. An
operator sees none of that. So what is learnt from simulated worlds, in which the
truth is known, is put on top of what the node's own history says.
"""

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.units import MSAT_PER_SAT

# Fitted with `lens lab missed`, seeds 101 to 140 and 201 to 257; the table of the documentation is of others.
LEVEL = 0.35
OF_SHARE = 0.92
OF_CHANNEL_SHARE = 1.85
OF_CHANNEL_AMOUNT = -1.07
OF_CHANNEL_PARTS = 2.70
_AMOUNT_SAT = 1_000


def chance_by_us(
    channel: NDArray[np.int64],
    amount_msat: NDArray[np.int64],
    share: NDArray[np.float64],
    came_back: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return, per refused payment that would settle, the probability that it would have done so by us.

    The more, the more of it the incoming side could bring (`share`, its own and the
    channel's mean), and the smaller the channel's refused payments are. Where parts
    went on by us and came back for want of the others (`came_back`), senders had no
    other way.
    """
    log_amount = np.log10(np.maximum(amount_msat, 1) / (_AMOUNT_SAT * MSAT_PER_SAT))
    level = (
        LEVEL
        + OF_SHARE * share
        + OF_CHANNEL_SHARE * _means(channel, share)
        + OF_CHANNEL_AMOUNT * _means(channel, log_amount)
        + OF_CHANNEL_PARTS * _means(channel, came_back.astype(np.float64))
    )
    return np.asarray(1 / (1 + np.exp(-level)))


def _means(channel: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, per row, the mean over its channel's rows."""
    counts = np.maximum(np.bincount(channel), 1)
    return np.asarray((np.bincount(channel, weights=values) / counts)[channel])
