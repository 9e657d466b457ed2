"""The tabs behind the curves: what is closed costs nothing, and what is opened is there."""

from unittest.mock import patch

from explorer.models import summary
from explorer.ui.char_rnn import text
from tests.pages.conftest import open_page, texts


def test_a_closed_tab_is_not_computed_and_an_opened_one_is() -> None:
    with patch.object(text, "show") as first, patch.object(summary, "summarise", wraps=summary.summarise) as layers:
        at = open_page("char_rnn")
        assert first.call_count and "narrower" not in texts(at)
        at.session_state["char_rnn.behind"] = "Where the memory goes"
        before = first.call_count
        at.run()
        assert "narrower" in texts(at) and first.call_count == before
        at = open_page("cifar10", model="convnet")
        assert not layers.call_count
