"""What controls are set to, in words of an address and back."""

import pytest

from explorer.ui import links


@pytest.mark.parametrize(
    ("words", "value", "text"),
    [
        (links.one_of([1, 2, 3]), 2, "2"),
        (links.one_of(["Trained", "Both"], str.lower), "Both", "both"),
        (links.some_of(["gru", "lstm"]), ["lstm", "gru"], "lstm,gru"),
        (links.number(0, 1), 0.35, "0.35"),
        (links.number(0, 100, int), 7, "7"),
        (links.SWITCH, True, "1"),
        (links.text_of(20), "The will, 50 % of it", "The will, 50 % of it"),
    ],
)
def test_a_setting_is_read_as_it_was_written(words, value, text) -> None:
    assert words.write(value) == text and words.read(text) == value


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (links.one_of([1, 2]), "3"),
        (links.one_of(["Both"], str.lower), "Both"),
        (links.some_of(["gru", "lstm"]), "gru,gpt"),
        (links.some_of("abc", most=2), "a,b,c"),
        (links.number(0, 1), "1.01"),
        (links.number(0, 1), "nan"),
        (links.number(0, 1), "²"),
        (links.number(0, 100, int), "1e3"),
        (links.SWITCH, "yes"),
        (links.text_of(3), "long"),
        (links.text_of(9), "a\x00b"),
    ],
)
def test_what_cannot_be_is_refused(words, text) -> None:
    with pytest.raises(ValueError):
        words.read(text)
