"""Memory that runs out is known by what operations say, and costs no finished epoch."""

from __future__ import annotations

import pytest
import torch
from studies import curves, same, study, untimed

from hpsearch.training.checkpoints import checkpoint as checkpoints
from hpsearch.training.group.group import Group, Plan
from hpsearch.training.numerics.memory import free_bytes, is_out_of_memory


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_has_many_names(error, expected):
    assert is_out_of_memory(error) is expected


def test_the_cpu_s_allocator_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_some_memory_is_free():
    assert free_bytes(torch.device("cpu")) > 2**20


def plans() -> list[Plan]:
    training = {
        "batch_size": 32,
        "ema": {"decay": 0.9},
        "swa": {"start": 0.0},
        "early_stopping": {"patience": 9},
    }
    schedule = {"kind": "reduce_on_plateau", "patience": 0}
    model = {"kind": "mlp", "hidden": [8], "norm": "batch"}
    return [
        Plan(k, study(model=model, training=training, schedule=schedule,
                      optimizer={"kind": "adam", "lr": 0.01 * (k + 1)}), 4)
        for k in range(4)
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["first step", "last step", "measuring"])
@pytest.mark.parametrize("epoch", [0, 2])
def test_halves_go_on_from_the_last_finished_epoch(where, epoch, monkeypatch):
    expected = curves(Group(plans()))
    group = Group(plans())
    passes = group.epochs()
    found = {number: [] for number in group.numbers}
    for _ in range(epoch):
        for report in next(passes):
            found[report.number].append(report)
    kept = {number: group.checkpoint(number) for number in group.numbers}

    task = group._task
    left = {"first step": 0, "last step": len(task.sizes) - 1, "measuring": 0}[where]
    method = "measure" if where == "measuring" else "loss_and_gradients"
    original = getattr(task, method)

    def failing(*arguments):
        nonlocal left
        if left == 0:
            raise torch.OutOfMemoryError("full")
        left -= 1
        return original(*arguments)

    monkeypatch.setattr(task, method, failing)
    with pytest.raises(torch.OutOfMemoryError):
        next(passes)
    monkeypatch.undo()
    after = {number: group.checkpoint(number) for number in group.numbers}
    for number, blob in after.items():
        assert same(checkpoints.read(blob), checkpoints.read(kept[number]))

    for half in (plans()[:2], plans()[2:]):
        resume = {plan.number: after[plan.number] for plan in half} if epoch else None
        for number, reports in curves(Group(half, resume=resume)).items():
            found[number] += reports
    for number, reports in expected.items():
        assert [untimed(r) for r in found[number]] == [untimed(r) for r in reports]
