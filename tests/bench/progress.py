"""So that nobody looks at a silent screen: what is being done, and how long it has taken."""
import json
import subprocess
import sys
import time

TELL_S = 10
BEGAN = time.monotonic()


def say(sentence):
    print(f"[{time.monotonic() - BEGAN:5.0f} s] {sentence}", flush=True)


def run(what, command, tells=True):
    """(exit code, output); tells every ten seconds that it still runs, unless the program does so itself."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while True:
        try:
            text, _ = process.communicate(timeout=TELL_S)
            return process.returncode, text
        except subprocess.TimeoutExpired:
            if tells:
                say(f"{what} ({time.monotonic() - began:.0f} s)")
        except BaseException:
            process.kill()
            process.wait()
            raise


def run_json(what, command, failure, tells=True):
    say(what)
    code, text = run(what, command, tells)
    if code != 0 or not text:
        raise failure(f"{what} failed with {code}")
    return json.loads(text)


def warn(sentence):
    print(f"bench: {sentence}", file=sys.stderr, flush=True)
