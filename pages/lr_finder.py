"""The LR finder: raise the rate every step and see where the loss falls, and where it breaks."""

import streamlit as st

from explorer.ladders import Page
from explorer.ui import app

app.enter()

from explorer.experiment import SETTINGS
from explorer.ui import cards, parts, steps
from explorer.ui.lr_finder import sweep

PAGE = Page.LR_FINDER
sweep.follow()
parts.title(
    "LR finder",
    "speed",
    "Start at a rate far too small and multiply it at every step. Where the loss falls fastest "
    "is a good rate; where it shoots up is one too many. The model is put back exactly as it was.",
)
sweep.show(sweep.sidebar())
sweep.how_it_works()
steps.try_this(PAGE)
cards.did_you_notice(PAGE)
st.caption(f"{SETTINGS['lr'].help} Leslie Smith, *Cyclical learning rates for training neural networks*, 2015.")
