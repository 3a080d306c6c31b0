"""Tasks spread over devices and hosts: what comes out is what one device computes."""

import os
import socket
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from comlnviz.algorithms import ProtoNet
from comlnviz.data import load
from comlnviz.models import MLP
from comlnviz.tasks import FewShot
from comlnviz.training import evaluate, join_hosts, meta_train
from comlnviz.training.devices import mesh_over


def learned(devices, checkpoint=None, on_host=False):
    """Three steps of meta-training, and a score."""
    algorithm = ProtoNet(MLP(64, (6,), jnp.tanh), 3)
    tasks = FewShot(load("digits"), 3, 1, 3, on_host=on_host)
    settings = dict(optimizer=optax.adam(0.01), key=jax.random.key(1), progress=False)
    run = meta_train(
        algorithm, tasks, num_steps=3, batch_size=8, devices=devices, checkpoint=checkpoint,
        **settings,
    )  # fmt: skip
    score = evaluate(algorithm, run.meta, tasks, num_tasks=11, devices=devices)
    leaves = [np.asarray(x).ravel() for x in jax.tree.leaves(run.meta) if eqx.is_array(x)]
    return dict(meta=np.concatenate(leaves), loss=run.history["loss"], scores=score.per_task)


def one_of_two_hosts(folder, address, host):
    """What each process does: the devices are there when JAX begins, or not at all."""
    jax.config.update("jax_enable_x64", True)
    assert join_hosts(address, 2, int(host), timeout=60) == int(host)
    assert len(jax.devices()) == 8
    np.savez(f"{folder}/{host}.npz", **learned("all", f"{folder}/checkpoint", on_host=True))


@pytest.mark.slow
def test_eight_devices_of_two_hosts_compute_what_one_device_does(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, str(tmp_path), address, str(host)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for host in range(2)
    ]  # fmt: skip
    alone = learned(None)
    for process in started:
        complaints = process.communicate(timeout=200)[1]
        assert process.returncode == 0, complaints[-3000:]
    assert np.std(alone["meta"]) > 0 and len(alone["scores"]) == 11
    # The two hosts have read images from their own memory. With one device, which has all images,
    # training goes on from what the eight have saved: nothing is left to do.
    for found in (*(np.load(tmp_path / f"{host}.npz") for host in range(2)),
                  learned(None, tmp_path / "checkpoint")):  # fmt: skip
        for what, expected in alone.items():
            np.testing.assert_allclose(found[what], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("batch, would", [(4, "multiple of the 3 devices; got 4: 3 or 6"),
                                          (2, "got 2: 3 would do")])  # fmt: skip
def test_a_batch_that_does_not_divide_is_told_what_would(batch, would):
    with pytest.raises(ValueError, match=would):
        mesh_over(jax.devices() * 3, batch)


def test_devices_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"devices must be from 1 to \d+, or 'all'; got 999"):
        mesh_over(999)
    with pytest.raises(ValueError, match="devices must be 'all', a number or devices"):
        mesh_over([])


def test_hosts_say_what_they_lack():
    with pytest.raises(ValueError, match="join_hosts needs coordinator, hosts and host"):
        join_hosts("127.0.0.1:1", 2)
    with pytest.raises(ValueError, match="host must be from 0 to 1; got 2"):
        join_hosts("127.0.0.1:1", 2, 2)
    for incomplete in ("10.0.0.1", "1234", "10.0.0.1:"):
        with pytest.raises(ValueError, match="coordinator must be an address and port"):
            join_hosts(incomplete, 2, 1)
    jax.devices()
    with pytest.raises(RuntimeError, match="join_hosts must be called before"):
        join_hosts("127.0.0.1:1", 2, 1, timeout=1)


@pytest.mark.parametrize("host", [0, 1])
def test_a_host_that_nobody_joins_says_so_in_time(host):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    script = f"""
from comlnviz.training import join_hosts
try:
    join_hosts({address!r}, 2, {host}, timeout=2)
except RuntimeError as error:
    print(error)
"""
    alone = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr[-2000:]
    assert "the 2 hosts did not come together within 2 s: start all of them anew" in alone.stdout


if __name__ == "__main__":
    one_of_two_hosts(*sys.argv[1:])
