"""``resilient doctor``: what would hurt is found where it is, and nothing where there is nothing."""

import logging
import resource

import pytest
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from resilient.cli.doctor import looks
from resilient.logs import redact_httpx_logs


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PROMETHEUS_MULTIPROC_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def bad(look):
    return [finding.what for finding in look() if finding.how == "bad"]


def test_a_healthy_environment_is_told_as_such(run):
    """Versions, extras, and where caches go; the status is 0."""
    status, printed, complaint = run("doctor")
    assert (status, complaint) == (0, "")
    assert "!!" not in printed
    assert "SQLite" in printed
    assert "extras: cli, redis, prometheus, otel, fastapi, zstd, httpx2" in printed


def test_httpx_at_info_is_bad_unless_it_is_redacted():
    """It writes tokens."""
    logger = logging.getLogger("httpx")
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        assert bad(looks.logs) == ["httpx logs every address at INFO, the values of its query included"]
        redact_httpx_logs()
        assert bad(looks.logs) == []
    finally:
        logger.setLevel(before)
        for name in ("httpx", "httpx2"):
            logging.getLogger(name).filters.clear()


def test_a_module_of_the_program_is_looked_at(run, tmp_path, monkeypatch):
    """What it sets up is seen; one that cannot be imported is an error without its text."""
    (tmp_path / "planted_app.py").write_text("import logging\nlogging.getLogger('httpx').setLevel(logging.INFO)\n")
    (tmp_path / "planted_broken.py").write_text("raise RuntimeError('s3cret')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    try:
        status, printed, _ = run("doctor", "planted_app")
    finally:
        logging.getLogger("httpx").setLevel(logging.NOTSET)
    assert status == 1
    assert "!!  httpx logs every address" in printed
    status, _, complaint = run("doctor", "planted_broken")
    assert status == 1
    assert complaint == "resilient: 'planted_broken' cannot be imported: RuntimeError\n"


def test_another_package_of_our_name_is_bad(monkeypatch):
    """It lies over ours, or ours over it."""
    monkeypatch.setattr(looks, "packages_distributions", lambda: {"resilient": ["resilient", "resilient-client"]})
    assert bad(looks.names) == ["resilient installs a package 'resilient' over ours"]


def test_a_missing_extra_is_worth_knowing(monkeypatch):
    """With the line that installs it."""
    monkeypatch.setattr(looks, "find_spec", lambda name: None if name == "redis" else object())
    (there, missing) = looks.extras()
    assert "redis" not in there.what
    assert missing.remedy == "if you want them: pip install 'resilient-client[redis]'"


def test_other_instrumentation_is_worth_knowing():
    """Requests of others have its spans."""
    assert list(looks.instrumentation()) == []
    HTTPXClientInstrumentor().instrument()
    try:
        (finding,) = looks.instrumentation()
        assert finding.how == "note"
    finally:
        HTTPXClientInstrumentor().uninstrument()


def test_a_folder_that_others_can_write_to_is_bad(tmp_path):
    """Nothing would be kept there."""
    folder = tmp_path / "cache" / "resilient"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert "can be written by others" in bad(looks.store)[0]


def test_few_files_proxies_and_a_missing_folder_of_metrics_are_found(monkeypatch):
    """Each with what to do about it."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 256))
    monkeypatch.setenv("https_proxy", "http://u:s3cret@proxy.test:1")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nowhere")
    assert bad(looks.files) == ["this process may open 256 files only"]
    assert bad(looks.metrics) == ["PROMETHEUS_MULTIPROC_DIR names no folder"]
    (proxy,) = looks.proxies()
    assert "HTTPS_PROXY" in proxy.what
    assert "s3cret" not in str(proxy)
