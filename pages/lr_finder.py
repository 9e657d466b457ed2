"""The LR finder: raise the rate every step and see where the loss falls, and where it breaks."""

from explorer.ui import app

app.enter()

from explorer.ladders import Page
from explorer.ui import cards, parts, steps
from explorer.ui.lr_finder import sweep

PAGE = Page.LR_FINDER
sweep.follow()
parts.title("LR finder", "speed")
sweep.show()
sweep.how_it_works()
steps.try_this(PAGE)
cards.did_you_notice(PAGE)
