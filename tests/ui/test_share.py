"""A page's whole link, for somebody else."""

import re

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from explorer.ui import share


def test_the_link_is_the_browsers_own_address_with_what_the_page_says() -> None:
    link, note = share.link("https://class.example/app/cam", {"method": "gradcam", "class": "a dog & more"})
    assert link == "https://class.example/app/cam?method=gradcam&class=a+dog+%26+more" and note == ""


def test_a_page_without_settings_has_no_question_mark() -> None:
    assert share.link("https://class.example/", {})[0] == "https://class.example/"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_whoever_sits_at_the_server_gets_its_address_in_the_network(monkeypatch, host) -> None:
    monkeypatch.setattr(share, "network_address", lambda: "192.168.1.20")
    monkeypatch.setattr(st, "get_option", lambda name: None)
    link, note = share.link(f"http://{host}:8501/cam", {"cells": "1"})
    assert link == "http://192.168.1.20:8501/cam?cells=1" and "192.168.1.20" in note


def test_a_server_that_answers_its_own_computer_only_says_so(monkeypatch) -> None:
    monkeypatch.setattr(st, "get_option", lambda name: "127.0.0.1")
    link, note = share.link("http://127.0.0.1:8501/cam", {})
    assert link == "http://127.0.0.1:8501/cam" and "this computer only" in note


def test_the_code_has_a_quiet_zone_and_square_modules() -> None:
    drawn = share.code("http://192.168.1.20:8501/char_rnn?model=gru&lr=0.002")
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', drawn).groups())
    assert width == height and (width - 6 - 17) % 4 == 0, "modules of a QR code and three of white around it"
    assert 'role="img"' in drawn


def test_a_link_that_is_too_long_for_a_code_is_shared_as_text(monkeypatch) -> None:
    def card() -> None:
        from explorer.ui import share

        share._card(*share.link("https://class.example/char_rnn", {"prompt": "\N{CAT FACE}" * 200}))

    monkeypatch.setattr(share, "_component", lambda: lambda **options: None)
    at = AppTest.from_function(card).run()
    assert not at.exception and "too long for a QR code" in at.caption[0].value and not at.markdown
    assert at.code[0].value.count("%F0%9F%90%B1") == 200
