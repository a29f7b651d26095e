"""MLflow: one run a row, in the experiment of its workload; at MLFLOW_TRACKING_URI, else in the results folder under mlflow/.

Steps of the metric `loss` are program steps; its timestamps are virtual milliseconds. To look at a folder:
MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri results/local/mlflow
"""

import os
from pathlib import Path
from typing import Any

from bench.record import Row
from bench.sinks.content import evaluations, name, numbers, parameters, without_password
from bench.units import TIME

_KEY = "farbench.key"
_BATCH = 100  # of metrics or parameters in one call, the most that MLflow takes of the latter

_UNLESS_SET = {
    "MLFLOW_ALLOW_FILE_STORE": "true",  # folders are refused without
    "MLFLOW_DISABLE_TELEMETRY": "true",  # what is run here is nobody else's business
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down must not hold up the runs: by default, for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
}
"""What MLflow reads of the environment."""


class MLflow:
    """Sends rows to a tracking server or a folder; a run that was not finished is deleted and sent again."""

    def __init__(self, results: Path) -> None:
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or (results.absolute() / "mlflow").as_uri()
        self.place = without_password(self._uri)
        self._sent: dict[str, dict[str, Any]] = {}  # by experiment, the status of the run of each key

    def send(self, row: Row) -> bool:
        for setting, value in _UNLESS_SET.items():
            os.environ.setdefault(setting, value)
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=self._uri)
        experiment = _experiment(client, row)
        if experiment not in self._sent:
            self._sent[experiment] = _runs(client, experiment)
        there = self._sent[experiment].pop(row["key"], None)
        if there is not None and there.info.status != "FINISHED":
            client.delete_run(there.info.run_id)
            there = None
        self._sent[experiment][row["key"]] = there or _made(client, experiment, row)
        return there is None


def _experiment(client: Any, row: Row) -> str:
    """The id of the workload's experiment, made if it is not there."""
    title = f"farbench {row['model']} as {row['timed_as']} {row['workload'][:8]}"
    found = client.get_experiment_by_name(title)
    return found.experiment_id if found else client.create_experiment(title)


def _runs(client: Any, experiment: str) -> dict[str, Any]:
    """The runs of an experiment by the key of their row."""
    runs: dict[str, Any] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        runs |= {run.data.tags[_KEY]: run for run in page if _KEY in run.data.tags}
        token = page.token
        if not token:
            return runs


def _made(client: Any, experiment: str, row: Row) -> Any:
    """Send a row as a run, which is finished once everything of it is there."""
    from mlflow.entities import Metric, Param

    tags = {_KEY: row["key"], "farbench.command": row["command"], "farbench.status": row["status"]}
    run = client.create_run(experiment, run_name=name(row, " "), tags=tags | {"farbench.reason": row["reason"]})
    params = [Param(setting, value) for setting, value in parameters(row).items()]
    metrics = [Metric("loss", loss, round(seconds / TIME.units["ms"]), step) for step, seconds, loss in evaluations(row)] + [
        Metric(column, number, 0, 0) for column, number in numbers(row).items()
    ]
    for start in range(0, max(len(params), len(metrics)), _BATCH):
        these = slice(start, start + _BATCH)
        client.log_batch(run.info.run_id, metrics=metrics[these], params=params[these])
    client.set_terminated(run.info.run_id, "FINISHED")
    return client.get_run(run.info.run_id)
