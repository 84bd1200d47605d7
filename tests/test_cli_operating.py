"""The queue from a user's seat: what its commands say, and with which exit status they end."""

from __future__ import annotations

import json
import sys

import pytest

from sweep.run import lease
from sweep.run.lease import keep_lease
from sweep.store.store import Store
from sweep.tables import packed
from tests.command_line import RUN, Program, write_table

QUEUE = ("run", "small.toml", "--queue")
RUNNER = ("runner", "--once", "--cluster", "inline")


def test_from_the_queue_to_the_answer_without_the_table(small: Program) -> None:
    """What is queued needs neither the definition's file nor the table's: not to run, and not to answer."""
    queued = small(*QUEUE)
    assert queued.out == "small is queued: `sweep runner` runs it, `sweep status small` shows how far it is\n"
    assert queued.err == "reading table.csv\n4 trials over 4 placements\n" or queued.err.startswith(
        "reading table.csv\n"
    )
    (small.folder / "table.csv").unlink()
    (small.folder / "small.toml").unlink()
    early = small("report", "small", status=2)
    assert early.err == "error: the sweep small has not begun (queued): there is nothing to show of it yet\n"
    for command in ("best", "export", "answer"):
        assert "the sweep small has not begun (queued)" in small(command, "small", status=2).err
    said = small(*RUNNER).err
    assert "small: done, 4 of 4 trials are finished" in said
    assert small.json("status", "small")["state"] == "done"
    assert len(small.json("answer", "small", "--repeats", "2", "--cluster", "inline")["arms"]) == 3
    small("report", "small")


def test_a_changed_table_is_no_answer(small: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where runners read the file themselves, an answer does too."""
    monkeypatch.setattr(packed, "LARGEST", 0)
    said = small(*QUEUE).err.splitlines()[-1]
    assert said == (
        f"the table is not stored (it is larger than 0 MiB): runners read it from {small.folder / 'table.csv'}, "
        "which has to lead there for them too, and check that it is the same"
    )
    small(*RUNNER, "--quiet")
    write_table(small.folder / "table.csv", rows=46)
    assert "has changed since the sweep small ran on it" in small("answer", "small", status=2).err


def test_queued_as_json(small: Program) -> None:
    found = small(*QUEUE, "--json", "--priority", "7")
    document = json.loads(found.out)
    assert document == small.json("status", "small")
    assert (document["name"], document["state"], document["holder"], document["reason"]) == (
        "small",
        "queued",
        None,
        None,
    )
    assert document["trials"] == {"budget": 4, "complete": 0, "pruned": 0, "failed": 0, "running": 0}
    assert small.json("list") == [document]
    assert small(*QUEUE, "--quiet").err == ""


def test_what_is_queued_is_listed_and_shown(small: Program) -> None:
    small(*QUEUE, "--quiet")
    assert small("list").out.splitlines()[1].split()[:3] == ["small", "queued", "0/4"]
    assert ["state", "queued"] in [line.split() for line in small("status", "small").out.splitlines()]
    checked = small("check", "small.toml")
    assert "0 of 4 trials are finished, queued: a `sweep runner` runs it" in checked.out
    for command in (("check", "small.toml"), RUN):
        refused = small(*command, "--set", "seed=4", status=2)
        assert "a sweep named small is queued with another definition or another table" in refused.err
    small(*RUN, "--quiet")  # in the foreground, all the same
    assert small.json("status", "small")["state"] == "done"
    assert "sweep run changes nothing" in small("check", "small.toml").out
    assert small(*QUEUE).out == "nothing to do: all 4 trials of small are finished\n"
    assert small(*QUEUE, "--trials", "8").out.startswith("small is queued")
    assert small("list").out.splitlines()[1].split()[:3] == ["small", "queued", "4/8"]


@pytest.mark.parametrize("priority", ["1001", "-1001"])
def test_a_priority_that_there_is_not(small: Program, priority: str) -> None:
    refused = small(*QUEUE, f"--priority={priority}", status=2)
    assert refused.err == f"error: the priority must be a whole number from -1000 to 1000, however: {priority}\n"
    assert not (small.folder / "sweep.db").exists()


def test_a_priority_without_a_queue(small: Program) -> None:
    refused = small(*RUN, "--priority", "3", status=2).err
    assert refused == "error: --priority is for a sweep that is queued (--queue, in Python queue=True), however: 3\n"
    assert "should be a valid integer" in small(*QUEUE, "--priority", "high", status=2).err


@pytest.mark.parametrize(
    "option", [("--cluster", "inline"), ("--cluster", "tcp://127.0.0.1:1"), ("--workers", "2"), ("--device", "cuda")]
)
def test_a_queue_has_the_workers_of_its_runner(small: Program, option: tuple[str, str]) -> None:
    refused = small("run", "small.toml", "--queue", *option, status=2)
    assert f"{option[0]} is for a run here: of a queued sweep it is the `sweep runner` that has workers" in refused.err
    assert not list(small.folder.glob("*.db"))


def test_what_cannot_be_queued(small: Program) -> None:
    assert "nowhere.csv" in small(*QUEUE, "--set", "data.source=nowhere.csv", status=2).err
    assert "validation.folds" in small(*QUEUE, "--set", "validation.folds=1", status=2).err
    assert not (small.folder / "sweep.db").exists()


@pytest.mark.parametrize("command", ["pause", "resume", "cancel", "delete", "status"])
def test_names_that_nobody_knows(small: Program, command: str) -> None:
    nothing = small(command, "small", status=2)
    assert nothing.err.startswith("error: no ")
    assert not (small.folder / "sweep.db").exists()
    small(*QUEUE, "--name", "other", "--quiet")
    refused = small(command, "small", status=2)
    assert refused.err == "error: no sweep named small in sqlite:///sweep.db; there are: other\n"


def test_resting_and_going_on(small: Program) -> None:
    small(*QUEUE, "--quiet")
    assert small("pause", "small").out == "the sweep small is paused\n"
    assert small("pause", "small").out == "the sweep small is paused already\n"
    assert small("cancel", "small").out == "the sweep small is cancelled\n"
    assert small.json("status", "small")["state"] == "cancelled"
    assert small("resume", "small").out == "the sweep small is queued for a `sweep runner`\n"
    small("pause", "small")
    small(*RUN, "--quiet")  # goes on, since somebody asks for it
    assert small("pause", "small", status=2).err == "error: the sweep small is done: there is nothing to be paused\n"
    assert small("resume", "small", status=2).err == "error: the sweep small is done: there is nothing to go on with\n"


def test_what_failed_says_why(small: Program) -> None:
    small(*QUEUE, "--quiet")
    with Store.open("sqlite:///sweep.db") as store:
        store.set_order("small", "failed", reason="the reason")
    assert ["because", "the", "reason"] in [line.split() for line in small("status", "small").out.splitlines()]
    assert small.json("status", "small")["reason"] == "the reason"
    assert small("list").out.splitlines()[1].split()[1] == "failed"
    assert small("resume", "small").out == "the sweep small is queued for a `sweep runner`\n"
    assert small.json("status", "small")["reason"] is None


def test_a_live_process_that_holds_it_is_named(small: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.1)
    small(*RUN, "--quiet")
    with Store.open("sqlite:///sweep.db") as store:
        sweep = store.sweep("small")
        assert sweep is not None
        with keep_lease(store, sweep) as kept:
            held = small(*RUN, "--trials", "8", status=1)
            assert held.err.splitlines()[-1] == (
                f"error: the sweep small is being run by {kept.holder}; nothing was changed"
            )
            assert small.json("status", "small")["holder"] == str(kept.holder)
            assert small("check", "small.toml").out.count(f"running: {kept.holder} runs it") == 1
            assert small(*QUEUE, "--trials", "8").out.startswith(f"small is being run by {kept.holder}; ")


def test_deleting(small: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    small(*QUEUE, "--quiet")
    refused = small("delete", "small", status=2)
    assert refused.err == "error: deleting small must be confirmed: --yes says so where nobody can be asked\n"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for answer, status in ((False, 1), (True, 0)):
        asked: list[str] = []
        monkeypatch.setattr("typer.confirm", lambda text, answer=answer, asked=asked, **_: asked.append(text) or answer)
        said = small("delete", "small", status=status)
        assert asked == ["delete small (queued, 0 of 4 trials) from sqlite:///sweep.db?"]
        assert (said.out, said.err) == (("deleted small\n", "") if answer else ("", "nothing was deleted\n"))
    assert small.json("list") == []
    small(*RUN, "--quiet")
    assert small("delete", "small", "--yes").out == "deleted small\n"
    assert small.json("list") == []


def test_no_password_is_shown(small: Program, postgres_url: str) -> None:
    url = postgres_url.replace("postgres@", "postgres:topsecret@")
    said = [small(*arguments, "--storage", url) for arguments in (QUEUE, ("pause", "small"), ("resume", "small"))]
    said += [small(*RUNNER, "--storage", url), small("delete", "small", "--storage", url, status=2)]
    said += [small("cancel", "other", "--storage", url, status=2), small("delete", "small", "--yes", "--storage", url)]
    assert any("postgres:***@" in one.err for one in said)
    assert not any("topsecret" in one.out + one.err for one in said)


def test_a_runner_needs_what_it_can_do(small: Program) -> None:
    assert "the cluster must be inline, local or an address" in small("runner", "--cluster", "nowhere", status=2).err
    assert "--poll" in small("runner", "--poll", "0", status=2).err
    assert "the folder of the database must exist" in small("runner", "--storage", "sqlite:///no/x.db", status=2).err
    assert small(*RUNNER, "--quiet").err == ""
    assert small.json("list") == []
