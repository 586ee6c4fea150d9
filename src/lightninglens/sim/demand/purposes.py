"""The fifteen purposes that the source documents name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What people pay for: a description, how common it is, and how large its amounts are (log-normal)."""

    description: str
    weight: float
    median_sat: float
    sigma: float


PURPOSES = (
    Purpose(description="Coffee purchase", weight=14, median_sat=5_000, sigma=0.5),
    Purpose(description="Lunch payment", weight=10, median_sat=18_000, sigma=0.5),
    Purpose(description="Digital content", weight=8, median_sat=8_000, sigma=0.9),
    Purpose(description="Subscription renewal", weight=7, median_sat=15_000, sigma=0.6),
    Purpose(description="Donation", weight=6, median_sat=10_000, sigma=1.3),
    Purpose(description="Service fee", weight=6, median_sat=30_000, sigma=1.0),
    Purpose(description="Microtask payment", weight=9, median_sat=1_500, sigma=0.9),
    Purpose(description="Content creator tip", weight=10, median_sat=1_000, sigma=1.0),
    Purpose(description="App purchase", weight=6, median_sat=9_000, sigma=0.8),
    Purpose(description="Game credits", weight=6, median_sat=12_000, sigma=1.0),
    Purpose(description="Podcast support", weight=5, median_sat=2_000, sigma=1.0),
    Purpose(description="Newsletter subscription", weight=4, median_sat=10_000, sigma=0.5),
    Purpose(description="Digital art purchase", weight=3, median_sat=120_000, sigma=1.0),
    Purpose(description="Online course access", weight=4, median_sat=90_000, sigma=0.8),
    Purpose(description="E-book purchase", weight=5, median_sat=14_000, sigma=0.5),
)
"""The fifteen purposes that the source documents name. Weights and amounts are assumptions: no public
data set says what payments are for; the resulting mixture has its median near 8,000 sat and a tail to 10**6."""

DESCRIPTIONS = tuple(purpose.description for purpose in PURPOSES)
