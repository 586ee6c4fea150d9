"""All studies that were asked for, one after the other."""

from collections.abc import Callable, Iterator

from lightninglens.core.errors import ConfigError
from lightninglens.lab.fidelity.cloth import compare_cloth
from lightninglens.lab.fidelity.depletion import compare_depletion
from lightninglens.lab.fidelity.findings import Fidelity, Table
from lightninglens.lab.fidelity.max_flow import compare_max_flow
from lightninglens.lab.fidelity.options import NEEDS_GRAPH, FidelityOptions, Study
from lightninglens.lab.fidelity.success import compare_success
from lightninglens.lab.worlds import open_world

Say = Callable[[str], None]


def run_fidelity(options: FidelityOptions, *, say: Say = lambda _text: None) -> Fidelity:
    """Run the studies and return their tables; `say` is told what begins.

    Raises:
        ConfigError: a study lacks its data.
        DataError: the data are damaged.
    """
    _check(options)
    return Fidelity(tables=tuple(table for study in options.studies for table in _tables(study, options, say)))


def _check(options: FidelityOptions) -> None:
    if options.graph is None and (lacking := [study.value for study in options.studies if study in NEEDS_GRAPH]):
        raise ConfigError(
            f"{' and '.join(lacking)} need a snapshot of the network: name it with --graph, or leave them"
            " out with --only"
        )
    if options.cloth is None and Study.CLOTH in options.studies:
        raise ConfigError(
            "cloth needs the CSV files of CLoTH (github.com/marcono/cloth): name its binary or its folder with --cloth,"
            " or leave it out with --only"
        )


def _tables(study: Study, options: FidelityOptions, say: Say) -> Iterator[Table]:
    match study:
        case Study.CLOTH:
            assert options.cloth is not None  # noqa: S101 - checked before anything ran
            say("CLoTH: the same payments on the same network")
            yield from compare_cloth(options.cloth, payments=options.cloth_payments, seeds=options.seeds, say=say)
        case Study.MAX_FLOW:
            say("A1: max-flow between random nodes")
            yield from compare_max_flow(open_world(options.graph or "").graph, samples=options.flow_samples)
        case Study.SUCCESS:
            say("A2: success against amount")
            yield from compare_success(open_world(options.graph or "").graph, pairs=options.pairs)
        case Study.DEPLETION:
            say("A4: depletion of a replenished network")
            yield compare_depletion(payments=options.depletion_payments, seeds=options.seeds)
