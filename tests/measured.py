"""Documents of which a part is drawn from measurements: what stands between two marks is theirs."""

from __future__ import annotations

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def written(document: str, drawn: str) -> str:
    """The document with `drawn` between its marks.

    Raises:
        ValueError: it lacks a mark.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n\n{drawn}\n\n{END}{after}"
