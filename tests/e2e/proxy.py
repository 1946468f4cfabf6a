"""A TCP proxy that a test can cut: what is under way is lost, and the other ends have to connect again."""

import selectors
import socket
import threading


class Proxy:
    """Listens on a port of its own and passes bytes to a port that may come and go."""

    def __init__(self, endpoint):
        self.port = int(endpoint.rsplit(":", 1)[1])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.waker, self.woken = socket.socketpair()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.woken, selectors.EVENT_READ)
        self.pairs = {}
        self.accepted = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def cut(self):
        """Every connection, in the middle of whatever it carries."""
        self.waker.send(b"c")

    def close(self):
        self.waker.send(b"e")
        self.thread.join()
        for end in (self.listener, self.waker, self.woken):
            end.close()
        self.selector.close()

    def drop(self, end):
        for one in (end, self.pairs.pop(end)):
            self.pairs.pop(one, None)
            self.selector.unregister(one)
            one.close()

    def accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            near.close()
            return
        self.accepted += 1
        for end, other in ((near, far), (far, near)):
            self.pairs[end] = other
            self.selector.register(end, selectors.EVENT_READ)

    def carry(self, end):
        try:
            chunk = end.recv(65536)
            if chunk:
                self.pairs[end].sendall(chunk)
        except OSError:
            chunk = b""
        if not chunk:
            self.drop(end)

    def run(self):
        order = b""
        while b"e" not in order:
            order = b""
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj is self.woken:
                    order = self.woken.recv(64)
                elif key.fileobj in self.pairs:
                    self.carry(key.fileobj)
            while order and self.pairs:
                self.drop(next(iter(self.pairs)))
