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


class NodeUnavailable(NodeError):
    """The node cannot be reached now; trying again later may help."""


class NodeRefused(NodeError):
    """The node understood and refused; the same request will be refused again."""


class NodeUnauthorised(NodeError):
    """The credential does not allow this; stop."""


class InvariantError(LensError):
    """A promise of our own code is broken; nothing may continue on this state."""
