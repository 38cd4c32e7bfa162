"""What spinning OpenMP threads cost when two runs share a machine: one training, both settings.

A second process trains the same beside it. python benchmarks/contention.py
"""

import subprocess
import sys
import time

TRAIN = """
import os, sys, time, torch, timm
network = timm.create_model("test_resnet", num_classes=0).train()
images = torch.randn(16, 3, 64, 64)
for step in range(23):
    if step == 3:
        started = time.perf_counter()
    network(images).square().mean().backward()
print(time.perf_counter() - started)
"""
LOAD = TRAIN.replace("range(23)", "range(100_000)")


def seconds(setting: dict[str, str], *, alone: bool) -> float:
    """Time twenty training steps under a setting, alone or beside the load."""
    environment = {"PATH": "/usr/bin:/bin", **setting}
    load = None if alone else subprocess.Popen([sys.executable, "-c", LOAD], env=environment)
    time.sleep(0 if alone else 8)  # the load imports torch first
    try:
        done = subprocess.run(
            [sys.executable, "-c", TRAIN], env=environment, capture_output=True, check=True
        )
    finally:
        if load:
            load.kill()
            load.wait()
    return float(done.stdout)


def main() -> None:
    """Print seconds of both settings, alone and together, and their ratios."""
    for alone in (True, False):
        settings: list[dict[str, str]] = [{}, {"GOMP_SPINCOUNT": "10000"}]
        default, ours = (seconds(setting, alone=alone) for setting in settings)
        print(
            f"{'alone' if alone else 'beside another process'}: default {default:.1f} s, "
            f"ours {ours:.1f} s, ratio {default / ours:.2f}"
        )


if __name__ == "__main__":
    main()
