"""What the tests inside verl share: its configuration, a tokenizer, and rows as its data set gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from golong_eval.adapters import verl_advantages, verl_step
from golong_eval.adapters.verl import write_verl_rows
from golong_eval.engines import embedded_model
from golong_eval.tasks import load_catalogue

REWARD = ["reward.custom_reward_function.path=pkg://golong_eval.adapters.verl"]


@pytest.fixture(autouse=True)
def fresh() -> None:
    """No running scale, no metrics and nothing said yet: all of it belongs to a process."""
    verl_advantages._running = None
    verl_advantages._pending.clear()
    verl_step._said.clear()


@pytest.fixture
def settings() -> Callable[..., Any]:
    """verl's configuration with overrides, as its command line reads them."""
    from hydra import compose, initialize_config_module

    def compose_with(*overrides: str) -> Any:
        with initialize_config_module("verl.trainer.config", version_base=None):
            return compose("ppo_trainer", overrides=["actor_rollout_ref.rollout.name=vllm", *overrides])

    return compose_with


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The tokenizer of the embedded checkpoint."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(embedded_model())


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worked samples of the nine tasks as rows for verl."""
    catalogue = load_catalogue()
    samples = [e.sample for number in range(1, 10) for e in catalogue.examples(f"t{number}")]
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    write_verl_rows(samples, path)
    return path


@pytest.fixture
def queue(a_queue: Any) -> Iterator[Any]:
    """The TransferQueue, empty."""
    yield a_queue
    for partition, items in (a_queue.kv_list() or {}).items():
        a_queue.kv_clear(partition_id=partition, keys=list(items))


@pytest.fixture(scope="session")
def a_queue() -> Iterator[Any]:
    """A real TransferQueue. With its eight storage units and two CPUs it would wait for ever."""
    import ray
    import transfer_queue
    from omegaconf import OmegaConf

    ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False)
    transfer_queue.init(
        OmegaConf.create(
            {
                "backend": {
                    "storage_backend": "SimpleStorage",
                    "SimpleStorage": {"num_data_storage_units": 1, "total_storage_size": 1000},
                }
            }
        )
    )
    yield transfer_queue
    transfer_queue.close()
    ray.shutdown()
