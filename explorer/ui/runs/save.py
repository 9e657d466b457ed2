"""The button that saves a file: what is in it is made when it is pressed, and the page stays as it is."""

from collections.abc import Callable

import streamlit as st


def button(label: str, content: Callable[[], str | bytes], file: str, key: str, icon: str = "table") -> None:
    """Offer ``file``."""
    st.download_button(label, content, file, icon=f":material/{icon}:", key=key, on_click="ignore")
