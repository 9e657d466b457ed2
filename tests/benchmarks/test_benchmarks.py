"""The benchmarks still run: what they call moves with the house."""

from tests.benchmarks import training


def test_the_training_benchmark_drives_a_jobs_own_loop(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("EXPLORER_DATA", raising=False)
    monkeypatch.setattr(training.record, "time", training.record.time)  # it puts a clock of its own there
    assert training.measure("gru", rounds=1, block=2, folder=tmp_path)["ratio"] > 0
