"""What several pages draw."""

import ast
import inspect
from types import SimpleNamespace

from streamlit.testing.v1 import AppTest

from explorer import errors
from explorer.models import batchnorm, cells
from explorer.ui import parts


def _page() -> None:
    from explorer.training.learner import Learner
    from explorer.ui import parts

    parts.code(Learner.train_batch, "One batch.")


def test_code_is_shown_as_it_runs_without_words_to_the_type_checker():
    """The student reads the loop, not what mypy was told."""
    shown, *_ = AppTest.from_function(_page).run().code
    assert "    loss.backward()\n" in shown.value and "take_step(self.optimiser)" in shown.value
    assert "type: ignore" not in shown.value


def test_a_long_docstring_is_cut_to_its_first_line_and_kept_apart() -> None:
    source = '''    def f(x):
        """Twice.

        Args:
            x: a number.
        """
        def g():
            """Short."""
        return 2 * x  # twice
'''
    short, docstrings = parts.shortened(source)
    assert (
        short
        == '''def f(x):
    """Twice."""
    def g():
        """Short."""
    return 2 * x  # twice
'''
    )
    assert docstrings == ("Twice.\n\nArgs:\n    x: a number.",)


def test_what_is_shown_is_the_code_that_runs() -> None:
    def bare(source: str) -> str:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body[0] = ast.Pass()
        return ast.dump(tree)

    for thing in (batchnorm.LectureBnLayer, cells.gru_gates, cells.gru_cell):
        source = inspect.getsource(thing)
        short, _ = parts.shortened(source)
        assert bare(short) == bare(source)
        assert len(short.splitlines()) <= len(source.splitlines())


def _refusing() -> None:
    from explorer.errors import StorageError
    from explorer.ui import parts

    with parts.refusals():
        raise StorageError("Not *now*.", "disk full")
    with parts.refusals():
        raise StorageError("Not here.")


def test_what_is_refused_is_a_sentence_on_the_page_and_its_detail_in_the_log(monkeypatch, caplog) -> None:
    monkeypatch.setattr(errors, "time", SimpleNamespace(monotonic=lambda: 90.0))
    errors._log_detail.cache_clear()
    at = AppTest.from_function(_refusing).run()
    assert [error.value for error in at.error] == ["Not \\*now\\*\\.", "Not here\\."]
    at.run()
    lines = [record.getMessage() for record in caplog.records if record.name == "explorer.errors"]
    assert lines == ["Not *now*. (disk full)"], "and once, though the page was drawn twice"
    monkeypatch.setattr(errors, "time", SimpleNamespace(monotonic=lambda: 190.0))
    at.run()
    assert caplog.text.count("disk full") == 2
