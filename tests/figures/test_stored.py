"""The store of the gallery's records, its two styles, and several figures at once."""

import json
import multiprocessing
import sys

import numpy as np
import platformdirs
import pytest
from typer.testing import CliRunner

import flatphys as fp
from flatphys import figures
from flatphys.cli import app
from flatphys.figures import stored

NAME = "capacity-vs-margin"


def compute():
    return [{"a": 0.1 + 0.2, "b": float("inf"), "c": None, "d": "text", "e": True}, {"a": 5e-324}]


def never():
    raise AssertionError("computed although stored")


def test_stored_records_are_read_back_digit_by_digit(tmp_path):
    first = stored.records("x", compute, tmp_path)
    assert first == compute() == stored.records("x", never, tmp_path) == stored.records("x", compute, False)
    (path,) = tmp_path.iterdir()
    assert path.name == f"x-{stored.version_key()}.json"


def test_another_version_or_a_damaged_file_is_not_read(tmp_path, monkeypatch):
    stored.records("x", compute, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text()[:-9])
    assert stored.records("x", compute, tmp_path) == compute() == stored.records("x", never, tmp_path)
    path.write_text(path.read_text().replace("0.30000000000000004", "0.30000000000000007"))  # another number, and good JSON
    assert stored.records("x", compute, tmp_path) == compute() == stored.records("x", never, tmp_path)
    monkeypatch.setattr(stored, "version_key", lambda: "0" * 16)
    with pytest.raises(AssertionError, match="although stored"):
        stored.records("x", never, tmp_path)


def test_a_store_that_cannot_be_written_is_no_store(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert stored.records("x", compute, tmp_path / "file") == compute()


def test_old_files_are_removed_and_others_kept(tmp_path):
    import os

    for name in ("old", "new"):
        (tmp_path / name).write_text("[]")
    os.utime(tmp_path / "old", (0.0, 0.0))
    stored.records("x", compute, tmp_path)
    assert not (tmp_path / "old").exists() and (tmp_path / "new").exists()


def _store(folder):
    for _ in range(40):
        stored._write(folder / "x.json", json.dumps(list(range(20000))))


def test_two_processes_may_write_at_once(tmp_path):
    workers = [multiprocessing.get_context("spawn").Process(target=_store, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    seen = 0
    while any(worker.is_alive() for worker in workers):
        try:
            mark, _, text = (tmp_path / "x.json").read_text().partition("\n")
            assert json.loads(text) == list(range(20000)) and mark == stored._checksum(text)
            seen += 1
        except FileNotFoundError:
            pass
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0] and seen and [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_figures_from_a_store_are_the_same_files(tmp_path, monkeypatch):
    plain = figures.make(NAME, tmp_path / "a")
    figures.make(NAME, tmp_path / "b", store=tmp_path / "store")
    monkeypatch.setattr(figures.load(NAME), "compute", never)
    again = figures.make(NAME, tmp_path / "c", store=tmp_path / "store")
    for one, two in zip(plain, again):
        assert one.read_bytes() == two.read_bytes()


def test_a_notebooks_figure_is_larger_and_a_printed_one_embeds_its_fonts(tmp_path):
    import matplotlib.image

    sizes = {}
    for style in ("paper", "notebook"):
        png, pdf, _ = figures.make(NAME, tmp_path / style, style, store=tmp_path / "store")
        pixels = matplotlib.image.imread(png).shape[:2]
        sizes[style] = np.array(pixels) / {"paper": 300, "notebook": 150}[style]
        content = pdf.read_bytes()
        assert b"/FontFile2" in content and b"/Type3" not in content
        assert figures.make(NAME, tmp_path / "again", style, store=tmp_path / "store")[0].read_bytes() == png.read_bytes()
    assert sizes["paper"][1] == pytest.approx(86.0 / 25.4, abs=0.01)  # the column, inches
    assert sizes["notebook"] == pytest.approx(1.7 * sizes["paper"], abs=0.02)
    with pytest.raises(fp.errors.InvalidInput, match="style must be one of 'paper', 'notebook'"):
        figures.make(NAME, tmp_path, "slides")


@pytest.mark.long
def test_several_processes_draw_the_same_files_as_one(tmp_path):
    names = [NAME, "phase-spherical-perceptron"]
    one = dict(figures.make_all(names, tmp_path / "one", workers=1))
    two = dict(figures.make_all(names, tmp_path / "two", workers=2))
    assert one.keys() == two.keys() == set(names)
    for name in names:
        for a, b in zip(one[name], two[name]):
            assert a.name == b.name and a.read_bytes() == b.read_bytes()


def test_an_error_of_a_worker_reaches_the_caller(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        list(figures.make_all([NAME, "phase-spherical-perceptron"], tmp_path / "file", workers=2))


@pytest.mark.skipif(sys.platform != "linux", reason="the cache folder is moved by XDG_CACHE_HOME")
def test_the_command_keeps_records_in_the_users_cache_unless_told_not_to(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "flatphys" / "figures"
    assert platformdirs.user_cache_dir("flatphys") == str(folder.parent)
    assert CliRunner().invoke(app, ["figure", NAME, "--no-store", "--out", str(tmp_path)]).exit_code == 0
    assert not folder.exists()
    result = CliRunner().invoke(app, ["figure", NAME, "--style", "notebook", "--out", str(tmp_path)])
    assert result.exit_code == 0 and result.stderr == ""  # no progress where there is no terminal
    assert [path.name for path in folder.iterdir()] == [f"{NAME}-{stored.version_key()}.json"]
    assert CliRunner().invoke(app, ["figure", NAME, "--style", "poster"]).exit_code == 2


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_it_soon_and_leaves_whole_files_only(tmp_path):
    import os
    import signal
    import subprocess

    before = tmp_path / "before"
    plain = {path.name: path.read_bytes() for path in figures.make(NAME, before)}
    command = [sys.executable, "-m", "flatphys", "figure", "all", "--no-store", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    first = process.stdout.readline()  # one figure is done, others are being drawn
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert first and process.returncode != 0 and "Traceback" not in errors
    for path in (tmp_path / "out").glob("[!.]*"):
        content = path.read_bytes()
        assert content.endswith({".png": b"IEND\xaeB`\x82", ".pdf": b"%%EOF\n", ".csv": b"\n"}[path.suffix])
        assert plain.get(path.name, content) == content
