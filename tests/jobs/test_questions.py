"""Questions: asked here, answered elsewhere."""

import pytest

from explorer.jobs.questions import Questions


def test_each_question_gets_its_answer_or_its_error():
    questions = Questions()
    asked = [questions.ask(name) for name in ("weights", "colour")]
    assert questions
    questions.answer({"weights": 3}.__getitem__)
    assert not questions and asked[0].result(0) == 3
    with pytest.raises(KeyError):
        asked[1].result(0)


def test_one_that_nobody_waits_for_any_more_is_not_worked_out():
    questions, worked_out = Questions(), []
    questions.ask("weights").cancel()
    questions.answer(worked_out.append)
    assert not worked_out and not questions
