"""The class: for the teacher, with a token."""

import streamlit as st

from explorer.ui import app

app.enter()

from explorer.ui import parts
from explorer.ui.desk import entry, room, rules

parts.title("The class", "school", "Who is here and what runs on this server; and what one visitor may take of it.")
if entry.opened():
    room.show()
    st.header("Limits", anchor=False)
    rules.show()
