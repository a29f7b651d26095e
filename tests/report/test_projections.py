"""The study of projections: what its tables and figures say of made-up records, by hand."""

import csv
import json
import sys

import pytest

from bench.errors import RecordError
from bench.project.record import COLUMNS, write_record
from bench.report import __main__ as command
from bench.report.export_limited import HELD_UP, UNEVEN, shares
from bench.report.projections import of_clusters, of_sites, of_volunteers, write
from bench.report.projections_figure import chips, step_parts, volunteers

CHIP = {
    "peak": "100 TFLOP/s",
    "memory": "80 GB",
    "memory_bandwidth": "2 TB/s",
    "efficiency": 0.8,
    "fabric": "450 GB/s",
    "die_mm2": 800.0,
    "source": "made up",
    "verified": False,
}
PARTS = ("compute", "recompute", "tensor", "context", "expert", "pipeline", "bubble", "data", "update")


def cluster(
    scenario="h100_cluster", *, rate=1000.0, accelerators=10, full=10, peak=100e12, fabric="450 GB/s", columns=None, **changed
):
    """A synchronous cluster's record; `peak` and `fabric` are of a device, whose name is the scenario's."""
    device = scenario.removesuffix("_cluster")
    return record(
        scenario,
        accelerators=accelerators,
        full=full,
        catalogue={device: CHIP | {"peak": f"{peak / 1e12:g} TFLOP/s", "fabric": fabric}},
        columns={
            "devices": {device: accelerators},
            "peak_flops": accelerators * peak,
            "tokens_per_second": rate,
            "worker_devices": accelerators,
        }
        | (columns or {}),
        **changed,
    )


def record(scenario, *, model="llama3_70b", accelerators=10, full=10, names=None, columns=None, catalogue=None, **changed):
    """A record that is done: half of a step of 2 s is hindered by nothing."""
    key = f"{scenario}-{model}-{accelerators}-{'-'.join((names or {}).values())}"
    figures = {
        "status": "done",
        "reason": "",
        "accelerators": accelerators,
        "devices": {"gpu": accelerators},
        "parameters": 70e9,
        "active_parameters": 70e9,
        "token_flops": 4e11,
        "tokens": 86400.0 * 1000,
        "peak_flops": accelerators * 100e12,
        "division": "all",
        "layout": "tp8",
        "quality_source": "",
        "extrapolated": "",
        "workers": 1,
        "worker_devices": 1,
        "batch": 1000,
        "step_seconds": 2.0,
        "memory_bytes": 5e9,
        "straggling": 1.25,
        "kept": 1.0,
        "parts": dict.fromkeys(PARTS, 0.0) | {"compute": 1.5, "tensor": 0.5},
        "tokens_per_second": 1000.0,
        "ideal_tokens_per_second": 2000.0,
        "system_efficiency": 0.5,
        "utilisation": 0.5,
        "mfu": 0.4,
        "sent_bytes": 0.0,
        "ledger": {},
        "extra_tokens": 1.0,
        "extra_tokens_low": 1.0,
        "extra_tokens_high": 1.0,
        "days": 1.0,
        "device_hours": 240.0,
        "kwh": 100.0,
        "usd": 1000.0,
    }
    presets = {
        "scenario": scenario,
        "model": model,
        "precision": "bf16",
        "algorithm": "diloco",
        "codec": "none",
        "quality": "diloco_scaling_laws",
        "churn": "always_on",
    }
    return {
        "schema": 1,
        "key": key,
        "command": f"python -m bench.project scenario={scenario} model={model} number={key}",
        "names": presets | (names or {}),
        "settings": {
            "batch": 1000,
            "seed": 0,
            "written_attention": False,
            "scenario": {"full": full},
            "algorithm": {"sync_every": 100},
            "catalogue": catalogue or {"gpu": CHIP},
        },
        "columns": dict.fromkeys(COLUMNS, 0.0) | figures | (columns or {}),
        "versus_cluster": 2.0,
        "versions": {},
    } | changed


def stored(folder, *records):
    for one in records:
        write_record(folder, one)
    return folder


def table(folder, name, *records):
    """The lines of a table in Markdown."""
    write(stored(folder, *records))
    return (folder / "tables" / f"{name}.md").read_text().splitlines()


def study():
    """One record of each kind."""
    home = record("volunteer_home", names={"churn": "microsoft99"}, columns={"workers": 10})
    return [cluster(), cluster("h20_cluster", rate=200.0, peak=20e12), record("regional", columns={"workers": 4}), home]


def test_records_are_of_clusters_of_volunteers_or_of_sites():
    found = study()
    assert of_clusters(found) == found[:2]
    assert of_sites(found) == [found[2]]
    assert of_volunteers(found) == [found[3]]


def test_chips_are_compared_by_device_and_by_flops(tmp_path):
    # 200 of 1000 tokens/s on as many devices of a quarter of the peak: 0.2 a device, 0.8 for each FLOP/s.
    lines = table(tmp_path, "export_limited", cluster(), cluster("h20_cluster", rate=200.0, peak=25e12))
    head, *_ = (number for number, line in enumerate(lines) if line.startswith("### Equal total"))
    alike = lines[:head]
    assert "| llama3_70b | h100 | 10 | 1.00x (tie) | 1.00x (tie) | 1.00x (tie) | 50.0 % | 40.0 % | 2.00 s | tp8 |" in alike
    assert "| llama3_70b | h20 | 10 | 0.250x | 0.200x | 0.800x | 50.0 % | 40.0 % | 2.00 s | tp8 |" in alike


def test_equal_total_flops_are_a_table_of_their_own(tmp_path):
    # 40 devices of a quarter of the peak have the peak of 10; 30 have not.
    equal = cluster("h20_cluster", rate=900.0, accelerators=40, peak=25e12)
    less = cluster("h20_cluster", rate=700.0, accelerators=30, peak=25e12)
    lines = table(tmp_path, "export_limited", cluster(), equal, less)
    first, second = (lines.index(f"### {title}") for title in ("As many devices", "Equal total peak FLOP/s"))
    third = lines.index("### Where the time goes, with as many devices")
    row = "| llama3_70b | h20 | 40 | 0.250x | 0.225x | 0.900x | 50.0 % | 40.0 % | 2.00 s | tp8 |"
    assert row in lines[second:third]
    assert not [line for line in lines[first:second] if "| h20 |" in line]
    assert not [line for line in lines if line.startswith("| llama3_70b | h20 | 30 |")]


def test_models_come_by_size_and_then_chips_in_the_studys_order(tmp_path):
    small = {"parameters": 8e9}
    found = [
        cluster("b200_cluster"),
        cluster("made_up_cluster"),
        cluster("h800_cluster"),
        cluster(),
        cluster("b200_cluster", model="llama3_8b", columns=small),
        cluster("h100_cluster", model="llama3_8b", columns=small),
    ]
    lines = table(tmp_path, "export_limited", *found)
    rows = [line.split(" | ")[:2] for line in lines[: lines.index("### Equal total peak FLOP/s")] if "tp8" in line]
    order = [("8b", "h100"), ("8b", "b200"), ("70b", "h100"), ("70b", "h800"), ("70b", "b200"), ("70b", "made_up")]
    assert rows == [[f"| llama3_{model}", device] for model, device in order]


def test_a_tie_is_within_half_a_percent(tmp_path):
    lines = table(tmp_path, "export_limited", cluster(), cluster("h800_cluster", rate=995.1), cluster("a100_cluster", rate=994))
    figures = {device: next(line for line in lines if f"| {device} |" in line) for device in ("h800", "a100")}
    assert figures["h800"].count("(tie)") == 3
    assert "| 0.994x | 0.994x |" in figures["a100"]


def test_only_what_trains_the_same_is_compared(tmp_path):
    other = cluster("h20_cluster")
    other["settings"]["batch"] = 2000
    lines = table(tmp_path, "export_limited", cluster(), other)
    assert "| llama3_70b | h20 | 10 | - | - | - | 50.0 % | 40.0 % | 2.00 s | tp8 |" in lines


def test_shares_of_the_time_sum_to_all_of_it():
    # Of 2.5 s, 2 s times 1.25: 0.5 unhindered, 1.5 / 2.5 - 0.5 = 0.1 divided, 0.5 / 2.5 = 0.2 messages, 0.2 stragglers.
    found = shares(cluster())
    assert found == pytest.approx(
        dict.fromkeys(found, 0.0) | {"unhindered": 0.5, UNEVEN: 0.1, "tensor parallel": 0.2, HELD_UP: 0.2}
    )
    assert sum(found.values()) == pytest.approx(1.0)


def test_rules_stand_beside_throughput(tmp_path):
    # TPP 400 x 16 = 6,400 over 1,600 of a chip of a quarter; density 8 at 800 mm2; in and out twice 450 and 200 GB/s.
    lines = table(tmp_path, "rules", cluster(peak=400e12), cluster("h800_cluster", rate=900.0, peak=400e12, fabric="200 GB/s"))
    assert lines[2] == (
        "| h100 | 400 TFLOP/s | 6,400 (16 bits) | 1.00x (tie) | 8.00 | 900 GB/s | 2,000 GB/s | 1.00x (tie) | - "
        "| licence | licence | licence |"
    )
    assert lines[3] == (
        "| h800 | 400 TFLOP/s | 6,400 (16 bits) | 1.00x (tie) | 8.00 | 400 GB/s | 2,000 GB/s | 0.900x | - | free | licence "
        "| licence |"
    )
    assert "- h800, October 2022: free: TPP 6,400 (16 bits) >= 4,800, but 400 GB/s < 600 GB/s" in lines


def test_volunteers_have_intervals(tmp_path):
    # A day of 1000 tokens/s: 2 days, from 1.5 to 4. 86.4 M tokens twice over, 1000 a step, every 100: 1,728 rounds.
    extra = {"extra_tokens": 2.0, "extra_tokens_low": 1.5, "extra_tokens_high": 4.0}
    home = record(
        "volunteer_home",
        names={"churn": "microsoft99", "codec": "int8"},
        columns={"workers": 10, "ledger": {"compute": 0.3, "bandwidth": 0.7, "down": 0.0}} | extra,
    )
    lines = table(tmp_path, "volunteers", home)
    assert lines[2] == (
        "| volunteer_home | llama3_70b | diloco, every 100 | int8 | 10 | 10 x 1 | 1.00 k | 2.00 s | 1.00 k "
        "| 50.0 % | bandwidth 70.0 %, compute 30.0 % | 2.00x (1.50x to 4.00x) | 2.00x | 86.4 M | 1.73 k "
        "| 2.00 (1.50 to 4.00) | 240 | 100 | 1.00 k |"
    )


def test_what_no_number_of_tokens_brings_is_never_and_what_does_not_fit_is_told(tmp_path):
    never = {"extra_tokens": float("inf"), "extra_tokens_high": float("inf"), "days": float("inf"), "workers": 10}
    never |= {"extra_tokens_low": 3.0, "usd": float("inf")}
    small = dict.fromkeys(("workers", "batch", "step_seconds", "tokens_per_second", "system_efficiency", "extra_tokens"))
    small |= {"extra_tokens_low": None, "extra_tokens_high": None, "device_hours": None, "kwh": None, "usd": None}
    small |= {"status": "does_not_fit", "reason": "2 GB more", "layout": "", "parts": {}}
    away = {"churn": "microsoft99"}
    lines = table(
        tmp_path,
        "volunteers",
        record("volunteer_home", names=away, columns=never, versus_cluster=float("nan")),
        record("volunteer_fibre", names=away, columns=small, versus_cluster=float("nan")),
    )
    assert "| never (3.00x to never) | never | 86.4 M | - | never (3.00 to never) | 240 | 100 | - |" in lines[2]
    assert lines[3].endswith("| 10 | - | - | - | - | - | - | - | - | 86.4 M | - | - | - | - | - |")
    assert [line for line in lines if line.endswith(": does_not_fit: 2 GB more")]
    assert "nan" not in "\n".join(lines)


def test_time_alone_is_marked_as_such(tmp_path):
    away = {"churn": "microsoft99", "quality": "none"}
    assert "| not counted |" in table(tmp_path, "volunteers", record("volunteer_home", names=away, columns={"workers": 10}))[2]


def test_the_csv_has_plain_numbers_in_base_units(tmp_path):
    write(stored(tmp_path, *study()))
    rows = list(csv.DictReader((tmp_path / "tables" / "export_limited.csv").read_text().splitlines()))
    # 200 tokens/s of a fifth of the peak are as many for each FLOP/s.
    assert [float(row["throughput_a_device_over_h100"]) for row in rows] == [1.0, 0.2]
    assert [float(row["throughput_a_flops_over_h100"]) for row in rows] == pytest.approx([1.0, 1.0])
    assert [float(row["part_tensor"]) for row in rows] == [0.5, 0.5]
    [site] = csv.DictReader((tmp_path / "tables" / "sites.csv").read_text().splitlines())
    assert (site["scenario"], site["sync_every"], float(site["days"])) == ("regional", "100", 1.0)


def test_lines_are_those_of_the_dense_models_and_experts_stand_by_themselves():
    experts = {"parameters": 600e9}
    found = [
        cluster(),
        cluster("h800_cluster", rate=900.0),
        cluster(model="experts", columns=experts),
        cluster("h800_cluster", rate=800.0, model="experts", columns=experts),
    ]
    left, right = chips(found).axes
    lines = {line.get_label(): line for line in left.get_lines()}
    assert lines["h800"].get_xydata().tolist() == [[70e9, 0.9]]
    hollow = [line.get_xydata().tolist() for line in left.get_lines() if line.get_label() == "_experts"]
    assert [[600e9, 1.0]] in hollow and [[600e9, 0.8]] in hollow
    assert left.get_xscale() == right.get_xscale() == "log"


def test_bars_are_of_the_largest_model_and_fill_the_time():
    larger = {"parameters": 400e9, "active_parameters": 400e9}
    experts = cluster("h20_cluster", model="experts", columns={"parameters": 600e9})
    [panel] = step_parts([cluster(), cluster("h800_cluster", model="large", columns=larger), experts]).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["h800, 10"]
    assert sum(bar.get_width() for bar in panel.patches) == pytest.approx(100)


def test_volunteers_are_drawn_with_what_the_same_peak_would_give():
    # 1000 tokens/s, half of which count: the cluster has twice those 500.
    extra = {"extra_tokens": 2.0, "extra_tokens_low": 1.0, "extra_tokens_high": 4.0, "workers": 10}
    [panel] = volunteers([record("volunteer_home", names={"churn": "microsoft99"}, columns=extra)]).axes
    unhindered, cluster_line, bar, marker = (line.get_xydata().tolist() for line in panel.get_lines())
    assert unhindered == [[1e15, 2000.0]]
    assert cluster_line == [[1e15, 1000.0]]
    assert bar == [[1e15, 250.0], [1e15, 1000.0]]
    assert marker == [[1e15, 500.0]]


def test_written_twice_all_files_are_equal_to_the_byte(tmp_path):
    one, other = (stored(tmp_path / name, *found) for name, found in (("one", study()), ("other", study()[::-1])))
    written, broken = write(one)
    write(other)
    assert not broken
    assert len(written) == 4 * 2 + 3 * 2
    for path in written:
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes()


def test_a_broken_record_is_named_and_left_out(tmp_path, monkeypatch, capsys):
    stored(tmp_path, cluster())
    (tmp_path / "projections" / "half.json").write_text(json.dumps(cluster())[:100])
    monkeypatch.setattr(sys, "argv", ["report", "--results", str(tmp_path)])
    assert command.main() == 0
    told = capsys.readouterr()
    assert "half.json is not a readable projection" in told.err
    assert "| llama3_70b | h100 | 10 |" in told.out


def test_a_folder_without_projections_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="must hold projections in projections/, got none"):
        write(tmp_path)


def test_clusters_of_another_size_have_no_table_of_rules(tmp_path):
    write(stored(tmp_path, cluster(accelerators=5)))
    assert {path.stem for path in (tmp_path / "tables").iterdir()} == {"export_limited"}


def test_a_cluster_of_several_kinds_of_devices_names_them_all(tmp_path):
    catalogue = {"a": CHIP, "b": CHIP}
    mixed = record("h100_cluster", catalogue=catalogue, columns={"devices": {"a": 4, "b": 6}})
    assert [line for line in table(tmp_path, "export_limited", mixed) if "| a and b | 10 |" in line]
    assert (tmp_path / "figures" / "export_limited_parts.svg").exists()


def test_of_several_records_of_the_reference_the_one_that_sets_least_is_compared_with(tmp_path):
    what_if = cluster(rate=2000.0, key="0", command="python -m bench.project scenario=h100_cluster a=1 b=2")
    other = cluster(rate=500.0, key="1", command="python -m bench.project scenario=h100_cluster model=m number=1 z=1")
    plain = cluster(key="2", command="python -m bench.project scenario=h100_cluster")
    lines = table(tmp_path, "export_limited", what_if, other, plain, cluster("h20_cluster", rate=100.0))
    assert "| llama3_70b | h20 | 10 | 1.00x (tie) | 0.100x | 0.100x | 50.0 % | 40.0 % | 2.00 s | tp8 |" in lines


def test_a_program_without_a_number_of_steps_between_has_rounds_of_one(tmp_path):
    home = record("volunteer_home", names={"churn": "microsoft99"}, columns={"workers": 10})
    home["settings"]["algorithm"] = {"sync_every": None}
    # 86.4 M tokens, 1000 a step.
    [line] = [line for line in table(tmp_path, "volunteers", home) if line.startswith("| volunteer_home")]
    assert "| diloco |" in line and "| 86.4 M | 86.4 k |" in line
