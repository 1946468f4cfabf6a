"""Fixtures: a daemon on a folder of its own, and a client of it. peer.py has both."""

import pytest
from peer import Daemon


@pytest.fixture
def stopped(tmp_path):
    """A daemon that is not running yet."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.close()


@pytest.fixture
def daemon(stopped):
    return stopped.start()


@pytest.fixture
def client(daemon):
    return daemon.client()
