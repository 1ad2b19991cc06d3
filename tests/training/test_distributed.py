"""Two processes learn what one learns from the whole batch."""

import subprocess
import sys

import gloo_worker
import pytest
import torch
from safetensors.torch import load_file

from tbpr_data.training.distributed import gather_rows, global_mean, processes

Results = list[dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("gloo")
    command = [sys.executable, "-W", "error", gloo_worker.__file__]
    workers = [subprocess.Popen([*command, str(rank), str(folder)]) for rank in range(2)]
    try:
        assert [worker.wait(timeout=60) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    return [load_file(folder / f"{rank}.safetensors") for rank in range(2)]


@pytest.mark.parametrize("name", gloo_worker.OBJECTIVES)
def test_the_average_of_two_processes_is_what_one_finds(name: str, results: Results) -> None:
    """Of the loss and of every gradient: DistributedDataParallel averages them."""
    expected = gloo_worker.gradients(name, slice(0, 5), slice(0, 4))
    assert all(one.any() for key, one in expected.items() if ".text." in key)
    average = {key: (results[0][key] + results[1][key]) / 2 for key in expected}
    torch.testing.assert_close(average, expected, rtol=1e-9, atol=1e-12)


def test_rows_come_in_the_order_of_ranks(results: Results) -> None:
    for found in results:
        assert found["rows"].tolist() == [[0, 1], [10, 11], [12, 13]]
        assert found["of one process"].tolist() == [[1, 1]] * 4
        assert found["of none"].shape == (0, 2)


def test_one_process_is_the_whole() -> None:
    rows = torch.arange(3.0)
    assert processes() == 1
    assert gather_rows(rows) is rows
    assert global_mean(rows).item() == 1.0
    nothing = torch.zeros(0, requires_grad=True)
    mean = global_mean(nothing)
    assert mean.item() == 0.0
    mean.backward()
    assert nothing.grad is not None
