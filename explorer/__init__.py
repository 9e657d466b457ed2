"""explorer: fast.ai lesson 7 as experiments you can run, watch and share.

Nothing here imports Streamlit except :mod:`explorer.ui`; nothing imports torch before it is needed.
"""
