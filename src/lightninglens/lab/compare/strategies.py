"""Strategies by name, and the way in for a strategy of one's own.

A strategy of one's own is `MODULE:NAME`, found as Python finds modules, the
working directory first. NAME is either a function

    def decide(view: LiquidityView, now: UnixNs) -> Plan

or a class that takes no arguments, with a method `decide` like it and, if it
wants to learn from what happens, a method `observe(observation)`. An object is
made anew for each world. It sees the acting nodes' own channels and nothing else;
what it plans passes the same guard as everybody's.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from lightninglens.control.rebalance import LiquidityView, baseline, learned
from lightninglens.core.errors import ConfigError
from lightninglens.core.observations import Observation
from lightninglens.core.records import Plan
from lightninglens.core.units import UnixNs

NONE, BASELINE, LEARNED = "none", "baseline", "learned"
NAMES = (NONE, BASELINE, LEARNED)

Decide = Callable[[LiquidityView, UnixNs], Plan]


class Strategy(Protocol):
    """Whatever may decide in a world."""

    observes: bool
    """Whether it wants to be told what happens."""

    def observe(self, observation: Observation) -> None:
        """Take in what happened, in order of time."""
        ...

    def decide(self, view: LiquidityView, now: UnixNs) -> Plan:
        """Return what to do now."""
        ...


class Deaf:
    """A strategy that is a function of the channels as they are."""

    observes = False

    def __init__(self, decide: Decide) -> None:
        self.decide = decide

    def observe(self, observation: Observation) -> None:
        """Take no notice."""


class Learned:
    """The learner with a model, as it runs in `lens up`."""

    observes = True

    def __init__(self, model: Any) -> None:
        from lightninglens.learn.learner import Learner  # noqa: PLC0415 - scikit-learn is slow to import

        self._learner = Learner(model)

    def observe(self, observation: Observation) -> None:
        """Learn from what happened."""
        self._learner.observe(observation)

    def decide(self, view: LiquidityView, now: UnixNs) -> Plan:
        """Return what the learner's predictions ask for; nothing before it has seen enough."""
        self._learner.settle(now)
        if self._learner.missing(now):
            return _do_nothing(view, now)
        return learned.decide(view, now, shares=self._learner.predictions(now), gains=self._learner)


def load_strategy(name: str, *, model: Callable[[], Any] | None = None) -> Callable[[], Strategy]:
    """Return what makes a strategy for one world; `model` loads the model that `learned` needs.

    Raises ConfigError when there is no such strategy.
    """
    if name == NONE:
        return lambda: Deaf(_do_nothing)
    if name == BASELINE:
        return lambda: Deaf(baseline.decide)
    if name == LEARNED:
        if model is None:
            raise ConfigError("the strategy `learned` needs a model")
        loaded = model()
        return lambda: Learned(loaded)
    found = _import(name)
    if isinstance(found, type):
        return lambda: _Own(found())
    if callable(found):
        return lambda: Deaf(found)
    raise ConfigError(f"{name}: neither a function `decide(view, now)` nor a class with such a method")


class _Own:
    """Somebody's object with `decide` and perhaps `observe`."""

    def __init__(self, made: Any) -> None:
        if not callable(getattr(made, "decide", None)):
            raise ConfigError(f"{type(made).__name__} has no method `decide(view, now)`")
        self.decide: Decide = made.decide
        self._observe: Callable[[Observation], None] | None = getattr(made, "observe", None)
        self.observes = self._observe is not None

    def observe(self, observation: Observation) -> None:
        """Tell it what happened."""
        if self._observe is not None:
            self._observe(observation)


def _do_nothing(view: LiquidityView, now: UnixNs) -> Plan:  # noqa: ARG001 - the signature of all strategies
    return Plan(plan_id=f"{NONE}-{now}", created_ns=now, author=NONE, changes=())


def _import(name: str) -> Any:
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError(
            f"there is no strategy {name!r}; there are {', '.join(NAMES)}, and your own as MODULE:FUNCTION"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as problem:
        raise ConfigError(f"{name}: there is no module {problem.name!r} in {here} or installed") from None
    except AttributeError:
        raise ConfigError(f"{name}: the module {module_name} has no {attribute!r}") from None
    except Exception as problem:  # noqa: BLE001 - somebody else's module may fail in any way
        raise ConfigError(f"{name} cannot be imported: {type(problem).__name__}: {problem}") from None
