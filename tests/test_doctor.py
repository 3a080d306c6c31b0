import json
import os

import pytest

from comlnviz import cli, doctor


def test_a_sound_installation_has_no_problem(capsys):
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    for part in (
        "jax 0.",
        "Front end of anywidget",
        "JAX devices",
        "XLA_PYTHON_CLIENT_PREALLOCATE",
    ):
        assert part in text


def test_the_devices_are_listed_without_preallocation_unless_the_user_asked(monkeypatch):
    environments = []

    def run(command, *, env, **options):
        environments.append(env)
        raise doctor.subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr(doctor.subprocess, "run", run)
    for users in (None, "true"):
        if users:
            monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", users)
        else:
            monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
        examination = doctor.Examination()
        doctor._devices(examination)
        assert examination.problems
    assert [e["XLA_PYTHON_CLIENT_PREALLOCATE"] for e in environments] == ["false", "true"]


@pytest.mark.parametrize(("devices", "said"), [("CudaDevice(id=0)", True), ("cpu:0", False)])
def test_a_gpu_that_may_shorten_products_is_said(monkeypatch, devices, said):
    done = doctor.subprocess.CompletedProcess([], 0, stdout=f"{devices}\n", stderr="")
    monkeypatch.setattr(doctor.subprocess, "run", lambda *_, **__: done)
    examination = doctor.Examination()
    doctor._devices(examination)
    assert any("TF32" in note for note in examination.notes) is said


def test_an_older_front_end_in_the_way_is_a_problem(tmp_path, monkeypatch, capsys):
    stale = tmp_path / "labextensions" / "anywidget"
    stale.mkdir(parents=True)
    (stale / "package.json").write_text(json.dumps({"version": "0.1.0"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "_devices", lambda examination: None)
    assert cli.main(["doctor"]) == 1
    (problem,) = [s for s in capsys.readouterr().out.splitlines() if s.startswith("Problem")]
    assert str(stale) in problem and "0.1.0" in problem


def test_a_front_end_that_jupyter_does_not_find_is_a_problem(monkeypatch):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *parts: [])
    examination = doctor.Examination()
    doctor._front_ends(examination)
    assert len(examination.problems) == 2


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("numpy>=2", False),
        ("numpy>=99", True),
        ("no-such-package", True),
        ("no-such-package; extra == 'lab'", False),
        ("numpy>=99; extra == 'lab'", True),
        ("numpy>=99; extra == 'cuda'", False),
    ],
)
def test_requirements(requirement, problem):
    assert bool(doctor.unmet(requirement)) == problem


def test_a_cache_that_cannot_be_written_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COMLNVIZ_CACHE", os.path.join(tmp_path, "file"))
    examination = doctor.Examination()
    doctor._caches(examination)
    (problem,) = examination.problems
    assert "COMLNVIZ_CACHE" in problem
