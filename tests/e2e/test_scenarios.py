"""The cases as data, through the real daemon: what must come out does, whatever it is killed in the middle of, and it
is to the letter what comes out of the rules alone."""

import itertools
import shutil
import subprocess

import pytest
from conftest import BOUND_S
from scenario import FILES, Mortal, Play, Scenario

SCENARIOS = [Scenario(path) for path in FILES]
NEIGHBOURS = list(zip(SCENARIOS, SCENARIOS[1:] + SCENARIOS[:1]))


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """By name: the transcript of a scenario from the rules alone."""
    folder = tmp_path_factory.mktemp("transcripts")
    return {scenario.name: scenario.transcript(folder) for scenario in SCENARIOS}


def by_name(scenario):
    return scenario.name


@pytest.fixture(params=SCENARIOS, ids=by_name)
def scenario(request):
    return request.param


@pytest.fixture
def mortal(stopped, scenario):
    return Mortal(stopped, scenario.start_ms)


def finish(play, alone):
    play.check_whole()
    assert play.transcript == alone[play.scenario.name]


def state(play):
    """All that a reader sees of the patient, and when it was."""
    return play.client.patient(play.patient_id).SerializeToString(deterministic=True)


def run(mortal, command):
    data = ["--data", str(mortal.daemon.data)]
    done = subprocess.run(mortal.daemon.command(command, *data), capture_output=True, text=True, timeout=BOUND_S)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_scenario_comes_out_as_written_with_the_daemon_killed_at_every_step(mortal, scenario, alone):
    play = Play(scenario, mortal)
    for i in range(len(scenario.steps)):
        mortal.advance(play.at_ms(i))
        event = play.event(i)
        mortal.kill()  # between the clock and the event
        if event is not None:
            play.publish(event)
            mortal.kill()  # between the acknowledgement and all that follows
        play.check(i, play.collect(i))
        mortal.kill()  # between two steps
    finish(play, alone)

    before = state(play)
    mortal.stop()
    run(mortal, "verify")
    shutil.rmtree(mortal.daemon.data / "index")
    run(mortal, "reindex")
    assert state(play) == before


def test_an_event_said_twice_happens_once(mortal, scenario, alone):
    play = Play(scenario, mortal)
    for i in range(len(scenario.steps)):
        mortal.advance(play.at_ms(i))
        event = play.event(i)
        if event is not None:
            play.publish(event)
            play.publish_again(event)
        play.check(i, play.collect(i))
    mortal.kill()
    for i in range(len(scenario.steps)):
        event = None if "task" in scenario.steps[i] or "escalation" in scenario.steps[i] else play.event(i)
        if event is not None:
            (result,) = play.client.publish(event)
    finish(play, alone)
