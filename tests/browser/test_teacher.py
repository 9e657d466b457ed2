"""The projector view: the sidebar folds away, the charts take its room, code and notes go."""

import pytest

from tests.browser.looks import faults, settle

pytestmark = pytest.mark.data


def test_the_teacher_view_makes_room_for_the_charts(visitor) -> None:
    page = visitor.open("cifar10?model=convnet").page
    visitor.until(lambda: visitor.points() > 0)
    plot, code = page.locator(".explorer-plot .main-svg").first, page.get_by_text("Try this").first
    narrow = plot.bounding_box()["width"]
    assert code.is_visible()
    page.get_by_text("Teacher view").click()
    visitor.until(lambda: plot.bounding_box()["width"] > narrow + 100)
    page.get_by_test_id("stExpandSidebarButton").wait_for()
    code.wait_for(state="hidden")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_text("Teacher view").click()
    visitor.until(lambda: plot.bounding_box()["width"] < narrow + 20)
    code.wait_for(state="visible")
    assert visitor.errors == []


@pytest.mark.parametrize(
    ("path", "title"),
    [("char_rnn?model=gru", "Character RNN"), ("cifar10?model=convnet", "CIFAR-10"), ("lr_finder", "LR finder")],
)
def test_nothing_lies_over_anything_else_in_large_type(regular, path, title) -> None:
    page = regular.page
    regular.go(f"{path}{'&' if '?' in path else '?'}teacher=1")
    page.get_by_role("heading", name=title).first.wait_for()
    settle(page)
    assert page.get_by_test_id("stExpandSidebarButton").is_visible()
    assert page.get_by_role("heading", name=title).first.is_visible()
    assert faults(page, inside='[data-testid="stMain"]') == []
