"""explorer: fast.ai lesson 7 as experiments you can run, watch and share.

Nothing here imports Streamlit except :mod:`explorer.ui`; nothing imports torch before it is needed.
"""

import os

# Threads of torch that wait for each other sleep. By default they spin: beside anything else that computes, a step of a
# small network on two cores then takes ten times as long, and a text forty times.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

VERSION = "0.1.0"  #: as in pyproject.toml; recorded with every run
