"""What a class server is run with: no secrets, no root, nothing that is not there."""

import configparser
import re
import subprocess
import sys

import pytest

from explorer import limits, paths
from explorer.ui import identity
from explorer.ui.desk import entry

DEPLOY = paths.REPOSITORY / "explorer" / "deploy"
UNIT, CONTAINER, NGINX, README = (
    (DEPLOY / name).read_text() for name in ("explorer.service", "Containerfile", "nginx.conf", "README.md")
)


def unit():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(UNIT)
    return parser


def test_the_unit_runs_the_app_as_a_user_that_cannot_write_its_code():
    service = unit()["Service"]
    assert (
        service["User"] == "explorer" and service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "true"
    )
    assert "streamlit run streamlit_app.py" in service["ExecStart"] and int(service["TimeoutStopSec"]) > 30


def test_the_container_is_not_root_and_has_a_health_check():
    lines = CONTAINER.splitlines()
    user = next(number for number, line in enumerate(lines) if line.startswith("USER"))
    assert lines[user] == "USER 10001" and not any(line.startswith(("RUN", "COPY")) for line in lines[user:])
    assert "_stcore/health" in CONTAINER and "--read-only" in CONTAINER


@pytest.mark.parametrize("text", [UNIT, CONTAINER, NGINX], ids=["unit", "container", "nginx"])
def test_there_is_no_secret_in_it(text):
    assert not re.search(r"(TOKEN|SECRET|PASSWORD)\w*=[^\s…,]", text)


def test_nginx_takes_what_the_server_takes_and_lets_websockets_through():
    assert "proxy_set_header Upgrade" in NGINX and "client_max_body_size 26m" in NGINX
    assert "maxUploadSize = 25" in (paths.REPOSITORY / ".streamlit" / "config.toml").read_text()


def test_several_servers_are_told_apart_by_the_cookie_that_every_browser_gets():
    several = (DEPLOY / "nginx-several.conf").read_text()
    assert f"hash $cookie_{identity.COOKIE} consistent;" in several and "ip_hash;" not in several


def test_every_variable_named_is_one():
    sources = (path.read_text() for path in (paths.REPOSITORY / "explorer").rglob("*.py"))
    read = {name for source in sources for name in re.findall(r'"(EXPLORER_[A-Z_]+)"', source)}
    known = {limits.variable(name) for name in limits.TABLE} | read | {entry.VARIABLE}
    assert set(re.findall(r"EXPLORER_[A-Z_]+[A-Z]", UNIT + CONTAINER + README)) <= known


def test_the_terminal_backs_up(home, tmp_path):
    copy = tmp_path / "copy"
    done = subprocess.run([sys.executable, "-m", "explorer", "backup", str(copy)], capture_output=True, text=True)
    assert done.returncode == 0 and "0 files" in done.stdout and copy.is_dir()
    again = subprocess.run([sys.executable, "-m", "explorer", "backup", str(copy)], capture_output=True, text=True)
    assert again.returncode == 1 and "there already" in again.stderr and "Traceback" not in again.stderr
