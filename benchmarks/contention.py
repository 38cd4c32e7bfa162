"""What spinning OpenMP threads cost when two runs share a machine: one training, both policies.

A second process multiplies matrices beside it. python benchmarks/contention.py
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
LOAD = "import torch\na = torch.randn(700, 700)\nwhile True: a @ a"


def seconds(policy: str, *, alone: bool) -> float:
    """Time twenty training steps under a policy, alone or beside the load."""
    environment = {"PATH": "/usr/bin:/bin", "OMP_WAIT_POLICY": policy}
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
    """Print seconds of both policies, alone and together, and their ratios."""
    for alone in (True, False):
        active, passive = (seconds(policy, alone=alone) for policy in ("ACTIVE", "PASSIVE"))
        print(
            f"{'alone' if alone else 'beside another process'}: spinning {active:.1f} s, "
            f"sleeping {passive:.1f} s, ratio {active / passive:.2f}"
        )


if __name__ == "__main__":
    main()
