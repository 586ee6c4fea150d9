"""How much of what was refused the incoming channels could have brought, compiled.

Plain-Python twin: tests/reference/serving.py.
"""

from typing import Any

from lightninglens.core.jit import kernel


@kernel
def serve(
    incoming: Any,
    outgoing: Any,
    amount_msat: Any,
    wanted_msat: Any,
    left_msat: Any,
    peer: Any,
    first: Any,
    excess_msat: Any,
    share: Any,
) -> None:
    """Serve in thought what was refused towards one peer, and write into `share` how much of each payment fits.

    Rows are refused payments of all peers, oldest first: peers that they came
    from and were to go to, amounts, the part of the amount that would have
    settled, and what could still have come by the incoming peer (-1 unknown).
    Peers are unsigned, as indices are quicker then. `first` is the first row
    towards `peer`. `excess_msat`, per peer and 0 at first, is what we hold on our
    side beyond what we held.

    What is served stays with us at the incoming peer, so that much less can come
    from there, and that much more can go back to it: refusals towards that peer
    are served from it. Where less than the excess was left, other traffic had used
    it up and would have failed at the peer instead.
    """
    for row in range(first, incoming.shape[0]):
        target = outgoing[row]
        if target != peer:
            held = excess_msat[target]
            if held > 0.0:
                given = min(held, wanted_msat[row])
                excess_msat[target] -= given
                excess_msat[incoming[row]] += given
            continue
        source = incoming[row]
        left = left_msat[row]
        if left < 0.0 or amount_msat[row] <= 0.0:
            share[row] = 1.0
            continue
        used = min(excess_msat[source], left)
        share[row] = min(1.0, (left - used) / amount_msat[row])
        excess_msat[source] = used + wanted_msat[row] * share[row]
