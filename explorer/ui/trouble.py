"""What a page shows in place of a trace when its script breaks down: a sentence, and a number that the log has too."""

import streamlit as st

from explorer.errors import ExplorerError, explain
from explorer.ui import parts

AGAIN = "Reload the page. If it comes again, tell the number to whoever runs this server."


def tell(error: Exception) -> bool:
    """For ``st.App(on_script_error=…)``: say it where the page broke off, in a fragment as in the page itself.

    Returns:
        True: Streamlit, which has its own trace of it in the log, shows nothing more.
    """
    words = str(error) if isinstance(error, ExplorerError) else f"{explain(error)} {AGAIN}"
    st.error(parts.escape(words), icon=":material/error:")
    return True
