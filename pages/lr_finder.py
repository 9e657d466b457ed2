"""To come."""

import streamlit as st

st.title("lr_finder")
