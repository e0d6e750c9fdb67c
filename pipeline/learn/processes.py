"""The processes that train together: one, or several that `torch.distributed.run` started.

Conventions
-----------
A rank is a process's number, from 0. Rank 0 leads: it alone writes files. Everything here is a plain value where
there is one process, so the loop reads the same for one and for many. Processes on GPUs speak NCCL, others gloo.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn import functional as between_ranks
from torch.nn import functional

from pipeline.learn.device import device_of


@dataclass(frozen=True)
class World:
    """This process among those that train together."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def total(self, *values: float) -> list[float]:
        """Each value summed over the processes."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(summed)
        return summed.tolist()

    def gathered(self, thing: list[Any]) -> list[Any]:
        """The processes' lists one after the other."""
        if self.size == 1:
            return thing
        found: list[list[Any]] = [[] for _ in range(self.size)]
        distributed.all_gather_object(found, thing)
        return [one for part in found for one in part]

    def wrapped(self, model: nn.Module, *, parts_rest: bool) -> nn.Module:
        """The model with gradients averaged over the processes; `parts_rest` if a step may leave some of it out."""
        if self.size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids, find_unused_parameters=parts_rest)


@contextmanager
def joined(wanted: str) -> Iterator[World]:
    """This process's world: read from what `torch.distributed.run` put into the environment, else alone.

    Raises
    ------
    ModelError
        If the device is unknown, or a GPU is asked for and there is none.
    """
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = device_of(wanted)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if size == 1:
        yield World(0, 1, device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(rank, size, device)
    finally:
        distributed.destroy_process_group()


def with_shared_norms(model: nn.Module, world: World) -> nn.Module:
    """The model with batch normalisation over all processes' clips, as one process with the whole batch would do it.

    torch's own runs on GPUs only; on a CPU each layer gets a forward of ours and stays the layer it is otherwise.
    """
    if world.size == 1:
        return model
    if world.device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.__class__ = SharedNorm  # type: ignore[assignment]  # the same parameters and names
    return model


class SharedNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation whose mean and variance are those of every process's clips together.

    Each process has equally many values, so means of means are means.
    """

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return functional.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        size = distributed.get_world_size()
        axes = [axis for axis in range(values.ndim) if axis != 1]
        moments = torch.stack([values.float().mean(axes), values.float().square().mean(axes)])
        mean, squares = between_ranks.all_reduce(moments) / size
        variance = squares - mean.square()
        self._remember(mean.detach(), variance.detach(), size * values.numel() // values.shape[1])
        across = (1, -1, *[1] * (values.ndim - 2))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (values - mean.view(across)) * scale.view(across) + self.bias.view(across)

    def _remember(self, mean: Tensor, variance: Tensor, n_values: int) -> None:
        """The running figures, with the unbiased variance as torch keeps it."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (n_values / (n_values - 1)), self.momentum)
