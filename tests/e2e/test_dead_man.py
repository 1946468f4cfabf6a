"""The dead man's signal: daemon, worker and a monitor outside, all of them real, by the machine's own clock. While all is
well the monitor is asked for once a period; when anything on the way dies, it is not, and somebody else notices."""

import pytest
from handoff.v1 import api_pb2, common_pb2
from notifier import Notifier
from peer import until
from test_watched import SYNTHETIC, configure
from worlds import MailServer, WebServer

PERIOD_S = 1


class Monitor:
    """What such a service does: waits for the next signal, and alarms when it does not come."""

    def __init__(self, web):
        self.web = web

    def hears_within(self, seconds):
        orders, heard = self.web.orders, len(self.web.requests)
        with orders.changed:
            return orders.changed.wait_for(lambda: len(self.web.requests) > heard, seconds)

    def hears(self, signals=2):
        self.web.await_requests(len(self.web.requests) + signals)

    def alarms(self):
        """What was on its way may still come, within the period; after it nothing does."""
        self.hears_within(PERIOD_S)
        return not self.hears_within(2 * PERIOD_S)


@pytest.fixture
def monitor():
    with WebServer() as web:
        yield Monitor(web)


@pytest.fixture
def beating(stopped):
    configure(stopped, f"{PERIOD_S}s")
    return stopped.start("--clock", "system")


@pytest.fixture
def notifier(tmp_path, beating, monitor):
    with MailServer(tmp_path) as mail:
        options = {"mail": mail, "heartbeat": {"url": monitor.web.url}}
        notifier = Notifier(tmp_path, beating.endpoints["front"], **options).start()
        yield notifier
        notifier.close()


def escalations(client):
    rows = client.ask(escalations=api_pb2.EscalationsRequest()).escalations
    return [row for row in rows if row.patient_id == SYNTHETIC]


def test_killing_the_daemon_makes_the_signal_stop_within_its_period(beating, notifier, monitor):
    monitor.hears()
    until(lambda: "handoff_heartbeat_delay_seconds" in beating.http("/metrics")[1])
    assert beating.metric("handoff_heartbeat_delay_seconds") < PERIOD_S
    beating.kill()
    assert monitor.alarms()


def test_killing_the_worker_does_so_too_and_on_call_hears_of_it(beating, notifier, monitor):
    monitor.hears()
    notifier.kill()
    assert monitor.alarms()
    client = beating.client()
    (raised,) = until(lambda: escalations(client))
    assert raised.rung == common_pb2.ROLE_ON_CALL and raised.severity == common_pb2.SEVERITY_EMERGENT
    notifier.start()
    monitor.hears(1)
    until(lambda: not escalations(client))
