"""Charts that keep their zoom while they are updated.

Streamlit 1.67 rebuilds a Plotly chart whenever its data change, even with a ``key``: zoom, pan and legend clicks
are lost. This gives a keyed chart its key as identity, the rule of Streamlit's own pull request #16052; drop it
when that ships. A browser test guards it.
"""

import functools
from typing import Any

import streamlit.elements.plotly_chart as plotly_chart


def install() -> None:
    """Patch once per process; does nothing where Streamlit has changed."""
    original = getattr(plotly_chart, "compute_and_register_element_id", None)
    if original is None or getattr(original, "by_key", False):
        return

    @functools.wraps(original)
    def by_key(kind: str, *, user_key: str | None, **rest: Any) -> str:
        if user_key is not None and not rest.get("is_selection_activated"):
            rest["key_as_main_identity"] = True
        return original(kind, user_key=user_key, **rest)

    by_key.by_key = True
    plotly_chart.compute_and_register_element_id = by_key
