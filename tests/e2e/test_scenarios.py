"""The cases as data, through the real daemon: what must come out does, whatever it is killed in the middle of, and it
is to the letter what comes out of the rules alone."""

import functools
import json
import shutil
import subprocess

import pytest
from peer import until
from scenario import BOUND_S, FILES, PATHWAYS, SITE, Mortal, Play, Reader, Scenario, emission_pb2, happened
from worker import assert_handed_out_as_shown

ALL = [Scenario(path) for path in FILES]
SCENARIOS = [scenario for scenario in ALL if scenario.patients == 1]
OF_MANY = [scenario for scenario in ALL if scenario.patients > 1]
NEIGHBOURS = list(zip(SCENARIOS, SCENARIOS[1:] + SCENARIOS[:1]))


@pytest.fixture(scope="session")
def alone(tmp_path_factory):
    """The transcript of a scenario from the rules alone."""
    folder = tmp_path_factory.mktemp("transcripts")
    return functools.cache(lambda scenario: scenario.transcript(folder))


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
    assert play.transcript == alone(play.scenario)


def play_all(play, move, publish):
    """move(at_ms) and publish(event) say how."""
    for i in range(len(play.scenario.steps)):
        move(play.at_ms(i))
        event = play.event(i)
        if event is not None:
            publish(event)
        play.check(i, play.collect(i))


def test_a_scenario_comes_out_as_written_with_a_kill_at_every_step(mortal, scenario, alone):
    play = Play(scenario, mortal)

    def publish(event):
        play.publish(event)
        mortal.kill()  # between the acknowledgement and all that follows

    def move(at_ms):
        mortal.advance(at_ms)
        mortal.kill()  # between the clock and the event

    play_all(play, move, publish)
    finish(play, alone)

    before = play.patient()
    mortal.kill()
    mortal.run("verify")
    shutil.rmtree(mortal.daemon.data / "index")
    mortal.run("reindex")
    assert play.patient() == before
    assert_folded_again_it_is_the_same(mortal)


def assert_folded_again_it_is_the_same(mortal):
    """Timers simulated, human work matched by what it was about: what comes out is what is in the journal."""
    files = sorted(PATHWAYS.glob("*.yaml"))
    command = mortal.daemon.command("backtest", "--json", "--pathway", *map(str, files), str(mortal.daemon.data))
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["patientsDiffer"], result["patientsUnlikeJournal"], result["unmatched"]) == (0, 0, [])


def test_an_event_said_twice_happens_once(mortal, scenario, alone):
    play = Play(scenario, mortal)

    def publish(event):
        play.publish(event)
        play.publish_again(event)  # of what may still be in memory alone
        mortal.kill()
        play.publish_again(event)  # of what was read from disk

    play_all(play, mortal.advance, publish)
    finish(play, alone)


def test_a_kill_within_an_advance_or_a_commit_loses_nothing_and_repeats_nothing(stopped, scenario, alone):
    mortal = Mortal(stopped, scenario.start_ms, points=(0, 1, 2, 5))
    mortal.advance(scenario.start_ms)
    mortal.kill()
    play = Play(scenario, mortal)
    play_all(play, mortal.insist_on_advance, play.insist_on_publish)
    finish(play, alone)
    assert set(mortal.ends) == {0, 1, 2, 5}, "every point was met"


@pytest.mark.parametrize("pair", NEIGHBOURS, ids=lambda pair: " and ".join(map(by_name, pair)))
def test_two_scenarios_at_once_come_out_as_each_alone(stopped, pair, alone):
    mortal = Mortal(stopped, min(scenario.start_ms for scenario in pair))
    plays = [Play(scenario, mortal, patient_id=scenario.name) for scenario in pair]
    steps = sorted((play.at_ms(i), n, i) for n, play in enumerate(plays) for i in range(len(play.scenario.steps)))
    for at_ms, n, i in steps:
        mortal.advance(at_ms)
        event = plays[n].event(i)
        if event is not None:
            plays[n].publish(event)
        plays[n].check(i, plays[n].collect(i))
    for play in plays:
        finish(play, alone)


@pytest.mark.parametrize("name", ["alison", "wrong-patient"])
def test_what_workers_are_handed_is_what_the_front_shows(stopped, name):
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    mortal = Mortal(stopped, scenario.start_ms)
    play = Play(scenario, mortal)
    play_all(play, mortal.advance, play.publish)
    assert_handed_out_as_shown(mortal.daemon)


# --- many patients ---------------------------------------------------------------------------------------------------
def lists_of_site(client, after):
    """What was told of the site after a sequence, beside its patients: escalations with a list, and that one is over."""
    escalations = client.all_emissions(emission_pb2.STREAM_ESCALATION, after)
    resolved = emission_pb2.ESCALATION_CHANGE_RESOLVED
    return [e for e in escalations if e.patient_id == SITE and (e.escalation.lines or e.escalation.change == resolved)]


def check_site(client, expect, after):
    """The list comes, and is over, when all records have been gone through."""
    found = until(lambda: lists_of_site(client, after))
    words = happened(found)
    assert words["escalations"] == expect.get("escalations", [])
    assert words["resolved"] == expect.get("resolved", [])
    totals = [e.escalation.total for e in found if e.escalation.lines]
    assert totals == [int(expect[key]) for key in expect if key == "list"]
    return found[-1].sequence


@pytest.mark.parametrize("scenario", OF_MANY, ids=by_name)
def test_what_many_patients_live_through_at_once_comes_out_for_each_with_one_list(stopped, scenario, alone):
    mortal = Mortal(stopped, scenario.start_ms)
    names = [scenario.patient_id, *(f"{scenario.patient_id}-{n}" for n in range(2, scenario.patients + 1))]
    plays = [Play(scenario, mortal, patient_id=name) for name in names]
    through = 0
    for i, step in enumerate(scenario.steps):
        mortal.advance(plays[0].at_ms(i))
        for play in plays[:1] if step.get("of") == "site" else plays:
            play.publish(play.event(i))
        mortal.kill()
        if site := (step["expect"] or {}).get("site"):
            through = check_site(Reader(mortal), site, through)
        for play in plays:
            play.check(i, play.collect(i))
    for play in plays:
        finish(play, alone)
    mortal.kill()
    assert_folded_again_it_is_the_same(mortal)
