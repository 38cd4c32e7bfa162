"""Trainings of a few steps on tiny networks."""

import torch

from bench.identity import Model, Training
from bench.images import ImageSource
from bench.model import build_embedder
from bench.progress import Silent
from bench.stop import Stop
from bench.train.checkpoint import Checkpoint
from bench.train.images import TrainingImages, nothing
from bench.train.loop import Told, train
from bench.train.state import tensors_of
from registry.datasets.folder import folder_dataset
from registry.recipes import parse_recipe, with_fields
from registry.transforms import AUGMENTATIONS, TRANSFORMS, Target

CPU = torch.device("cpu")
SHORT = {
    "steps": 6,
    "batch_images": 6,
    "warmup_steps": 2,
    "memory_share": 0.7,
    "memory_start": 2,
}
"""Three classes with two images each in a batch."""


def recipe_text(**fields):
    """Write smoke's recipe with fewer steps, and these fields changed."""
    typed = {name: _typed(value) for name, value in (SHORT | fields).items()}
    return with_fields("smoke", typed)


def _typed(value):
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def model_of(backbone="tiny_vit", *, pooling=None, head_dims=None, skip=False, **options):
    """A model of 32 pixels with a training; other options are the training's or recipe fields."""
    own = {"loss": "contrastive+koleo", "nested": False, "seed": 0, "train": "", "images": ""}
    own = {name: options.pop(name, value) for name, value in own.items()}
    training = Training(
        pooling=pooling or {"tiny_conv": "gem"}.get(backbone, "cls"),
        recipe=recipe_text(**options),
        head_dims=head_dims,
        selected_on=None,
        selected_images=None,
        skip_bad_images=skip,
        **own,
    )
    return Model(backbone, "scratch", 32, 0, training)


def recipe_of(model):
    return parse_recipe(model.training.recipe)


def network_of(model):
    return build_embedder(model, [model.training.pooling], drop_path=recipe_of(model).drop_path)


def folder_images(folder):
    """Read the images of a folder with a folder for each class."""
    return folder_dataset(f"folder:{folder}").read(folder).evaluated


def learned(images, model, **options):
    """What a training is given, nothing held out unless it is said."""
    transform = AUGMENTATIONS[recipe_of(model).transform]
    options = {"held_out": nothing()} | options
    return TrainingImages(
        ImageSource(images, transform, Target(model.resolution, "bicubic")), **options
    )


def evaluated(images, model):
    """The same images without chance."""
    return ImageSource(images, TRANSFORMS["short_center"], Target(model.resolution, "bicubic"))


def checkpoint_in(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    options = {"key": "key", "stop": Stop(), "note": print} | changes
    return Checkpoint(folder / "checkpoint", **options)


def trained(images, model, checkpoint, *, network=None, progress=None, **told):
    """Train from the start or from a checkpoint: all tensors, and what the training wrote down."""
    network = network or network_of(model)
    hears = Told(progress or Silent(), checkpoint, **told)
    log = train(network, model, images, hears, device=CPU)
    return {name: tensor.detach() for name, tensor in tensors_of(network)}, log


def same(one, other):
    """Compare two trainings to the last bit."""
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    assert [name for name in one[0] if not torch.equal(one[0][name], other[0][name])] == []
