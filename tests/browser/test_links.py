"""Each page's link brings back its state: in a browser that was never here, the controls are set as the link says."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.data]

LINKS = {
    "": {"show": "claims", "about": "depth"},
    "char_rnn": {"model": "lstm", "bptt": "32", "hide": "seed", "prompt": "the will", "temperature": "1.2"},
    "cifar10": {"model": "bn", "lr": "0.05", "claim": "last-batch"},
    "lr_finder": {"models": "bn,convnet", "rates": "1e-6..1e2", "steps": "60", "smoothing": "0.5"},
    "batchnorm": {
        "race": "own",
        "nets": "none-3-0.1,running-4-1-skips,torch-1-0.03",
        "widths": "8,16",
        "epochs": "3",
        "batch": "32",
        "images": "2000",
        "seed": "7",
    },
    "batchnorm#map": {"show": "map", "steps": "40"},
    "batchnorm#time": {"show": "time", "models": "gru,lstm", "weights": "both", "relative": "1", "clip": "0.5"},
    "batchnorm#memory": {"show": "memory", "model": "lstm", "knows": "fresh", "text": "god is dead", "gate": "f"},
    "cam": {
        "method": "gradcam",
        "view": "pad",
        "class": "dog",
        "opacity": "0.3",
        "colours": "jet",
        "cells": "1",
        "photo": "cats-1",
        "show": "truth",
    },
}
SEEN = {
    "": ["Just deeper does not help"],
    "char_rnn": ["the will"],
    "cifar10": ["fastai is the only library", "Put away"],
    "lr_finder": ["BatchNorm by hand"],
    "batchnorm": ["Network 3", "2: 8 layers, 1, BatchNorm, skips"],
    "batchnorm#map": ["short runs from"],
    "batchnorm#time": ["GRU, fresh"],
    "batchnorm#memory": ["The boxed character had a probability of"],
    "cam": ["Hide what is hot", "the map for Dog"],
}


def said(url: str) -> dict[str, str]:
    return {word: text[0] for word, text in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize("page", LINKS)
def test_a_link_brings_back_what_it_says_and_goes_on_saying_it(visitor: Visitor, page) -> None:
    query = "&".join(f"{word}={text.replace(' ', '+')}" for word, text in LINKS[page].items())
    visitor.open(f"{page.split('#')[0]}?{query}")
    for words in SEEN[page]:
        visitor.page.get_by_text(words).first.wait_for()
    visitor.idle()
    assert said(visitor.page.url) == LINKS[page], "what was read is what is written"
    assert visitor.page.get_by_test_id("stToast").count() == 0, "nothing in it is strange"
    assert not visitor.errors


def test_a_control_that_is_moved_is_in_the_link_and_by_default_it_is_not(regular: Visitor) -> None:
    visitor = regular
    page = visitor.visit("cam").page
    page.get_by_text("Show the cells").click()
    visitor.until(lambda: said(page.url) == {"cells": "1"})
    page.get_by_role("tab", name="The numbers").click()
    visitor.until(lambda: said(page.url) == {"cells": "1", "show": "numbers"})
    page.get_by_text("Show the cells").click()
    visitor.until(lambda: said(page.url) == {"show": "numbers"})


def test_what_belongs_to_another_tab_leaves_the_link(regular: Visitor) -> None:
    visitor = regular
    page = visitor.visit("batchnorm?show=map&steps=40").page
    page.get_by_role("tab", name="The race").click()
    visitor.until(lambda: said(page.url) == {})


def test_the_teachers_view_goes_along_and_its_code_shows_the_very_link(visitor: Visitor) -> None:
    page = visitor.open("lr_finder?models=bn&teacher=1").page
    page.get_by_test_id("stExpandSidebarButton").wait_for()
    page.get_by_role("button", name="Share").click()
    page.get_by_role("img", name=re.compile("QR code")).wait_for()
    link = page.get_by_test_id("stPopoverBody").get_by_test_id("stCode").inner_text().replace("\n", "")
    assert said(link) == {"models": "bn", "teacher": "1"} and urlsplit(link).path == "/lr_finder"
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    page.keyboard.press("Escape")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("link", name="Inside the network").click()
    visitor.until(lambda: said(page.url) == {"teacher": "1"})
    assert not visitor.errors
