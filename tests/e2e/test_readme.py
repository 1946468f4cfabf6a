"""What README.md says can be pasted is pasted here."""

import os
import re
import subprocess
import sys

import pytest

from peer import BOUND_S, BUILD, ROOT

from handoff.v1 import api_pb2

README = (ROOT / "README.md").read_text()
PATHWAYS = (ROOT / "daemon" / "pathways" / "README.md").read_text()


def block(language, part, text=README):
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", text, re.S) if part in b]
    assert len(found) == 1, f"one {language} block with {part!r}"
    return found[0]


def run(command, **options):
    done = subprocess.run(command, text=True, capture_output=True, timeout=BOUND_S, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def live(stopped):
    """On the system's clock, as a reader's would be; on free ports."""
    return stopped.start("--clock", "system")


def pasted(text, daemon):
    assert "tcp://127.0.0.1:7447" in text
    text = text.replace("tcp://127.0.0.1:7447", daemon.endpoints["front"])
    return text.replace('"build/python"', f'"{BUILD}/python"')


def test_the_python_snippet_publishes(live, tmp_path):
    snippet = block("python", "contact_attempted")
    assert len(snippet.splitlines()) < 15
    (tmp_path / "publish.py").write_text(pasted(snippet, live))
    said = run([sys.executable, "publish.py"], cwd=tmp_path)
    assert said.startswith("accepted as entry ")


def test_the_c_snippet_publishes(live, tmp_path):
    snippet, command = block("c", "handoff_publish"), block("sh", "cc -I").strip()
    assert len(snippet.splitlines()) < 15
    (tmp_path / "publish.c").write_text(pasted(snippet, live))
    command = command.replace("clients/lib", f"{ROOT}/clients/lib").replace("build/", f"{BUILD}/")
    run(["sh", "-c", command], cwd=tmp_path)
    assert run(["./publish"], cwd=tmp_path) == "accepted\n"
    assert run(["./publish"], cwd=tmp_path) == "accepted\n"  # a repeat under the same id is as good


def test_the_shipped_configuration_and_pathways_start(stopped):
    stopped.config = ROOT / "daemon" / "ops" / "handoffd.yaml"
    ports = ["--front", "tcp://127.0.0.1:*", "--stream", "tcp://127.0.0.1:*", "--http", "127.0.0.1:0"]
    stopped.start("--pathways", str(ROOT / "daemon" / "pathways"), *ports)
    assert stopped.stop() == 0


def on_a_clock_of_ones_own(commands, folder):
    """Behind what starts the daemon in the README; on other sockets."""
    begin = block("sh", "--clock manual").split("handoff publish")[0]
    assert "$(mktemp -d)" in begin and "$PWD/build" in begin
    sockets = f"--front ipc://{folder}/front --stream ipc://{folder}/stream --http '' --clock manual"
    begin = begin.replace("$(mktemp -d)", str(folder)).replace("--clock manual", sockets)
    begin = begin.replace("$PWD/build", str(BUILD)).replace("build/handoffd", f"{BUILD}/handoffd")
    environment = dict(os.environ, HANDOFF_FRONT=f"ipc://{folder}/front", COLUMNS="118")
    script = f"trap 'kill $!' EXIT\n{begin}\nset -e\n{commands}"
    done = subprocess.run(["sh", "-c", script], text=True, capture_output=True, timeout=BOUND_S, cwd=ROOT, env=environment)
    assert done.returncode == 0 and all(" note: " in line for line in done.stderr.splitlines()), done.stderr
    assert "msg=stopped" in (folder / "log").read_text()
    return done.stdout


def test_a_daemon_of_ones_own_comes_from_an_event_to_an_escalation(tmp_path):
    """With the commands about the directory, which speak of the same Mary."""
    tour, directory = block("sh", "--clock manual"), block("sh", "directory match")
    commands, end = tour[tour.index("handoff publish") :].split("kill $!")
    assert end.lstrip().startswith("#")
    said = on_a_clock_of_ones_own(commands + directory, tmp_path)
    assert block("text", "NEXT ") in said
    left = said.split("task.completed accepted")[1].split("14 agencies")[0]
    assert " e1 " in left and " e2 " not in left
    assert "hillside" in said.split("SCORE")[1]


def test_the_session_of_the_command_line_fits_together(tmp_path):
    said = on_a_clock_of_ones_own(block("sh", "advance-to", (ROOT / "clients" / "README.md").read_text()), tmp_path)
    assert " t3 " in said and "escalation.acknowledged accepted" in said and "hillside" in said
    assert said.count(" accepted, ") == 7 and said.splitlines()[-1].startswith("1 accepted")


def test_a_pathway_of_ones_own_is_written_checked_tested_and_moved(stopped, tmp_path):
    texts = [block("yaml", "pathway: sleep-study\nversion", PATHWAYS), block("yaml", "scenario: ", PATHWAYS)]
    said = ""
    for line in block("sh", "pathway test", PATHWAYS).splitlines():
        if line.startswith("nano "):
            (tmp_path / line.split()[1]).write_text(texts.pop(0))
            continue
        line = line.replace("daemon/", f"{ROOT}/daemon/").replace("handoffd ", f"{BUILD}/handoffd ", 1)
        said += run(["sh", "-c", line], cwd=tmp_path)
    assert "ordered  7d 1h" in said and "not ok" not in said and "\n1..6\n" in said
    stopped.start("--pathways", str(tmp_path / "mine"))
    script = block("sh", "study-result", PATHWAYS).replace("handoff ", f"{BUILD}/handoff ")
    said = run(["sh", "-ec", script], env=dict(os.environ, HANDOFF_FRONT=stopped.endpoints["front"]))
    assert "ask the laboratory" in said
    record = stopped.client().patient("tom").record
    assert len(record.closed_episodes) == 1 and not record.episodes


def test_the_clients_in_the_protocol_publish_and_do_a_task(live):
    text = (ROOT / "proto" / "PROTOCOL.md").read_text()
    first, third, second = (block("python", part, text) for part in ("contact_attempted", "SubscribeRequest", "task_completed"))
    environment = dict(os.environ, PYTHONPATH=f"{BUILD}/python")
    for client in (first, second):
        said = run([sys.executable, "-c", pasted(client, live)], env=environment)
        assert "CODE_ACCEPTED" in said
    assert "TASK_KIND_REVIEW_EVENT supervisor-1" in said and "VERDICT_APPLIED" in said
    assert len(run([sys.executable, "-c", pasted(third, live)], env=environment).splitlines()) == 2  # asked, and done
    assert not live.client().ask(tasks=api_pb2.TasksRequest()).tasks


def test_the_transcript_is_what_the_demo_prints():
    shown = block("text", "=== Mary").strip().split("\n\n")
    said = run([sys.executable, "clients/demo/demo.py", "tests/scenarios/mary.yaml"], cwd=ROOT, env=dict(os.environ))
    for part in shown:
        assert part in said
