"""Missed revenue held against the truth: worlds that are run again with the liquidity that lacked."""
