"""What a page costs: one that is run again makes no figure, encodes no picture and builds no network a second time."""

from collections import Counter
from unittest.mock import patch

import plotly.graph_objects as go
import pytest
from PIL import Image
from torch import nn

from tests.benchmarks.rerun import PAGES, mover
from tests.pages.conftest import open_page

pytestmark = pytest.mark.data


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_has_seen_both_ends_of_a_slider_makes_nothing_anew(page) -> None:
    at = open_page(page)
    move, made = mover(at), Counter()

    def counted(kind, name):
        real = getattr(kind, name)

        def calls(*args, **kwargs):
            made[f"{kind.__name__}.{name}"] += 1
            return real(*args, **kwargs)

        return patch.object(kind, name, calls)

    for number in range(3):  # there, back, and there again
        move(number)
        at.run()
    with counted(go.Figure, "__init__"), counted(Image.Image, "save"), counted(nn.Module, "__init__"):
        for number in range(3, 6):
            move(number)
            at.run()
    assert not at.exception and not made
