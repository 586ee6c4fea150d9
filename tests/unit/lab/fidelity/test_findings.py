import pytest

from lightninglens.lab.fidelity import Fidelity, Line, Table, Value, Verdict, render
from lightninglens.lab.fidelity.findings import over_seeds, paired_verdict, share, verdict_of
from lightninglens.lab.fidelity.report import fill_page

TABLE = Table(
    key="some",
    title="Some figures",
    columns=("published", "ours"),
    lines=(
        Line(label="a", values=(Value(mean=1.0), Value(mean=1_234.5, error=0.25)), verdict=Verdict.AGREES),
        Line(label="b", values=(None, Value(mean=2.0)), verdict=Verdict.DEVIATES, why="a reason"),
    ),
    notes=("From somewhere.",),
)


def test_a_share_has_its_binomial_error_and_never_none() -> None:
    assert share(25, 100).mean == 25
    assert share(25, 100).error == pytest.approx(4.330, abs=1e-3)
    assert share(0, 100).mean == 0
    assert share(0, 100).error == pytest.approx(0.995, abs=1e-3)
    assert share(100, 100).error == pytest.approx(0.995, abs=1e-3)


def test_seeds_give_a_standard_error() -> None:
    assert over_seeds([1.0, 2.0, 3.0]).mean == 2
    assert over_seeds([1.0, 2.0, 3.0]).error == pytest.approx(3**-0.5)
    assert over_seeds([1.0]) == Value(mean=1.0)


def test_a_paired_difference_is_judged_by_students_t() -> None:
    assert paired_verdict([1.0, 2.1, 2.9], [1.1, 2.0, 3.0])[1] is Verdict.AGREES
    assert paired_verdict([2.0, 3.1, 3.9], [1.0, 2.0, 3.0])[1] is Verdict.DEVIATES
    difference, verdict = paired_verdict([2.0], [1.5])
    assert (difference.mean, difference.error, verdict) == (0.5, None, Verdict.NONE)


def test_beyond_the_error_only_the_shape_is_left() -> None:
    ours, published = Value(mean=50.0, error=1.0), Value(mean=53.0)
    assert verdict_of(ours, published, shape=True) is Verdict.SHAPE
    assert verdict_of(ours, published, shape=False) is Verdict.DEVIATES
    assert verdict_of(ours, Value(mean=51.9), shape=False) is Verdict.AGREES


def test_a_table_reads_as_markdown() -> None:
    text = render(Fidelity(tables=(TABLE,)))
    assert "|  | published | ours | verdict |" in text
    assert "| a | 1.00 | 1,234.50 ± 0.25 | agrees within error |" in text
    assert "| b |  | 2.00 | deviates: a reason |" in text
    assert text.endswith("From somewhere.\n\n")


def test_a_page_keeps_what_is_not_measured_again() -> None:
    page = "x\n<!-- measured: some -->\nold\n<!-- end -->\n<!-- measured: other -->\nkept\n<!-- end -->\n"
    filled = fill_page(page, Fidelity(tables=(TABLE,)))
    assert "old" not in filled
    assert "Some figures" in filled
    assert filled.endswith("<!-- measured: other -->\nkept\n<!-- end -->\n")
