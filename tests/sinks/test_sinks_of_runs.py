"""A run sends its row where its conf says."""

import json
import sys

import pytest


def test_a_run_sends_its_row_when_it_is_made_and_not_when_it_is_found(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from test_cli import TINY

    from bench.__main__ import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench", *TINY, "train=false", *arguments])
        return main()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    assert run("seed=1") == run("seed=1", "sinks=[tensorboard]") == 0  # made without a sink, then found
    assert not (tmp_path / "results/local/tensorboard").exists()
    assert "not sent to tensorboard, as a sink gets new rows: python -m bench.export sends it" in capsys.readouterr().err
    assert run("sinks=[tensorboard]", "json=true") == 0
    key = json.loads(capsys.readouterr().out.splitlines()[-1])["key"]
    (folder,) = (tmp_path / "results/local/tensorboard").iterdir()
    assert folder.name == f"h100_cluster_diloco_{key[:8]}"
    with pytest.raises(SystemExit) as stopped:
        run("seed=2", "sinks=[wandb]")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "farbench: sinks must be a list of mlflow, tensorboard, got 'wandb'\n"
    assert len(list((tmp_path / "results/local/runs").iterdir())) == 2
