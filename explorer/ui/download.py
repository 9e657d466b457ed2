"""Fetching something while the visitor watches: one bar, a sentence if it fails, the page again when it is here."""

from collections.abc import Callable

import streamlit as st

from explorer.data.files import Progress
from explorer.errors import ExplorerError, log_detail
from explorer.ui import parts


def with_bar(fetch: Callable[[Progress], object], expected: float) -> None:
    """Run ``fetch(progress)`` and show how far it is; ``expected`` bytes, where the other side does not say how many.

    What is no network or no file is said in its own words, and the page stays as it was.
    """
    bar = st.progress(0.0, "Asking for it …")

    def show(done: int, total: int | None) -> None:
        words = f"{done / 1e6:,.1f} MB" if expected > 1e6 else f"{done:,} bytes"
        bar.progress(min(1.0, done / (total or expected)), words)

    try:
        fetch(show)
    except ExplorerError as error:
        log_detail(error)
        bar.empty()
        st.error(parts.escape(str(error)), icon=":material/wifi_off:")
    else:
        st.rerun()
