"""The page of figures and its chart are drawn from the data beside them."""

from __future__ import annotations

from tests.bench import chart, record, report
from tests.bench.__main__ import DOCS, KEPT, MEASURES
from tests.measured import written


def test_table_and_chart_are_those_of_the_data() -> None:
    run = record.load(KEPT)
    document = (DOCS / "performance.md").read_text("utf-8")
    assert written(document, report.markdown(run)) == document
    assert (DOCS / report.CHART).read_text("utf-8") == chart.chart(report.bars(run))


def test_every_measure_is_named() -> None:
    """The page says what each measures, by its key, and names none that isn't there."""
    keys = (DOCS / "performance.md").read_text("utf-8").partition("Keys:")[2].partition(".")[0]
    assert [key.strip(" `\n") for key in keys.split(",")] == list(MEASURES)
