"""Where a network's first weights come from: the values of the weights axis."""

from dataclasses import dataclass
from pathlib import Path

from registry.backbones import Backbone
from registry.errors import UsageError
from registry.table import unknown

KINDS = {
    "pretrained": "timm's own weights for the backbone's pretrained tag",
    "scratch": "random, from the seed",
    "file:PATH": "one state dict, .safetensors or .pth",
    "dir:PATH": "a folder with <timm architecture>.safetensors or .pth for each backbone",
}
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True)
class Weights:
    """A value of the weights axis: a kind, and for file: and dir: a path."""

    kind: str
    path: Path | None = None

    def file_for(self, backbone: Backbone) -> Path | None:
        """Return the state dict's file for a backbone; None for pretrained and scratch.

        Raises UsageError where a folder holds none for it, naming what was looked for.
        """
        if self.kind != "dir" or self.path is None:
            return self.path
        stems = dict.fromkeys([backbone.timm, backbone.architecture, backbone.name])
        names = [stem + suffix for stem in stems for suffix in SUFFIXES]
        for name in names:
            if (self.path / name).is_file():
                return self.path / name
        there = sorted(file.name for file in self.path.iterdir() if file.suffix in SUFFIXES)
        raise UsageError(
            f"no weights for {backbone.name} in {self.path}: looked for "
            f"{backbone.architecture}.safetensors or .pth, found {', '.join(there) or 'nothing'}"
        )


def parse_weights(text: str) -> Weights:
    """Read a value of the weights axis; a path that is not there is a UsageError."""
    kind, colon, path = text.partition(":")
    if kind in ("pretrained", "scratch") and not colon:
        return Weights(kind)
    if kind not in ("file", "dir") or not path:
        raise UsageError(unknown("weights", text, KINDS))
    found = Path(path).expanduser().absolute()
    if not (found.is_file() if kind == "file" else found.is_dir()):
        what = "file" if kind == "file" else "folder"
        raise UsageError(f"weights={text}: there is no {what} {found}")
    return Weights(kind, found)
