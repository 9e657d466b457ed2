"""Figures of what BatchNorm changes: the map of rates and depths, and evaluation statistics."""

from explorer.figures.batchnorm import evaluation_bars, rate_depth_map
from explorer.probes.bn_statistics import Evaluation
from explorer.runs import grid
from tests.figures.size import small_enough


def test_the_map_and_the_bars():
    cells = [found for _, found in grid.cells(grid.template(data="standin"), (1, 2), (0.01, 0.1), 2) if found]
    for found in (cells[0], cells[-1]):
        left, right = small_enough(rate_depth_map(found)).data
        assert left.z.shape == right.z.shape == (2, 2)
    small_enough(evaluation_bars([Evaluation("running averages", 1.2, 0.6, 1024)]))
