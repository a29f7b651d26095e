"""Sinks: what was sent is read back by the programs that show it; each row once; a failure costs no row."""

import math
import sys

import pytest
from folders import row, write

from bench.errors import ConfError, RecordError
from bench.export.__main__ import main as export
from bench.sinks import open_sinks, send, send_all
from bench.sinks.content import evaluations, numbers, parameters

ROW = row(
    "a",
    3,
    rate=500,
    loss=(5.0, 4.0, 3.0),
    command="python -m bench +sweep=first_look 'network.uplink=30 Mbit/s' model@timed_as=nano",
)


def test_a_row_is_shown_by_tensorboard_as_it_is(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (sink,) = open_sinks(["tensorboard"], tmp_path)
    assert [sink.send(ROW), sink.send(ROW)] == [True, False]
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name == "volunteer_home_diloco_a30s3"
    events = EventAccumulator(str(folder)).Reload()
    # 1e6 tokens at 500 a second: 2000 s, in 20 steps.
    assert [(one.step, one.wall_time, one.value) for one in events.Scalars("loss/by_step")] == [
        *((0, 0.0, 5.0), (10, 1000.0, 4.0), (20, 2000.0, 3.0))
    ]
    assert [one.step for one in events.Scalars("loss/by_virtual_ms")] == [0, 1_000_000, 2_000_000]
    assert events.Scalars("row/tokens_per_second")[0].value == 500
    assert events.Scalars("row/share_latency")[0].value == 0.25
    assert "row/source_entropy" not in events.Tags()["scalars"]  # not known
    text = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| network.uplink | 30 Mbit/s |" in text


def test_a_folder_that_a_stopped_run_left_is_written_again(tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    left = tmp_path / "tensorboard/.volunteer_home_diloco_a30s3.part"
    left.mkdir(parents=True)
    (left / "events.out.tfevents.half").write_text("half")
    assert open_sinks(["tensorboard"], tmp_path)[0].send(ROW)
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert not (folder / "events.out.tfevents.half").exists()


@pytest.fixture
def client(tmp_path, monkeypatch):
    """What reads an MLflow folder in tmp_path."""
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=(tmp_path / "mlflow").as_uri())


def runs(client):
    experiment = client.get_experiment_by_name("farbench nano as gpt_350m wwwwwwww")
    return client.search_runs([experiment.experiment_id])


def test_a_row_is_a_run_of_mlflow_and_sent_once(client, tmp_path):
    assert open_sinks(["mlflow"], tmp_path)[0].send(ROW)
    again = open_sinks(["mlflow"], tmp_path)[0]
    assert [again.send(ROW), again.send(ROW), again.send(row("b"))] == [False, False, True]
    run = next(run for run in runs(client) if run.data.tags["farbench.key"] == "a30s3")
    assert len(runs(client)) == 2
    assert (run.info.run_name, run.info.status) == ("volunteer_home diloco a30s3", "FINISHED")
    assert run.data.params["algorithm"] == "diloco" and run.data.params["network.uplink"] == "30 Mbit/s"
    assert run.data.params["model.timed_as"] == "nano"
    assert (run.data.metrics["tokens_per_second"], run.data.metrics["share_latency"]) == (500, 0.25)
    assert "source_entropy" not in run.data.metrics
    losses = client.get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.timestamp, one.value) for one in losses] == [(0, 0, 5.0), (10, 1_000_000, 4.0), (20, 2_000_000, 3.0)]


def test_a_run_that_was_not_sent_whole_is_sent_again(client, tmp_path):
    open_sinks(["mlflow"], tmp_path)[0].send(ROW)
    (run,) = runs(client)
    client.set_terminated(run.info.run_id, "FAILED")
    assert open_sinks(["mlflow"], tmp_path)[0].send(ROW)
    (other,) = runs(client)
    assert (other.info.run_id != run.info.run_id, other.info.status) == (True, "FINISHED")


def test_an_address_of_mlflow_is_heeded_and_its_password_not_told(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9/path")  # nobody listens there
    (sink,) = open_sinks(["mlflow"], tmp_path)
    assert sink.place == "http://127.0.0.1:9/path"
    with pytest.raises(RecordError, match="row a30s3 was not sent to http://127.0.0.1:9/path: MlflowException: ") as error:
        send(sink, ROW)
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["wandb"], "sinks must be a list of mlflow, tensorboard, got 'wandb'"),
        ("mlflow", "sinks must be a list of mlflow, tensorboard, got 'mlflow'"),
        ([["mlflow"]], "sinks must be a list of mlflow, tensorboard, got ['mlflow']"),
        (None, "sinks must be a list of mlflow, tensorboard, got None"),
    ],
)
def test_unknown_sinks_are_refused(names, line, tmp_path):
    with pytest.raises(ConfError) as error:
        open_sinks(names, tmp_path)
    assert str(error.value) == line


@pytest.mark.parametrize("name", ["mlflow", "tensorboard"])
def test_a_sink_that_is_not_installed_says_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)  # what blocks an import
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, name)
    (tmp_path / name).mkdir()  # a folder of results is no package
    with pytest.raises(ConfError) as error:
        open_sinks([name], tmp_path)
    assert str(error.value) == f"sink {name} needs: pip install 'farbench[{name}]'"


def test_what_fails_later_is_told_in_one_line(tmp_path, capsys):
    class Broken:
        place = "nowhere"

        def send(self, row):
            raise OSError("no space\nleft")

    class Good:
        place = "here"
        sent = ()

        def send(self, row):
            self.sent = (*self.sent, row["key"])
            return True

    good = Good()
    send_all([Broken(), good], ROW)
    assert good.sent == ("a30s3",)
    assert capsys.readouterr().err == "farbench: row a30s3 was not sent to nowhere: OSError: no space left; the row is kept\n"


def test_only_what_is_known_is_sent():
    diverged = row(loss=(5.0, math.inf, math.nan))
    assert evaluations(diverged) == [(0, 0.0, 5.0)]
    assert "final_loss" not in numbers(diverged) and numbers(diverged)["initial_loss"] == 5.0
    assert parameters(ROW)["sweep"] == "first_look"


def test_what_was_made_before_is_sent_by_export(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    write(tmp_path, [ROW, row("b"), row("c", status="error")])
    monkeypatch.setattr(sys, "argv", ["export", "--results", str(tmp_path), "--to", "tensorboard"])
    assert [export(), export()] == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("sent to tensorboard: 2 rows; there before: 0; not sent, for they are tried again: 1; at ")
    assert second.startswith("sent to tensorboard: 0 rows; there before: 2; ")
