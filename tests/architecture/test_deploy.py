"""What the image, compose and Kubernetes files say is held to the code: commands, settings, ports, paths, names, hardening.

No container engine is needed. Each check yields what is wrong; the last test spoils a copy and sees that the check notices.
"""

import importlib.util
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from shared.contracts.topology import DEAD_LETTERS, SENDING_CHANNELS, Lane, lane_queue
from shared.service import Role
from shared.web import PUBLIC_PATHS
from tests.support.deployment import (
    INTERPOLATION,
    Container,
    Document,
    base,
    compose,
    compose_containers,
    containers,
    dockerfile,
    documents,
    example_secrets,
    image_environment,
    interpolated,
    pod_of,
    production,
    settings_maps,
    workloads,
)
from wian.all_in_one import SERVICES
from wian.gateway import ROUTES

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ("deploy", "docker-compose.yml", ".dockerignore", "requirements.lock", "pyproject.toml", "docs/deploy.md")
SETTINGS: Final[dict[str, type[BaseSettings]]] = {service.name: service.settings for service in SERVICES}
DEPLOYED_ROLES: Final = (Role.API, Role.WORKER, Role.MIGRATE)
VARIABLE: Final = re.compile(r"\bWIAN_[A-Z0-9_]+")
# The one container that writes beside its volumes.
WRITABLE: Final = frozenset({"rabbitmq"})

Check = Callable[[Path], Iterator[str]]


def variable_of(settings: type[BaseSettings], field: str) -> str:
    alias = settings.model_fields[field].validation_alias
    return alias.upper() if isinstance(alias, str) else f"WIAN_{field.upper()}"


def variables(service: str, *, required: bool = False) -> set[str]:
    settings = SETTINGS[service]
    return {variable_of(settings, field) for field, info in settings.model_fields.items() if info.is_required() or not required}


def commands_exist(root: Path) -> Iterator[str]:
    (default,) = [json.loads(rest) for name, rest in dockerfile(root) if name == "CMD"]
    found = [*containers(root), Container("image", default, {})]
    for container in found:
        module, *roles = container.command
        if container.service not in SETTINGS or importlib.util.find_spec(f"{module}.__main__") is None:
            yield f"{container.place}: there is no {module}"
        if len(roles) != 1 or roles[0] not in set(Role):
            yield f"{container.place}: {roles} is not a role"
    for kind in ("compose", "kubernetes"):
        run = {tuple(container.command) for container in found if container.place.startswith(kind)}
        yield from (
            f"{kind}: nothing runs {service} {role}"
            for service in SETTINGS
            for role in DEPLOYED_ROLES
            if (f"services.{service}", role.value) not in run
        )


def settings_exist(root: Path) -> Iterator[str]:
    known = {name for service in SETTINGS for name in variables(service)}
    for start in (root / "deploy", root / "docker-compose.yml", root / "docs/deploy.md"):
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file():
                named = set(VARIABLE.findall(path.read_text(encoding="utf-8")))
                yield from (f"{path.relative_to(root)}: {name} is no setting" for name in sorted(named - known))
    for container in containers(root):
        if container.service in SETTINGS:
            given = {name for name in container.environment if name.startswith("WIAN_")}
            yield from (f"{container.place}: {name} is not its own" for name in sorted(given - variables(container.service)))


def required_settings_are_given(root: Path) -> Iterator[str]:
    for container in containers(root):
        if container.service in SETTINGS:
            missing = variables(container.service, required=True) - container.environment.keys()
            yield from (f"{container.place}: {name} is missing" for name in sorted(missing))


def settings_are_valid(root: Path) -> Iterator[str]:
    for container in containers(root):
        settings = SETTINGS.get(container.service)
        if settings is None:
            continue
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("WIAN_")]:
                patch.delenv(name)
            for name, value in container.environment.items():
                if name.startswith("WIAN_"):
                    patch.setenv(name, value)
            try:
                settings()
            except ValidationError as error:
                yield f"{container.place}: {error}"


def ports_agree(root: Path) -> Iterator[str]:
    port = image_environment(root).get("WIAN_HTTP_PORT", "")
    text = (root / "docker-compose.yml").read_text(encoding="utf-8") + (root / "deploy/Caddyfile").read_text(encoding="utf-8")
    seen = {f"address {match[0]}": match[1] for match in re.finditer(r"\w+-api:(\d+)", text)}
    seen |= {f"EXPOSE {rest}": rest for name, rest in dockerfile(root) if name == "EXPOSE"}
    for container in containers(root):
        seen[f"{container.place}: WIAN_HTTP_PORT"] = container.environment["WIAN_HTTP_PORT"]
        seen[f"{container.place}: WIAN_JWKS_URL"] = container.environment["WIAN_JWKS_URL"].split(":")[2].split("/")[0]
        if container.environment["WIAN_HTTP_HOST"] != "0.0.0.0":
            yield f"{container.place}: it cannot be reached from outside its container"
    for name, service in compose(root).items():
        if "build" in service and not service["healthcheck"].get("disable"):
            seen[f"compose {name}: health check"] = re.findall(r":(\d+)/readyz", str(service["healthcheck"]["test"]))[0]
    for deployment in base(root, "Deployment"):
        for declared in pod_of(deployment)["containers"][0]["ports"]:
            seen[f"kubernetes {deployment['metadata']['name']}: port {declared['name']}"] = str(declared["containerPort"])
    for service in base(root, "Service"):
        (declared,) = service["spec"]["ports"]
        seen[f"kubernetes Service {service['metadata']['name']}"] = str(declared["port"])
        if (declared["name"], declared["targetPort"]) != ("http", "http"):
            yield f"kubernetes Service {service['metadata']['name']}: its port is not http"
    yield from (f"{place}: {found} is not the image's port {port}" for place, found in seen.items() if found != port)


def paths_are_routed_as_in_the_gateway(root: Path) -> Iterator[str]:
    text = (root / "deploy/Caddyfile").read_text(encoding="utf-8")
    upstreams = dict(re.findall(r"handle @(\w+) \{\s+reverse_proxy (\w+)-api:\d+ ", text))
    caddy: dict[str, str] = {}
    for matcher, body in re.findall(r"(?m)^\t@(\w+) \{\n((?:\t\tpath .*\n)+)\t\}", text):
        for line in body.splitlines():
            exact, below = line.split()[1:]
            if below != f"{exact}/*":
                yield f"Caddyfile: {line.strip()}"
            caddy[exact] = upstreams.get(matcher, "nothing")
    (ingress,) = base(root, "Ingress")
    (rule,) = ingress["spec"]["rules"]
    prefixes: dict[str, str] = {}
    for path in rule["http"]["paths"]:
        service = path["backend"]["service"]
        prefixes[path["path"]] = service["name"].removesuffix("-api")
        if path["pathType"] != "Prefix" or service["port"] != {"name": "http"}:
            yield f"Ingress: {path}"
    for place, table in (("Caddyfile", caddy), ("Ingress", prefixes)):
        for path in sorted({*ROUTES, *table}):
            if ROUTES.get(path) != table.get(path):
                yield f"{place}: {path} goes to {table.get(path)}, not to {ROUTES.get(path)}"


def kustomizations_are_whole(root: Path) -> Iterator[str]:
    for path in sorted((root / "deploy/k8s").rglob("kustomization.yaml")):
        listed = set(documents(path)[0]["resources"])
        yield from (f"{path.parent.name}: no {name}" for name in listed if not (path.parent / name).exists())
        there = {file.name for file in path.parent.glob("*.yaml")} - {path.name}
        yield from (f"{path.parent.name}: {name} is not listed" for name in sorted(there - listed))
    overlay = production(root, "kustomization")[0]
    deployments = {d["metadata"]["name"] for d in base(root, "Deployment")}
    yield from (f"production: no Deployment {r['name']}" for r in overlay["replicas"] if r["name"] not in deployments)
    generated = {g["name"] for g in documents(root / "deploy/k8s/base/kustomization.yaml")[0]["configMapGenerator"]}
    yield from (f"production: no {g['name']}" for g in overlay["configMapGenerator"] if g["name"] not in generated)


def references_are_kept(root: Path) -> Iterator[str]:
    maps, secrets = settings_maps(root), example_secrets(root)
    wanted: set[tuple[str, str | None]] = set()
    for workload in workloads(root):
        for container in pod_of(workload)["containers"]:
            for source in container["envFrom"]:
                if "secretRef" in source:
                    wanted.add((source["secretRef"]["name"], None))
                elif source["configMapRef"]["name"] not in maps:
                    yield f"{workload['metadata']['name']}: no ConfigMap {source['configMapRef']['name']}"
            wanted |= {
                (variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"])
                for variable in container.get("env", ())
            }
    cluster, store, _ = production(root, "database")
    roles = cluster["spec"]["managed"]["roles"]
    wanted |= {(role["passwordSecret"]["name"], "password") for role in roles}
    wanted.add((cluster["spec"]["bootstrap"]["initdb"]["secret"]["name"], "username"))
    wanted |= {(key["name"], key["key"]) for key in store["spec"]["configuration"]["s3Credentials"].values()}
    authentication, scaled = production(root, "scaling")
    wanted |= {(target["name"], target["key"]) for target in authentication["spec"]["secretTargetRef"]}
    for name, key in wanted:
        if name not in secrets or (key is not None and key not in secrets[name]):
            yield f"example-secrets.yaml: no {name} {key or ''}"
    yield from (f"example-secrets.yaml: nothing reads {name}" for name in secrets.keys() - {name for name, _ in wanted})
    yield from (
        f"example-secrets.yaml: {name} has a value for {key}"
        for name, keys in secrets.items()
        for key in keys
        if key != "username" and keys[key]
    )
    for role in roles:
        if secrets.get(role["passwordSecret"]["name"], {}).get("username") != role["name"]:
            yield f"example-secrets.yaml: {role['passwordSecret']['name']} is not for {role['name']}"
    if {trigger["authenticationRef"]["name"] for trigger in scaled["spec"]["triggers"]} != {authentication["metadata"]["name"]}:
        yield "scaling.yaml: a trigger names another TriggerAuthentication"


def database_roles_are_each_services_own(root: Path) -> Iterator[str]:
    sql = (root / "deploy/postgres/10-roles.sql").read_text(encoding="utf-8")
    initdb = production(root, "database")[0]["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]
    managed = {role["name"]: role["inRoles"] for role in production(root, "database")[0]["spec"]["managed"]["roles"]}
    for service in SETTINGS:
        for line in (
            f"CREATE ROLE wian_{service} NOLOGIN",
            f"CREATE USER wian_{service}_app PASSWORD :'{service}_password' IN ROLE wian_{service};",
        ):
            if line not in sql:
                yield f"10-roles.sql: no {line}"
        if f"CREATE ROLE wian_{service} NOLOGIN" not in initdb or managed.get(f"wian_{service}_app") != [f"wian_{service}"]:
            yield f"database.yaml: wian_{service}_app is not a member of wian_{service} alone"
    everything = [f"wian_{service}" for service in SETTINGS]
    if managed.get("wian_migrate") != everything or f"GRANT {', '.join(everything)} TO wian_migrate;" not in sql:
        yield "wian_migrate is not a member of every service's role"
    for name, service in compose(root).items():
        if "build" in service:
            user = re.findall(r"//(\w+):", service["environment"]["WIAN_POSTGRES_DSN"])[0]
            own = f"wian_{service['command'][0].removeprefix('services.')}_app"
            if user != ("wian_migrate" if service["command"][1] == Role.MIGRATE else own):
                yield f"compose {name}: it logs in as {user}"


def selectors_match(root: Path) -> Iterator[str]:
    labels = {w["metadata"]["name"]: w["spec"]["template"]["metadata"]["labels"] for w in workloads(root)}

    def matched(selector: Document) -> list[str]:
        return [name for name, own in labels.items() if selector.items() <= own.items()]

    for deployment in base(root, "Deployment"):
        name = deployment["metadata"]["name"]
        if matched(deployment["spec"]["selector"]["matchLabels"]) != [name]:
            yield f"Deployment {name}: its selector"
        spread = [constraint["labelSelector"]["matchLabels"] for constraint in pod_of(deployment)["topologySpreadConstraints"]]
        if not spread or any(matched(selector) != [name] for selector in spread):
            yield f"Deployment {name}: its spread"
        budgets = [b for b in base(root, "PodDisruptionBudget") if matched(b["spec"]["selector"]["matchLabels"]) == [name]]
        if [b["metadata"]["name"] for b in budgets] != [name]:
            yield f"Deployment {name}: {len(budgets)} disruption budgets"
    for service in base(root, "Service"):
        if matched(service["spec"]["selector"]) != [service["metadata"]["name"]]:
            yield f"Service {service['metadata']['name']}: its selector"
    for policy in base(root, "NetworkPolicy"):
        if not matched(policy["spec"]["podSelector"]["matchLabels"]):
            yield f"NetworkPolicy {policy['metadata']['name']}: it selects nothing"
    names = {service["metadata"]["name"] for service in base(root, "Service")}
    yield from (f"no Service {service}-api" for service in SETTINGS if f"{service}-api" not in names)
    if production(root, "scaling")[1]["spec"]["scaleTargetRef"]["name"] not in labels:
        yield "scaling.yaml: nothing to scale"


def probes_ask_the_health_routes(root: Path) -> Iterator[str]:
    wanted = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    if not set(wanted.values()) <= set(PUBLIC_PATHS):
        yield f"the services answer {PUBLIC_PATHS}"
    for deployment in base(root, "Deployment"):
        for container in pod_of(deployment)["containers"]:
            found = {probe: container.get(probe, {}).get("httpGet") for probe in wanted}
            if found != {probe: {"path": path, "port": "http"} for probe, path in wanted.items()}:
                yield f"Deployment {deployment['metadata']['name']}: {found}"
    if not any(name == "HEALTHCHECK" and "'/livez'" in rest for name, rest in dockerfile(root)):
        yield "Dockerfile: no health check of /livez"


def containers_are_hardened(root: Path) -> Iterator[str]:
    for workload in workloads(root):
        name, pod = workload["metadata"]["name"], pod_of(workload)
        context = pod.get("securityContext", {})
        if not (context.get("runAsNonRoot") and context.get("runAsUser") == 10001) or context.get("seccompProfile") != {
            "type": "RuntimeDefault"
        }:
            yield f"{name}: the pod's securityContext"
        if pod.get("automountServiceAccountToken") is not False or pod.get("serviceAccountName") != "wian":
            yield f"{name}: it holds a token of the cluster"
        for container in pod["containers"]:
            own = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            if container.get("securityContext") != own:
                yield f"{name}: the container's securityContext"
            if not {"requests", "limits"} <= container.get("resources", {}).keys():
                yield f"{name}: no limits"
    if ("USER", "10001:10001") not in dockerfile(root):
        yield "Dockerfile: it does not run as 10001"
    for name, service in compose(root).items():
        if service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"compose {name}: its capabilities"
        if service.get("read_only") is (name in WRITABLE):
            yield f"compose {name}: its root file system"
        if not {"cpus", "memory", "pids"} <= service.get("deploy", {}).get("resources", {}).get("limits", {}).keys():
            yield f"compose {name}: no limits"
        if not re.search(r":(RELEASE\.|v)?\d+[.-]\d+", interpolated(service["image"])):
            yield f"compose {name}: {service['image']} is not pinned"


def processes_may_finish(root: Path) -> Iterator[str]:
    for container, service in zip(compose_containers(root), [s for s in compose(root).values() if "build" in s], strict=True):
        if float(service["stop_grace_period"].removesuffix("s")) <= float(container.environment["WIAN_SHUTDOWN_GRACE"]):
            yield f"{container.place}: it is killed before its grace is over"
    grace = float(settings_maps(root)["wian-settings"]["WIAN_SHUTDOWN_GRACE"])
    for deployment in base(root, "Deployment"):
        pause = sum(int(seconds) for seconds in re.findall(r"time\.sleep\((\d+)\)", str(pod_of(deployment))))
        if pod_of(deployment)["terminationGracePeriodSeconds"] <= grace + pause:
            yield f"Deployment {deployment['metadata']['name']}: it is killed before its grace is over"


def compose_asks_for_what_the_example_names(root: Path) -> Iterator[str]:
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")
    asked = {match[1] for match in INTERPOLATION.finditer(text) if match[2] != "-"}
    unguarded = {match[1] for match in INTERPOLATION.finditer(text) if match[2] is None}
    example = dict(re.findall(r"(?m)^(\w+)=(.*)$", (root / "deploy/example.env").read_text(encoding="utf-8")))
    yield from (f"compose starts without {name}" for name in sorted(unguarded))
    yield from (f"example.env: {name}" for name in sorted(asked ^ example.keys()))
    yield from (f"example.env: {name} has a value" for name, value in example.items() if value)
    for name, service in compose(root).items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and not (root / source).is_file():
                yield f"compose {name}: no file {source}"
        for other in service.get("depends_on", {}):
            if other not in compose(root):
                yield f"compose {name}: no service {other}"


def image_holds_what_it_runs(root: Path) -> Iterator[str]:
    allowed = {line[1:] for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    for name, rest in dockerfile(root):
        if name == "COPY" and not rest.startswith("--from"):
            source = rest.split()[0]
            if source not in allowed or not (ROOT / source).exists():
                yield f"Dockerfile: {source} does not reach the builder"
    pins = {
        path: dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", (root / path).read_text(encoding="utf-8")))
        for path in ("requirements.lock", "deploy/requirements.lock")
    }
    for package, version in pins["deploy/requirements.lock"].items():
        if pins["requirements.lock"].get(package) != version:
            yield f"deploy/requirements.lock: {package} {version} is not the version that is tested"
    project = re.search(r"(?s)\ndependencies = \[(.*?)\n\]", (root / "pyproject.toml").read_text(encoding="utf-8"))
    needed = re.findall(r'"([a-z0-9-]+)', project[1]) if project else ["(dependencies)"]
    yield from (
        f"deploy/requirements.lock: no {package}" for package in needed if package not in pins["deploy/requirements.lock"]
    )
    for block in re.split(r"\n(?=[a-z0-9])", (root / "deploy/requirements.lock").read_text(encoding="utf-8")):
        if "==" in block and "--hash=sha256:" not in block:
            yield f"deploy/requirements.lock: no hash of {block.splitlines()[0]}"


def queues_are_the_topologys(root: Path) -> Iterator[str]:
    namespace = SETTINGS["dispatch"].model_fields["broker_namespace"].default
    wanted = {f"{namespace}.{lane_queue(lane, channel)}" for lane in Lane for channel in SENDING_CHANNELS}
    triggers = production(root, "scaling")[1]["spec"]["triggers"]
    watched = {trigger["metadata"]["queueName"] for trigger in triggers}
    yield from (f"scaling.yaml: {name}" for name in sorted(wanted ^ watched))
    if rf'queue=~".+\\.{DEAD_LETTERS}"' not in (root / "deploy/observability/alerts.yml").read_text(encoding="utf-8"):
        yield "alerts.yml: nobody hears of dead letters"
    if "wian_dispatch_dead_letters" not in (root / "deploy/observability/alerts.yml").read_text(encoding="utf-8"):
        yield "alerts.yml: nobody hears of dead letters that are kept"


def bounces_reach_the_listener(root: Path) -> Iterator[str]:
    (component,) = documents(root / "deploy/k8s/components/bounces/kustomization.yaml")
    service, policy = documents(root / "deploy/k8s/components/bounces/listener.yaml")
    (generator,) = component["configMapGenerator"]
    given = dict(literal.split("=", 1) for literal in generator["literals"])
    (patch,) = component["patches"]
    (change,) = yaml.safe_load(patch["patch"])
    if generator["name"] not in settings_maps(root) or not given.keys() <= variables("dispatch"):
        yield "bounces: a setting that dispatch does not read"
    (worker,) = [d for d in base(root, "Deployment") if d["metadata"]["name"] == patch["target"]["name"]]
    labels = worker["spec"]["template"]["metadata"]["labels"]
    for selector in (service["spec"]["selector"], policy["spec"]["podSelector"]["matchLabels"]):
        if not selector.items() <= labels.items():
            yield f"bounces: {selector} is not the worker"
    if change["path"] != "/spec/template/spec/containers/0/ports/-" or "ports" not in pod_of(worker)["containers"][0]:
        yield "bounces: the patch adds no port"
    opened = change["value"]
    if str(opened["containerPort"]) != given["WIAN_DISPATCH_BOUNCE_PORT"] or given["WIAN_DISPATCH_BOUNCE_HOST"] != "0.0.0.0":
        yield "bounces: the listener does not listen where the port is"
    named = [service["spec"]["ports"][0]["targetPort"], policy["spec"]["ingress"][0]["ports"][0]["port"]]
    if named != [opened["name"]] * 2:
        yield f"bounces: {named}"


CHECKS: Final[tuple[Check, ...]] = (
    commands_exist,
    settings_exist,
    required_settings_are_given,
    settings_are_valid,
    ports_agree,
    paths_are_routed_as_in_the_gateway,
    kustomizations_are_whole,
    references_are_kept,
    database_roles_are_each_services_own,
    selectors_match,
    probes_ask_the_health_routes,
    containers_are_hardened,
    processes_may_finish,
    compose_asks_for_what_the_example_names,
    image_holds_what_it_runs,
    queues_are_the_topologys,
    bounces_reach_the_listener,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_deployment_agrees_with_the_code(check: Check) -> None:
    assert list(check(ROOT)) == []


BASE: Final = "deploy/k8s/base"
PRODUCTION: Final = "deploy/k8s/overlays/production"
BOUNCES: Final = "deploy/k8s/components/bounces"
COMPOSE: Final = "docker-compose.yml"


@pytest.mark.parametrize(
    ("check", "file", "old", "new"),
    [
        (commands_exist, COMPOSE, "[services.ack, worker]", "[services.ack, wroker]"),
        (commands_exist, f"{BASE}/dispatch.yaml", "services.dispatch, worker", "services.despatch, worker"),
        (commands_exist, "deploy/Dockerfile", '"services.registry", "all"', '"services.registry", "every"'),
        (settings_exist, COMPOSE, "WIAN_LOG_LEVEL:", "WIAN_LOGLEVEL:"),
        (settings_exist, f"{BASE}/ack.yaml", "wian-ack}", "wian-dispatch}"),
        (required_settings_are_given, f"{BASE}/migrate.yaml", "- secretRef: {name: wian-shared}", ""),
        (required_settings_are_given, COMPOSE, "  WIAN_LINK_KEY: ", "  WIAN_TOKEN_ISSUER: "),
        (settings_are_valid, COMPOSE, 'WIAN_SHUTDOWN_GRACE: "20"', 'WIAN_SHUTDOWN_GRACE: "soon"'),
        (ports_agree, "deploy/Caddyfile", "ack-api:8080", "ack-api:8081"),
        (ports_agree, f"{BASE}/kustomization.yaml", "WIAN_HTTP_PORT=8080", "WIAN_HTTP_PORT=8000"),
        (ports_agree, f"{BASE}/registry.yaml", "containerPort: 8080", "containerPort: 8000"),
        (ports_agree, COMPOSE, "127.0.0.1:8080/readyz", "127.0.0.1:8000/readyz"),
        (paths_are_routed_as_in_the_gateway, "deploy/Caddyfile", "path /a /a/*", "path /a /a*"),
        (paths_are_routed_as_in_the_gateway, "deploy/Caddyfile", "\t\tpath /v1/inbox /v1/inbox/*\n", ""),
        (paths_are_routed_as_in_the_gateway, f"{BASE}/ingress.yaml", "path: /t\n", "path: /track\n"),
        (kustomizations_are_whole, f"{BASE}/kustomization.yaml", "  - ack.yaml\n", ""),
        (kustomizations_are_whole, f"{PRODUCTION}/kustomization.yaml", "{name: ack-api, ", "{name: ack, "),
        (references_are_kept, f"{BASE}/migrate.yaml", "name: wian-migrate, key", "name: wian-migration, key"),
        (references_are_kept, "deploy/k8s/example-secrets.yaml", "  WIAN_AMQP_URL:", "  AMQP_URL:"),
        (references_are_kept, "deploy/k8s/example-secrets.yaml", 'WIAN_LINK_KEY: ""', 'WIAN_LINK_KEY: "secret"'),
        (database_roles_are_each_services_own, f"{PRODUCTION}/database.yaml", "inRoles: [wian_ack]", "inRoles: [wian_registry]"),
        (database_roles_are_each_services_own, COMPOSE, "wian_ack_app", "wian_registry_app"),
        (
            selectors_match,
            f"{BASE}/registry.yaml",
            "  selector:\n    app.kubernetes.io/name: registry-api",
            "  selector:\n    app.kubernetes.io/name: registry",
        ),
        (
            selectors_match,
            f"{BASE}/ack.yaml",
            "kind: PodDisruptionBudget\nmetadata:\n  name: ack-worker",
            "kind: PodDisruptionBudget\nmetadata:\n  name: ack",
        ),
        (probes_ask_the_health_routes, f"{BASE}/ack.yaml", "path: /readyz", "path: /ready"),
        (containers_are_hardened, f"{BASE}/migrate.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        (containers_are_hardened, COMPOSE, "rabbitmq:4.1.6", "rabbitmq:latest"),
        (containers_are_hardened, COMPOSE, "  cap_drop: [ALL]\n", ""),
        (processes_may_finish, COMPOSE, "stop_grace_period: 45s", "stop_grace_period: 10s"),
        (processes_may_finish, f"{BASE}/dispatch.yaml", "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 22"),
        (compose_asks_for_what_the_example_names, COMPOSE, "${S3_SECRET_KEY:?see deploy/example.env}", "${S3_SECRET_KEY}"),
        (compose_asks_for_what_the_example_names, "deploy/example.env", "GRAFANA_PASSWORD=", "GRAFANA_PASSWORD=admin"),
        (image_holds_what_it_runs, ".dockerignore", "!shared\n", ""),
        (image_holds_what_it_runs, "deploy/requirements.lock", "\nasyncpg==", "\nasyncpg==0"),
        (bounces_reach_the_listener, f"{BOUNCES}/listener.yaml", "name: dispatch-worker", "name: dispatch-api"),
        (bounces_reach_the_listener, f"{BOUNCES}/listener.yaml", "port: bounces}", "port: http}"),
        (bounces_reach_the_listener, f"{BOUNCES}/kustomization.yaml", "BOUNCE_PORT=2525", "BOUNCE_PORT=25"),
        (kustomizations_are_whole, f"{BOUNCES}/kustomization.yaml", "  - listener.yaml", "  - listeners.yaml"),
        (queues_are_the_topologys, f"{PRODUCTION}/scaling.yaml", "lane.bulk.email", "lane.slow.email"),
    ],
)
def test_a_spoilt_deployment_is_noticed(tmp_path: Path, check: Check, file: str, old: str, new: str) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), encoding="utf-8")
    assert list(check(tmp_path)) != []
