"""What a class server is run with: no secrets, no root, nothing that is not there."""

import configparser
import re
import subprocess

import pytest
import uvicorn
import yaml

from explorer import limits, paths
from explorer.ui import identity
from explorer.ui.desk import entry

DEPLOY = paths.REPOSITORY / "explorer" / "deploy"
UNIT, CONTAINER, NGINX, README = (
    (DEPLOY / name).read_text() for name in ("explorer.service", "Containerfile", "nginx.conf", "README.md")
)
BOXES = (DEPLOY / "nginx-containers.conf").read_text()
COMPOSE, KUBERNETES = ((DEPLOY / f"{name}.yaml").read_text() for name in ("compose", "kubernetes"))
SERVICES = yaml.safe_load(COMPOSE)["services"]
OBJECTS = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(KUBERNETES)}
PODS = {
    name: found["spec"]["template"]["spec"]
    for (kind, name), found in OBJECTS.items()
    if kind in ("StatefulSet", "Deployment")
}


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


def test_the_image_has_what_the_app_needs_and_nothing_of_whoever_builds_it():
    copied = [line.split() for line in CONTAINER.splitlines() if line.startswith("COPY")]
    taken = {name for line in copied for name in line[1:-1] if not name.startswith("--")}
    assert {name for name in taken if name.startswith(".")} == {".streamlit"}
    listed = subprocess.run(
        ["git", "ls-files"], cwd=paths.REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    left = {name.split("/")[0] for name in listed.splitlines()} - taken
    assert {name for name in left if not name.endswith(".md")} == {
        "tests",
        "pyproject.toml",
        "requirements-dev.txt",
        ".ci",
        ".gitignore",
    }
    folders = [line for line in copied if (paths.REPOSITORY / line[-2]).is_dir()]
    assert all(line[-2] == line[-1] for line in folders) and len(folders) == 4


@pytest.mark.parametrize("path", sorted(DEPLOY.iterdir()), ids=lambda path: path.name)
def test_there_is_no_secret_in_it(path):
    assert not re.search(r"(TOKEN|SECRET|PASSWORD)['\"]?\s*[=:]\s*['\"]?[\w/+-]{6,}", path.read_text())


def test_nginx_takes_what_the_server_takes_and_lets_websockets_through():
    assert "proxy_set_header Upgrade" in NGINX and "client_max_body_size 26m" in NGINX
    assert "maxUploadSize = 25" in (paths.REPOSITORY / ".streamlit" / "config.toml").read_text()


def test_servers_behind_nginx_in_containers_believe_that_a_browser_came_by_https():
    """Else the cookie that says who somebody is goes over plain HTTP, too."""
    assert SERVICES["explorer-0"]["environment"]["FORWARDED_ALLOW_IPS"] == "*"
    assert OBJECTS["ConfigMap", "settings"]["data"]["FORWARDED_ALLOW_IPS"] == "*"
    assert "-p 127.0.0.1:8501:8501 -e FORWARDED_ALLOW_IPS='*'" in CONTAINER and "FORWARDED_ALLOW_IPS='*'" in README
    assert all("X-Forwarded-Proto $scheme" in found for found in (NGINX, BOXES))


def test_connections_to_several_servers_are_kept_and_closed_by_nginx_first():
    """``Connection: close`` would be said to each request; what a server closes meanwhile counts as its failure."""
    assert all("$connection_upgrade { default upgrade; '' ''; }" in found for found in (NGINX, BOXES))
    several = block(BOXES, "upstream explorer")
    kept = uvicorn.Config("").timeout_keep_alive
    assert "keepalive 64;" in several and f"keepalive_timeout {kept - 1}s;" in " ".join(several)


def test_several_servers_are_told_apart_by_the_cookie_that_every_browser_gets():
    several = (DEPLOY / "nginx-several.conf").read_text()
    assert f"hash $cookie_{identity.COOKIE} consistent;" in several and "ip_hash;" not in several


def test_every_variable_named_is_one():
    sources = (path.read_text() for path in (paths.REPOSITORY / "explorer").rglob("*.py"))
    read = {name for source in sources for name in re.findall(r'"(EXPLORER_[A-Z_]+)"', source)}
    known = {limits.variable(name) for name in limits.TABLE} | read | {entry.VARIABLE}
    every = UNIT + CONTAINER + README + COMPOSE + KUBERNETES + (DEPLOY / "SIZES.md").read_text()
    assert set(re.findall(r"EXPLORER_[A-Z_]+[A-Z]", every)) <= known


def test_every_file_that_is_named_is_there():
    text = "".join(path.read_text() for path in DEPLOY.iterdir())
    named = set(re.findall(r"(?:explorer/deploy/|\./|`)([\w-]+\.(?:yaml|conf|service|txt))", text))
    assert {"compose.yaml", "kubernetes.yaml", "nginx-containers.conf"} <= named
    assert {name for name in named if not (DEPLOY / name).is_file()} <= {"requirements.txt"}
    build = SERVICES["worker"]["build"]
    assert (DEPLOY / build["context"]).resolve() == paths.REPOSITORY
    assert (paths.REPOSITORY / build["dockerfile"]).is_file() and (DEPLOY / build["args"]["MORE"]).is_file()
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    assert kustomization["configMapGenerator"][0]["files"] == ["default.conf=nginx-containers.conf"]
    assert kustomization["resources"] == ["kubernetes.yaml"]


def block(text, name):
    """What nginx is told in a block, line by line."""
    return [line.strip() for line in re.search(name + r" \{\n(.*?)\n\s*\}", text, re.DOTALL)[1].splitlines()]


def test_nginx_before_containers_says_what_the_other_two_say():
    alone = [line.replace("127.0.0.1:8501", "explorer") for line in block(NGINX, "location /")]
    assert block(BOXES, "location /") == alone and "client_max_body_size 26m;" in BOXES
    several = block((DEPLOY / "nginx-several.conf").read_text(), "upstream explorer")
    named = [
        line.replace("127.0.0.1:8501", "explorer-0:8501").replace("127.0.0.1:8502", "explorer-1:8501")
        for line in several
    ]
    assert block(BOXES, "upstream explorer") == named
    hosts = dict(line.split(":") for line in SERVICES["nginx"]["extra_hosts"])
    assert hosts.keys() == set(re.findall(r"server (explorer-\d):8501", BOXES))
    assert OBJECTS["StatefulSet", "explorer"]["spec"]["replicas"] == len(hosts)
    for name, address in hosts.items():
        assert SERVICES[name]["networks"]["inside"]["ipv4_address"] == address
        service = OBJECTS["Service", name]["spec"]
        assert service["selector"] == {"statefulset.kubernetes.io/pod-name": name}
        assert service["ports"] == [{"port": 8501}] and '"--server.port", "8501"' in CONTAINER
    ports = set(re.findall(r"listen (\d+)", BOXES))
    assert {line.split(":")[1] for line in SERVICES["nginx"]["ports"]} == ports
    assert {str(port["targetPort"]) for port in OBJECTS["Service", "front"]["spec"]["ports"]} == ports


def test_both_run_the_same_programs_with_the_same_settings():
    for name in ("explorer", "ray-head", "worker"):
        service = SERVICES["explorer-0" if name == "explorer" else name]
        assert PODS[name]["containers"][0]["command"] == service["command"], name
    alone = " ".join(re.findall(r'"(.*?)"', CONTAINER.splitlines()[-1]))
    shell = SERVICES["explorer-1"]["command"][-1]
    assert shell.endswith(f"exec {alone}") and "--num-cpus=0" in shell
    settings, server = OBJECTS["ConfigMap", "settings"]["data"], SERVICES["explorer-0"]["environment"]
    engine = next(one["value"] for one in PODS["explorer"]["containers"][0]["env"] if one["name"] == "EXPLORER_ENGINE")
    assert settings | {"EXPLORER_ENGINE": engine} == server | {"EXPLORER_DATA": settings["EXPLORER_DATA"]}
    assert server["RAY_AUTH_MODE"] == "token" == SERVICES["worker"]["environment"]["RAY_AUTH_MODE"]
    cpus = int(re.search(r"--num-cpus=(\d+)", " ".join(SERVICES["worker"]["command"]))[1])
    for replicas in (SERVICES["worker"]["deploy"]["replicas"], OBJECTS["Deployment", "worker"]["spec"]["replicas"]):
        assert replicas * cpus == int(server["EXPLORER_WORKERS"])
    for name in ("nginx", "postgres"):
        assert SERVICES[name]["image"] == PODS[name]["containers"][0]["image"]


def test_nothing_runs_as_root_or_is_reached_but_nginx():
    for name, service in SERVICES.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert ("ports" in service) == ("outside" in service["networks"]) == (name == "nginx")
        assert "unprivileged" in service["image"] or int(service["user"].split(":")[0]) > 0
        assert ("healthcheck" in service) != name.startswith("explorer-"), "these have their image's"
    assert yaml.safe_load(COMPOSE)["networks"]["inside"]["internal"] is True
    for name, pod in PODS.items():
        user, (container,) = pod["securityContext"], pod["containers"]
        assert user["runAsNonRoot"] and user["runAsUser"] > 0 and not pod["automountServiceAccountToken"], name
        locked = container["securityContext"]
        assert locked["readOnlyRootFilesystem"] and not locked["allowPrivilegeEscalation"] and container["resources"]
        claimed = OBJECTS.get(("StatefulSet", name), {"spec": {}})["spec"].get("volumeClaimTemplates", [])
        there = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in claimed}
        assert {mount["name"] for mount in container["volumeMounts"]} == there
    open_ = [name for (kind, name), found in OBJECTS.items() if kind == "Service" and "type" in found["spec"]]
    assert open_ == ["front"] and OBJECTS["NetworkPolicy", "inside"]["spec"]["podSelector"] == {}


def test_the_backup_that_is_told_is_of_the_home_that_the_unit_has():
    service = unit()["Service"]
    home = next(word for word in service["Environment"].split() if word.startswith("EXPLORER_HOME="))
    told = f"cd {service['WorkingDirectory']} && sudo -u {service['User']} {home} .venv/bin/python -m explorer backup "
    assert told in README and f"chown -R {service['User']}: {home.split('=')[1]}" in README
    assert "-v /srv/explorer-backups:/backups" in CONTAINER and "EXPLORER_HOME=/home/explorer" in CONTAINER
    kept = README.split("**What it keeps**")[1].split("\n\n")[0]
    assert {"runs/", "texts/", "weights/", "secret", "limits.json"} <= {*re.findall("`(.*?)`", kept)}


def test_the_terminal_backs_up(home, tmp_path, programs):
    copy = tmp_path / "copy"
    nothing = programs.run("-m", "explorer", "backup", str(copy))
    assert nothing.returncode == 1 and str(home) in nothing.stderr and not copy.exists()
    home.mkdir()
    (home / "secret").write_text("0" * 64)
    done = programs.run("-m", "explorer", "backup", str(copy))
    assert done.returncode == 0 and "1 files" in done.stdout and (copy / "secret").is_file()
    again = programs.run("-m", "explorer", "backup", str(copy))
    assert again.returncode == 1 and "there already" in again.stderr and "Traceback" not in again.stderr
