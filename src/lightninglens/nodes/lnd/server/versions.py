"""The versions of LND that a served node can say it is, and what they lack."""

from dataclasses import dataclass

from lightninglens.core.errors import ConfigError
from lightninglens.core.units import Blocks

DEFAULT_VERSION = "0.20"

_PATCHES = {"0.17": "0.17.5", "0.18": "0.18.5", "0.19": "0.19.3", "0.20": "0.20.1", "0.21": "0.21.1"}
_OLD_TIME_LOCK_BLOCKS = Blocks(18)
_NEW_TIME_LOCK_BLOCKS = Blocks(24)
_SINCE = {
    "/routerrpc.Router/XFindBaseLocalChanAlias": 20,
    "/routerrpc.Router/XAddLocalChanAliases": 19,
    "/routerrpc.Router/XDeleteLocalChanAliases": 19,
    "/routerrpc.Router/DeleteForwardingHistory": 21,
}
"""Methods by the minor version that brought them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LndVersion:
    """A version of LND."""

    text: str
    """As `GetInfo` begins with it, `0.20.1-beta`."""
    minor: int

    @classmethod
    def of(cls, name: str) -> "LndVersion":
        """Return the version that `0.20` or `0.20.1` means; raises ConfigError for one that is not emulated."""
        minor = ".".join(name.split(".")[:2])
        if minor not in _PATCHES or not all(part.isdigit() for part in name.split(".")) or name.count(".") > 2:
            raise ConfigError(f"LND {name} is not emulated; there are {', '.join(_PATCHES)}")
        patch = name if name.count(".") == 2 else _PATCHES[minor]
        return cls(text=f"{patch}-beta", minor=int(minor.removeprefix("0.")))

    @property
    def commit(self) -> str:
        """What the version calls its commit."""
        return f"v{self.text}"

    @property
    def parts(self) -> tuple[int, int, int]:
        """Major, minor and patch."""
        _, minor, patch = self.text.removesuffix("-beta").split(".")
        return 0, int(minor), int(patch)

    @property
    def least_time_lock_blocks(self) -> Blocks:
        """The least time lock delta of a policy (`routing/router.go`, MinCLTVDelta)."""
        return _OLD_TIME_LOCK_BLOCKS if self.minor < 21 else _NEW_TIME_LOCK_BLOCKS

    @property
    def has_inbound_fees(self) -> bool:
        """Whether a channel can ask a fee, or give a discount, for what comes in over it."""
        return self.minor >= 18

    @property
    def takes_one_outgoing_channel(self) -> bool:
        """Whether requests have the field `outgoing_chan_id`, which 0.21 removed."""
        return self.minor < 21

    def has(self, path: str) -> bool:
        """Tell whether the version has a method."""
        return self.minor >= _SINCE.get(path, 0)
