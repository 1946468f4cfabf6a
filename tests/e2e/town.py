"""The seven cases with everybody's mailbox: the real daemon on a manual clock, handoff-notify, a mail server, a web
server. The clock goes from one thing that happens to the next, as a real one would, and after each everything that
could be sent is waited for; so a mail has the hour at which it would have arrived."""

import dataclasses
import email.policy
import json
import re

import yaml
from handoff.v1 import delivery_pb2, event_pb2
from notifier import Notifier
from peer import until
from scenario import SITE_FILE, Mortal, Play, to_ms, to_text
from worlds import MailServer, WebServer

SECRET = "whsec_" + 43 * "A" + "="
WAITS = delivery_pb2.ASIDE_KIND_WAITS
LANES = 4
FOREVER_MS = 1 << 62


@dataclasses.dataclass
class Arrived:
    """A mail or a webhook, and when it came."""

    at_ms: int
    to: str  # mailbox, or path of the webhook
    subject: str
    text: str
    language: str
    id: str
    severity: str  # "": of a family's
    message: object = None  # of mail

    @property
    def at(self):
        return to_text(self.at_ms)

    @property
    def who(self):
        """Without what all addresses have."""
        return self.to.removesuffix("@example.org").rpartition("/")[2]

    def is_for(self, role):
        return self.who in PEOPLE[role]

    def __str__(self):
        return f"{self.at}  to {self.to}\n    Subject: {self.subject}\n\n" + "".join(
            f"    {line}\n" for line in self.text.splitlines()
        )


def severity_of(subject):
    found = re.match(r"\[(\w+)\]", subject)
    return found[1] if found else "emergent" if subject.startswith("EMERGENT") else ""


class Town:

    def __init__(self, folder, daemon, start_ms):
        self.mortal = Mortal(daemon, start_ms)
        self.mail = MailServer(folder)
        self.web = WebServer()
        self.arrived = []
        self.taken = set()  # files of the maildir
        self.taken_requests = 0
        self.give_on_call_a_webhook(daemon)
        self.notifier = Notifier(folder, "", self.mail, self.web, SECRET, gather_ms=100)
        self.now_ms = start_ms
        self.is_known = False  # the patient; before that nothing happens

    def __enter__(self):
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def open(self):
        self.mortal.advance(self.now_ms)
        self.notifier.values["front"] = self.mortal.daemon.endpoints["front"]
        self.notifier.start()
        until(lambda: len([v for v in self.views() if v.workers]) == LANES)

    def close(self):
        self.notifier.close()
        self.mail.close()
        self.web.close()

    def give_on_call_a_webhook(self, daemon):
        """The site's has a phone alone, for which there is no channel here."""
        config = yaml.safe_load(daemon.config.read_text())
        for person in config["sites"][0]["people"]:
            if "on-call" in person["roles"]:
                person["channels"] = {"webhook": f"{self.web.url}/{person['id']}"}
        daemon.config.write_text(yaml.safe_dump(config))

    # --- time

    def views(self):
        return self.mortal.client.ask(subscriptions=delivery_pb2.SubscriptionsRequest()).subscriptions

    def waiting(self):
        """What waits for somebody's hours."""
        request = delivery_pb2.AsideRequest(kind=WAITS, limit=1000)
        return self.mortal.client.ask(aside=request).rows

    def is_idle(self):
        if any(v.in_flight or v.waiting or v.retrying or v.has_more for v in self.views()):
            return False
        return all(row.until_ms > self.now_ms for row in self.waiting())

    def settle(self):
        """All that could go has gone."""
        until(self.is_idle)
        self.take()

    def next_ms(self, patient_id):
        """When something happens by itself."""
        shown = self.mortal.client.patient(patient_id)
        times = [timer.due_at_ms for timer in shown.timers if not timer.is_paused]
        times += [task.due_at_ms for task in shown.tasks]
        times += [escalation.next_at_ms for escalation in shown.escalations]
        times += [row.until_ms for row in self.waiting()]
        return min((at_ms for at_ms in times if at_ms > self.now_ms), default=FOREVER_MS)

    def advance(self, patient_id, at_ms):
        while self.now_ms < at_ms:
            self.now_ms = min(at_ms, self.next_ms(patient_id)) if self.is_known else at_ms
            self.mortal.advance(self.now_ms)
            self.settle()

    # --- what came

    def take(self):
        for path in sorted(self.mail.maildir.glob("new/*")):
            if path.name in self.taken:
                continue
            self.taken.add(path.name)
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            self.arrived.append(
                Arrived(
                    self.now_ms, str(message["X-RcptTo"]), str(message["Subject"]), message.get_content(),
                    str(message["Content-Language"]), str(message["Message-ID"]), severity_of(str(message["Subject"])), message,
                )
            )
        for request in self.web.requests[self.taken_requests :]:
            self.taken_requests += 1
            body = json.loads(request.body)
            assert request.is_signed(SECRET)
            words = [body[key] for key in ("subject", "text", "language")]
            self.arrived.append(
                Arrived(self.now_ms, request.path, *words, request.headers["webhook-id"], body["severity"])
            )


PEOPLE = {  # of tests/site.yaml, by their roles
    "coordinator": ["coordinator-1"],
    "supervisor": ["supervisor-1"],
    "director": ["director-1"],
    "pcp": ["practice"],
    "clinician": ["clinician-1"],
    "on-call": ["on-call-1", "on-call-2"],
    "second-on-call": ["on-call-1", "on-call-2"],
}


def publish(town, play, id, at_ms, **body):
    event = event_pb2.Event(id=id, source="town", patient_id=play.patient_id, occurred_at_ms=at_ms, **body)
    play.publish(event)
    town.settle()


def lived(town, scenario, wishes, says):
    """The scenario, or what comes `before` a time of it; then as far as `then_to`. Wishes are told with the first step."""
    play = Play(scenario, town.mortal)
    before_ms = to_ms(says["before"]) if "before" in says else FOREVER_MS
    for i in range(len(scenario.steps)):
        if play.at_ms(i) >= before_ms:
            break
        town.advance(play.patient_id, play.at_ms(i))
        if (event := play.event(i)) is not None:
            play.publish(event)
            town.is_known = True
        if i == 0:
            for n, wish in enumerate(wishes):
                publish(town, play, f"wish-{n}", play.at_ms(0), preference_updated=wish)
        town.settle()
    if "death" in says:
        town.advance(play.patient_id, to_ms(says["death"]))
        publish(town, play, "death", town.now_ms, patient_deceased=event_pb2.PatientDeceased())
    if "then_to" in says:
        town.advance(play.patient_id, to_ms(says["then_to"]))
    return play
