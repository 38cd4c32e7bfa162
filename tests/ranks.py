"""Several processes that meet over gloo, and what tests have them do.

They are forked from a server that has imported torch, as a run's workers are.
"""

import os
import sys
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import torch
from torch import distributed as dist
from torch import nn
from torch.nn import functional

from bench.execution.pool import FORKING, warm_up
from bench.micro_batch import MicroBatch
from bench.train.feed import Drawn
from bench.train.group import ALONE, joined
from bench.train.memory import CrossBatchMemory
from bench.train.objective import Objective
from bench.train.precision import Precision
from bench.train.step import gradient
from registry.errors import WorkError
from registry.losses import build_loss
from registry.losses.labelled import Labelled
from registry.losses.space import Space
from registry.recipes import RECIPES

CPU = torch.device("cpu")


def on_ranks(size, work, *arguments):
    """Have ranks do work(group, *arguments); return what each returned, None of one that died."""
    warm_up()
    context = get_context("forkserver" if FORKING else "spawn")
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = []
    for rank in range(size):
        ours, theirs = context.Pipe()
        about = {"RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": store.port}
        process = context.Process(target=_be_rank, args=(theirs, about, work, arguments))
        process.start()
        theirs.close()
        ranks.append((process, ours))
    return [_heard(*rank) for rank in ranks]


def _be_rank(connection, about, work, arguments):
    os.environ |= {name: str(value) for name, value in about.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    with joined(CPU) as group:
        connection.send(work(group, *arguments))


def _heard(process, connection):
    try:
        return connection.recv() if connection.poll(120) else None
    except EOFError:
        return None
    finally:
        process.join(5)
        process.kill()


def values_of(seed, shape, dtype=torch.float64):
    """The same random values wherever it is called."""
    draw = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=draw, dtype=dtype)
    return torch.randint(-(2**40), 2**40, shape, generator=draw, dtype=dtype)


def gather_all(group, cases):
    """Gather the parts of each (total, columns, type): the whole, and its gradient's own part."""
    found = []
    for total, columns, dtype in cases:
        whole = values_of(total, (total, *columns), getattr(torch, dtype))
        own = whole[group.part(total)].clone()
        if whole.dtype.is_floating_point:
            own.requires_grad_()
        gathered = group.gather(own, total)
        gradient = None
        if own.requires_grad:
            (gathered * values_of(1, whole.shape, whole.dtype)).sum().backward()
            gradient = own.grad.numpy()
        found.append((gathered.detach().numpy(), gradient))
    return found


def sum_all(group, shapes):
    """Sum gradients of several types; some are there on one rank only, some on none."""
    parameters = []
    for index, (shape, dtype, holders) in enumerate(shapes):
        parameter = nn.Parameter(torch.zeros(shape, dtype=getattr(torch, dtype)))
        if group.rank in holders:
            parameter.grad = values_of(100 * index + group.rank, shape, parameter.dtype)
        parameters.append(parameter)
    parameters[-1].requires_grad_(False)
    group.sum_gradients(parameters)
    return [None if found.grad is None else found.grad.numpy() for found in parameters]


def agree(group):
    """What ranks hear of each other's flags, state and failures."""
    said = {"any": [group.any(group.rank == 1), group.any(False), group.any(True)]}
    calls = []
    said["shared"] = group.shared(lambda: calls.append(1) or {"of": group.rank})
    said["calls"] = len(calls)
    tensor = torch.full((3, 2), float(group.rank), dtype=torch.float64).T
    group.same([tensor])
    said["same"] = tensor.tolist()
    learned, unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    learned.grad = torch.full((2,), group.rank + 7.0)
    group.same_gradients([learned, unused])
    said["same_gradients"] = (learned.grad.tolist(), unused.grad)
    said["agreed"] = group.agreed(lambda: group.rank)
    said["errors"] = [_error(group, *kinds) for kinds in FAILURES]
    return said


FAILURES = [
    (None, MemoryError, None),
    (MemoryError, None, None),
    (None, ValueError, None),
    (MemoryError, ValueError, None),
]
"""What fails on each rank."""


def _error(group, *kinds):
    def work():
        if kinds[group.rank]:
            raise kinds[group.rank]("mine")

    try:
        group.agreed(work)
    except Exception as error:  # noqa: BLE001 - to be compared
        return type(error).__name__, str(error) == "mine"
    return None


def draw(group):
    """Numbers drawn before, apart, apart again and after."""
    torch.manual_seed(3)
    found = [torch.rand(4).tolist()]
    for _ in range(2):
        with group.drawing_apart(CPU):
            found.append(torch.rand(4).tolist())
    return [*found, torch.rand(4).tolist()]


def lose_one(group):
    """Rank 1 dies; what the others hear, in whatever they do next."""
    if group.rank == 1:
        os._exit(9)
    heard = []
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    for call in (
        lambda: group.gather(torch.zeros(1, 2), group.size),
        lambda: group.any(True),
        lambda: group.sum_gradients([parameter]),
        lambda: group.agreed(_raise_its_own),
    ):
        try:
            call()
        except Exception as error:  # noqa: BLE001 - to be compared
            heard.append(type(error).__name__)
    return heard


def _raise_its_own():
    raise KeyError("a reason of its own")


class Network(nn.Module):
    """Small, without anything that mixes images, and with a part that is never used."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(12, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 8)
        )
        self.unused = nn.Linear(3, 3)

    def forward(self, images):
        return functional.normalize(self.layers(images), dim=1)


class Proxies(nn.Module):
    """A loss with parameters of its own beside another loss."""

    def __init__(self, classes, terms):
        super().__init__()
        self.weight = nn.Parameter(values_of(5, (classes, 8)))
        self.terms = terms

    def forward(self, batch, memory):
        logits = batch.descriptors @ functional.normalize(self.weight, dim=1).T
        others = sum(term(batch, memory) for term in self.terms.values())
        return others + functional.cross_entropy(8 * logits, batch.labels)


def train(group=ALONE, *, images=10, steps=8, precision="float64"):
    """Train on batches of classes of two; return parameters, the memory and the losses."""
    dtype = getattr(torch, precision)
    torch.manual_seed(group.rank)  # the first rank's are everybody's
    network = Network().to(dtype)
    terms = build_loss("contrastive(beta=0.2)+koleo", Space(6, 8))
    loss_module = Proxies(6, terms).to(dtype)
    group.same([*network.parameters(), *loss_module.parameters()])
    learned = [*network.parameters(), *loss_module.parameters()]
    optimiser = torch.optim.AdamW(learned, lr=3e-5, weight_decay=0.05)
    memory = CrossBatchMemory(17)
    pixels, labels = values_of(7, (24, 12), dtype), torch.arange(24) // 4
    losses, scalings = [], []
    for step in range(steps):
        drawn = np.random.default_rng(step).permutation(24)[:images]
        positions = torch.from_numpy(drawn)
        own = group.agreed(lambda: network(pixels[positions[group.part(images)]]))  # noqa: B023
        whole = group.gather(own, images)
        batch = Labelled(whole, labels[positions], positions)
        loss = loss_module(batch, memory.content)
        optimiser.zero_grad()
        loss.backward()
        group.sum_gradients(network.parameters())
        group.same_gradients(loss_module.parameters())
        scalings.append(float(nn.utils.clip_grad_norm_(learned, 0.5)))
        optimiser.step()
        memory.add(batch)
        losses.append(float(loss.detach()))
    return {
        "parameters": [parameter.detach().numpy() for parameter in learned],
        "memory": [part.numpy() for part in memory.content if part is not None],
        "losses": losses,
        "norms": scalings,
        "unused": [parameter.grad for parameter in network.unused.parameters()],
    }


def run_short(group=ALONE, *, most=1, images=3):
    """Take the gradient of a batch where memory holds so many images; how many went at once."""
    torch.manual_seed(0)
    network = Network().to(torch.float64)

    def pooled(pixels):
        if len(pixels) > most:
            raise MemoryError
        return {"cls": network(pixels)}

    recipe = RECIPES["smoke"]
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    state = SimpleNamespace(
        network=Called(network, pooled),
        pooling="cls",
        objective=Objective("contrastive+koleo", Space(2, 8), nested=False),
        optimiser=optimiser,
        precision=Precision(recipe, CPU),
        memory=CrossBatchMemory(0),
        device=CPU,
        group=group,
        fills=lambda order: False,
    )
    pixels = values_of(1, (images, 12))[group.part(images)]
    drawn = Drawn(pixels, torch.arange(images) // 2, torch.arange(images), None)
    notes = []
    micro = MicroBatch(group.most(images), CPU, "training", notes.append, "a fix")
    gradient(state, drawn, micro)
    return [found.grad.numpy() for found in network.layers.parameters()], len(notes)


class Called(nn.Module):
    """A network that is called in another way."""

    def __init__(self, network, call):
        super().__init__()
        self.network = network
        self.call = call

    def forward(self, pixels):
        return self.call(pixels)


def refuse(group):
    """What too small a batch is told."""
    try:
        group.part(group.size - 1)
    except WorkError as error:
        return str(error)
    return None


def everything(group, cases, shapes):
    """All of it in one life: starting processes is what takes time."""
    return {
        "gathered": gather_all(group, cases),
        "summed": sum_all(group, shapes),
        "agreed": agree(group),
        "drawn": draw(group),
        "trained": train(group),
        "float32": train(group, precision="float32"),
        "refused": refuse(group),
        "short": [run_short(group, images=images) for images in (3, 5)],
    }
