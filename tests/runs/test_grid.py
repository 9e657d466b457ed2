"""The map of rates and depths: every cell alike, filled in live, stopped when asked; and its pattern is real."""

import shlex

import numpy as np
import pytest

from explorer.__main__ import _parser
from explorer.jobs.job import Job
from explorer.runs import grid
from explorer.terminal import sweep

SMALL = dict(depths=(1, 2), rates=(0.01, 0.1), steps=3)


def test_cells_fill_in_live():
    views = [view for _, view in grid.cells(grid.template(data="standin"), **SMALL) if view]
    assert [view.done for view in views] == list(range(1, 9))
    last = views[-1]
    assert last.loss.shape == (2, 2, 2) and np.isfinite(last.loss).all() and last.norms == ("none", "running")
    assert np.isnan(views[0].loss).sum() == 7  # an earlier map does not change any more
    shares = [share for share, _ in grid.cells(grid.template(data="standin"), **SMALL)]
    assert shares == sorted(shares) and shares[-1] == 1


def test_the_same_cell_gives_the_same_loss():
    base = grid.template(data="standin")
    whole = [view for _, view in grid.cells(base, **SMALL) if view][-1]
    alone = [view for _, view in grid.cells(base, depths=(2,), rates=(0.1,), steps=3) if view][-1]
    np.testing.assert_allclose(alone.loss[:, 0, 0], whole.loss[:, 1, 1], rtol=1e-6)


def test_a_cell_that_broke_is_infinite():
    assert grid.reached(np.array([2.0, np.nan, 2.0])) == np.inf
    assert grid.reached(np.full(20, 50.0)) == np.inf
    assert grid.reached(np.array([50.0] * 10 + [2.0] * 10)) == 2


def test_the_job_stops_between_steps_and_keeps_its_cells():
    job = Job("grid", "", lambda job: grid.work(job, grid.template(data="standin"), **SMALL))
    follow, count = job.between_steps, []

    def after_two_cells(progress, epoch_ended=False):
        count.append(progress)
        if len(count) == 9:
            job.stop()
        return follow(progress, epoch_ended)

    job.between_steps = after_two_cells
    job.run()
    assert job.state == "stopped" and job.result.done == 2


@pytest.mark.data
def test_with_batchnorm_far_more_can_be_trained():
    view = [view for _, view in grid.cells(grid.template(), depths=(1, 3), rates=(0.01, 0.1, 1.0), steps=60) if view][
        -1
    ]
    plain, normed = view.trainable()
    assert plain.sum() <= 1 and normed[:, :2].all()  # deep and plain: nothing; with BatchNorm: a wide band


@pytest.mark.parametrize("steps", [20, 80])
def test_the_command_in_the_terminal_is_the_very_sweep(steps):
    words = shlex.split(grid.command(steps))
    assert words[:4] == ["python", "-m", "explorer", "sweep"]
    plan = sweep._plan(_parser().parse_args(words[3:]))
    epochs = 1 if steps == 20 else 3
    assert epochs * (grid.IMAGES // grid.BATCH_SIZE) >= steps
    shown = {
        grid.template(depth=depth, lr=rate, norm=norm, epochs=epochs)
        for depth in grid.DEPTHS
        for rate in grid.RATES
        for norm in grid.NORMS
    }
    assert len(plan.cells) == len(shown) == 70 and {cell.experiment for cell in plan.cells} == shown
