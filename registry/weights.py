"""Where a network's first weights come from: the values of the weights axis."""

from dataclasses import dataclass
from pathlib import Path

from registry.backbones import BACKBONES, Backbone
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
        stems = [backbone.timm, backbone.name.replace(":", "_")]
        stems += [] if _shared(backbone) else [backbone.architecture]
        names = [stem + suffix for stem in dict.fromkeys(stems) for suffix in SUFFIXES]
        for name in names:
            if (self.path / name).is_file():
                return self.path / name
        there = sorted(file.name for file in self.path.iterdir() if file.suffix in SUFFIXES)
        raise UsageError(
            f"no weights for {backbone.name} in {self.path}: looked for "
            f"{' or '.join(dict.fromkeys(stems))} (.safetensors or .pth), "
            f"found {', '.join(there) or 'nothing'}"
        )


def parse_weights(text: str) -> Weights:
    """Read a value of the weights axis; a path that is not there is a UsageError."""
    kind, colon, path = text.partition(":")
    if kind in ("pretrained", "scratch") and not colon:
        return Weights(kind)
    if kind not in ("file", "dir") or not path:
        raise UsageError(unknown("weights", text, KINDS))
    found = Path(path).expanduser().absolute()
    if not _is_there(found, kind):
        what = "file" if kind == "file" else "folder"
        raise UsageError(f"weights={text}: there is no {what} {found}")
    return Weights(kind, found)


def _shared(backbone: Backbone) -> bool:
    """Whether a bare architecture could also mean another row's weights and preprocessing."""
    rows = BACKBONES.values()
    return any(
        row.architecture == backbone.architecture and row.timm != backbone.timm for row in rows
    )


def _is_there(path: Path, kind: str) -> bool:
    try:
        return path.is_file() if kind == "file" else path.is_dir()
    except OSError:  # a name longer than the system allows
        return False
