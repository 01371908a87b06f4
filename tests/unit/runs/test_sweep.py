"""Sweeps: what a matrix means, what is refused, what is skipped, and what a sweep leaves behind."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner, Result

from amazonpay_nb.cli import main
from amazonpay_nb.errors import ConfigurationError
from amazonpay_nb.lessons.scenario import FLOWS, possible
from amazonpay_nb.runs import sweep
from amazonpay_nb.runs.notebook import Notebook, find_notebooks, notebook_folder
from amazonpay_nb.runs.report import REPORTS, Run
from amazonpay_nb.runs.runner import Case, Results, check_case, here
from amazonpay_nb.spec.regions import REGIONS
from tests.processes import PATIENCE, program
from tests.unit.runs.test_kernels import alive, until
from tests.unit.runs.test_runner import MADE, result, write

PAGE = Path(__file__).parents[3] / "docs/sweeps.md"
SIX = {"flow": ["set-up", "express"], "region": ["na", "eu", "jp"], "outcome": ["soft-decline"]}


def matrix(folder: Path, **keys: Any) -> Path:
    path = folder / "matrix.yaml"
    path.write_text(json.dumps(keys), "utf-8")  # JSON is YAML
    return path


def texts(path: Path) -> list[dict[str, str]]:
    return [dict(case.texts) for case in sweep.cases_of(path)]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


class TestMatrix:
    """Cases, in their order."""

    def test_every_combination_is_a_case(self, tmp_path: Path) -> None:
        """The last name varies fastest; a row of include that is there already is no second case."""
        again = {"flow": "set-up", "region": "na", "outcome": "soft-decline"}
        rows = texts(matrix(tmp_path, matrix=SIX, include=[again]))
        places = [(flow, region) for flow in ("set-up", "express") for region in ("na", "eu", "jp")]
        assert [(row["flow"], row["region"]) for row in rows] == places

    def test_the_example_of_the_contract(self, tmp_path: Path) -> None:
        """4 × 3 × 3, without three of them, and one more."""
        path = matrix(
            tmp_path,
            notebooks=["11"],
            matrix={
                "flow": ["set-up", "express", "end-of-checkout", "sign-in"],
                "region": ["na", "eu", "jp"],
                "outcome": ["success", "soft-decline", "hard-decline"],
            },
            include=[{"flow": "set-up", "region": "eu", "outcome": "challenge-failed"}],
            exclude=[{"flow": "sign-in", "region": "jp"}],
        )
        rows = texts(path)
        assert len(rows) == 4 * 3 * 3 - 3 + 1
        assert rows[-1]["outcome"] == "challenge-failed"
        assert not [row for row in rows if (row["flow"], row["region"]) == ("sign-in", "jp")]

    def test_the_example_has_every_scenario(self) -> None:
        """Each that is possible, and no other; write a new outcome into it."""
        path = Path(__file__).parents[3] / "examples/sweeps/everything.yaml"
        wanted = {
            (flow, region, outcome)
            for flow in FLOWS
            for region in REGIONS
            for outcome, reason in possible(flow, region).items()
            if not reason
        }
        assert {(row["flow"], row["region"], row["outcome"]) for row in texts(path)} == wanted

    def test_values_become_the_texts_of_parameters(self, tmp_path: Path) -> None:
        """Numbers and truth values as JSON writes them, in a notebook beside the matrix."""
        write(tmp_path, "mine", "1")
        rows = texts(matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2], "repeat": [True]}))
        assert rows == [{"count": "1", "repeat": "true"}, {"count": "2", "repeat": "true"}]

    def test_a_number_of_a_notebook_needs_no_quotes(self, tmp_path: Path) -> None:
        """YAML reads 11 and 01 as numbers."""
        (tmp_path / "matrix.yaml").write_text("notebooks: [01, 11]\nmatrix: {region: [eu]}", "utf-8")
        names = [case.notebook.path.stem[:2] for case in sweep.cases_of(tmp_path / "matrix.yaml")]
        assert names == ["01", "11"]

    def test_a_name_that_is_a_secret_is_masked(self, tmp_path: Path) -> None:
        """In the list of cases and in the names of folders, as in every report."""
        write(tmp_path, "mine", "1", parameters='email: str = "a@b.example"  # of a buyer')
        (case,) = sweep.cases_of(matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"email": ["jane@doe.org"]}))
        assert "jane" not in f"{case} {case.page}"

    @pytest.mark.parametrize("name", ["name", "api_token"])
    def test_a_refusal_shows_no_secret(self, name: str, tmp_path: Path) -> None:
        """A row that excludes nothing, half a file, a value of another type, a parameter that is there twice."""
        write(tmp_path, "mine", "1", parameters=f"{name} = 1")
        values = {"matrix": {name: ["Ann Canary", "Bob Canary"]}, "exclude": [{name: "Eve Canary"}]}
        path, half = matrix(tmp_path, notebooks=["mine.ipynb"], **values), tmp_path / "half.yaml"
        half.write_text(f"matrix: {{{name}: [Ann Canary, Bob Canary", "utf-8")
        twice = ["-p", name, "Ann Canary", "-p", name, "Bob Canary"]
        done = [CliRunner().invoke(main, ["run", str(tmp_path / "mine.ipynb"), *twice[:end]]) for end in (3, 6)]
        done += [command(path, "--list"), command(half, "--list")]
        assert [each.exit_code for each in done] == [2, 2, 2, 2]
        told = [each.output.replace("(10 characters)", "(hidden)") for each in done]
        assert f"parameter '{name}': '(hidden)' is not a value of type int" in told[0]
        assert f"The parameter {name} is given twice: '(hidden)' and '(hidden)'." in told[1]
        assert f"no {name}=(hidden).\nChoose one of (hidden), (hidden)." in told[2]
        assert re.search(r"line 1, column \d+", told[3])
        assert "Canary" not in str(told)

    def test_a_date_stays_what_was_written(self, tmp_path: Path) -> None:
        """YAML makes dates of some texts."""
        write(tmp_path, "mine", "1", parameters='day: str = ""  # when')
        (tmp_path / "matrix.yaml").write_text("notebooks: [mine.ipynb]\nmatrix: {day: [2026-01-15]}", "utf-8")
        assert texts(tmp_path / "matrix.yaml") == [{"day": "2026-01-15"}]

    def test_a_text_is_what_was_written(self, tmp_path: Path) -> None:
        """YAML makes numbers and truth values of some; a number stays one, and excluded is what is written so."""
        write(tmp_path, "mine", "1", parameters='code: str = ""\nsize: float = 1.0  # both')
        (tmp_path / "matrix.yaml").write_text(
            "notebooks: [mine.ipynb]\nmatrix: {code: &codes [01234, 12:30, 14.00, 14.0, yes, 1, '07'], size: [0x10]}\n"
            "include: [{code: 1_000}, {<<: {code: 2026-01-15 10:00:00}}]\nexclude: [{code: 14.0}, {code: yes}]",
            "utf-8",
        )
        rows = texts(tmp_path / "matrix.yaml")
        written = ["01234", "12:30", "14.00", "1", "07", "1_000", "2026-01-15 10:00:00"]
        assert [row["code"] for row in rows] == written
        assert [row.get("size") for row in rows] == ["16"] * 5 + [None] * 2

    def test_shards_share_nothing_and_leave_nothing_out(self, tmp_path: Path) -> None:
        """However many there are, and whatever else the matrix has."""
        outcomes = ["success", "soft-decline", "hard-decline", "card-3434", "card-3064"]
        cases = sweep.cases_of(matrix(tmp_path, matrix=SIX | {"outcome": outcomes}))
        for parts in (1, 2, 5, 7):
            shards = [sweep.shard(cases, part, parts) for part in range(1, parts + 1)]
            assert Counter(case.key for one in shards for case in one) == Counter(case.key for case in cases)
            assert all(one == sorted(one, key=cases.index) for one in shards)
        fewer = {case.key for case in sweep.shard(sweep.cases_of(matrix(tmp_path, matrix=SIX)), 2, 5)}
        assert fewer <= {case.key for case in sweep.shard(cases, 2, 5)}

    def test_a_case_is_known_by_content_and_parameters(self, tmp_path: Path) -> None:
        """Outputs do not count, the order of names does not, and a changed cell does."""
        path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1], "repeat": [True]})
        write(tmp_path, "mine", "1")
        (before,) = (case.key for case in sweep.cases_of(path))
        matrix(tmp_path, notebooks=["mine.ipynb"], include=[{"repeat": True, "count": 1}])
        assert [case.key for case in sweep.cases_of(path)] == [before]
        write(tmp_path, "mine", "2")
        assert [case.key for case in sweep.cases_of(path)] != [before]


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a misspelled key": ({"matrx": SIX}, ["matrix.yaml: unknown key 'matrx'; did you mean 'matrix'?"]),
    "a value that is no list": ({"matrix": {"flow": "set-up"}}, ["matrix.yaml, matrix"]),
    "no case": ({"matrix": {}}, ["matrix.yaml has no case."]),
    "an unknown notebook": ({"notebooks": ["99"]}, ["'99' is no notebook", "00_start_here"]),
    "an unknown parameter": (
        {"matrix": {"flwo": ["set-up"]}},
        ["matrix.yaml, matrix, 11_any_scenario flwo=set-up: ", "no parameter 'flwo'", "Did you mean flow?", "outcome"],
    ),
    "an unknown value": (
        {"matrix": SIX, "include": [{"region": "na"}, {"region": "us"}]},
        ["matrix.yaml, include, row 2, 11_any_scenario region=us: region='us' does not exist.", "na, eu, jp"],
    ),
    "an unknown outcome": (
        {"matrix": SIX | {"outcome": ["success", "soft-declined"]}},
        ["flow=set-up region=na outcome=soft-declined: outcome='soft-declined' does not exist.", "mean soft-decline?"],
    ),
    "an impossible outcome": (
        {"matrix": SIX | {"outcome": ["update-page"]}},
        [
            "matrix, 11_any_scenario flow=set-up region=jp outcome=update-page: ",
            "no Update page",
            "Choose one of success,",
        ],
    ),
    "an exclusion of nothing": (
        {"matrix": SIX, "exclude": [{"region": "na"}, {"region": "us"}]},
        ["exclude, row 2: the matrix has no region=us.", "Choose one of na, eu, jp."],
    ),
    "an exclusion of no parameter": (
        {"matrix": SIX, "exclude": [{"regio": "na"}]},
        ["exclude, row 1: the matrix has no regio=na.", "Choose one of flow, region, outcome."],
    ),
    "an exclusion of everything": ({"matrix": SIX, "exclude": [{}]}, ["exclude has nothing in it"]),
    "a parameter without values": (
        {"matrix": SIX | {"outcome": []}, "include": [{"region": "na"}]},
        ["outcome has nothing in it", "leave it out"],
    ),
    "two files of one name": ({"notebooks": ["11", "11_any_scenario"], "matrix": SIX}, ["named twice"]),
    "real money": ({"matrix": {"environment": ["live"]}}, ["environment='live' moves real money"]),
}


@pytest.mark.parametrize(("keys", "words"), REFUSED.values(), ids=REFUSED)
def test_a_matrix_is_refused_before_the_first_run(keys: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    """Exit code 2, with the place, the reason and what is allowed; nothing is written."""
    done = command(matrix(tmp_path, **keys), "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert [part for part in words if part not in done.stderr] == [], done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text",
    [
        "matrix: [",
        "[11]",
        "11",
        "matrix: {on: [1]}",
        "notebooks: 11",
        "notebooks: [true]",
        "[region, eu]",
        "\0",
        "[" * 5000,
        "matrix: {flow: &a [*a]}",
        "matrix: {flow: [set-up], flow: [express]}",
        "include: [{flow: [&a [x, x], &b [*a, *a], *b]}]",
    ],
)
def test_a_file_that_is_no_matrix_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(text, "utf-8")
    done = command(path, "--list")
    assert (done.exit_code, "matrix.yaml is no matrix: " in done.stderr) == (2, True), done.output


def test_a_refused_matrix_leaves_no_verdict_of_another(tmp_path: Path) -> None:
    """Whoever reads the folder is not told that all passed; a list is no run."""
    (tmp_path / "out").mkdir()
    for name in (*REPORTS, "sweep.csv", "cases.jsonl"):
        (tmp_path / "out" / name).write_text("passed")
    for options, left in ((["--list"], 5), ([], 1)):
        done = command(matrix(tmp_path, matrix={}), "--out", tmp_path / "out", *options)
        assert (done.exit_code, len([*(tmp_path / "out").iterdir()])) == (2, left)


def test_a_matrix_that_is_not_there_is_no_wrong_one(tmp_path: Path) -> None:
    """There is nothing to correct in it."""
    done = command(tmp_path / "matrix.yaml", "--list")
    assert (done.exit_code, done.stderr) == (2, f"{tmp_path}/matrix.yaml: No such file or directory\n")


@pytest.mark.parametrize("value", ["!!set {a}", "!!binary aGk=", f"0x{'f' * 9000}", f"1{':59' * 3000}"])
def test_a_value_that_no_parameter_can_have_is_refused(value: str, tmp_path: Path) -> None:
    """YAML knows more than parameters do."""
    path = tmp_path / "matrix.yaml"
    for text, words in {
        f"matrix: {{amount: [{value}]}}": "no parameter can have it.",
        f"matrix: {{amount: [1]}}\nexclude: [{{amount: {value}}}]": "exclude, row 1: the matrix has no amount=",
    }.items():
        path.write_text(text, "utf-8")
        done = command(path, "--list")
        assert (done.exit_code, words in done.stderr) == (2, True), done.output


@pytest.mark.parametrize("part", ["0/5", "6/5", "2", "a/b", "-1/5", "1/0"])
def test_a_part_is_one_of_a_whole(part: str, tmp_path: Path) -> None:
    """Counted from one."""
    assert command(matrix(tmp_path, matrix=SIX), "--shard", part, "--list").exit_code == 2


def test_a_cluster_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, with what brings it."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "amazonpay_nb.runs.cluster", raising=False)
    done = command(matrix(tmp_path, matrix=SIX), "--scheduler", "tcp://127.0.0.1:8786")
    assert (done.exit_code, "distributed is not installed.\npip install 'amazonpay-nb[cluster]'" in done.stderr) == (
        2, True,
    )  # fmt: skip


def test_the_cases_can_be_listed(tmp_path: Path) -> None:
    """Without running any; a run of one notebook refuses what a sweep refuses."""
    done = command(matrix(tmp_path, matrix=SIX), "--list", "--out", tmp_path / "out")
    assert done.stdout.splitlines()[4] == "11_any_scenario flow=express region=eu outcome=soft-decline"
    assert (done.exit_code, len(done.stdout.splitlines()), (tmp_path / "out").exists()) == (0, 6, False)
    run = CliRunner().invoke(main, ["run", "11", "-p", "outcome", "soft", "--out", str(tmp_path / "out")])
    assert (run.exit_code, (tmp_path / "out").exists()) == (2, False)
    assert "outcome='soft' does not exist" in run.stderr


@pytest.mark.parametrize(
    ("limit", "options", "words"),
    [
        ("ulimit -S -n 90", ["--jobs", "4"], "4 passed"),
        ("ulimit -n 100", [], "4 passed"),
        ("ulimit -n 130", ["--jobs", "4"], "allows 130.\nChoose --jobs 2, or raise the limit."),
        ("ulimit -n 90", [], "need 96 open files, and this system allows 90.\nRaise the limit."),
    ],
    ids=["a limit that can be raised", "as many jobs as have room", "too many jobs", "no room"],
)  # fmt: skip
def test_there_are_files_for_every_job(limit: str, options: list[str], words: str, tmp_path: Path) -> None:
    """The limit of open files is raised as far as the jobs need, or they are as many as it allows."""
    write(tmp_path, "mine", "count")
    path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2, 3, 4]})
    done = subprocess.run(
        ["sh", "-c", f'{limit} && exec "$0" "$@"', sys.executable, "-m", "amazonpay_nb", "sweep", path, *options,
         "--out", tmp_path / "out"], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHON_CPU_COUNT": "64"},
    )  # fmt: skip
    assert (done.returncode, words in done.stdout + done.stderr) == (2 * ("passed" not in words), True), done


def test_jobs_follow_the_cores_that_a_process_may_use() -> None:
    """Up to as many as --jobs takes: a container has fewer than its host, and a large host has more."""
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nfrom amazonpay_nb.runs.runner import "
    for count, jobs in (("default", 1), ("100", 64 if sys.version_info >= (3, 13) else 1)):
        done = subprocess.run(
            [sys.executable, "-c", f"{script}jobs_here; print(jobs_here(None, 100))"], check=True, text=True,
            capture_output=True, env=os.environ | {"PYTHON_CPU_COUNT": count},
        )  # fmt: skip
        assert done.stdout == f"{jobs}\n"


COUNTS = """from pathlib import Path
with Path("runs.txt").open("a") as file:
    file.write(f"{count} {repeat}\\n")
assert not repeat or Path("repaired").exists(), "it is <broken>" """


STAYS = """import os, time
if count == 2:
    open("pid", "w").write(str(os.getpid()))
    time.sleep(99)"""


def rows_of(out: Path) -> list[dict[str, str]]:
    """Return the lines of ``sweep.csv`` without the seconds."""
    rows = csv.DictReader((out / "sweep.csv").read_text("utf-8").splitlines())
    return [{name: text for name, text in row.items() if name != "seconds"} for row in rows]


class TestSweep:
    """What is run, what is skipped, and what is written."""

    def test_a_sweep_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        """What failed, or was cut off, runs again; what passed does not."""
        write(tmp_path, "mine", COUNTS)
        path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2], "repeat": [False, True]})
        out, count = tmp_path / "out", tmp_path / "runs.txt"
        first = command(path, "--out", out, "--jobs", 2)
        assert (first.exit_code, sorted(count.read_text().splitlines())) == (
            1, ["1 False", "1 True", "2 False", "2 True"],
        )  # fmt: skip
        assert [row["status"] for row in rows_of(out)] == ["passed", "failed", "passed", "failed"]
        assert "it is &lt;broken&gt;" in (out / "report.html").read_text("utf-8")
        lines = (out / "cases.jsonl").read_text("utf-8").splitlines(keepends=True)
        kept = [
            line for line in lines if line.strip() and json.loads(line)["parameters"] != {"count": 2, "repeat": False}
        ]
        (out / "cases.jsonl").write_text("".join([*kept, lines[-1][:40]]), "utf-8")
        (tmp_path / "repaired").touch()
        count.unlink()
        again = command(path, "--out", out, "--jobs", 2, "--resume")
        assert again.exit_code == 0, again.output
        assert sorted(count.read_text().splitlines()) == ["1 True", "2 False", "2 True"]
        assert [row["status"] for row in rows_of(out)] == ["passed"] * 4
        summary = json.loads((out / "summary.json").read_text("utf-8"))
        assert [run["parameters"]["count"] for run in summary["runs"]] == [1, 1, 2, 2]

    def test_half_a_character_costs_no_verdict(self, tmp_path: Path) -> None:
        """A claim may be called what no file, and no output of a cell, can hold."""
        claim = (
            "from amazonpay_nb import workbench\nworkbench.open(buyer='script').claim('a\\ud800', 'It holds.', True)"
        )
        write(tmp_path, "mine", claim)
        path, out = matrix(tmp_path, notebooks=["mine.ipynb"], include=[{}]), tmp_path / "out"
        done = [command(path, "--out", out, *options) for options in ((), ("--resume",))]
        assert [one.exit_code for one in done] == [1, 1]
        assert [row["status"] for row in rows_of(out)] == ["failed"]

    @pytest.mark.parametrize("half", [3, 40])
    def test_half_a_line_of_another_shard_is_no_line(self, half: int, tmp_path: Path) -> None:
        """A shard's machine was taken away while it wrote; the line that is behind the half runs again, too."""
        write(tmp_path, "mine", COUNTS)
        (tmp_path / "repaired").touch()
        path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2, 3]}), tmp_path / "out"
        assert command(path, "--out", out, "--jobs", 1).exit_code == 0
        first, *others = (out / "cases.jsonl").read_text("utf-8").splitlines(keepends=True)
        (out / "cases.jsonl").write_text("".join([first[:half], *others]), "utf-8")
        (tmp_path / "runs.txt").unlink()
        assert command(path, "--out", out, "--resume").exit_code == 0
        assert sorted((tmp_path / "runs.txt").read_text().split()[::2]) == ["1", "2"]
        assert [row["status"] for row in rows_of(out)] == ["passed"] * 3

    def test_what_passed_with_another_helper_runs_again(self, tmp_path: Path) -> None:
        """A notebook may import a file beside it; a product that is broken now is not green for what was."""
        write(tmp_path, "mine", "from helper import good\nassert good")
        helper, path = tmp_path / "helper.py", matrix(tmp_path, notebooks=["mine.ipynb"], include=[{}])
        helper.write_text("good = True")
        for status, text in ((0, "good = True"), (1, "good = False  # by a change")):
            helper.write_text(text)
            assert command(path, "--out", tmp_path / "out", "--resume").exit_code == status

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({"helper.py": "good = 1"}, {"halper.py": "good = 1"}),
            ({"helper/__init__.py": "good = 1"}, {"halper/__init__.py": "good = 1"}),
            ({"helper.py": "good = 1\n", "other.py": ""}, {"helper.py": "", "other.py": "good = 1\n"}),
        ],
        ids=["a module of another name", "a package of another name", "a function in the next module"],
    )
    def test_what_passed_with_a_helper_elsewhere_runs_again(
        self, tmp_path: Path, before: dict[str, str], after: dict[str, str]
    ) -> None:
        """Its lines are the same, and the import fails."""
        write(tmp_path, "mine", "from helper import good")
        path = matrix(tmp_path, notebooks=["mine.ipynb"], include=[{}])
        for status, files in ((0, before), (1, after)):
            for name in before:
                (tmp_path / name).unlink(missing_ok=True)
            for name, text in files.items():
                (tmp_path / name).parent.mkdir(exist_ok=True)
                (tmp_path / name).write_text(text)
            assert command(path, "--out", tmp_path / "out", "--resume").exit_code == status

    def test_the_same_programs_are_the_same_wherever_they_are(self, tmp_path: Path) -> None:
        """A worker has them in a folder of its own; a module of another name is another edition."""
        package = Path(sweep.__file__).parents[1]
        copy = tmp_path / package.name
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        editions = [sweep.programs()]
        for name in ("testing.py", "texting.py"):
            (copy / "testing.py").rename(copy / name)
            line = [sys.executable, "-c", "from amazonpay_nb.runs.sweep import programs; print(programs(), end='')"]
            editions.append(subprocess.check_output(line, cwd=tmp_path, text=True))
        assert [edition == editions[0] for edition in editions] == [True, True, False]

    def test_the_first_failure_can_end_it(self, tmp_path: Path) -> None:
        """What had ended is reported, and how much was not reached."""
        write(tmp_path, "mine", COUNTS)
        path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"repeat": [False, True], "count": [1, 2]})
        done = command(path, "--out", tmp_path / "out", "--jobs", 1, "--fail-fast")
        assert "Not reached: 1 of 4." in done.output
        assert (done.exit_code, [row["status"] for row in rows_of(tmp_path / "out")]) == (
            1, ["passed", "passed", "failed"],
        )  # fmt: skip

    def test_no_file_of_a_sweep_shows_a_parameter_that_is_a_secret(self, tmp_path: Path) -> None:
        """By its name, or a name inside it; the grid, which is headed with the values, has one column for each."""
        write(tmp_path, "mine", "1", parameters='name = ""\ndb = {}\napi_tokens = [""]\namount = ""')
        values = {"name": ["Ann Canary", "Bob Canary"], "api_tokens": [["canary"]], "amount": ["14.00"]}
        path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix=values | {"db": [{"n": 1, "password": "canary"}]})
        done = command(path, "--jobs", 2, "--out", tmp_path / "out")
        assert done.exit_code == 0, done.output
        written = {one: one.read_text("utf-8") for one in (tmp_path / "out").rglob("*") if one.is_file()}
        assert [one.name for one, text in written.items() if re.search("canary", text + done.output, re.I)] == []
        assert written[tmp_path / "out/report.html"].count('<th scope="col">name (hidden)</th>') == 2
        first = json.loads(next(text for one, text in written.items() if one.suffix == ".ipynb"))
        shown = {"name": "(hidden)", "api_tokens": "(10 characters)", "amount": "14.00"}
        shown["db"] = {"n": 1, "password": "(6 characters)"}  # type: ignore[assignment]
        assert first["metadata"]["papermill"]["parameters"] == shown
        (injected,) = [cell for cell in first["cells"] if "injected-parameters" in cell["metadata"].get("tags", ())]
        namespace: dict[str, Any] = {}
        exec("".join(injected["source"]), namespace)  # noqa: S102 (it is still a program)
        assert namespace.items() >= shown.items()

    def test_a_case_without_an_end_is_no_success(self, tmp_path: Path) -> None:
        """Whatever the engine; what has ended is kept."""
        write(tmp_path, "mine", "1")
        cases = sweep.cases_of(matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2, 3]}))

        def engine(cases: Sequence[Case], out: Path) -> Results:
            yield from here(1, cases[:2], out)

        with pytest.raises(ConfigurationError, match="1 of 3 cases did not end"):
            sweep.sweep(cases, out=tmp_path / "out", engine=engine, say=print)
        assert (tmp_path / "out/cases.jsonl").read_text("utf-8").count("\n") == 2
        assert not (tmp_path / "out/summary.json").exists()

    def test_an_interruption_leaves_whole_lines_and_no_process(self, tmp_path: Path) -> None:
        """And no verdict: Ctrl-C ends the kernel of the second case, and the first is not run again."""
        write(tmp_path, "mine", STAYS)
        path, out = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2]}), tmp_path / "out"
        line = [sys.executable, "-m", "amazonpay_nb", "sweep", str(path), "--jobs", "1", "--out", str(out)]
        with program(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, b"Traceback" in output) == (130, False), output
        assert until(lambda: not alive(int((tmp_path / "pid").read_text())))
        rows = [json.loads(row) for row in (out / "cases.jsonl").read_text("utf-8").splitlines()]
        assert [row["parameters"] for row in rows] == [{"count": 1}]
        assert not (out / "summary.json").exists()

    def test_the_parts_of_a_sweep_have_its_lines(self, tmp_path: Path) -> None:
        """Each in one part, the same but for the seconds, and under the same heading."""
        write(tmp_path, "mine", result(MADE))
        more = [{"count": 5, "amount": "20"}]
        path = matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": [1, 2, 3]}, include=more)
        wholes = {}
        for part in ("1/1", "1/2", "2/2"):
            out = tmp_path / part.replace("/", "of")
            command(path, "--shard", part, "--jobs", 2, "--out", out)
            wholes[part] = rows_of(out)
        assert 0 < len(wholes["1/2"]) < 4
        assert sorted(map(str, wholes["1/2"] + wholes["2/2"])) == sorted(map(str, wholes["1/1"]))
        assert [row["amount"] for row in wholes["1/1"]] == ["", "", "", "20"]
        assert {row["chargeState"] for row in wholes["1/1"]} == {"Captured"}
        # As docs/sweeps.md says: a sweep with nothing left to run makes one report of all parts.
        whole = tmp_path / "whole"
        for part in ("1of2", "2of2"):
            shutil.copytree(tmp_path / part / "notebooks", whole / "notebooks", dirs_exist_ok=True)
            with (whole / "cases.jsonl").open("a") as lines:
                lines.write((tmp_path / part / "cases.jsonl").read_text("utf-8"))
        joined = command(path, "--resume", "--out", whole)
        assert joined.stdout.splitlines() == ["4 passed, 0 failed", f"Report: {whole / 'report.html'}"]
        assert rows_of(whole) == wholes["1/1"]

    def test_the_report_needs_no_more_memory_than_a_few_lines(self, tmp_path: Path) -> None:
        """It is written line by line, in the order of the matrix, whatever ended first."""
        write(tmp_path, "mine", "1")
        cases = sweep.cases_of(matrix(tmp_path, notebooks=["mine.ipynb"], matrix={"count": list(range(1000))}))
        with (tmp_path / "cases.jsonl").open("w") as file:
            for case in reversed(cases):
                row = {"key": case.key, "page": "a/b.html", "notebook": "mine", "parameters": dict(case.texts)}
                row |= {
                    "status": "passed",
                    "seconds": 1,
                    "error": None,
                    "failure": None,
                    "claims": [],
                    "environment": "emulator",
                }
                file.write(json.dumps(row | {"result": {"chargeId": "x" * 10_000}}) + "\n")
        tracemalloc.start()
        assert sweep._write(cases, ["count"], tmp_path, 1.0) == (1000, 0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (tmp_path / "summary.json").stat().st_size > 10_000_000 > 3 * peak
        assert [row["count"] for row in rows_of(tmp_path)] == [str(number) for number in range(1000)]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Six scenarios on two kernels at a time, with a copy of notebook 11 that is wrong about Japan."""
    folder = tmp_path_factory.mktemp("sweep")
    source = (notebook_folder() / "11_any_scenario.ipynb").read_text("utf-8")
    wrong = source.replace(
        "scenario.end == scenario.expected", "(scenario.end == scenario.expected) == (region != 'jp')"
    )
    assert wrong != source
    (folder / "11_copy.ipynb").write_text(wrong, "utf-8")
    path = matrix(folder, notebooks=["11_copy.ipynb"], matrix=SIX)
    return folder, command(path, "--jobs", 2, "--out", folder / "out")


class TestScenarios:
    """Notebook 11, six times."""

    def test_the_verdict_is_in_the_order_of_the_matrix(self, swept: tuple[Path, Result]) -> None:
        """With the entries that a run has, and exit code 1."""
        folder, done = swept
        assert (done.exit_code, done.stdout.splitlines()[-2]) == (1, "4 passed, 2 failed")
        summary = json.loads((folder / "out/summary.json").read_text("utf-8"))
        assert (summary["passed"], summary["failed"]) == (4, 2)
        assert [(run["parameters"]["flow"], run["parameters"]["region"], run["status"]) for run in summary["runs"]] == [
            (flow, region, "failed" if region == "jp" else "passed")
            for flow in ("set-up", "express")
            for region in ("na", "eu", "jp")
        ]
        assert summary["runs"][0]["result"]["chargePermissionState"] == "Chargeable"
        assert summary["runs"][2]["claims"] == [
            {"id": "ends-as-predicted", "text": "The scenario ended as the tables predict.", "ok": False}
        ]

    def test_ci_sees_each_case_with_its_parameters(self, swept: tuple[Path, Result]) -> None:
        """As properties, and the error of those that failed."""
        suites = ET.parse(swept[0] / "out/junit.xml").getroot()  # noqa: S314 (our own)
        assert (suites.get("tests"), suites.get("failures"), len(suites)) == ("6", "2", 6)
        properties = [{each.get("name"): each.get("value") for each in suite.iter("property")} for suite in suites]
        assert properties[5] == {"flow": "express", "region": "jp", "outcome": "soft-decline"}
        failures = [suite.findtext("testcase/failure", "") for suite in suites]
        assert [bool(text) for text in failures] == [region == "jp" for _ in range(2) for region in ("na", "eu", "jp")]
        assert "expected: False\nactual: True\ncell 10, step “Step 5: the money goes back" in failures[5]
        assert re.search(r"^notebooks/express-jp-soft-decline-\w{8}/11_copy\.html#cell-id=\w+$", failures[5], re.M)

    def test_the_report_links_each_case_to_its_notebook(self, swept: tuple[Path, Result]) -> None:
        """A row for each flow, a column for each region, and above them failures and where they were played."""
        out = swept[0] / "out"
        page = (out / "report.html").read_text("utf-8")
        table = ET.fromstring(page[page.index("<table>") : page.index("</table>") + 8])  # noqa: S314 (our own)
        links = [link.get("href", "") for link in table.iter("a")]
        assert len(links) == 6
        assert [link for link in links if not (out / link).is_file()] == []
        assert [cell.text for cell in table.findall("thead/tr/th")] == ["Case", "flow set-up", "flow express"]
        verdicts = [[link.text for link in row.iter("a")] for row in table.findall("tbody/tr")]
        assert verdicts == [["failed", "failed"], ["passed", "passed"], ["passed", "passed"]]
        assert "<strong>Emulated: this is not Amazon.</strong>" in page
        assert page.index('id="failures"') < page.index('id="cases"')
        assert ">11_copy flow=set-up region=jp outcome=soft-decline</a>\n<pre>AssertionError: ends-as-predicted" in page
        assert page.count("actual: True\ncell 10, step “Step 5") == 2


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd", "'-cmd"),
        ("-1.50", "-1.50"),
        ("x;=1+1", "'x;=1+1"),
        ("＝1+1", "'＝1+1"),
        ("a; b", "a; b"),
    ],
)
def test_a_cell_is_no_formula(cell: str, shown: str) -> None:
    """For a program that opens sweep.csv as a table; a number is one."""
    assert sweep._line([cell, 1.5]) == f"{shown},1.5\n"


# A line that a sweep has written, without one thing that the report takes, or with another in its place.
_LINE = json.loads(json.dumps({"key": "1", "page": "a.html"} | Run("11", {}, 1.0, None, (), {}).as_json()))
ODD = [
    *(json.dumps({name: _LINE[name] for name in _LINE if name != left}) for left in ("page", "failure", "parameters")),
    *(json.dumps(_LINE | more) for more in ({"seconds": "x"}, {"failure": {"why": 1}}, {"parameters": "x"})),
]


@pytest.mark.parametrize(
    "line", ["no JSON", "[1]", '{"key": 1}', '{"key": "1", "status": "passed"}', "[" * 100_000, *ODD]
)
def test_lines_of_somebody_else_are_refused(line: str, tmp_path: Path) -> None:
    """Where a sweep is to go on from them; a link in their place is not followed."""
    out, theirs = tmp_path / "out", tmp_path / "theirs"
    out.mkdir()
    (out / "cases.jsonl").write_text(f"{line}\n")
    done = command(matrix(tmp_path, matrix=SIX), "--out", out, "--resume")
    assert (done.exit_code, "cases.jsonl has a line that no sweep has written." in done.stderr) == (2, True)
    theirs.write_text("half a line")
    (out / "cases.jsonl").unlink()
    (out / "cases.jsonl").symlink_to(theirs)
    sweep.sweep([], out=out, engine=lambda *_: (one for one in ()), resume=True, say=print)
    assert theirs.read_text() == "half a line"


class TestPage:
    """What docs/sweeps.md shows can be used as it is."""

    BLOCKS: ClassVar = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)

    def test_the_matrix_and_the_job_of_each_part(self, tmp_path: Path) -> None:
        """Every command that the page has is one; the parts of the job are the whole matrix."""
        (own, job) = (yaml.safe_load(text) for kind, text in self.BLOCKS if kind == "yaml")
        (tmp_path / "matrix.yaml").write_text(json.dumps(own))
        scenarios = job["jobs"]["scenarios"]
        parts = scenarios["strategy"]["matrix"]["shard"]
        (line,) = (step["run"] for step in scenarios["steps"] if "sweep" in step.get("run", ""))
        lines = [line.replace("${{ matrix.shard }}", str(part)) for part in parts]
        listed = [case for line in lines for case in self.listed(tmp_path, line)]
        assert sorted(listed) == sorted(map(str, sweep.cases_of(tmp_path / "matrix.yaml")))
        shown = [line for kind, text in self.BLOCKS if kind == "sh" for line in text.splitlines() if "nb sweep" in line]
        assert len(shown) == 5
        assert [line for line in shown if not self.listed(tmp_path, line)] == []

    @staticmethod
    def listed(folder: Path, line: str) -> list[str]:
        _, *arguments = shlex.split(line, comments=True)
        words = [str(folder / word) if word == "matrix.yaml" else word for word in arguments]
        done = CliRunner().invoke(main, [*words, "--list"])
        assert done.exit_code == 0, done.output
        return done.stdout.splitlines()

    def test_the_tasks_for_airflow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Their parameters are those of the notebook, which papermill alone would not check."""
        rows: list[dict[str, Any]] = []
        operator = SimpleNamespace(partial=lambda **options: SimpleNamespace(expand_kwargs=rows.extend, **options))
        module = "airflow.providers.papermill.operators.papermill"
        names = module.split(".")
        for number in range(1, len(names) + 1):
            monkeypatch.setitem(sys.modules, ".".join(names[:number]), SimpleNamespace(PapermillOperator=operator))
        (source,) = (text for kind, text in self.BLOCKS if kind == "python")
        exec(source)  # noqa: S102 (our own page)
        (path,) = find_notebooks(["11"])
        assert len({row["output_nb"] for row in rows}) == 4
        for row in rows:
            check_case(Notebook.read(path), row["parameters"])


def test_no_case_is_written_through_a_link(tmp_path: Path) -> None:
    """In the place of the folder of all cases, or of one."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "out").mkdir()
    (case,) = sweep.cases_of(matrix(tmp_path, matrix={name: values[:1] for name, values in SIX.items()}))
    for place in (tmp_path / "out" / "notebooks", (tmp_path / "out" / case.page).parent):
        place.symlink_to(tmp_path / "theirs")
        done = command(tmp_path / "matrix.yaml", "--out", tmp_path / "out")
        assert (done.exit_code, f"{place} is a link" in done.stderr) == (2, True), done.output
        place.unlink()
        place.parent.joinpath("notebooks").mkdir(exist_ok=True)
    assert [*(tmp_path / "theirs").iterdir()] == []


def test_a_matrix_has_an_end(tmp_path: Path) -> None:
    """More cases than anybody waits for are refused before they are counted one by one."""
    path = tmp_path / "matrix.yaml"
    path.write_text("matrix:\n" + "".join(f"  p{axis}: [{', '.join(map(str, range(10)))}]\n" for axis in range(9)))
    done = command(path, "--list")
    assert (done.exit_code, "matrix.yaml has 1,000,000,000 cases" in done.stderr) == (2, True), done.output
