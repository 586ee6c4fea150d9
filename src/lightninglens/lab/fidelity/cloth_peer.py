"""CLoTH's own figures: from its program, run now, or recorded from an earlier run."""

import csv
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from lightninglens.core.errors import ConfigError, DataError
from lightninglens.core.records import STRICT
from lightninglens.core.units import MSAT_PER_SAT
from lightninglens.lab.fidelity.cloth_payments import ClothPayments, write_payments
from lightninglens.storage.files.codec import read_record
from lightninglens.storage.files.graphs.cloth import FILES

RECORDED: Final = Path(__file__).with_name("cloth_recorded.json")
_TIMEOUT_S: Final = 4 * 3_600
_OUTPUT: Final = "payments_output.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is paid: the shipped parameters of CLoTH but for amount and parts."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seed: int
    payments: int
    amount_sat: int
    mpp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a workload. Fees and hops are of payments that arrived."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    success: float
    """Per cent."""
    searches: float
    """Path searches per payment, the last one that found nothing included: CLoTH's `attempts`."""
    hops: float
    mean_fee_sat: float
    median_fee_sat: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """One run of CLoTH's program."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    workload: Workload
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Runs of CLoTH's program that were kept, and how they came to be."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    program: str
    network_sha256: str
    """Of its three CSV files, one after the other."""
    runs: tuple[RecordedRun, ...]

    def outcomes(self) -> Mapping[Workload, Outcome]:
        """Return the outcomes by workload."""
        return {run.workload: run.outcome for run in self.runs}


def read_recording() -> Recording:
    """Return the figures that come with this package."""
    return read_record(Recording, RECORDED)


def run_program(program: Path, workload: Workload, payments: ClothPayments) -> Outcome:
    """Run CLoTH's program on payments of ours, in a directory of its own.

    Raises:
        ConfigError: the program cannot be run, or ends with an error.
        DataError: what it wrote is not what its version writes.
    """
    with tempfile.TemporaryDirectory(prefix="lens-cloth-") as scratch:
        place = Path(scratch)
        for name in FILES:
            (place / name).symlink_to((program.parent / name).resolve())
        write_payments(payments, place / "payments_in.csv")
        (place / "cloth_input.txt").write_text(_parameters(workload))
        try:
            subprocess.run(  # noqa: S603 - a program that the user named
                [str(program.resolve()), "./"],
                cwd=place,
                env={"GSL_RNG_SEED": str(workload.seed)},
                check=True,
                capture_output=True,
                timeout=_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigError(f"{program} does not run as CLoTH does: {error}") from None
        return read_outcome(place / _OUTPUT)


def _parameters(workload: Workload) -> str:
    values = {
        "generate_network_from_file": "true",
        "nodes_filename": "nodes_ln.csv",
        "channels_filename": "channels_ln.csv",
        "edges_filename": "edges_ln.csv",
        "faulty_node_probability": "0.0",
        "generate_payments_from_file": "true",
        "payments_filename": "payments_in.csv",
        "mpp": str(int(workload.mpp)),
    }
    return "".join(f"{key}={value}\n" for key, value in values.items())


def read_outcome(path: Path) -> Outcome:
    """Return what CLoTH's table of payments says; raises DataError when it is none."""
    try:
        with path.open(newline="") as file:
            return _outcome(csv.DictReader(file))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"not the table of payments that CLoTH writes ({error})", where=str(path)) from None


def _outcome(rows: Iterable[Mapping[str, str]]) -> Outcome:
    arrived, searches, hops, fees = [], [], [], []
    for row in rows:
        searches.append(int(row["attempts"]))
        arrived.append(row["is_success"] == "1")
        if arrived[-1]:
            hops.append(len(row["route"].split("-")))
            fees.append(int(row["total_fee"]))
    return Outcome(
        success=100 * float(np.mean(arrived)),
        searches=float(np.mean(searches)),
        hops=float(np.mean(hops)),
        mean_fee_sat=float(np.mean(fees)) / MSAT_PER_SAT,
        median_fee_sat=float(np.median(fees)) / MSAT_PER_SAT,
    )
