"""Write docs/reference/formats.md and the JSON schemas, from the records and tables themselves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightninglens.core.effects import Effect, EffectKnown
from lightninglens.core.model_card import ModelCard
from lightninglens.core.records import JournalRecord, Plan
from lightninglens.lab.compare import Comparison
from lightninglens.lab.failures import FailurePrediction
from lightninglens.lab.learning import features as feature_files
from lightninglens.lab.learning.evaluating import Evaluation
from lightninglens.lab.learning.formats import CSV_TABLES, OTHER_NAMES
from lightninglens.lab.missed.report import MissedTruth
from lightninglens.learn.features import FEATURE_HELP, REDUCED_FEATURES
from lightninglens.sim.scenario import Scenario
from lightninglens.storage.files.codec import json_schema
from lightninglens.storage.files.csv_export import COLUMNS
from lightninglens.storage.files.runs import Manifest, Timings
from lightninglens.storage.files.tables import FORMAT_KEY, TABLES, Table
from lightninglens.storage.models import ModelFiles

JSON_FORMATS: Mapping[str, tuple[type[Any], str]] = {
    "scenario": (
        Scenario,
        "Everything a simulated run depends on, as a run keeps it; people write [scenario files](scenarios.md).",
    ),
    "run-manifest": (Manifest, "`manifest.json` of a run: scenario, versions, and the hash of every table."),
    "run-timings": (Timings, "`timings.json` of a run: the one file that differs between equal runs."),
    "plan": (Plan, "Changes that were decided and not yet made. Every change names the value it replaces."),
    "effect": (Effect, "What one executed rebalance did. Kept in `effects.db`, append-only."),
    "effect-known": (EffectKnown, "What is estimated to have come of it, a horizon later. Kept beside it."),
    "journal": (JournalRecord, "One step of one change, written before the act. Kept in `journal.db`, append-only."),
    "comparison": (Comparison, "`comparison.json` of `lens lab compare`: options, levels, differences, single worlds."),
    "failure-prediction": (
        FailurePrediction,
        "`failures.json` of `lens lab failures`: how well each rule told which HTLCs would be refused.",
    ),
    "missed-truth": (
        MissedTruth,
        "`missed.json` of `lens lab missed`: what was said of each channel, what was true, and how each rule did.",
    ),
    "model": (ModelCard, "`card.json` of a model: what it learned from, and how good it was on time it had not seen."),
    "model-files": (ModelFiles, "`manifest.json` of a model: the hash of every other file of it."),
    "features": (feature_files.FeatureFiles, "Beside a CSV of features: how it was made, and the hashes of the files."),
    "evaluation": (Evaluation, "What `lens learn evaluate` found: errors beside those of rivals, and reliability."),
}

_HEAD = """# Formats

Written by `tools/generate_docs.py`; do not edit. Frozen: a format's number goes up when an old reader could
misread a new file; a new optional key does not raise it.

Conventions: names end in their unit (`_msat`, `_sat`, `_ppm`, `_ns`, `_s`, `_blocks`). Money is an integer.
Channel ids are strings in JSON (`800000x1x0`) and the packed number in Parquet (0 for none). Times are Unix time;
in ns they are strings in JSON, since they do not fit a float64.
JSON is read strictly: an unknown key, a missing one or a wrong type is an error that names the place.
"""

_RUN = f"""A directory: `manifest.json`, `timings.json`, `report.html` and the tables below, each in a Parquet file
named after it. All but timings and report are a function of the scenario: same scenario and seed, same bytes.
A table names its format in the Parquet key `{FORMAT_KEY}`."""

_RAW = """The lab records what it sends on the feed below `raw/` in its data directory: format
`lightninglens/raw/1`, described with [the feed](feed.md)."""

_MODELS = """A directory below `models/` in the data directory, named by its version: `card.json`, `manifest.json`,
one `*.skops` file per scikit-learn estimator, and `online.json` where a learner goes on. Hashes are checked at each
loading, and a file with any type that skops does not hold to be safe is refused, numpy's dtype excepted.
`models/selected` names the version in use. Nothing is ever unpickled ([decision
0003](../adr/0003-nothing-is-unpickled.md))."""

_STAGES = """`lens learn` keeps these; [how to train a model](../how-to/train-a-model.md) has the commands. An empty
cell is a thing that the data do not tell. Times are ISO 8601 in UTC. A text that a spreadsheet would take for a
formula has a `'` before it, which is taken off when it is read."""

_FEATURES = f"""One row per side of a channel and step of time. `{feature_files.STAGE}` writes three files: the
rows, the moves, and a JSON file that says how they were made. The first and last columns are no features:"""

_OTHER_NAMES = """A CSV of transactions with other columns than those above is read as well. These names are
understood (case, spaces and hyphens do not matter); `--column OURS=THEIRS` names any other. Needed are a time, a
sender, a receiver and an amount; without channels in `channel_before` or in snapshot rows no features of channels
can be made."""

_CSV = f"""`lens sim export RUN --out FILE.csv` writes these 17 columns; amounts and balances in whole sat, the fee
in sat with three decimals, channels as one JSON object: `{",".join(COLUMNS)}`."""


def pages(root: Path) -> dict[Path, str]:
    """Return the page and the schemas, by path."""
    folder = root / "docs/reference"
    made = {folder / "formats.md": _page()}
    for name, (kind, _meaning) in JSON_FORMATS.items():
        made[folder / "schemas" / f"{name}.json"] = json.dumps(json_schema(kind), indent=2) + "\n"
    return made


def _page() -> str:
    parts = [_HEAD, "## JSON\n", "| format | schema | what it is |", "|---|---|---|"]
    for name, (kind, meaning) in JSON_FORMATS.items():
        version = kind.__dataclass_fields__["format"].default
        parts.append(f"| `{version}` | [schemas/{name}.json](schemas/{name}.json) | {meaning} |")
    parts.append("\n## A run\n")
    parts.append(
        "A directory: `manifest.json`, `timings.json`, `report.html` and the tables below, each in a file named"
    )
    parts.append(
        "after it. All but timings and report are a function of the scenario: same scenario and seed, same bytes."
    )
    parts.append(f"A table names its format in the Parquet key `{FORMAT_KEY}`.")
    for table in TABLES:
        parts += ["", *_table(table)]
    parts += ["", "## The raw recording of the lab", "", _RAW, "", "## The CSV of the source documents", ""]
    parts.append(
        "`lens sim export RUN --out FILE.csv` writes these 17 columns; amounts and balances in whole sat, the fee in"
    )
    parts.append("sat with three decimals, channels as one JSON object:")
    parts.append(f"`{','.join(COLUMNS)}`.")
    parts += ["", "## A model", "", _MODELS, "", "## The stages of `lens learn`", "", _STAGES]
    for table in (*CSV_TABLES, feature_files.MOVES):
        parts += ["", *_table(table)]
    parts += ["", f"### `{feature_files.ROWS_FORMAT}`", "", *_features()]
    parts += ["", "### A CSV of your own", "", _OTHER_NAMES, "", "| ours | others |", "|---|---|"]
    parts += [f"| `{ours}` | {', '.join(f'`{name}`' for name in names)} |" for ours, names in OTHER_NAMES.items()]
    return "\n".join(parts) + "\n"


def _features() -> list[str]:
    lines = [_FEATURES, "", "| column | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in feature_files.OTHER_COLUMNS.items()]
    lines += ["", "| feature | meaning | without attempts |", "|---|---|---|"]
    return lines + [
        f"| `{name}` | {meaning} | {'yes' if name in REDUCED_FEATURES else 'no'} |"
        for name, meaning in FEATURE_HELP.items()
    ]


def _table(table: Table) -> list[str]:
    lines = [f"### `{table.format}`", "", table.meaning, "", "| column | type | meaning |", "|---|---|---|"]
    lines += [f"| `{column.name}` | {column.dtype} | {column.meaning} |" for column in table.columns]
    return lines
