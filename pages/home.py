"""The lecture as a map: two paths, its claims, and one button that sets something in motion."""

from explorer.ui.home import hero

start, view = hero.show(), hero.choose()

# While Python imports the rest, the browser already fetches all kinds of elements that this page is made of.
from explorer.ui import plot
from explorer.ui.home import views

views.begin(start)
views.show(view)
plot.expect()
