"""Two processes learn what one learns from the whole batch."""

import subprocess
import sys

import gloo_worker
import pytest
import torch
from safetensors.torch import load_file
from timm.layers.norm_act import BatchNormAct2d

from tbpr_data.training import distributed
from tbpr_data.training.distributed import gather_rows, global_mean, processes, sync_batch_norms

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


def test_numbers_of_all_are_asked_for_once(results: Results) -> None:
    for found in results:
        assert found["counts"].tolist() == [[1, 7], [2, 6]]
        assert found["of known counts"].tolist() == [0, 1, 1]


def test_all_have_the_statistics_of_the_first(results: Results) -> None:
    """What batch norms measure with: else each process encodes its part of the gallery in another space."""
    norm = torch.nn.BatchNorm1d(2)
    norm(torch.tensor([[0.0, 1.0], [2.0, 4.0]]))
    for found in results:
        assert torch.equal(found["statistics"], torch.cat([norm.running_mean, norm.running_var]))


def test_batch_norms_of_gpus_see_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def towers() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.BatchNorm2d(3), BatchNormAct2d(3, act_layer=torch.nn.Hardswish))

    for together, device, synced in ((1, "cuda", False), (2, "cpu", False), (2, "cuda", True)):
        monkeypatch.setattr(distributed, "processes", lambda number=together: number)
        model = towers()
        before = dict(model.named_parameters())
        sync_batch_norms(model, torch.device(device))
        assert [isinstance(one, torch.nn.SyncBatchNorm) for one in model] == [synced, synced]
        assert {name: id(one) for name, one in model.named_parameters()} == {k: id(one) for k, one in before.items()}
        assert isinstance(model[1].act, torch.nn.Hardswish)
        assert model.state_dict().keys() == towers().state_dict().keys()


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
