"""What is asked, in files of ours or of the user's: a line a question."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bert_jax.data.lines import ReadReport
from bert_jax.errors import DataError
from bert_jax.tasks.tabular import read_rows


def read_table(
    path: str, name: str, columns: Sequence[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the place and the cells of each line of a TSV, none of them empty.

    Args:
        path: the file; "builtin": ours.
        name: of our own file.
        columns: their names; the file has no head.

    Raises:
        DataError: there is no such file, it has no lines, or a line has other columns.
    """
    file = Path(__file__).with_name(name) if path == "builtin" else Path(path)
    place = None
    for place, row in read_rows(file, ReadReport(), format="tsv", header=columns):
        cells = tuple(row[name].strip() for name in columns)
        if not all(cells):
            raise DataError(
                f"{place}: wants {', '.join(columns)}, got {', '.join(map(repr, cells))}"
            )
        yield place, cells
    if place is None:
        raise DataError(f"{file}: has no lines; wants some of {', tab, '.join(columns)}")
