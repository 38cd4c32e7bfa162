"""Reports without the work: what a finished job writes, as far as tables read it."""

import json

import numpy as np
import pandas as pd

from results.seal import sealed
from results.store import SCHEMA, flatten, per_query_path, report_path


def report(key="k", **changes):
    """A report with what tables read, as a finished job writes it."""
    content = {
        "schema": SCHEMA,
        "key": key,
        "job": {
            "dataset": "sop",
            "train": None,
            "backbone": "deit_s",
            "weights": "pretrained",
            "pooling": "cls",
            "loss": "none",
            "recipe": None,
            "resolution": 224,
            "test_resolution": None,
            "transform": "short_center",
            "crop": None,
            "dims": 384,
            "projection": "none",
            "seed": None,
            "dataset_title": "SOP",
        },
        "metrics": {"r@1": 0.5284, "r@10": 0.7, "map@r": 0.25},
        "bounds": {},
        "cost": {"parameters": 21_665_664, "gmacs": 4.598, "bytes_per_image": 1536},
        "counts": {"queries": 10},
        "protocol": {"ties": "expected", "transductive": False, "bad_images": "none"},
        "signature": "data:sop@1234|ties:expected",
        "fingerprint": "aaaa",
        "fingerprint_fields": ["ties", "transductive", "bad_images"],
        "training": {},
        "headline": ["r@1"],
        "marks": [],
        "environment": {"torch": "2"},
        "finished": f"2026-01-01T00:00:{len(key):02d}",
        "per_query_sha256": None,
    }
    for name, value in changes.items():
        section, _, field = name.partition("__")
        if field:
            content[section] = {**content[section], field: value}
        else:
            content[section] = value
    return content


def frame(*reports):
    return pd.DataFrame([flatten(one) for one in reports])


def cell(runs, key="k", outcomes=(1.0, 0.0), *, classes=None, queries=None, **changes):
    """Leave a finished cell in a run folder: its Parquet, and a sealed report of its means.

    outcomes: of each query, of R@1, or by metric; classes of the queries, none for landmarks.
    """
    by_metric = outcomes if isinstance(outcomes, dict) else {"r@1": outcomes}
    count = len(next(iter(by_metric.values())))
    paths = [f"images/{place}.jpg" for place in range(count)] if queries is None else queries
    columns = {"query_position": range(count), "query": list(paths)}
    columns |= {} if classes is None else {"class": list(classes)}
    columns |= {name: np.array(values, dtype=np.float64) for name, values in by_metric.items()}
    nearest = {"": "g.jpg", "_similarity": 0.5, "_grade": "wrong"}
    columns |= {f"nearest{name}": [[value] * 10] * count for name, value in nearest.items()}
    path = per_query_path(runs, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(path)
    means = {name: float(np.nanmean(columns[name])) for name in by_metric}
    content = report(key, **{"metrics": means, "headline": [next(iter(means))], **changes})
    report_path(runs, key).write_text(json.dumps(sealed(content, path)))
    return content
