"""Entry: where a worker's process begins. Names the worker, and imports torch only there."""

from __future__ import annotations

from multiprocessing.connection import Connection

from bench.execution.messages import Settings


def be_worker(connection: Connection, settings: Settings, device: str) -> None:
    """Do the tasks that come through the pipe."""
    from bench.execution.worker import main

    main(connection, settings, device)


def tell_devices(connection: Connection, text: str) -> None:
    """Say which devices --device names."""
    from bench.execution.worker import answer_devices

    answer_devices(connection, text)
