"""What LND answers when it does not do what it was asked, as errors of the one tree, in words.

LND returns most errors of its own with code UNKNOWN and a Go text, so texts are
looked at, too. Source: LND `rpcperms/interceptor.go`, `macaroons/service.go`.
"""

import re

import grpc

from lightninglens.core.errors import NodeCondition, NodeError, NodeRefused, NodeUnauthorised, NodeUnavailable

MAX_TEXT = 400
"""Of LND's own words in an error of ours."""

_STARTING = (
    "waiting to start",
    "the RPC server is in the process of starting up",
    "server is still in the process of starting",
    "chain backend is still syncing",
    "channels cannot be created before the wallet is fully synced",
)
_ENDING = ("shutting down", "exiting", "subscription terminated", "server not started", "has been stopped")
"""What a node that is being ended says, also within streams, with code UNKNOWN."""
_LOCKED = ("wallet locked", "wallet not created", "wallet not found")
_MACAROON = (
    "permission denied",
    "verification failed",
    "expected 1 macaroon",
    "cannot get macaroon",
    "cannot determine data format",
    "macaroon has expired",
    "macaroon locked to different IP",
    "caveat not recognized",
    "cannot parse caveat",
    "unable to get macaroon",
)
_TEXTS_OF_NONE = {"", "None"}

Code = grpc.StatusCode
_NUMBERS = {code.value[0]: code for code in Code}


class CallFailed(Exception):
    """A call ended with a status: what both transports report, before anybody says what it means."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text


def status_of(number: int) -> grpc.StatusCode:
    """Return a gRPC status by its number, as REST reports it."""
    return _NUMBERS.get(number, Code.UNKNOWN)


def clean(text: str | None) -> str:
    """Return a node's words without what a terminal would obey, and not too many of them."""
    if text and text.isprintable() and len(text) <= MAX_TEXT and "  " not in text:
        return text.strip()
    shown = re.sub(r"\s+", " ", "".join(each if each.isprintable() else " " for each in text or "")).strip()
    return shown if len(shown) <= MAX_TEXT else f"{shown[: MAX_TEXT - 3]}..."


def node_error(failed: CallFailed, what: str) -> NodeError:
    """Return the error to raise for a call that ended so; `what` is the method's name for people."""
    said = clean(failed.text)
    for texts, make in ((_LOCKED, _locked), (_STARTING, _starting), (_ENDING, _ending), (_MACAROON, _unauthorised)):
        if any(text in said for text in texts):
            return make(said)
    return _by_code(failed.code, what, said)


def _by_code(code: grpc.StatusCode, what: str, said: str) -> NodeError:
    match code:
        case Code.DEADLINE_EXCEEDED:
            return NodeUnavailable(
                f"{what}: the node did not answer in time; whether it was done is unknown",
                condition=NodeCondition.NO_ANSWER,
            )
        case Code.UNAVAILABLE | Code.CANCELLED | Code.ABORTED | Code.INTERNAL | Code.DATA_LOSS:
            return NodeUnavailable(f"{what}: the connection to the node failed: {said or code.name.lower()}")
        case Code.UNAUTHENTICATED | Code.PERMISSION_DENIED:
            return _unauthorised(said)
        case Code.UNIMPLEMENTED:
            return NodeRefused(f"{what}: this node does not have it ({said}); another LND version, or built without it")
        case Code.RESOURCE_EXHAUSTED:
            return NodeRefused(f"{what}: the answer is larger than is accepted: {said}")
        case _:
            return NodeRefused(f"{what}: {said if said not in _TEXTS_OF_NONE else code.name.lower()}")


def _locked(said: str) -> NodeError:
    return NodeUnavailable(
        f"the node's wallet is locked ({said}): unlock it with `lncli unlock`", condition=NodeCondition.LOCKED
    )


def _starting(said: str) -> NodeError:
    return NodeUnavailable(f"the node is starting and not ready yet ({said})", condition=NodeCondition.STARTING)


def _ending(said: str) -> NodeError:
    return NodeUnavailable(f"the node is being ended or restarted ({said})", condition=NodeCondition.STARTING)


def _unauthorised(said: str) -> NodeError:
    advice = (
        "its time is over: bake a new one with `lens node bake`"
        if "expired" in said
        else "it is of another node, was revoked, or is too narrow: see `lens node bake --help`"
    )
    return NodeUnauthorised(f"the node does not accept the macaroon: {said}. Perhaps {advice}")
