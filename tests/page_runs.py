"""Run folders for the page: reports with neighbours, images and trainings, with hostile names."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from results.events import events_path
from results.seal import sealed
from results.store import per_query_path, report_path
from results.thumbnails import Located
from tests.reports import report

HOSTILE = "</script><script>window.__xss=1;alert(1)</script>"
CLASSES = (
    HOSTILE,
    "a_b & c",
    "עברית العربية",
    'quote" onerror="window.__xss=1',
    "tomato 🍅",
    "plain",
)
PER_CLASS = 4
TITLE = "photos <b>&amp;"
BACKBONES = {"deit_ti": 5.5, "deit_s": 21.7, "resnet50": 23.5, "tf_mobilenetv2": 2.2}
DIMS = (32, 128, 384)


def image_names():
    return [f"{index}/image & {copy}.jpg" for index in range(len(CLASSES)) for copy in range(4)]


def write_images(folder, size=(60, 40)):
    """A JPEG of noise for every image; the first two are the same file."""
    rng = np.random.default_rng(0)
    for name in image_names():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    first, second = (folder / name for name in image_names()[:2])
    second.write_bytes(first.read_bytes())
    return folder


def locate_in(folder):
    def locate(dataset, path):
        found = folder / path
        return Located(found) if found.is_file() else None

    return locate


def category_table(seed, skill):
    """Per-query outcomes of leave-one-out retrieval; with more skill more is right."""
    rng = np.random.default_rng(seed)
    names = image_names()
    labels = np.repeat(np.arange(len(CLASSES)), PER_CLASS)
    rows = []
    for place, name in enumerate(names):
        scores = rng.random(len(names)) + skill * (labels == labels[place])
        scores[place] = -np.inf
        found = np.argsort(-scores)[:10]
        relevant = labels[found] == labels[place]
        similarities = np.sort(rng.random(10))[::-1].tolist()
        if place < 2:  # copies of each other
            found = np.concatenate([[1 - place], found[found != 1 - place][:9]])
            relevant, similarities[0] = labels[found] == labels[place], 1.0
        rows.append(
            {
                "query": name,
                "query_position": place,
                "class": CLASSES[labels[place]],
                "r@1": float(relevant[0]),
                "map@r": float(relevant[:3].mean()),
                "nearest": [names[other] for other in found],
                "nearest_similarity": similarities,
                "nearest_grade": ["relevant" if one else "wrong" for one in relevant],
            }
        )
    return pd.DataFrame(rows)


def landmark_table(seed):
    rng = np.random.default_rng(seed)
    names = image_names()
    rows = []
    for query in names[:6]:
        found = rng.permutation(names[6:])[:10].tolist()
        rows.append(
            {
                "query": query,
                "query_position": names.index(query),
                "map_medium": rng.random(),
                "map_hard": rng.random(),
                "nearest": found,
                "nearest_similarity": np.sort(rng.random(10))[::-1].tolist(),
                "nearest_grade": rng.choice(["easy", "hard", "wrong"], 10).tolist(),
            }
        )
    return pd.DataFrame(rows)


def write_cell(runs, key, table, *, headline=("r@1",), job=None, **changes):
    """Leave a report with its Parquet; its metrics are the means of the table's."""
    path = per_query_path(runs, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    known = [name for name in table.columns if name.startswith(("r@", "map"))]
    made = report(key, **changes)
    made |= {
        "job": {**made["job"], **(job or {})},
        "metrics": {name: float(table[name].mean()) for name in known},
        "headline": list(headline),
        "counts": {"queries": len(table), "gallery": len(image_names())},
    }
    report_path(runs, key).write_text(json.dumps(sealed(made, path)))
    return made


def write_runs(runs, backbones=tuple(BACKBONES), dims=DIMS):
    """A category dataset and one of landmarks; two backbones were trained.

    The two others are never wrong but at 32 dims: rows that are alike in quality, not in cost.
    """
    for place, backbone in enumerate(backbones):
        for size in dims:
            at = {"backbone": backbone, "dims": size}
            cost = {
                "parameters": BACKBONES[backbone] * 1e6,
                "gmacs": BACKBONES[backbone] / 4,
                "bytes_per_image": 4 * size,
            }
            photos = {"dataset": "folder:/photos", "dataset_title": TITLE, **at}
            write_cell(
                runs,
                f"{place}c{size}",
                category_table(place, 0.1 + size / 500 + (size > 32) * (place > 1)),
                job=photos,
                cost=cost,
                marks=["transductive"] if size == 32 else [],
                spec={"extraction": {"model": f"model{place}"}},
            )
            marks = {
                "dataset": "twin-roxford",
                "dataset_title": "ROxford twin",
                "crop": "box",
                **at,
            }
            write_cell(
                runs,
                f"{place}l{size}",
                landmark_table(100 * place + size),
                headline=("map_medium", "map_hard"),
                job=marks,
                cost=cost,
                marks=["twin"],
            )
    write_events(runs, "model0")
    write_events(runs, "model1", scale=2.0)
    return runs


def write_events(runs, model, steps=450, scale=1.0):
    path = events_path(Path(runs), model)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"name": model, "config": {}}]
    for step in range(steps):
        value = {"step": step, "loss": scale * 10 / (step + 1), "positive_similarity": 0.8}
        value |= {"negative_similarity": 0.1 * scale}
        value |= {"validation_r@1": step / steps} if step % 50 == 0 else {}
        lines.append(value)
    lines.append({"status": "finished", "summary": {}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
