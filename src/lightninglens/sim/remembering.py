"""What agents and routers remember, as JSON values and arrays: what a checkpoint keeps of them.

Nothing is pickled: a checkpoint holds data, and only the program's own classes
say what it means (`docs/adr/0003`).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lightninglens.core.errors import LensError

Arrays = dict[str, NDArray[Any]]

_T = TypeVar("_T")
_ARRAYS = "__arrays__"


@runtime_checkable
class Remembering(Protocol):
    """An agent or a router whose memory a checkpoint can keep."""

    def state(self) -> Mapping[str, Any]:
        """Return all that its decisions depend on besides what it is given: JSON values and numpy arrays, by name."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a memory in place of its own; sequences come back as lists, the keys of JSON objects as text."""
        ...


def state_of(thing: object, who: str) -> Arrays:
    """Return the memory of an agent or a router; raises LensError when it cannot say what it remembers."""
    if not isinstance(thing, Remembering):
        raise LensError(
            f"a checkpoint cannot keep {who}, a {type(thing).__name__}: give it the methods state() and restore(state),"
            " whose content is JSON values and arrays"
        )
    return packed(thing.state(), who)


def restore_to(thing: object, arrays: Mapping[str, NDArray[Any]], who: str) -> None:
    """Give a memory back to an agent or a router; raises LensError when it takes none, ValueError without one."""
    if not isinstance(thing, Remembering):
        raise LensError(f"{who} was kept in a checkpoint, and a {type(thing).__name__} has no method restore(state)")
    thing.restore(unpacked(arrays))


def packed(memory: Mapping[str, Any], who: str) -> Arrays:
    """Return a memory as arrays alone; raises LensError for a value that is neither JSON nor a plain array."""
    arrays = {name: np.array(value) for name, value in memory.items() if isinstance(value, np.ndarray)}
    values = {name: value for name, value in memory.items() if name not in arrays}
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise LensError(f"a checkpoint cannot keep {who}: {objects[0]!r} is an array of Python objects")
    try:
        text = json.dumps(values | {_ARRAYS: list(arrays)})
    except (TypeError, ValueError) as error:
        raise LensError(f"a checkpoint cannot keep {who}: its state is neither JSON nor arrays ({error})") from None
    numbered = {f"array{number}": array for number, array in enumerate(arrays.values())}
    return numbered | {"json": np.frombuffer(text.encode(), np.uint8)}


def unpacked(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return a memory that was packed; raises ValueError when it is none."""
    if "json" not in arrays:
        raise ValueError("a memory is missing")
    memory: dict[str, Any] = json.loads(arrays["json"].tobytes())
    names = memory.pop(_ARRAYS)
    if len(arrays) != len(names) + 1:
        raise ValueError(f"a memory has {len(arrays) - 1} arrays, and {len(names)} are named")
    return memory | {name: arrays[f"array{number}"] for number, name in enumerate(names)}


def below(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Arrays:
    """Return the arrays whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return arrays with a prefix before their names."""
    return {prefix + name: array for name, array in arrays.items()}


def distinct(things: Iterable[_T]) -> list[_T]:
    """Return the objects, each once, in the order in which they first come."""
    found: dict[int, _T] = {}
    for thing in things:
        found.setdefault(id(thing), thing)
    return list(found.values())
