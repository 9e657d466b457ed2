"""What a page costs: one that is run again makes no figure, encodes no picture and builds no network a second time."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from unittest.mock import patch

import plotly.graph_objects as go
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import nn

from tests.benchmarks.rerun import PAGES, mover
from tests.pages.conftest import open_page, wait

pytestmark = pytest.mark.data


PICTURES = ((Image.Image, "save"), (nn.Module, "__init__"), (nn.Module, "__call__"))
ALL = ((go.Figure, "__init__"), *PICTURES)


def made_anew(at: AppTest, move: Callable[[int], None], kinds: Iterable[tuple[type, str]]) -> Counter[str]:
    """What is made while a slider goes to and fro that has been at both ends before."""
    made: Counter[str] = Counter()

    def counted(kind: type, name: str):
        real = getattr(kind, name)

        def calls(*args, **kwargs):
            made[f"{kind.__name__}.{name}"] += 1
            return real(*args, **kwargs)

        return patch.object(kind, name, calls)

    for number in range(3):  # there, back, and there again
        move(number)
        at.run()
    with ExitStack() as stack:
        for kind, name in kinds:
            stack.enter_context(counted(kind, name))
        for number in range(3, 6):
            move(number)
            at.run()
    assert not at.exception
    return made


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_has_seen_both_ends_of_a_slider_makes_nothing_anew(page) -> None:
    at = open_page(page)
    wait(at, lambda: not at.get("progress"))  # a network's answers come in shares where the machine is busy
    assert not made_anew(at, mover(at), ALL)


@pytest.mark.parametrize(("tab", "kinds"), [("layers", ALL), ("steps", ALL), ("truth", ALL), ("numbers", PICTURES)])
def test_what_lies_behind_a_photos_answer_does_not_hang_on_the_opacity(tab, kinds) -> None:
    at = open_page("cam", show=tab)
    assert not made_anew(at, lambda number: at.slider(key="cam.opacity").set_value(0.4 + 0.2 * (number % 2)), kinds)
