"""Workers that are made to be killed. The nursery is a process that has imported everything and makes a worker by a fork,
so that another is there a moment after one was killed.

    workers.py FOLDER ENDPOINT            on standard input: "begin NAME STREAM SEED" or "kill N" a line; on standard
                                          output: the worker's number, or "killed"

Each worker writes what it knows into FOLDER/N.log before it goes on, in lines that survive it:

    got NAME NUMBER ID        it was handed this
    settled NAME NUMBER ID    its acknowledgement was answered, and not refused
"""

import os
import pathlib
import random
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / os.environ.get("BUILD", "build") / "python"))

import zmq  # noqa: E402

from handoff.v1 import api_pb2, delivery_pb2, emission_pb2  # noqa: E402

LEASE_MS = 200
SILENT_S = 0.5  # without an answer the daemon was killed, and what was asked is lost
CREDIT = 16


class Worker:
    def __init__(self, folder, number, endpoint, name, stream, seed):
        self.log = os.open(folder / f"{number}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.chance = random.Random(seed)
        self.name, self.stream = name, emission_pb2.Stream.Value(stream)
        self.socket = zmq.Context().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.reconnect_ivl = 5
        self.socket.reconnect_ivl_max = 20
        self.socket.connect(endpoint)
        self.tag = 0
        self.begin()

    def send(self, **body):
        self.tag += 1
        self.socket.send(api_pb2.Request(tag=self.tag, **body).SerializeToString())
        return self.tag

    def begin(self):
        """What was held is void."""
        request = delivery_pb2.SubscribeRequest(name=self.name, credit=CREDIT)
        request.start.beginning = True
        settings = request.settings
        settings.stream, settings.lease_ms, settings.attempts = self.stream, LEASE_MS, 1000
        settings.backoff_first_ms, settings.backoff_most_ms = 1, 10
        self.waiting = {}  # what a settle acknowledges, by its tag
        self.kept = []  # for later
        self.subscribed = self.send(subscribe=request)
        self.heard_s = time.monotonic()

    def write(self, what, rows):
        if rows:
            os.write(self.log, "".join(f"{what} {self.name} {n} {id}\n" for n, id in rows).encode())

    def settle(self):
        """All that it has in mind, or nothing: a sign of life."""
        request, acked = delivery_pb2.SettleRequest(name=self.name), []
        kept, self.kept = self.kept, []
        for number, id in kept:
            chance = self.chance.random()
            if chance < 0.08:
                request.nacks.add(number=number, delay_ms=self.chance.randrange(10))
            elif chance < 0.2:
                request.extends.add(number=number)
                self.kept.append((number, id))
            elif request.acks and request.acks[-1].last == number - 1:
                request.acks[-1].last = number
                acked[-1].append((number, id))
            else:
                request.acks.add(first=number, last=number)
                acked.append([(number, id)])
        self.waiting[self.send(settle=request)] = acked

    def settled(self, reply):
        refused = {row.number for row in reply.settle.refused}
        for run in self.waiting.pop(reply.tag, []):
            if run[0][0] not in refused:
                self.write("settled", run)

    def take(self, reply):
        rows = [(d.number, d.emission.id) for d in reply.deliveries.deliveries]
        self.write("got", rows)
        self.kept += rows

    def hear(self, reply):
        self.heard_s = time.monotonic()
        kind = reply.WhichOneof("body")
        if kind == "deliveries" and reply.tag == self.subscribed:
            self.take(reply)
        elif kind == "settle":
            self.settled(reply)
        elif kind == "error" and reply.error.code == api_pb2.CODE_NOT_SUBSCRIBED:
            if reply.tag > self.subscribed:
                self.begin()
        elif kind == "error" and reply.tag == self.subscribed:
            self.begin()

    def serve(self):
        while True:
            if self.socket.poll(LEASE_MS // 8):
                self.hear(api_pb2.Reply.FromString(self.socket.recv()))
                while self.socket.poll(0):
                    self.hear(api_pb2.Reply.FromString(self.socket.recv()))
            if time.monotonic() - self.heard_s > SILENT_S:
                self.begin()
            self.settle()


def main():
    folder, endpoint = pathlib.Path(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    children = {}
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "begin":
            number = len(children) + 1
            pid = os.fork()
            if pid == 0:
                try:
                    Worker(folder, number, endpoint, rest[0], rest[1], int(rest[2])).serve()
                finally:
                    os._exit(1)
            children[number] = pid
            print(number, flush=True)
        elif word == "kill":
            os.kill(children[int(rest[0])], signal.SIGKILL)
            os.waitpid(children[int(rest[0])], 0)
            children[int(rest[0])] = 0
            print("killed", flush=True)
    for pid in children.values():
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
