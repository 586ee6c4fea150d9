"""The error tree.

    LensError
    ├── ConfigError           a setting, option or policy file is wrong: say which, and what it may be
    ├── DataError             a file or message is malformed: say where
    ├── NodeError
    │   ├── NodeUnavailable   try again later
    │   ├── NodeRefused       do not try the same again
    │   └── NodeUnauthorised  stop
    └── InvariantError        our bug: stop everything

A payment that fails is data (`HtlcOutcome`), never an exception.
"""

from enum import StrEnum


class LensError(Exception):
    """Base of all errors that LightningLens raises on purpose; its text is for people."""


class ConfigError(LensError):
    """A setting, an option or a policy is wrong."""


class DataError(LensError):
    """Data from outside is malformed; the text names the place."""

    def __init__(self, problem: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.where = where


class NodeError(LensError):
    """A node did not do what it was asked."""


class NodeCondition(StrEnum):
    """Why a node is not available, as far as one can tell."""

    UNREACHABLE = "unreachable"
    NO_ANSWER = "no answer in time"
    LOCKED = "locked"
    STARTING = "starting"
    NOT_SYNCED = "not synced"
    WRONG_NETWORK = "wrong network"
    UNTRUSTED = "not to be trusted"
    """What answers does not prove that it is the node: its certificate is another, or it speaks no TLS."""


class NodeUnavailable(NodeError):
    """The node cannot be reached now; trying again later may help."""

    def __init__(self, problem: str, *, condition: NodeCondition = NodeCondition.UNREACHABLE) -> None:
        super().__init__(problem)
        self.condition = condition


class NodeRefused(NodeError):
    """The node understood and refused; the same request will be refused again."""


class NodeUnauthorised(NodeError):
    """The credential does not allow this; stop."""


class InvariantError(LensError):
    """A promise of our own code is broken; nothing may continue on this state."""
