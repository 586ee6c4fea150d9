"""Write docs/reference/scenarios.md from the records that a scenario file is checked against."""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightninglens.lab.scenarios import ready_file, ready_names
from lightninglens.sim.balances import BalanceModel
from lightninglens.sim.demand import AmountMixture, DemandModel, DemandName, NetPayers, PopulationDemand, UniformDemand
from lightninglens.sim.demand.amounts import AmountComponent
from lightninglens.sim.demand.receivers import ReceiverSettings
from lightninglens.sim.scenario import WorldSettings
from lightninglens.sim.sender_groups import SenderGroup
from lightninglens.sim.timeline import CHANGE_KINDS, PolicyFields
from lightninglens.storage.files import balances, payment_lists
from lightninglens.storage.files.scenarios import WrittenScenario, read_scenario_file

_HEAD = f"""# Scenarios

Written by `tools/generate_docs.py`; do not edit.

A scenario file is TOML. `lens sim run FILE.toml --out RUN` runs it; `lens sim run NAME --out RUN` runs one of those
that come with LightningLens. Options beside it take the place of its keys, and the command says which. Everything is
checked before the run: an unknown key, a value out of its bounds, a node or a channel that the graph has not, a line of
a CSV file; the error names the file, the line and the key. Files that a scenario names are found from its own folder.

`demand` is a name ({", ".join(f"`{name.value}`" for name in DemandName)}) or a table. A table has a `kind`, or
`like = NAME` to begin from a named demand and change some of it. Each name has a form for the five-node lab and one for
all other graphs; `like` takes the lab's when the file's own `graph` is the lab. `balances` is one of
{", ".join(f"`{model.value}`" for model in BalanceModel)}: see [the simulator](../explanation/simulator.md#the-start).

A run keeps its scenario in `manifest.json`, with the SHA-256 of each file it took. `lens sim run --scenario
RUN/manifest.json` repeats it, given the same files with `--graph`, `--payment-list` and `--balances-file`.

## Ready scenarios

`lens sim scenarios NAME` prints one, to begin from.
"""

_SENDERS = """## senders

A name for all nodes (`senders = "lnd-bimodal"`), or groups, a table each:

```toml
[[senders]]
kind = "lnd-bimodal"
share = 0.3

[[senders]]
kind = "flow"
nodes = ["lnd-alice"]
```

`--senders NAME` takes the place of the key. A router of one's own is plugged in by a program:
[plug in a router](../how-to/plug-in-a-router.md)."""

_CHANGES = """## [[changes]]

What changes in the network at set times, a table each with a `kind`. Nodes are named by id or alias, channels by id; an
opened channel can be named by its id from its time on. Each is made at its exact time, after
what else happens at that moment. An opened channel can be used by its ends at once and is announced after 6 blocks; the
tables of a run list its state from the beginning, with balances of 0 until it is open."""

_LIST = """## A list of payments

CSV with a header, in any order of columns; `--payment-list FILE`, or a demand of the kind `payment-list`. A text with a
comma stands in quotes; a line of the file is one payment. A payment of an amount that all channels of its sender or
receiver could not hold together is refused. Up to 10,000,000 payments; a million take about two seconds to read."""

_BALANCES = """## A file of balances

CSV with a header; `--balances-file FILE`, or the key `balances_file`. Channels that it does not name have the balance
that `balances` draws for them."""


_DEMANDS: Mapping[str, type[Any]] = {
    '## [demand] with kind = "roles"': DemandModel,
    '## [demand] with kind = "uniform"': UniformDemand,
    '## [demand] with kind = "population"': PopulationDemand,
    "### [demand.amounts]": AmountMixture,
    "### [demand.amounts.tips], .retail, .transfers, .exchange": AmountComponent,
    "### [demand.net_payers]": NetPayers,
}


def pages(root: Path) -> dict[Path, str]:
    """Return the page by its path."""
    parts = [_HEAD, "| name | what it shows | graph | payments |", "|---|---|---|---|"]
    for name in ready_names():
        file = read_scenario_file(ready_file(name))
        graph = f"`{file.graph}`" if file.graph else "yours: `--graph FILE`"
        parts.append(f"| `{name}` | {file.about} | {graph} | {file.payments or 'all of the list'} |")
    parts += ["", "For example `drain-to-exchange`:", "", "```toml", ready_file("drain-to-exchange").read_text(), "```"]
    parts += ["", "## Top level", "", *_keys(WrittenScenario)]
    parts += ["", _SENDERS]
    parts += _sections({"### A group of senders": SenderGroup})
    parts += _sections({"## [receivers]": ReceiverSettings})
    parts += ["", "## [world]", "", *_keys(WorldSettings)]
    parts += _sections(_DEMANDS)
    parts += ["", '## [demand] with kind = "payment-list"', "", "| key | default | meaning |", "|---|---|---|"]
    parts += ["| `file` | needed | the CSV below |", "| `sha256` | none | refused when the bytes are others |"]
    parts += ["", _CHANGES]
    parts += _sections({f"### {name}": kind for name, kind in CHANGE_KINDS.items()})
    parts += _sections({"### A policy's parts": PolicyFields})
    for text, columns in ((_LIST, payment_lists.COLUMNS), (_BALANCES, balances.COLUMNS)):
        parts += ["", text, "", "| column | meaning |", "|---|---|"]
        parts += [f"| `{name}` | {meaning} |" for name, meaning in columns.items()]
    return {root / "docs/reference/scenarios.md": "\n".join(parts) + "\n"}


def _sections(kinds: Mapping[str, type[Any]]) -> list[str]:
    lines = []
    for title, kind in kinds.items():
        lines += ["", title, "", inspect.cleandoc(kind.__doc__ or ""), "", *_keys(kind)]
    return lines


def _keys(kind: type[Any]) -> list[str]:
    meanings = _meanings(kind)
    lines = ["| key | default | meaning |", "|---|---|---|"]
    parts = [part for part in dataclasses.fields(kind) if part.name != "kind"]
    return lines + [f"| `{part.name}` | {_default(part)} | {meanings.get(part.name, '')} |" for part in parts]


def _default(part: "dataclasses.Field[Any]") -> str:
    if part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING:
        return "needed"
    if part.default is dataclasses.MISSING:
        return "see its table"
    if part.default in ("", None, ()):
        return "none"
    return f"`{getattr(part.default, 'value', part.default)}`"


def _meanings(kind: type[Any]) -> dict[str, str]:
    """Return what stands in the code below each field of a record."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    found: dict[str, str] = {}
    if isinstance(body, ast.ClassDef):
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[ast.unparse(field.target)] = " ".join(str(text.value.value).split()).replace("|", "\\|")
    return found
