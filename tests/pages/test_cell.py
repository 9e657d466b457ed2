"""The cell in numbers, and the next character, on the Character RNN page."""

import pytest

from tests.pages.conftest import open_page, texts


def _open(tab: str, model: str):
    at = open_page("char_rnn", model=model)
    at.session_state["char_rnn.behind"] = tab
    at.run()
    assert not at.exception and not at.error
    return at


@pytest.mark.parametrize(("model", "lines"), [("gru", 4), ("lstm", 6), ("rnn-cell", 1)])
def test_the_formulas_carry_the_numbers_of_a_real_character(model, lines) -> None:
    at = _open("The model's code", model)
    general, numbers = (formula.value for formula in at.latex)
    assert general.count("&=") == numbers.count("&=") == lines and "mathbf" in numbers
    at.select_slider(key="char_rnn.cell_at.18").set_value(0).run()
    assert at.latex[1].value != numbers and at.latex[0].value == general
    at.text_input(key="char_rnn.cell_text").set_value("x").run()
    assert not at.exception


def test_a_model_without_such_a_cell_shows_its_code_only() -> None:
    at = _open("The model's code", "char3")
    assert not at.latex and any("class Char3Model" in code.value for code in at.code)


def test_the_next_character_is_asked_of_the_model_on_the_page() -> None:
    at = _open("The next character", "char3")
    assert "ten likeliest of 53" in texts(at) and "shipped weights" in texts(at)
    at.session_state["char_rnn.die_tail"] = "e"
    at.run()
    assert any("</span>e</div>" in str(html.proto.body) for html in at.get("html"))
    at.button(key="char_rnn.die_again").click().run()
    assert not any("</span>e</div>" in str(html.proto.body) for html in at.get("html"))
