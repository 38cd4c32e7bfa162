"""The whole evaluation once more, written apart from the code it checks."""

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms as tf


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def pooled(paths, weights, model):
    deit = model == "deit_ti"
    name = "deit_tiny_patch16_224" if deit else "mobilenetv2_100"
    extra = {} if deit else {"pad_type": "same"}
    net = timm.create_model(name, num_classes=1000, **extra).eval()
    net.load_state_dict(load_file(weights / f"{name}.safetensors"), strict=True)
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) if deit else ([0.5] * 3, [0.5] * 3)
    size = tf.Resize(256, tf.InterpolationMode.BICUBIC, antialias=True)
    prepare = tf.Compose([size, tf.CenterCrop(224), tf.ToTensor(), tf.Normalize(mean, std)])
    rows = []
    with torch.inference_mode():
        for path in paths:
            x = net.forward_features(prepare(Image.open(path).convert("RGB"))[None])
            row = x[:, 0] if deit else x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
            rows.append(row[0].double().numpy())
    return np.stack(rows)


def evaluate(folder, weights, model):
    paths = [p for d in sorted(folder.iterdir()) if d.is_dir() for p in sorted(d.glob("*.jpg"))]
    labels = np.array([p.parent.name for p in paths])
    raw = pooled(paths, weights, model)
    centred = raw - raw.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:64]
    out = {"paths": [p.relative_to(folder).as_posix() for p in paths], "top1": {}, "r1": {}}
    for kind, vectors in {"native": unit(raw), "pca64": unit(centred @ axes.T)}.items():
        top1, hits, maps, whole, at_r, firsts = [], [], [], [], [], []
        for i, sims in enumerate(vectors @ vectors.T):
            order = np.argsort(-sims, kind="stable")
            order = order[order != i]
            top1.append(int(order[0]))
            same = labels[order] == labels[i]
            r = int(same.sum())
            if r == 0:
                continue
            hits.append(same)
            maps.append(sum(same[:k].mean() for k in range(1, r + 1) if same[k - 1]) / r)
            places = np.flatnonzero(same) + 1
            whole.append(np.mean(np.arange(1, r + 1) / places))
            at_r.append(np.mean(places <= r))
            firsts.append(1 / places[0])
        ks = (1, 2, 4, 8, 10, 100)
        out[kind] = {f"r@{k}": float(np.mean([h[:k].any() for h in hits])) for k in ks}
        means = {"map@r": maps, "map": whole, "r-precision": at_r, "mrr": firsts}
        out[kind] |= {name: float(np.mean(values)) for name, values in means.items()}
        out["queries"], out["top1"][kind] = len(hits), top1
        out["r1"][kind] = [int(h[0]) for h in hits]
    return out
