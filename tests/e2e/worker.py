"""A worker of durable subscriptions, over nothing but the schema."""

from peer import api_pb2, common_pb2, emission_pb2

from handoff.v1 import delivery_pb2


def settings(stream=emission_pb2.STREAM_TASK, lease_ms=30000, **options):
    """Without jitter's long waits: tests measure nothing, they only wait for what comes."""
    filter = delivery_pb2.SubscriptionFilter(**options.pop("filter", {}))
    options.setdefault("backoff_first_ms", 10)
    options.setdefault("backoff_most_ms", 100)
    return delivery_pb2.SubscriptionSettings(stream=stream, filter=filter, lease_ms=lease_ms, **options)


class Worker:
    """One connection on one subscription."""

    def __init__(self, client, name, credit=100, start=None, **options):
        self.client, self.name = client, name
        self.waiting = []
        request = delivery_pb2.SubscribeRequest(name=name, credit=credit)
        if options.pop("with_settings", True):
            request.settings.CopyFrom(settings(**options))
        if start is not None:
            request.start.CopyFrom(delivery_pb2.SubscriptionStart(**start))
        self.tag = client.send(subscribe=request)
        reply = client.receive(self.tag)
        self.error = reply.error if reply.WhichOneof("body") == "error" else None
        self.reply = reply.subscribe

    def take(self, count=1):
        """The next deliveries."""
        while len(self.waiting) < count:
            if self.tag not in self.client.replies:
                frame = self.client.receive_raw()[-1]
                reply = api_pb2.Reply.FromString(frame)
                assert reply.tag == self.tag and reply.WhichOneof("body") == "deliveries", reply
            else:
                reply = self.client.replies.pop(self.tag)
            assert reply.deliveries.name == self.name
            self.waiting += reply.deliveries.deliveries
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def settle(self, acks=(), nacks=(), extends=(), credit=None):
        request = delivery_pb2.SettleRequest(name=self.name)
        for ack in acks:
            first, last = ack if isinstance(ack, tuple) else (ack, ack)
            request.acks.add(first=first, last=last)
        for nack in nacks:
            request.nacks.add(**nack)
        for number in extends:
            request.extends.add(number=number)
        if credit is not None:
            request.credit.CopyFrom(common_or_event_count(credit))
        tag = self.client.send(settle=request)
        while tag not in self.client.replies:
            reply = api_pb2.Reply.FromString(self.client.receive_raw()[-1])
            if reply.tag == self.tag:
                self.waiting += reply.deliveries.deliveries
            else:
                self.client.replies[reply.tag] = reply
        return self.client.replies.pop(tag)

    def ack(self, *deliveries):
        reply = self.settle(acks=[d.number for d in deliveries])
        assert reply.WhichOneof("body") == "settle", reply
        assert not reply.settle.refused, reply

    def leave(self):
        return self.client.ask(unsubscribe=delivery_pb2.UnsubscribeRequest(name=self.name))


def common_or_event_count(value):
    from handoff.v1 import event_pb2

    return (getattr(common_pb2, "Count", None) or event_pb2.Count)(value=value)


def drain(client, name, count, **options):
    """So many deliveries, each acknowledged at once."""
    worker = Worker(client, name, start={"beginning": True}, **options)
    got = []
    while len(got) < count:
        taken = worker.take(1)
        got += taken
        worker.ack(*taken)
    return got


def assert_handed_out_as_shown(daemon):
    """What a worker is handed is to the letter what the front shows: the two read the journal in ways of their own."""
    client = daemon.client()
    records = client.all_emissions(emission_pb2.STREAM_RECORD)
    handed = drain(daemon.client(), "records", len(records), stream=emission_pb2.STREAM_RECORD)
    assert sorted((d.record for d in handed), key=lambda r: r.entry.sequence) == records
    for stream in (emission_pb2.STREAM_TASK, emission_pb2.STREAM_ESCALATION):
        shown = [e for e in client.all_emissions(stream) if e.WhichOneof("body")]  # the gate lets the others not out
        handed = drain(daemon.client(), f"stream-{stream}", len(shown), stream=stream)
        assert sorted((d.emission for d in handed), key=lambda e: (e.sequence, e.position)) == shown

