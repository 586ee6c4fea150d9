"""What LND's versions can and cannot do, so that what a node lacks is said and never sent.

Source: LND `docs/release-notes`.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

OLDEST = (0, 14)
NEWEST = (0, 21)
"""The versions that this client is written for; a newer one is used, with a note."""

_NUMBER = re.compile(r"\D*(\d+)\.(\d+)\.(\d+)", re.ASCII)


class Feature(NamedTuple):
    """Something that LND can do from a version on."""

    since: tuple[int, int, int]
    words: str


INBOUND_FEES = Feature((0, 18, 0), "inbound fees")
FEE_RATE_PPM = Feature((0, 14, 2), "fee rates set in ppm (they are sent as a fraction instead)")
FORWARD_HTLC_IDS = Feature((0, 20, 0), "HTLC ids in the forwarding history (a forward is known by time and amounts)")
SEVERAL_OUTGOING = Feature((0, 20, 0), "a search for routes out of several channels")
FEATURES = (INBOUND_FEES, FEE_RATE_PPM, FORWARD_HTLC_IDS, SEVERAL_OUTGOING)


@dataclass(frozen=True, slots=True)
class LndVersion:
    """A version as GetInfo words it, `0.20.1-beta commit=v0.20.1-beta`."""

    text: str
    numbers: tuple[int, int, int] | None
    """None when the text names none."""

    @classmethod
    def parse(cls, text: str) -> "LndVersion":
        """Read GetInfo's version; a text without a number is kept as it is."""
        match = _NUMBER.match(text)
        return cls(text, (int(match[1]), int(match[2]), int(match[3])) if match else None)

    def has(self, feature: Feature) -> bool:
        """Tell whether this version has a feature; one whose number is unknown counts as the newest."""
        return self.numbers is None or self.numbers >= feature.since

    @property
    def shown(self) -> str:
        """The number for people."""
        return ".".join(map(str, self.numbers)) if self.numbers else self.text or "unknown"

    def lacks(self) -> tuple[str, ...]:
        """Return what this version cannot do, in words, with a note when it is none that was tried."""
        notes = [
            f"{feature.words}: from LND {_shown(feature.since)} on" for feature in FEATURES if not self.has(feature)
        ]
        if self.numbers and self.numbers[:2] < OLDEST:
            notes.append(f"LND {self.shown} is older than {_shown(OLDEST)}, the oldest that is supported")
        if self.numbers and self.numbers[:2] > NEWEST:
            notes.append(f"LND {self.shown} is newer than {_shown(NEWEST)}, the newest that is known here")
        return tuple(notes)


def _shown(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
