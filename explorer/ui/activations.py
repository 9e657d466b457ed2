"""What each layer of the weights on a page gives: its distribution, and in numbers."""

from typing import TYPE_CHECKING

import streamlit as st

from explorer.figures import layers
from explorer.ui import parts, plot, state

if TYPE_CHECKING:
    from explorer.probes.activation_record import ActivationRecord

COLUMNS = {
    "mean": st.column_config.NumberColumn(format="%.3f"),
    "spread": st.column_config.NumberColumn(format="%.3f", help="Standard deviation of its activations."),
    "near zero": st.column_config.ProgressColumn(
        format="percent", min_value=0.0, max_value=1.0, help="Share of them nearer to zero than 0.05."
    ),
}


def show(page: str, stamp: state.Stamp, record: "ActivationRecord", of: str) -> None:
    """A ridge a layer, and beside it mean, spread and share near zero.

    Args:
        stamp: what the record was made of; see :func:`plot.chart`.
        record: of one row.
        of: whose activations, for which batch, in words.
    """
    left, right = st.columns([3, 2], gap="medium")
    with left:
        plot.chart(
            page,
            "activations",
            stamp,
            lambda: layers.at_step(record, 0, key=str(stamp[0])),
            "The distribution of every layer's activations, the first layer on top.",
            "How many activations of each size. The axis is linear near zero and logarithmic beyond.",
        )
    with right:
        numbers = zip(record.layers, *(v[0].tolist() for v in (record.mean, record.std, record.dead)), strict=True)
        st.dataframe(
            [{"layer": layers.short(n), "mean": m, "spread": s, "near zero": z} for n, m, s, z in numbers],
            hide_index=True,
            column_config=COLUMNS,
        )
        st.caption(f"{parts.escape(of)}. A layer that stays near zero passes nothing on.")
