"""Group: the processes that train one network together, each on its part of every batch.

Each rank embeds its part, gathers all descriptors and computes the whole loss; its graph reaches
back through its own part only. So the sum of all ranks' gradients is the gradient that one process
would have had of the whole batch, whatever the loss does with its pairs; a parameter of the loss
itself has its whole gradient on every rank. What is gathered or summed is the same on all to the
last bit, and so is what follows from it: memories, learning rates, decisions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from bench.out_of_memory import is_out_of_memory
from bench.train.generators import generators, set_generators
from registry.errors import UsageError, WorkError

T = TypeVar("T")

PATIENCE = timedelta(minutes=30)
"""Of a rank that waits for another: writing a checkpoint and validating take their time."""
BUCKET = 2**23
"""Elements that are sent at once."""
FINE, OUT_OF_MEMORY, FAILED = range(3)


class LostRankError(WorkError):
    """Another rank has failed or is gone; the reason is the other's to tell."""


@dataclass(frozen=True)
class Group:
    """One of so many processes; calls are made by all of them, in the same order.

    They raise LostRankError where another rank is gone. Alone, all give back what they are given.
    """

    rank: int
    size: int
    apart: bool = True
    """Whether ranks work apart between two calls: batch norms over all ranks have them wait."""

    def together(self) -> Group:
        """The same processes, at work in which ranks wait for each other."""
        return replace(self, apart=False)

    @property
    def first(self) -> bool:
        """Whether this one writes and tells what all of them know."""
        return self.rank == 0

    def part(self, total: int) -> slice:
        """Where this rank's part of so many rows is: parts differ by at most one row.

        Raises WorkError where there is not a row for each rank.
        """
        if total < self.size:
            raise WorkError(
                f"{total} images are too few for {self.size} processes: use a recipe with more "
                "images in a batch, or fewer devices"
            )
        return self._part_of(self.rank, total)

    def most(self, total: int) -> int:
        """Count the rows of the largest part."""
        return -(-total // self.size)

    def gather(self, own: Tensor, total: int) -> Tensor:
        """Put the ranks' parts of so many rows together; gradients reach this rank's own."""
        if self.size == 1:
            return own
        place, most = self.part(total), self.most(total)
        assert len(own) == place.stop - place.start
        with _with_the_others():
            sent = own.detach().new_zeros((most, *own.shape[1:]))
            sent[: len(own)] = own.detach()
            received = sent.new_empty((self.size * most, *own.shape[1:]))
            dist.all_gather_into_tensor(received, sent)
        padded = enumerate(torch.split(received, most))
        parts = [part[: self._rows(rank, total)] for rank, part in padded]
        parts[self.rank] = own
        return torch.cat(parts)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Make each gradient the sum of all ranks'; one that is None on all of them stays None."""
        if self.size == 1:
            return
        for bucket in _buckets(parameters):
            with _with_the_others():
                _sum_bucket(bucket)

    def same_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Make each gradient the first rank's: for those that every rank has whole.

        They are equal but for rounding, where a device adds in no fixed order: left alone, the
        ranks' parameters would drift apart.
        """
        self.same(found for parameter in parameters if (found := parameter.grad) is not None)

    def same(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with the first rank's."""
        if self.size == 1:
            return
        for tensor in tensors:
            laid = tensor.detach().contiguous()
            with _with_the_others():
                dist.broadcast(laid, src=0)
            tensor.detach().copy_(laid)

    def shared(self, make: Callable[[], T]) -> T:
        """Have the first rank make something, on the CPU, and all have it."""
        if self.size == 1:
            return make()
        made: list[Any] = [self.agreed(make if self.first else lambda: None)]
        with _with_the_others():
            dist.broadcast_object_list(made, src=0, device=torch.device("cpu"))
        found: T = made[0]
        return found

    def any(self, flag: bool) -> bool:
        """Whether it is so on any rank."""
        return flag if self.size == 1 else self._worst(int(flag)) > 0

    def agreed(self, work: Callable[[], T]) -> T:
        """Do work in which no rank waits for another; where it fails on one, all raise.

        Out of memory is out of memory everywhere, so that all go on with smaller pieces.
        """
        if self.size == 1 or not self.apart:
            return work()
        try:
            result = work()
        except Exception as error:
            outcome = OUT_OF_MEMORY if is_out_of_memory(error) else FAILED
            worst = outcome
            with suppress(LostRankError):  # this rank has a reason of its own
                worst = self._worst(outcome)
            if worst > outcome:
                raise _another_failed() from error
            raise
        worst = self._worst(FINE)
        if worst == OUT_OF_MEMORY:
            raise MemoryError("another process of this training has none left")
        if worst == FAILED:
            raise _another_failed()
        return result

    @contextmanager
    def drawing_apart(self, device: torch.device) -> Iterator[None]:
        """Have each rank draw random numbers of its own within, and all the same ones after.

        What is drawn within follows from the common generator and the rank: a checkpoint needs
        nothing more.
        """
        if self.size == 1:
            yield
            return
        seed = int(torch.randint(2**48, ()))
        common = generators(device)
        torch.manual_seed(seed + self.rank)
        try:
            yield
        finally:
            set_generators(common, device)

    def _part_of(self, rank: int, total: int) -> slice:
        return slice(rank * total // self.size, (rank + 1) * total // self.size)

    def _rows(self, rank: int, total: int) -> int:
        part = self._part_of(rank, total)
        return int(part.stop - part.start)

    def _worst(self, outcome: int) -> int:
        told = torch.tensor(outcome)  # on the CPU: no GPU is waited for
        with _with_the_others():
            dist.all_reduce(told, op=dist.ReduceOp.MAX)
        return int(told)


ALONE = Group(0, 1)


@contextmanager
def joined(device: torch.device, patience: timedelta = PATIENCE) -> Iterator[Group]:
    """Join the processes that the environment names as torchrun does; leave them at the end.

    Raises UsageError where it names none, LostRankError where they do not come together.
    """
    wanted = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    missing = [name for name in wanted if name not in os.environ]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} not set: start this with torchrun, or bench run --device "
            "cuda:0+cuda:1"
        )
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with _with_the_others():
        dist.init_process_group(backend, timeout=patience)
    try:
        yield Group(dist.get_rank(), dist.get_world_size())
    finally:
        with suppress(RuntimeError):  # of others that are gone; what ended this one says more
            dist.destroy_process_group()


@contextmanager
def _with_the_others() -> Iterator[None]:
    """Say of whatever keeps ranks from meeting that it is another's fault."""
    try:
        yield
    except RuntimeError as error:
        raise _another_failed() from error


def _another_failed() -> LostRankError:
    return LostRankError("another process of this training has failed or is gone: see its log")


def _buckets(parameters: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Those that learn, in their order, so many at once; each bucket of one type and device."""
    bucket: list[Tensor] = []
    for parameter in parameters:
        if not parameter.requires_grad:
            continue
        same = not bucket or _kind(bucket[0]) == _kind(parameter)
        if not same or sum(other.numel() for other in bucket) + parameter.numel() > BUCKET:
            if bucket:
                yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket


def _kind(parameter: Tensor) -> tuple[torch.dtype, torch.device]:
    return parameter.dtype, parameter.device


def _sum_bucket(bucket: list[Tensor]) -> None:
    """Sum the gradients of one bucket, with a 1 beside each that this rank has."""
    there = [parameter.grad is not None for parameter in bucket]
    flat = torch.cat(
        [
            *(_gradient(parameter).reshape(-1) for parameter in bucket),
            torch.tensor(there, dtype=bucket[0].dtype, device=bucket[0].device),
        ]
    )
    dist.all_reduce(flat)
    *sums, counts = torch.split(flat, [*(parameter.numel() for parameter in bucket), len(bucket)])
    anywhere = there if all(there) else (counts > 0).tolist()  # read only if need be: it waits
    for parameter, total, wanted in zip(bucket, sums, anywhere, strict=True):
        if wanted:
            parameter.grad = _gradient(parameter).copy_(total.view(parameter.shape))


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
