"""Figures of others, as they were published, with their sources."""

from typing import Final

MAX_FLOW_SOURCE: Final = (
    "Published: R. Pickhardt, github.com/renepickhardt/Lightning-Network-Limitations, likelihood-of-payment-possability"
    " (snapshot of April 2022), and the run of the same notebook on a snapshot of February 2024 told on"
    " stacker.news/items/412708."
)
MAX_FLOW_AMOUNTS_SAT: Final = (1_000, 10_000, 100_000, 1_000_000)
MAX_FLOW_FULL: Final = {"2022": (97.14, 84.94, 33.87, 11.78), "2024": (88.06, 77.62, 40.85, 12.29)}
"""P(max-flow >= amount) in per cent, between random nodes of the whole network."""
MAX_FLOW_PROFESSIONAL: Final = {"2022": (99.96, 99.70, 97.46, 89.32), "2024": (99.99, 99.99, 99.98, 99.87)}
"""The same within the nodes that had a score of a list that is not public any more."""
MAX_FLOW_SAMPLES: Final = 10_000
"""Of the snapshot of 2022; not told for the other."""

SUCCESS_SOURCE: Final = (
    "Published: C. Ndolo and F. Tschorsch, github.com/tud-dud/lightning-mpp-simulator, the medians in"
    " docs/assets/success_rate.html; snapshot, seeds and spread are not told there."
)
SUCCESS_AMOUNTS_SAT: Final = (
    100,
    500,
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
)
SUCCESS: Final = {
    ("fee", "single"): (98.88, 98.27, 97.17, 86.97, 76.77, 44.39, 31.88, 8.70, 4.08, 0.16, 0.04),
    ("probability", "single"): (98.92, 97.76, 96.53, 87.14, 77.77, 46.73, 34.34, 10.94, 5.45, 0.35, 0.06),
    ("fee", "multi"): (98.88, 98.27, 97.17, 86.97, 76.75, 57.32, 45.28, 19.29, 10.91, 1.53, 0.39),
    ("probability", "multi"): (98.92, 97.76, 96.53, 87.13, 77.76, 58.37, 46.19, 21.20, 12.46, 2.25, 0.69),
}
"""Success in per cent by what the sender weighs and by single or multi-part."""

DEPLETION_SOURCE: Final = (
    "Published: R. Pickhardt, github.com/renepickhardt/Lightning-Network-Limitations, notebook"
    ' "A Geometric Approach for Optimal Channel Replanishment", printed outputs.'
)
DEPLETION_STEPS: Final = tuple(range(0, 2_501, 250))
DEPLETION: Final = (74.04, 59.25, 48.07, 41.52, 36.12, 33.80, 29.69, 27.38, 24.29, 22.11, 21.72)
"""Share of channels in per cent in which each side owns 40 to 60 %, after the payment of this number (from 0)."""
DEPLETION_START: Final = {"drawn": 33.93, "replenished": 74.16}
"""The same before any payment: as drawn, and after the collaborative replenishment."""
