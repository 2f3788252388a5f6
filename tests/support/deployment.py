"""The deployment's files as data: what each container of the image runs and is given, and what the manifests say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.fernet import Fernet

INTERPOLATION: Final = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")

# What must be set and is no secret.
SAMPLES: Final = {"WIAN_PUBLIC_URL": "https://wian.example", "WIAN_DISPATCH_MAIL_FROM": "saraban@wian.example"}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the image: where it stands, its command line, and what its environment holds."""

    place: str
    command: list[str]
    environment: dict[str, str]

    @property
    def service(self) -> str:
        return self.command[0].removeprefix("services.")


@cache
def parsed(text: str) -> list[Document]:
    """The documents of a YAML text, which many checks read and none changes."""
    return [document for document in yaml.safe_load_all(text) if document]


def documents(path: Path) -> list[Document]:
    return parsed(path.read_text(encoding="utf-8"))


def compose(root: Path) -> dict[str, Document]:
    return documents(root / "docker-compose.yml")[0]["services"]


def base(root: Path, kind: str) -> list[Document]:
    folder = root / "deploy/k8s/base"
    return [document for path in sorted(folder.glob("*.yaml")) for document in documents(path) if document["kind"] == kind]


def production(root: Path, name: str) -> list[Document]:
    return documents(root / "deploy/k8s/overlays/production" / f"{name}.yaml")


def pod_of(workload: Document) -> Document:
    return workload["spec"]["template"]["spec"]


def workloads(root: Path) -> list[Document]:
    return [*base(root, "Deployment"), *base(root, "Job")]


def dockerfile(root: Path) -> list[tuple[str, str]]:
    text = (root / "deploy/Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text))
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in joined.splitlines() if line.strip()]


def image_environment(root: Path) -> dict[str, str]:
    words = [word for name, rest in dockerfile(root) if name == "ENV" for word in rest.split()]
    return dict(word.split("=", 1) for word in words)


def settings_maps(root: Path) -> dict[str, dict[str, str]]:
    """The generated ConfigMaps as the production overlay makes them."""
    maps: dict[str, dict[str, str]] = {}
    for folder in ("base", "overlays/production"):
        for generator in documents(root / "deploy/k8s" / folder / "kustomization.yaml")[0]["configMapGenerator"]:
            maps.setdefault(generator["name"], {}).update(literal.split("=", 1) for literal in generator["literals"])
    return maps


def example_secrets(root: Path) -> dict[str, dict[str, str]]:
    return {d["metadata"]["name"]: d["stringData"] for d in documents(root / "deploy/k8s/example-secrets.yaml")}


def interpolated(value: str) -> str:
    """As Compose does, with a fresh key for everything that must be set."""

    def replaced(match: re.Match[str]) -> str:
        if match[2] == "-":
            return match[3]
        return SAMPLES.get(match[1]) or Fernet.generate_key().decode()

    return INTERPOLATION.sub(replaced, value)


def compose_containers(root: Path) -> Iterator[Container]:
    for name, service in compose(root).items():
        if "build" in service:
            given = {key: interpolated(value) for key, value in service["environment"].items() if value is not None}
            yield Container(f"compose {name}", service["command"], image_environment(root) | given)


def kubernetes_containers(root: Path) -> Iterator[Container]:
    maps, secrets = settings_maps(root), example_secrets(root)
    for workload in workloads(root):
        for container in pod_of(workload)["containers"]:
            given = image_environment(root)
            for source in container["envFrom"]:
                if "configMapRef" in source:
                    given |= maps.get(source["configMapRef"]["name"], {})
                else:
                    keys = secrets.get(source["secretRef"]["name"], {})
                    given |= {key: Fernet.generate_key().decode() for key in keys}
            given |= {variable["name"]: "from a secret" for variable in container.get("env", ())}
            yield Container(f"kubernetes {workload['metadata']['name']}", container["args"], given)


def containers(root: Path) -> list[Container]:
    return [*compose_containers(root), *kubernetes_containers(root)]
