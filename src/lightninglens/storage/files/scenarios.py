"""Scenario files: TOML that people write, checked before anything runs.

An error names the file, the line and the key, and what would be right. Tables
are checked against the very records that a scenario is made of, so that a new
setting of a record is a new key of the file.
"""

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from lightninglens.core.checks import require_ranges
from lightninglens.core.errors import ConfigError
from lightninglens.core.records import STRICT
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.demand import (
    DemandModel,
    DemandName,
    NamedDemand,
    PaymentListFile,
    PopulationDemand,
    UniformDemand,
    named_demand,
)
from lightninglens.sim.demand.receivers import ReceiverSettings
from lightninglens.sim.scenario import SCENARIO_FORMAT, WorldSettings
from lightninglens.sim.sender_groups import SenderGroup, SenderName, check_groups
from lightninglens.sim.timeline import CHANGE_KINDS, Change

MAX_BYTES = 1 << 20

T = TypeVar("T")

DEMAND_KINDS: Mapping[str, type[Any]] = {
    "roles": DemandModel,
    "uniform": UniformDemand,
    "population": PopulationDemand,
    "payment-list": PaymentListFile,
}
_UNKNOWN_KEY = {"unexpected_keyword_argument", "extra_forbidden"}

_OTHER_NAMES = {"kappa": "circulation_share", "channel_id": "channel", "node_id": "node", "time_s": "at_s"}
"""What people call a key whose name here is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenScenario:
    """The top level of a scenario file; demand and changes are checked by their kinds."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    format: str = SCENARIO_FORMAT
    """`lightninglens/scenario/1`, if given."""
    name: str = ""
    """For people; the file's name if none is given."""
    about: str = ""
    """What the scenario shows, in a sentence."""
    graph: str = ""
    """`lab`, `lab-drawn`, `synthetic:NODES`, or a graph file, relative to this one. Without it, `--graph` says it."""
    graph_sha256: str = ""
    """Of a graph file: refused when its bytes are others."""
    seed: int = 0
    payments: int | None = None
    """How many; a payment list's all, if none is given."""
    balances: BalanceModel = BalanceModel.UNIFORM
    balances_file: str = ""
    """CSV with channels' local balances, relative to this file; `balances` has the other channels'."""
    balances_sha256: str = ""
    demand: Any = "roles"
    """A name, or a table with a `kind`; `like = NAME` in it begins from that demand."""
    senders: Any = SenderName.LND.value
    """How routes are looked for: `lnd`, `lnd-bimodal` or `flow`, for all nodes; or tables of groups."""
    receivers: ReceiverSettings = field(default_factory=ReceiverSettings)
    world: WorldSettings = field(default_factory=WorldSettings)
    observed_nodes: tuple[str, ...] = ()
    """Ids or aliases of the nodes whose HTLC events are kept."""
    snapshot_interval_s: int = 0
    """How often all channel states are kept, besides start and end; 0 for never."""
    changes: tuple[Any, ...] = ()
    """What changes in the network at set times: records with a `kind` and `at_s`."""

    def __post_init__(self) -> None:
        """Raise ValueError for a run that cannot be."""
        require_ranges(self, seed=(0, 2**63 - 1), snapshot_interval_s=(0, 10**9))
        if self.payments is not None:
            require_ranges(self, payments=(1, 10_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile:
    """A scenario as it was written: files and nodes are not looked up yet."""

    path: Path
    name: str
    about: str
    graph: str
    graph_sha256: str
    seed: int
    payments: int | None
    balances: BalanceModel
    balances_file: str
    balances_sha256: str
    demand: NamedDemand | PaymentListFile | DemandName
    """A name where only that was written: what it means depends on the graph."""
    senders: tuple[SenderGroup, ...]
    receivers: ReceiverSettings
    world: WorldSettings
    observed_nodes: tuple[str, ...]
    snapshot_interval_s: int
    changes: tuple[Change, ...]
    lines: "KeyLines"

    def beside(self, name: str) -> Path:
        """Return the path of a file that the scenario names."""
        return self.path.parent / name

    def where(self, key: str) -> str:
        """Return how a key of the file is named in an error: file, line, key."""
        return self.lines.place(key)


def scenario_of_options(name: str) -> ScenarioFile:
    """Return the scenario that no file describes: all defaults, for options to change; files are beside here."""
    lines = KeyLines(Path("options"), "")
    return _assembled(WrittenScenario(name=name), Path("options"), lines)


def read_scenario_file(path: Path) -> ScenarioFile:
    """Read and check a scenario file; raises ConfigError that names the line and the key."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: {len(data):,} bytes are no scenario file (at most {MAX_BYTES:,})")
    try:
        text = data.decode()
        tables = tomllib.loads(text)
        json.dumps(tables)
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: this is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not readable as TOML: {error}") from None
    except TypeError:
        raise ConfigError(
            f"{path}: a date or a time of day is no value here: times are seconds, like at_s = 3600"
        ) from None
    lines = KeyLines(path, text)
    written = _build(WrittenScenario, tables, "", lines)
    if written.format != SCENARIO_FORMAT:
        raise ConfigError(f"{lines.place('format')}: this is {written.format!r}, and {SCENARIO_FORMAT!r} is needed")
    return _assembled(written, path, lines)


def _assembled(written: WrittenScenario, path: Path, lines: "KeyLines") -> ScenarioFile:
    plain = {part.name: getattr(written, part.name) for part in dataclasses.fields(written) if part.name != "format"}
    return ScenarioFile(
        **plain
        | {
            "path": path,
            "name": written.name or path.stem,
            "demand": _demand(written.demand, lines, lab=written.graph.startswith("lab")),
            "senders": _senders(written.senders, lines),
            "changes": tuple(_change(change, f"changes[{row}]", lines) for row, change in enumerate(written.changes)),
            "lines": lines,
        }
    )


def _demand(written: Any, lines: "KeyLines", *, lab: bool) -> NamedDemand | PaymentListFile | DemandName:
    names = [name.value for name in DemandName]
    if isinstance(written, str):
        return DemandName(_one_of(written, names, "demand", lines))
    if not isinstance(written, dict):
        raise ConfigError(f"{lines.place('demand')}: it is a name ({', '.join(names)}) or a table with a `kind`")
    table = dict(written)
    base: dict[str, Any] = {}
    if "like" in table:
        like = _one_of(table.pop("like"), names, "demand.like", lines)
        base = dataclasses.asdict(named_demand(like, lab=lab))
        if table.setdefault("kind", base["kind"]) != base["kind"]:
            raise ConfigError(f"{lines.place('demand.kind')}: {like!r} is of the kind {base['kind']!r}: leave it out")
    kind = _kind(table, DEMAND_KINDS, "demand", lines)
    if kind is PaymentListFile:
        base = {"sha256": ""}
    built: NamedDemand | PaymentListFile = _build(kind, _merged(base, table), "demand", lines)
    return built


def senders_of_all(kind: SenderName) -> tuple[SenderGroup, ...]:
    """Return the groups of a network in which all nodes are of one kind."""
    return () if kind is SenderName.LND else (SenderGroup(kind=kind, share=1.0),)


def _senders(written: Any, lines: "KeyLines") -> tuple[SenderGroup, ...]:
    names = [name.value for name in SenderName]
    if isinstance(written, str):
        return senders_of_all(SenderName(_one_of(written, names, "senders", lines)))
    if not isinstance(written, list) or not all(isinstance(group, dict) for group in written):
        raise ConfigError(f"{lines.place('senders')}: it is a name ({', '.join(names)}) or tables, like [[senders]]")
    groups = tuple(_build(SenderGroup, group, f"senders[{row}]", lines) for row, group in enumerate(written))
    try:
        check_groups(groups)
    except ValueError as error:
        raise ConfigError(f"{lines.place('senders[0]')}: {error}") from None
    return groups


def _change(written: Any, key: str, lines: "KeyLines") -> Change:
    if not isinstance(written, dict):
        raise ConfigError(f"{lines.place(key)}: a change is a table, like [[changes]]")
    change: Change = _build(_kind(written, CHANGE_KINDS, key, lines), written, key, lines)
    return change


def _kind(table: Mapping[str, Any], kinds: Mapping[str, type[Any]], key: str, lines: "KeyLines") -> type[Any]:
    if "kind" not in table:
        raise ConfigError(f"{lines.place(key)}: `kind` is missing: one of {', '.join(kinds)}")
    return kinds[_one_of(table["kind"], list(kinds), f"{key}.kind", lines)]


def _one_of(value: Any, names: list[str], key: str, lines: "KeyLines") -> str:
    if value not in names:
        near = get_close_matches(str(value), names, n=1)
        meant = f"; is {near[0]!r} meant?" if near else ""
        raise ConfigError(f"{lines.place(key)}: {str(value)[:60]!r} is none of {', '.join(names)}{meant}")
    return str(value)


def _merged(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table over its base, tables within them likewise."""
    made = dict(base)
    for key, value in table.items():
        below = made.get(key)
        made[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return made


def _build(kind: type[T], table: Mapping[str, Any], key: str, lines: "KeyLines") -> T:
    """Return the record that a table describes; raises ConfigError for the first thing wrong in it."""
    try:
        built: T = TypeAdapter(kind).validate_json(json.dumps(table))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        # A key that is not known explains one that is missing.
        fault = next((each for each in faults if each["type"] in _UNKNOWN_KEY), faults[0])
        path = [str(part) for part in fault["loc"]]
        raise ConfigError(_told(kind, fault, path, key, lines)) from None
    return built


def _told(kind: type[Any], fault: Any, path: list[str], key: str, lines: "KeyLines") -> str:
    names = _names_at(kind, path[:-1])
    whole = ".".join(part for part in [key, *path] if part)
    if fault["type"] in _UNKNOWN_KEY:
        near = get_close_matches(path[-1], names, n=1, cutoff=0.5)
        known = _OTHER_NAMES.get(path[-1])
        meant = known if known in names else near[0] if near else ""
        hint = f"is {meant!r} meant?" if meant else f"there are {', '.join(names)}"
        return f"{lines.place(whole)}: there is no such key; {hint}"
    if fault["type"] in {"missing", "missing_argument"}:
        return f"{lines.place(whole.rpartition('.')[0] or whole)}: the key {path[-1]!r} is missing"
    words = str(fault["msg"]).removeprefix("Value error, ")
    first = words.partition(" ")[0]
    if fault["type"] == "value_error" and first in _names_at(kind, path):
        whole = ".".join(part for part in [whole, first] if part)
    return f"{lines.place(whole)}: {words[:1].lower()}{words[1:]}"


def _names_at(kind: type[Any], path: list[str]) -> list[str]:
    """Return the keys of the record that a path leads to."""
    for part in path:
        hint = next((each.type for each in dataclasses.fields(kind) if each.name == part), None)
        inner = [each for each in (hint, *get_args(hint)) if dataclasses.is_dataclass(each)]
        if not inner:
            return []
        kind = inner[0]  # type: ignore[assignment]
    return [part.name for part in dataclasses.fields(kind)]


class KeyLines:
    """Where the keys of a TOML text stand, for errors; tomllib itself does not tell."""

    _TABLE = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?\s*(?:#.*)?")
    _KEY = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=")

    def __init__(self, path: Path, text: str) -> None:
        """Note the line of each table and of each key that begins a line."""
        self.path = path
        self._lines: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), start=1):
            if header := self._TABLE.fullmatch(line):
                table = header[2]
                if header[1] == "[[":
                    counts[table] = counts.get(table, -1) + 1
                for name, last in counts.items():
                    if table == name or table.startswith(f"{name}."):
                        table = f"{name}[{last}]{table[len(name) :]}"
                        break
                self._lines.setdefault(table, number)
            elif found := self._KEY.match(line):
                self._lines.setdefault(f"{table}.{found[1]}" if table else found[1], number)

    def place(self, key: str) -> str:
        """Return file, line and key; the line of the table around it where the key has none."""
        outer = key
        while outer and outer not in self._lines:
            outer = max(outer.rpartition(".")[0], outer.rpartition("[")[0], key=len)
        line = f" line {self._lines[outer]}" if outer else ""
        return f"{self.path}{line}{': ' if key else ''}{key}"
