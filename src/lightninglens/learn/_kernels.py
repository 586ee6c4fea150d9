"""Replaying one channel's flows in isolation, compiled. Amounts above 0 leave the node, below 0 come in."""

from typing import Any

from lightninglens.core.jit import kernel


@kernel
def failing_msat(
    amounts_msat: Any, shifts: Any, starts_msat: Any, total_msat: Any, reserve_msat: Any, failing: Any
) -> None:
    """Fill `failing` with the volume that does not fit, for each local balance to start from.

    `shifts` marks what is no demand: it moves as far as there is money, and
    never fails.
    """
    for row in range(len(starts_msat)):
        local = starts_msat[row]
        lost = 0
        for index in range(len(amounts_msat)):
            amount = amounts_msat[index]
            if shifts[index]:
                local = min(max(local - amount, 0), total_msat)
            elif amount > 0:
                if local - amount >= reserve_msat:
                    local -= amount
                else:
                    lost += amount
            elif total_msat - local + amount >= reserve_msat:
                local -= amount
            else:
                lost -= amount
        failing[row] = lost


@kernel
def served_msat(
    amounts_msat: Any, shifts: Any, values_msat: Any, start_msat: Any, total_msat: Any, reserve_msat: Any
) -> Any:
    """Return the sum of the values of what fits, from one local balance on."""
    local = start_msat
    served = 0
    for index in range(len(amounts_msat)):
        amount = amounts_msat[index]
        if shifts[index]:
            local = min(max(local - amount, 0), total_msat)
        elif amount > 0:
            if local - amount >= reserve_msat:
                local -= amount
                served += values_msat[index]
        elif total_msat - local + amount >= reserve_msat:
            local -= amount
    return served
