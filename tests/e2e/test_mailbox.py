"""The seven cases end in a readable mailbox: who got what, and when, to the letter (mailboxes.yaml); and each message as
somebody reads it who has sixty patients, or whose child it is about."""

import collections
import datetime
import os
import re

import pytest
import yaml
from handoff.v1 import common_pb2, emission_pb2, event_pb2
from peer import ROOT
from scenario import Reader, Scenario, fill, kebab, load_yaml
from town import Town, lived

FILE = ROOT / "tests" / "e2e" / "mailboxes.yaml"
CASES = load_yaml(FILE)
SEVEN = "tom alison karen david mary ryan sarah".split()

# What nobody outside the workforce is told. Names of agencies and schools come from the case.
CARE = re.compile(
    "behavio|therap|psych|diagnos|depress|anxi|outpatient|inpatient|residential|hospital|program|level of care|agenc|school"
    "|intake|referral|conduct|terap|psic|ambulator|agencia|escuela|derivaci",
    re.I,
)


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture
def mails(case, stopped, tmp_path):
    """What arrived, in the order of time; of one minute by whom, then by subject."""
    says = CASES[case]
    scenario = Scenario(ROOT / "tests" / "scenarios" / f"{says.get('scenario', case)}.yaml")
    with Town(tmp_path, stopped, scenario.start_ms) as town:
        play = lived(town, scenario, [wish(w) for w in says["family"]], says)
        arrived = sorted(town.arrived, key=lambda a: (a.at_ms, a.who, a.subject, a.text))
        escalations = Reader(town.mortal).all_emissions(emission_pb2.STREAM_ESCALATION)
    if os.environ.get("PRINT"):
        print("", *arrived, sep="\n")
    return Mailbox(case, scenario, play, arrived, escalations)


class Mailbox:
    def __init__(self, case, scenario, play, arrived, escalations):
        self.case, self.scenario, self.play, self.arrived = case, scenario, play, arrived
        self.escalations = escalations
        self.family = {w["address"]: w for w in CASES[case]["family"]}

    def of_family(self):
        return [a for a in self.arrived if a.to in self.family]

    def of_staff(self):
        return [a for a in self.arrived if a.to not in self.family]

    def lines(self):
        return [line_of(a) for a in self.arrived]


def wish(says):
    says = dict(says)
    address = {"channel": "EMAIL", "address": says.pop("address")}
    message = event_pb2.PreferenceUpdated()
    fill(message, {**says, "permitted": ["EMAIL"], "addresses": [address]})
    return message


def line_of(arrived):
    """With what it is about, if it is several."""
    lines = arrived.text.splitlines()
    items = [matter_of(line, lines[i + 1]) for i, line in enumerate(lines) if line.startswith("- ")]
    return f"{arrived.at} {arrived.who}: {arrived.subject}" + (f" ({'; '.join(items)})" if items else "")


def matter_of(line, why):
    """Of "- tom | call the agency | riverside | due Friday": "call the agency riverside". An escalation may have no more
    than its reason."""
    said = [part for part in line.split(" | ")[1:] if not part.startswith("due ")]
    return " ".join(said) or why.strip().rstrip(".")


# --- all of it ------------------------------------------------------------------------------------------------------
def test_everybody_finds_what_they_should_and_nothing_else(mails):
    expected = CASES[mails.case]["mails"]
    as_read = "\n".join(map(str, mails.arrived))
    as_list = yaml.safe_dump({"mails": mails.lines()}, width=1000, allow_unicode=True)
    assert mails.lines() == expected, f"{mails.case}\n\n{as_read}\n{as_list}"
    check_each(mails)
    check_family(mails)
    check_hours(mails)
    check_escalations(mails)


# --- each of them ----------------------------------------------------------------------------------------------------
def check_each(mails):
    ids = [a.id for a in mails.arrived]
    assert len(ids) == len(set(ids)), "a message came twice"
    for a in mails.arrived:
        check_words(a)
        expected = mails.family.get(a.to, {}).get("language", "en")
        assert a.language == expected, f"{a}"
        if a.message is not None:
            check_mail(a)


def check_words(a):
    """Readable, with nothing of the machine in it that somebody would have to read past."""
    for text in (a.subject, a.text):
        assert text.strip() and not re.search(r"[{}<>\x00-\x08]|\(null\)|\.\.|_|  \S.*  |KIND|UNSPECIFIED", text), f"{a}"
    assert len(a.subject) <= 78 and not re.search(r"[0-9a-f]{16}", a.subject), f"{a}"
    assert not re.search(r"[ :,-]$", a.subject) and "\n\n\n" not in a.text, f"{a}"
    assert all(len(line) <= 200 for line in a.text.splitlines()), f"{a}"
    assert len(a.text.splitlines()) <= 60, f"{a}"


def check_mail(a):
    m = a.message
    assert not m.defects and not any(m[name].defects for name in set(m.keys())), f"{a}"
    assert m.get_content_type() == "text/plain" and m.get_content_charset() == "utf-8" and not m.is_multipart()
    assert [str(x) for x in m["To"].addresses] == [a.to]
    assert m["From"].addresses[0].addr_spec == "care@example.org" and m["Date"].datetime
    assert re.fullmatch(r"<[^<>@\s]+@example\.org>", m["Message-ID"]) and m["Auto-Submitted"] == "auto-generated"


# --- families --------------------------------------------------------------------------------------------------------
def words_of_case(mails):
    """Patient, agencies, schools: whatever an event of the case names."""
    text = str(mails.scenario.steps)
    named = set(re.findall(r"'(?:agency_id|id|recipient_id)': '([a-z][a-z-]+)'", text))
    return {mails.play.patient_id, *named} - {"mother", "father", "mom"}


def check_family(mails):
    for a in mails.of_family():
        said = a.subject + "\n" + a.text
        assert not CARE.search(said), f"{a}"
        assert not [word for word in words_of_case(mails) if word in said.lower()], f"{a}"
        has_details = mails.family[a.to].get("message_content") == "DETAILS"
        assert bool(re.search(r"\d", said.replace("555-0100", ""))) == has_details, f"{a}"
        assert "555-0100" in said and "Care Coordination" in said


def test_a_reminder_in_spanish_and_in_english_says_the_day_as_people_do():
    """The two that the cases have are read here, so that nobody has to run them to see what a mother sees."""
    says = {case: [m for m in CASES[case]["mails"] if "mother" in m] for case in SEVEN}
    assert any("Recordatorio de Care Coordination" in m for m in says["alison"])
    assert any("Mensaje de Care Coordination" in m for m in says["ryan"])
    assert any("Reminder from Care Coordination" in m for m in says["david"])


# --- hours -----------------------------------------------------------------------------------------------------------
def is_working(text):
    at = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M")
    return at.weekday() < 5 and 8 <= at.hour < 17


def check_hours(mails):
    """Routine ones as one message a morning; what is urgent while people work; only a safety finding at any hour."""
    mornings = collections.Counter()
    for a in mails.of_staff():
        if a.severity == "routine":
            mornings[a.at, a.to] += 1
            assert a.at.endswith(" 08:00") and is_working(a.at), f"{a}"
        if a.severity == "urgent" and not is_working(a.at):
            assert "safety" in a.text, f"{a}"
    assert not [key for key, count in mornings.items() if count > 1]
    for a in mails.of_family():
        assert "07:00" < a.at[-5:] < "21:00", f"{a}"


# --- escalations -----------------------------------------------------------------------------------------------------
def check_escalations(mails):
    """An escalation that is not routine reaches whom it names."""
    change = emission_pb2.EscalationChange
    for e in mails.escalations:
        if e.escalation.change != change.ESCALATION_CHANGE_RAISED or e.patient_id != mails.play.patient_id:
            continue
        if e.escalation.severity == common_pb2.SEVERITY_ROUTINE:
            continue
        role = kebab(common_pb2.Role.DESCRIPTOR, e.escalation.rung)
        told = [a for a in mails.arrived if e.escalation.escalation_id in a.text and a.is_for(role)]
        assert told, f"nobody heard of {e.escalation.escalation_id} as {role}"
