"""What several pages draw."""

from streamlit.testing.v1 import AppTest


def _page() -> None:
    from explorer.training.learner import Learner
    from explorer.ui import parts

    parts.code(Learner.train_batch, "One batch.")


def test_code_is_shown_as_it_runs_without_words_to_the_type_checker():
    """The student reads the loop, not what mypy was told."""
    (shown,) = AppTest.from_function(_page).run().code
    assert "        loss.backward()\n" in shown.value and "take_step(self.optimiser)" in shown.value
    assert "type: ignore" not in shown.value
