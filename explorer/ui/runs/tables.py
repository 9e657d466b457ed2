"""Tables as the browser gets them, each made once: Streamlit would make one anew of its rows in every run of a page."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[tuple[str, object], ...]


def arrow(rows: Sequence[Mapping[str, object]]) -> "pa.Table":
    """A table of rows with the same columns."""
    return _arrow(tuple(tuple(row.items()) for row in rows))


@functools.lru_cache(maxsize=64)
def _arrow(rows: tuple[Row, ...]) -> "pa.Table":
    import pandas as pd
    import pyarrow as pa

    return pa.Table.from_pandas(pd.DataFrame([dict(row) for row in rows]), preserve_index=False)
