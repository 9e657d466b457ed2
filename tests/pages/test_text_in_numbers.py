"""The text tabs of the Character RNN page: numbers, the first alphabet, one mini-batch."""

import pytest

from explorer.ui.char_rnn.batch import visible
from tests.pages.conftest import open_page, texts

pytestmark = pytest.mark.data


def test_the_first_inputs_and_the_vocabulary_are_there_in_numbers_once_they_are_opened() -> None:
    at = open_page("char_rnn", model="char3")
    assert not any("x-letters" in str(e.proto.body) for e in at.get("html"))
    for fold in ("stoi", "first"):
        at.session_state[f"char_rnn.fold.{fold}"] = True
    at.run()
    chips = [str(e.proto.body) for e in at.get("html") if "x-letters" in str(e.proto.body)]
    assert len(chips) == 2 and chips[0].count("x-rare") == 3 + 1  # and in the style
    assert any("[40, 30, 29, 1]" in code.value for code in at.code) and "the same" in texts(at)


@pytest.mark.parametrize("model", ["char3", "char-seq", "gru"])
def test_a_mini_batch_is_drawn_x_beside_y(model) -> None:
    at = open_page("char_rnn", model=model)
    at.session_state["char_rnn.behind"] = "A mini-batch"
    at.run()
    assert not at.exception and not at.error
    drawn = next(str(m.value) for m in at.markdown if "A mini-batch: a row a stream" in str(m.value))
    assert ">x</text>" in drawn and ">y</text>" in drawn and ("next batch" in drawn) == (model == "gru")
    at.segmented_control(key="char_rnn.batch_as").set_value("numbers").run()
    numbers = next(str(m.value) for m in at.markdown if "A mini-batch: a row a stream" in str(m.value))
    assert numbers != drawn and ">2</text>" in numbers
    assert any("view(-1" in str(m.value) for m in at.markdown) == (model != "char3")


def test_what_cannot_be_seen_has_a_sign() -> None:
    assert [visible(c) for c in " \n<"] == ["␣", "⏎", "<"]
