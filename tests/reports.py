"""Reports without the work: what a finished job writes, as far as tables read it."""

import pandas as pd

from results.store import SCHEMA, flatten


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
