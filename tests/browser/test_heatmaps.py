"""Numbers in coloured cells can be read in the light scheme and in the dark one."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.looks import settle
from tests.serving import Server, serve
from tests.warm import Warm

SCRIPT = """
import numpy as np
from explorer.data import Source
from explorer.figures import pictures
from explorer.figures.batchnorm import rate_depth_map
from explorer.runs.grid import GridView
from explorer.ui import plot

loss = np.array([[[1.5, 1.9, 2.2, 2.3, np.inf, np.nan]], [[1.5, 1.9, 2.2, 2.3, np.inf, np.nan]]])
map_ = GridView((1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), (1,), ("none", "running"), 3, 20, loss, Source("", "real", ""))
plot.show(rate_depth_map(map_), "map", "A map")
counts = np.arange(100).reshape(10, 10) * 3
plot.show(pictures.confusion(counts, tuple("abcdefghij")), "confusion", "Confusions")
"""


IN_SCHEME = """dark => [...document.querySelectorAll('.explorer-plot')].every(plot => {
    const paper = getComputedStyle(plot).getPropertyValue('--st-background-color');
    const pen = new OffscreenCanvas(1, 1).getContext('2d'); pen.fillStyle = paper; pen.fillRect(0, 0, 1, 1);
    return plot.layout.paper_bgcolor === paper && dark === pen.getImageData(0, 0, 1, 1).data[0] < 128; })"""


@pytest.fixture(scope="module")
def heatmaps(tmp_path_factory: pytest.TempPathFactory, programs: Warm) -> Iterator[Server]:
    """A server of nothing but two heat maps."""
    home: Path = tmp_path_factory.mktemp("heatmaps")
    (home / "app.py").write_text(SCRIPT)
    with serve(home, home / "app.py", begin=programs.begin) as server:
        yield server


@pytest.fixture(scope="module")
def drawn(heatmaps: Server, browser: Browser) -> Iterator[Page]:
    """The heat maps."""
    context = browser.new_context(viewport={"width": 1100, "height": 1000})
    page = context.new_page()
    page.goto(heatmaps.url)
    page.wait_for_function("document.querySelectorAll('.heatmap-label').length > 60", timeout=120_000, polling=100)
    yield page
    context.close()


@pytest.fixture(params=["light", "dark"])
def page(request, drawn: Page) -> Page:
    """The heat maps in one scheme, which they follow."""
    drawn.emulate_media(color_scheme=request.param)
    drawn.wait_for_function(IN_SCHEME, arg=request.param == "dark", polling=100)
    settle(drawn)
    return drawn


def luminance(pixels: np.ndarray) -> np.ndarray:
    """WCAG's relative luminance of uint8 (…, 3)."""
    share = pixels / 255
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_every_number_stands_out_from_its_cell(page: Page) -> None:
    seen = luminance(np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), np.float64))
    boxes = page.evaluate("""() => [...document.querySelectorAll('.heatmap-label text')].map((text) => {
        const { x, y, width, height } = text.getBoundingClientRect();
        return [text.textContent, x, y, width, height]; })""")
    assert len(boxes) > 60
    for words, x, y, width, height in boxes:
        cell = seen[int(y) : int(y + height), int(x) : int(x + width)]
        contrast = (cell.max() + 0.05) / (cell.min() + 0.05)
        assert not words or contrast > 2.5, f"{words} at {x:.0f}, {y:.0f}: {contrast:.2f}"


def test_nothing_looks_like_the_page(page: Page) -> None:
    """Where there was no mistake there is no colour, and titles keep clear of the ticks."""
    page_colour, none = page.evaluate("""() => { const plot = document.querySelectorAll('.explorer-plot')[1];
        const paper = getComputedStyle(plot).getPropertyValue('--st-background-color');
        const pen = new OffscreenCanvas(1, 1).getContext('2d'); pen.fillStyle = paper; pen.fillRect(0, 0, 1, 1);
        return [`rgb(${[...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).join(',')})`,
                plot._fullData[0].colorscale[0][1]]; }""")
    assert page_colour == none
    overlap = page.evaluate("""() => { const boxes = (css) => [...document.querySelectorAll(css)]
          .map((e) => e.getBoundingClientRect());
        return boxes('.xtitle, .x2title').flatMap((title) => boxes('.xtick text, .x2tick text').filter((tick) =>
          tick.left < title.right && title.left < tick.right && tick.top < title.bottom && title.top < tick.bottom))
          .length; }""")
    assert overlap == 0
