"""`make install`: what is below the prefix works there, without the clone."""

import os
import re
import subprocess

import pytest

from peer import BOUND_S, ROOT


def run(*command, **options):
    done = subprocess.run(command, text=True, capture_output=True, timeout=BOUND_S, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    made = [f"BUILD={os.environ.get('BUILD', 'build')}", f"DESTDIR={folder}", "PREFIX=/opt/handoff"]
    run("make", "-s", *made, "install", cwd=ROOT)
    return folder / "opt" / "handoff"


def test_the_configuration_and_the_unit_name_the_prefix(prefix):
    configuration = prefix / "share" / "handoff" / "handoffd.yaml"
    assert 'pathways: "/opt/handoff/share/handoff/pathways"' in run(prefix / "bin" / "handoffd", "config", "--config", configuration)
    unit = (prefix / "lib" / "systemd" / "system" / "handoffd.service").read_text()
    assert "ExecStart=/opt/handoff/bin/handoffd run" in unit and "/usr/local" not in unit
    assert os.stat(configuration).st_mode & 0o777 == 0o644


def test_every_pathway_is_installed(prefix):
    installed = {file.name for file in (prefix / "share" / "handoff" / "pathways").iterdir()}
    assert installed == {file.name for file in (ROOT / "daemon" / "pathways").glob("*.yaml")}


def built(prefix, source, program):
    """With nothing but what pkg-config says of what is installed; DESTDIR is its system root."""
    environment = dict(os.environ, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))
    environment["PKG_CONFIG_SYSROOT_DIR"] = str(prefix.parents[1])
    flags = run("pkg-config", "--cflags", "--libs", "handoff", env=environment).split()
    assert f"-I{prefix}/include" in flags and f"-L{prefix}/lib" in flags
    run("cc", source, *flags, "-o", program)
    return program


def test_a_client_in_c_is_built_from_what_is_installed(prefix, tmp_path):
    (snippet,) = re.findall(r"```c\n(#include.*?handoff_publish.*?)```", (ROOT / "README.md").read_text(), re.S)
    (tmp_path / "publish.c").write_text(snippet)
    built(prefix, tmp_path / "publish.c", tmp_path / "publish")
    for example in (ROOT / "clients" / "examples").glob("*.c"):
        built(prefix, example, tmp_path / example.stem)


def test_pkg_config_knows_the_version_and_the_schema(prefix):
    ask = ["pkg-config", str(prefix / "lib" / "pkgconfig" / "handoff.pc")]
    version = run(*ask, "--modversion").strip()
    assert run(prefix / "bin" / "handoffd", "--version").split()[-1] == version
    schema = run(*ask, "--variable=protodir").strip()
    assert schema == "/opt/handoff/share/handoff/proto"
    installed = {file.name for file in (prefix / "share" / "handoff" / "proto" / "handoff" / "v1").iterdir()}
    assert installed == {file.name for file in (ROOT / "proto" / "handoff" / "v1").glob("*.proto")}


def test_the_package_for_python_is_found(prefix, tmp_path):
    folder = prefix / "share" / "handoff" / "python"
    environment = dict(os.environ, PYTHONPATH=str(folder))
    where = "import handoff; from handoff.v1 import api_pb2; print(handoff.Client, api_pb2.__file__)"
    assert str(prefix) in run("/usr/bin/python3", "-c", where, env=environment, cwd=tmp_path)
    assert (folder / "handoff" / "py.typed").exists() and (folder / "handoff" / "v1" / "api_pb2.pyi").exists()


def test_the_worker_that_carries_messages_is_installed_with_its_templates(prefix, tmp_path):
    shared = prefix / "share" / "handoff"
    shipped = {file.name for file in (ROOT / "workers" / "notify" / "templates").glob("*.txt")}
    assert {file.name for file in (shared / "templates").iterdir()} == shipped
    unit = (prefix / "lib" / "systemd" / "system" / "handoff-notify.service").read_text()
    assert "ExecStart=/opt/handoff/bin/handoff-notify run" in unit and "/usr/local" not in unit
    configuration = (shared / "handoff-notify.yaml").read_text()
    assert "folder: /opt/handoff/share/handoff/templates" in configuration
    here = tmp_path / "handoff-notify.yaml"  # the prefix is in a folder of the test's
    here.write_text(configuration.replace("/opt/handoff", str(prefix)))
    run(prefix / "bin" / "handoff-notify", "check", "--config", here)
