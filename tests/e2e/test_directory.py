"""The resource directory: from files in the Open Referral format to a match with its reasons, through restarts."""

import csv
import json
import os
import pty
import shutil
import subprocess
import time
import zipfile

import pytest
from peer import BOUND_S, ROOT, Daemon, event
from test_handoff import ask, handoff, refusal

from handoff.v1 import api_pb2, common_pb2, emission_pb2, event_pb2

SAMPLE = ROOT / "tests" / "directory"
AGENCIES = 14  # of the sample


@pytest.fixture
def stopped(tmp_path):
    """A daemon with the shipped pathways."""
    daemon = Daemon(tmp_path / "daemon")
    for path in (ROOT / "daemon" / "pathways").glob("*.yaml"):
        shutil.copy(path, daemon.pathways)
    yield daemon
    daemon.close()


@pytest.fixture
def folder(tmp_path):
    """The sample, to be changed."""
    return shutil.copytree(SAMPLE / "hsds-3", tmp_path / "hsds")


def imported(daemon, path, *options, code=0):
    return json.loads(handoff(daemon, "directory", "import", path, "--json", *options, code=code).stdout)


def counts(summary):
    return {k: v for k, v in summary.items() if k in ("new", "changed", "unchanged", "delisted") and v}


def rewrite(path, change):
    """Changes the rows of a CSV file; a row that comes back empty is dropped."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        names, rows = reader.fieldnames, [change(row) for row in reader]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(row for row in rows if row)


def listings(daemon, *options):
    return {row["listing"]["agencyId"]: row for row in ask(daemon, "directory", "list", *options).get("rows", [])}


def in_fern(client, patient="mary", **more):
    """A child of ten in Fern County, insured by plan-a."""
    client.accept(
        event(patient, patient_registered=event_pb2.PatientRegistered(birth_date=20160105, county="Fern", **more)),
        event(
            patient,
            coverage_updated=event_pb2.CoverageUpdated(
                kind=event_pb2.COVERAGE_KIND_PRIVATE, status=event_pb2.COVERAGE_STATUS_ACTIVE, insurer_id="plan-a"
            ),
        ),
    )


def referred(patient, agency_id):
    return event(
        patient,
        referral_id=f"r-{patient}",
        referral_requested=event_pb2.ReferralRequested(
            priority=common_pb2.PRIORITY_ROUTINE,
            level_of_care=common_pb2.LEVEL_OF_CARE_OUTPATIENT,
            referrer=common_pb2.PARTY_PCP,
            referrer_id="family-practice",
            agency_id=agency_id,
            category=common_pb2.DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH,
        ),
    )


# --- importing --------------------------------------------------------------------------------------------------------
def test_a_folder_becomes_listings(daemon):
    summary = imported(daemon, SAMPLE / "hsds-3")
    assert counts(summary) == {"new": AGENCIES}
    assert summary["accepted"] == AGENCIES and summary["faults"] == []
    assert [note["where"] for note in summary["notes"]] == ["cost_options.csv:9"]
    riverside = ask(daemon, "directory", "show", "riverside")["listing"]
    assert riverside == {
        "agencyId": "riverside",
        "name": "Riverside Counseling",
        "levels": ["LEVEL_OF_CARE_OUTPATIENT"],
        "insurers": ["plan-a", "medical-assistance"],
        "languages": ["en"],
        "intakeNumber": "555-0102 x7",
        "county": "Fern",
        "supervisorContact": "Clinical supervisor, 555-0103, supervisor@riverside.example",
        "kind": "AGENCY_KIND_AGENCY",
        "services": [
            {
                "name": "Outpatient counseling",
                "levelOfCare": "LEVEL_OF_CARE_OUTPATIENT",
                "youngestAge": 5,
                "oldestAge": 17,
                "capacity": "CAPACITY_OPEN",
            }
        ],
        "intakeProcess": "Call intake; leave a name and a number.\nIntake calls back within two working days.",
        "counties": ["Fern"],
    }
    hillside = ask(daemon, "directory", "show", "hillside")["listing"]
    assert hillside["languages"] == ["en", "es"] and hillside["hasInterpreters"] and hillside["hasReducedFees"]
    assert hillside["helpsWithTransport"] and hillside["services"][0]["hasTelehealth"]
    assert hillside["counties"] == ["Fern", "Larch"]
    partners = ask(daemon, "directory", "show", "in-home-partners")["listing"]
    assert partners["levels"] == ["LEVEL_OF_CARE_COMMUNITY_BASED"] and partners["services"][0]["hasHomeVisits"]
    assert ask(daemon, "directory", "show", "family-works")["listing"]["services"][0]["capacity"] == "CAPACITY_WAITLIST"
    assert ask(daemon, "directory", "show", "lakeview-hospital")["listing"]["takesOtherInsurers"]


def test_an_archive_says_the_same_as_its_folder(daemon, tmp_path):
    archive = tmp_path / "directory.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
        for path in (SAMPLE / "hsds-3").iterdir():
            z.write(path, f"export/{path.name}")
        z.writestr("export/read me.txt", "not a table")
    assert counts(imported(daemon, archive)) == {"new": AGENCIES}
    assert counts(imported(daemon, SAMPLE / "hsds-3")) == {"unchanged": AGENCIES}


@pytest.mark.parametrize("path", ["hsds-2", "directory.json"])
def test_the_older_names_and_json_are_read_too(daemon, path):
    summary = imported(daemon, SAMPLE / path)
    assert (counts(summary), summary["faults"], summary["notes"]) == ({"new": 1}, [], [])
    meadow = ask(daemon, "directory", "show", "meadow-clinic")["listing"]
    assert meadow["levels"] == ["LEVEL_OF_CARE_OUTPATIENT"]
    assert meadow["languages"] == ["es"] and meadow["insurers"] == ["medical-assistance"]
    assert (meadow["services"][0]["youngestAge"], meadow["services"][0]["oldestAge"]) == (6, 17)
    assert meadow["intakeNumber"] == "555-0150" and meadow["county"] == "Fern" and meadow["hasReducedFees"]


def test_a_second_import_is_silent_and_a_changed_row_is_a_new_listing(daemon, folder):
    client = daemon.client()
    imported(daemon, folder)
    last = client.info().last_sequence
    assert counts(imported(daemon, folder)) == {"unchanged": AGENCIES}
    assert client.info().last_sequence == last
    rewrite(folder / "phones.csv", lambda row: {**row, "number": "555-0199"} if row["id"] == "p2" else row)
    summary = imported(daemon, folder)
    assert counts(summary) == {"changed": 1, "unchanged": AGENCIES - 1} and summary["accepted"] == 1
    assert ask(daemon, "directory", "show", "riverside")["listing"]["intakeNumber"] == "555-0199 x7"


def test_words_that_come_back_are_listed_again(daemon, folder):
    def number(text):
        rewrite(folder / "phones.csv", lambda row: {**row, "number": text} if row["id"] == "p2" else row)
        imported(daemon, folder)
        return ask(daemon, "directory", "show", "riverside")["listing"]["intakeNumber"]

    for text in ("1", "2", "1", "2", "1"):
        assert number(text) == f"{text} x7"


def test_rows_that_cannot_be_read_are_named_with_file_and_line_and_the_rest_is_imported(daemon, folder):
    with (folder / "organizations.csv").open("a") as file:
        file.write(",No id,,,,,\n")  # 16
        file.write("too-short,Too short\n")  # 17
        file.write("riverside,Again,,,,,\n")  # 18
        file.write('open,"never closed,,,,,\n')  # 19
        file.write("oak-street,Oak Street,,,,,\n")  # 20
    with (folder / "services.csv").open("ab") as file:
        file.write(b"oak-outpatient,oak-street,Outpatient,,active,,,,,twelve,\n")  # 20: a cell above has a line break
        file.write(b"oak-other,oak-street,Outpatient,,active,,,,,12,6\n")
        file.write(b"lost,nobody,Outpatient,,active,,,,,,\n")
        file.write(b"bytes,oak-street,\xff\xfe,,active,,,,,,\n")
        file.write(b"oak-good,oak-street,Outpatient,,active,,,,,6,12\n")
    done = handoff(daemon, "directory", "import", folder, code=1)
    lines = done.stderr.splitlines()
    for wanted in (
        "organizations.csv:16: not read: id is empty",
        "organizations.csv:17: not read: the row has 2 cells, but the header has 7",
        "organizations.csv:18: not read: the id riverside stood in line 2 already",
        "organizations.csv:19: not read: a quotation mark that opens a cell is not closed",
        'services.csv:20: not read: minimum_age "twelve" is not an age in years',
        "services.csv:21: not read: minimum_age 12 is above maximum_age 6",
        "services.csv:22: not read: organization_id nobody is in no row of organizations",
        "services.csv:23: not read: name is not UTF-8 text",
    ):
        assert wanted in lines, done.stderr
    assert len([line for line in lines if "not read" in line]) == 8
    assert f"{AGENCIES + 1} agencies" in done.stdout and "8 not read" in done.stdout
    assert [s["name"] for s in ask(daemon, "directory", "show", "oak-street")["listing"]["services"]] == ["Outpatient"]


def test_what_is_no_directory_is_refused_with_the_reason(daemon, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.json").write_text('[\n{"id": ]')
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 and no more")
    (tmp_path / "empty").mkdir()
    for name, words in (
        ("notes.txt", "neither a folder, a zip archive nor JSON"),
        ("broken.json", "broken.json:2: not read: it is not JSON"),
        ("broken.zip", "the archive cannot be read"),
        ("empty", "no organizations"),
        ("nothing", "No such file"),
    ):
        done = handoff(daemon, "directory", "import", tmp_path / name, code=1)
        assert words in done.stderr and "cannot be imported" in done.stderr and done.stdout == ""
    assert ask(daemon, "directory", "list") == {}


def test_a_dry_run_says_what_would_be_and_does_nothing(daemon, folder):
    summary = imported(daemon, folder, "--dry-run")
    assert counts(summary) == {"new": AGENCIES} and summary["accepted"] == 0
    assert listings(daemon) == {}
    alone = handoff(None, "directory", "import", folder, "--dry-run", "--timeout", "100ms")  # reading needs no daemon
    assert f"{AGENCIES} agencies" in alone.stdout and "nothing was compared" in alone.stdout
    handoff(None, "directory", "import", folder, "--timeout", "100ms", code=3)


def test_a_complete_import_delists_who_is_gone_and_lists_who_comes_back(daemon, folder):
    imported(daemon, folder)
    whole = (folder / "organizations.csv").read_text(), (folder / "services.csv").read_text()
    for name, column in (("organizations.csv", "id"), ("services.csv", "organization_id")):
        rewrite(folder / name, lambda row, column=column: None if row[column] == "parents-together" else row)
    for name in ("attributes.csv", "service_areas.csv"):
        rewrite(folder / name, lambda row: None if "parents-service" in row.values() else row)
    assert counts(imported(daemon, folder)) == {"unchanged": AGENCIES - 1}
    assert "parents-together" in listings(daemon)
    assert counts(imported(daemon, folder, "--complete")) == {"unchanged": AGENCIES - 1, "delisted": 1}
    assert "parents-together" not in listings(daemon)
    assert listings(daemon, "--delisted")["parents-together"]["isDelisted"]
    assert counts(imported(daemon, folder, "--complete")) == {"unchanged": AGENCIES - 1}
    (folder / "organizations.csv").write_text(whole[0])
    (folder / "services.csv").write_text(whole[1])
    assert counts(imported(daemon, folder)) == {"changed": 1, "unchanged": AGENCIES - 1}
    assert "parents-together" in listings(daemon)


def test_half_a_file_does_not_delist_the_other_half(daemon, folder):
    imported(daemon, folder)
    with (folder / "organizations.csv").open("a") as file:
        file.write("too-short\n")
    rewrite(folder / "phones.csv", lambda row: None if row["id"] == "p1" else row)
    for name in ("organizations.csv", "services.csv"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(line for line in lines if "parents" not in line))
    assert "rows could not be read" in handoff(daemon, "directory", "import", folder, "--complete", code=1).stderr
    shutil.rmtree(folder)
    shutil.copytree(SAMPLE / "hsds-2", folder)
    done = handoff(daemon, "directory", "import", folder, "--complete", code=1)
    assert f"would delist {AGENCIES} of {AGENCIES}" in done.stderr
    assert len(listings(daemon)) == AGENCIES
    assert counts(imported(daemon, folder, "--complete", "--many")) == {"new": 1, "delisted": AGENCIES}
    assert set(listings(daemon)) == {"meadow-clinic"}


def test_a_site_says_what_its_own_terms_mean(daemon, folder, tmp_path):
    def rename(row):
        return {**row, "name": "Tier 3"} if row["id"] == "t-1" else row

    for name in ("taxonomy_terms.csv", "attributes.csv"):
        (folder / name).write_text((folder / name).read_text().replace("t-outpatient", "t-1"))
    rewrite(folder / "taxonomy_terms.csv", rename)
    rewrite(folder / "services.csv", lambda row: {**row, "name": "A service"})
    notes = imported(daemon, folder, "--dry-run")["notes"]
    assert {"where": "services.csv:2", "sentence": "no level of care, support or kind is known by its terms or its name"} in notes
    own = tmp_path / "map.csv"
    own.write_text("look_at,says,means\nterm,tier 3,level outpatient\npayment,plan a*,insurer plan-a\n")
    imported(daemon, folder, "--map", own)
    assert listings(daemon)["riverside"]["listing"]["levels"] == ["LEVEL_OF_CARE_OUTPATIENT"]
    own.write_text("look_at,says,means\nterm,tier,level upstairs\n")
    assert f'{own}:2: "level upstairs" has no such value' in refusal(daemon, "directory", "import", folder, "--map", own)
    built_in = handoff(None, "directory", "map").stdout
    assert built_in == (ROOT / "clients" / "hsds" / "directory-map.csv").read_text()


def test_on_a_terminal_the_import_shows_how_far_it_is(daemon):
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        [ROOT / os.environ.get("BUILD", "build") / "handoff", "directory", "import", str(SAMPLE / "hsds-3")],
        env={**os.environ, "HANDOFF_FRONT": daemon.endpoints["front"]},
        stdout=inside,
        stderr=inside,
    )
    assert process.wait(BOUND_S) == 0
    os.close(inside)
    shown = os.read(outside, 65536).decode()
    os.close(outside)
    assert "reading" in shown and f"{AGENCIES} of {AGENCIES}" in shown


# --- listing ----------------------------------------------------------------------------------------------------------
def test_the_directory_is_listed_by_level_county_kind_and_support(daemon):
    imported(daemon, SAMPLE / "hsds-3")
    assert set(listings(daemon, "--level", "outpatient")) == {"riverside", "hillside", "family-works"}
    assert set(listings(daemon, "--level", "outpatient", "--county", "fern county")) == {"riverside", "hillside"}
    assert set(listings(daemon, "--kind", "crisis-line")) == {"988", "fern-crisis"}
    assert set(listings(daemon, "--kind", "crisis-line", "--county", "Larch")) == {"988"}
    assert set(listings(daemon, "--support", "food")) == {"open-pantry"}
    table = handoff(daemon, "directory", "list", "--kind", "agency").stdout
    assert "riverside" in table and "555-0102 x7" in table and "5-17" in table and "plan-a" not in table
    shown = handoff(daemon, "directory", "show", "hillside").stdout
    assert "helps with      transport, interpreters, reduced fees" in shown and "intensive-outpatient 12-17 waitlist" in shown
    assert refusal(daemon, "directory", "show", "nobody") == "handoff: there is no nobody in the directory"


def test_a_list_comes_page_by_page(daemon):
    imported(daemon, SAMPLE / "hsds-3")
    client, seen, after = daemon.client(), [], ""
    while True:
        page = client.ask(directory_list=api_pb2.DirectoryListRequest(limit=3, after=after))
        assert len(page.rows) <= 3 and page.agencies == AGENCIES
        seen += [row.listing.agency_id for row in page.rows]
        after = page.next
        if not after:
            break
    assert seen == sorted(listings(daemon))


# --- matching ---------------------------------------------------------------------------------------------------------
def match(daemon, *arguments):
    return ask(daemon, "directory", "match", *arguments)


def test_a_match_says_why(daemon):
    client = daemon.client()
    imported(daemon, SAMPLE / "hsds-3")
    in_fern(client, language="es")
    client.accept(event("mary", barrier_reported=event_pb2.BarrierReported(kind=event_pb2.BARRIER_KIND_TRANSPORT)))
    found = match(daemon, "mary", "--level", "outpatient")
    assert [m["agencyId"] for m in found["matches"]] == ["hillside", "riverside", "family-works"]
    assert found["matches"][0]["reasons"] == [
        "level of care: outpatient",
        "sees this age",
        "accepts plan-a",
        "speaks Spanish",
        "helps with transport",
        "telehealth",
        "in the same county: Fern",
    ]
    assert "an interpreter is needed: Spanish" in found["matches"][1]["reasons"]
    assert {"waitlist", "in another county: Larch"} <= set(found["matches"][2]["reasons"])
    assert [m["agencyId"] for m in found["crisisLines"]] == ["fern-crisis", "988"]
    assert [m["agencyId"] for m in found["countyOffices"]] == ["fern-county-office"]
    table = handoff(daemon, "directory", "match", "mary", "--level", "outpatient").stdout
    assert "speaks Spanish" in table and "555-0110" in table and "crisis lines" in table


def test_alternates_are_at_the_level_of_the_episode_and_not_the_agency_that_was_asked(daemon):
    client = daemon.client()
    imported(daemon, SAMPLE / "hsds-3")
    in_fern(client)
    assert "say which with --level" in refusal(daemon, "directory", "match", "mary")
    client.accept(referred("mary", "riverside"))
    found = match(daemon, "mary")
    assert [m["agencyId"] for m in found["matches"]] == ["hillside", "family-works"]
    assert found["matches"][0]["reasons"][0] == "same level of care: outpatient"
    episode = found["episodeId"].rsplit("-", 1)[1]
    assert {e.episode_id: e.pathway for e in client.patient("mary").episodes}[found["episodeId"]] == "referral"
    assert match(daemon, "mary", "--episode", episode) == found
    assert match(daemon, "mary", "--episode", episode, "--level", "outpatient") == found
    sentence = refusal(daemon, "directory", "match", "mary", "--episode", episode, "--level", "intensive-outpatient")
    assert "for a clinician to decide" in sentence
    assert "no such episode" in refusal(daemon, "directory", "match", "mary", "--episode", "ep9")
    assert "unknown-patient" in refusal(daemon, "directory", "match", "nobody", "--level", "outpatient")


def task_matches(client, kind):
    tasks = [e.task for e in client.all_emissions(emission_pb2.STREAM_TASK) if e.task.kind == kind]
    return [m.agency_id for m in tasks[-1].matches]


def test_tasks_carry_the_matches_of_the_moment_they_are_read(daemon):
    client = daemon.client()
    in_fern(client)
    client.accept(referred("mary", ""))
    share = common_pb2.TASK_KIND_SHARE_RESOURCES
    assert task_matches(client, share) == []
    imported(daemon, SAMPLE / "hsds-3")
    shown = handoff(daemon, "patient", "show", "mary").stdout
    assert "share-resources" in shown and "in the same county: Fern" in shown
    assert task_matches(client, share) == ["riverside", "hillside", "family-works", "first-rides", "open-pantry", "fern-crisis", "fern-county-office"]
    client.accept(event("mary", patient_updated=event_pb2.PatientUpdated(county="Larch")))
    assert task_matches(client, share) == ["hillside", "family-works", "988", "larch-county-office"]
    handoff(daemon, "publish", "agency.delisted", "--source", "desk", "--id", "d1", "--agency-id", "hillside")
    assert task_matches(client, share) == ["family-works", "988", "larch-county-office"]


def test_a_number_that_was_wrong_is_doubtful_until_the_agency_is_listed_anew(daemon, folder):
    client = daemon.client()
    imported(daemon, folder)
    in_fern(client)
    client.accept(
        referred("mary", "riverside"),
        event(
            "mary",
            contact_attempted=event_pb2.ContactAttempted(
                caller=common_pb2.PARTY_GUARDIAN,
                callee=common_pb2.PARTY_AGENCY,
                callee_id="riverside",
                purpose=event_pb2.CONTACT_PURPOSE_INTAKE,
                outcome=event_pb2.CONTACT_OUTCOME_DISCONNECTED,
            ),
        ),
    )
    assert ask(daemon, "directory", "show", "riverside")["isDoubtful"]
    assert "intake number doubtful" in handoff(daemon, "directory", "list").stdout
    in_fern(client, "alison")
    best = {m["agencyId"]: m for m in match(daemon, "alison", "--level", "outpatient")["matches"]}
    assert "its intake number is doubtful: confirm it first" in best["riverside"]["reasons"]
    assert counts(imported(daemon, folder)) == {"unchanged": AGENCIES}  # the same words are no answer to the doubt
    assert ask(daemon, "directory", "show", "riverside")["isDoubtful"]
    daemon.kill()
    daemon.start()
    assert ask(daemon, "directory", "show", "riverside")["isDoubtful"]
    rewrite(folder / "phones.csv", lambda row: {**row, "number": "555-0177"} if row["id"] == "p2" else row)
    assert counts(imported(daemon, folder)) == {"changed": 1, "unchanged": AGENCIES - 1}
    assert "isDoubtful" not in ask(daemon, "directory", "show", "riverside")
    assert daemon.stop() == 0
    subprocess.run(daemon.command("verify", str(daemon.data)), check=True, capture_output=True)


# --- standing ---------------------------------------------------------------------------------------------------------
def test_the_directory_survives_a_restart_and_a_crash(daemon):
    client = daemon.client()
    imported(daemon, SAMPLE / "hsds-3")
    in_fern(client)
    before = listings(daemon), match(daemon, "mary", "--level", "outpatient")
    daemon.kill()
    daemon.start()
    assert (listings(daemon), match(daemon, "mary", "--level", "outpatient")) == before
    assert daemon.stop() == 0
    daemon.start()
    assert (listings(daemon), match(daemon, "mary", "--level", "outpatient")) == before
    assert counts(imported(daemon, SAMPLE / "hsds-3")) == {"unchanged": AGENCIES}


def many(folder, count):
    """A directory of so many agencies, each with a service, a place, a number, languages and payments."""
    tables = {
        "organizations": (["id", "name"], lambda i: [(f"agency-{i:05}", f"Agency {i}")]),
        "services": (
            ["id", "organization_id", "name", "status", "minimum_age", "maximum_age"],
            lambda i: [(f"s-{i}", f"agency-{i:05}", "Outpatient clinic", "active", i % 12, 18)],
        ),
        "phones": (["id", "service_id", "number", "description"], lambda i: [(f"p-{i}", f"s-{i}", f"555-{i:05}", "Intake")]),
        "languages": (
            ["id", "service_id", "name", "code"],
            lambda i: [(f"l-{i}", f"s-{i}", "English", "en"), (f"m-{i}", f"s-{i}", "Spanish", "es")],
        ),
        "service_areas": (["id", "service_id", "name"], lambda i: [(f"a-{i}", f"s-{i}", f"County {i % 60}")]),
        "cost_options": (["id", "service_id", "option"], lambda i: [(f"c-{i}", f"s-{i}", "Medicaid")]),
    }
    for name, (columns, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for i in range(count):
                writer.writerows(rows(i))
    return folder


def test_five_thousand_agencies_are_imported_in_seconds_and_a_crash_in_between_loses_none(daemon, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    many(folder, 5000)
    begun = time.monotonic()
    assert counts(imported(daemon, folder)) == {"new": 5000}
    first_s = time.monotonic() - begun
    begun = time.monotonic()
    assert counts(imported(daemon, folder)) == {"unchanged": 5000}
    again_s = time.monotonic() - begun
    print(f"5,000 agencies: {first_s:.1f} s, again {again_s:.1f} s")
    assert first_s < 20 and again_s < 10
    daemon.kill()
    begun = time.monotonic()
    daemon.start()
    print(f"start {time.monotonic() - begun:.1f} s")
    client = daemon.client()
    in_fern(client, "mary")
    client.accept(event("mary", patient_updated=event_pb2.PatientUpdated(county="County 7")))
    begun = time.monotonic()
    found = match(daemon, "mary", "--level", "outpatient")
    print(f"match {time.monotonic() - begun:.3f} s")
    assert len(listings(daemon)) == 5000
    assert found.get("matches", []) == []  # they take Medicaid alone
    client.accept(
        event(
            "mary",
            coverage_updated=event_pb2.CoverageUpdated(
                kind=event_pb2.COVERAGE_KIND_MEDICAL_ASSISTANCE,
                status=event_pb2.COVERAGE_STATUS_ACTIVE,
                insurer_id="medical-assistance",
            ),
        )
    )
    found = match(daemon, "mary", "--level", "outpatient")["matches"]
    assert len(found) == 10 and all("in the same county: County 7" in m["reasons"] for m in found)
