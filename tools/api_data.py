"""Write ``labhelpers/cluster/api/data``: the API's types, and SPDY's dictionary, read out of Go sources.

Debian packages them; the packages are downloaded, checked and unpacked.  ::

    .venv/bin/python tools/api_data.py

A Go struct says all that the API server needs of a type: the fields' JSON names and protobuf numbers, which of them
must be there, by which key strategic merge patches merge a list, and in comments the text of ``kubectl explain``.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
DATA = HERE / "labhelpers" / "cluster" / "api" / "data"

POOL = "http://deb.debian.org/debian/pool/main/g/"
PACKAGES = {  # each with its SHA-256, as Debian's index says it
    "golang-k8s-api/golang-k8s-api-dev_0.32.3-1_all.deb": (
        "f7b52c32b3522bf8c6ccc7c9645d01c87cbee31ab22de2a92de56fac3e4dd772"
    ),
    "golang-k8s-apimachinery/golang-k8s-apimachinery-dev_0.32.3-2_all.deb": (
        "7b83b05ec2fd0bf6f1db8a2b0c0dcbfbdd5ec555210ea5c4dc09575346fdf2f6"
    ),
    "golang-github-docker-spdystream/golang-github-docker-spdystream-dev_0.5.0-1_all.deb": (
        "1370514a66d9d5e62a6982d81004581f3c109fe196623e4d1e88dac2e5234c95"
    ),
}
#: where each Go package is, by the prefix of its types' names in OpenAPI
FOLDERS = {
    "io.k8s.api.core.v1": "k8s.io/api/core/v1",
    "io.k8s.api.apps.v1": "k8s.io/api/apps/v1",
    "io.k8s.api.discovery.v1": "k8s.io/api/discovery/v1",
    "io.k8s.api.networking.v1": "k8s.io/api/networking/v1",
    "io.k8s.api.autoscaling.v1": "k8s.io/api/autoscaling/v1",
    "io.k8s.api.authorization.v1": "k8s.io/api/authorization/v1",
    "io.k8s.apimachinery.pkg.apis.meta.v1": "k8s.io/apimachinery/pkg/apis/meta/v1",
    "io.k8s.apimachinery.pkg.api.resource": "k8s.io/apimachinery/pkg/api/resource",
    "io.k8s.apimachinery.pkg.util.intstr": "k8s.io/apimachinery/pkg/util/intstr",
    "io.k8s.apimachinery.pkg.runtime": "k8s.io/apimachinery/pkg/runtime",
    "k8s.io/apimachinery/pkg/types": "k8s.io/apimachinery/pkg/types",
}
ALIASES = {"metav1": "io.k8s.apimachinery.pkg.apis.meta.v1", "v1": "io.k8s.api.core.v1",
           "resource": "io.k8s.apimachinery.pkg.api.resource", "intstr": "io.k8s.apimachinery.pkg.util.intstr",
           "runtime": "io.k8s.apimachinery.pkg.runtime", "types": "k8s.io/apimachinery/pkg/types"}  # fmt: skip
ROOTS = (
    *("io.k8s.api.core.v1." + one for one in
      ("Binding", "ConfigMap", "Endpoints", "Event", "Namespace", "Node", "Pod", "Service", "ServiceAccount")),
    *("io.k8s.api.apps.v1." + one for one in ("ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet")),
    "io.k8s.api.discovery.v1.EndpointSlice", "io.k8s.api.networking.v1.NetworkPolicy",
    "io.k8s.api.autoscaling.v1.Scale", "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
)  # fmt: skip
#: types that JSON does not show as the Go struct they are
SPECIAL = {
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Duration": "duration",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
}
SCALARS = {"string": "string", "bool": "boolean", "int": "int64", "int32": "int32", "int64": "int64", "byte": "byte",
           "uint32": "int64", "uint64": "int64", "float64": "double"}  # fmt: skip

FIELD = re.compile(r"^\t(?:(?P<name>\w+)\s+)?(?P<type>[\w.*\[\]]+)\s+`(?P<tags>[^`]*)`")
NAMED = re.compile(r"^type (\w+) (=? ?[\w.*\[\]]+)$", re.MULTILINE)


def sources(folder: Path) -> Path:
    """Download and unpack the packages.  Returns the folder that Go paths begin in."""
    for name, digest in PACKAGES.items():
        with urllib.request.urlopen(POOL + name) as answer:
            content = answer.read()
        if hashlib.sha256(content).hexdigest() != digest:
            raise SystemExit(f"{name} is not the file it was: its SHA-256 differs.")
        deb = folder / Path(name).name
        deb.write_bytes(content)
        subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], check=True)
    return folder / "usr/share/gocode/src"


class Sources:
    """The type declarations of all the packages."""

    def __init__(self, root: Path) -> None:
        self.structs: dict[str, tuple[str, str]] = {}  # the comment above and the body
        self.named: dict[str, str] = {}  # ``type Protocol string``
        for package, folder in FOLDERS.items():
            for path in sorted((root / folder).glob("*.go")):
                if path.name.endswith("_test.go"):
                    continue
                text = path.read_text(encoding="utf-8")
                for match in re.finditer(r"((?:^//[^\n]*\n)*)^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
                    self.structs[f"{package}.{match[2]}"] = (match[1], match[3])
                for match in NAMED.finditer(text):
                    self.named[f"{package}.{match[1]}"] = match[2].lstrip("= ")

    def resolve(self, package: str, spelled: str) -> tuple[str, str]:
        """The shape (one, list, map) and the type of what a field is declared as."""
        spelled = spelled.lstrip("*")
        if spelled == "[]byte":
            return "one", "byte"
        if match := re.fullmatch(r"(\[\]|map\[[\w.]+\])(.+)", spelled):
            inner_shape, inner = self.resolve(package, match[2])
            if inner_shape != "one":
                return "map", "strings"  # the one list in a map there is: extra values of a user
            return ("list" if match[1] == "[]" else "map"), inner
        if spelled in SCALARS:
            return "one", SCALARS[spelled]
        alias, _, name = spelled.rpartition(".")
        full = f"{ALIASES[alias] if alias else package}.{name}"
        if full in SPECIAL:
            return "one", SPECIAL[full]
        if full in self.structs:
            return "one", full
        return self.resolve(full.rpartition(".")[0], self.named[full])

    def fields(self, name: str) -> Iterator[dict[str, Any]]:
        """The fields of a struct, in its order."""
        package = name.rpartition(".")[0]
        comment: list[str] = []
        for line in self.structs[name][1].splitlines():
            if line.strip().startswith("//"):
                comment.append(line)
                continue
            match = FIELD.match(line)
            if match and 'json:"-' not in match["tags"]:
                yield self.field(package, match, comment)
            comment = []

    def field(self, package: str, match: re.Match[str], comment: list[str]) -> dict[str, Any]:
        """One field as the data file has it.  What is false or empty is left out."""
        tags = dict(re.findall(r'(\w+):"([^"]*)"', match["tags"]))
        json_name, *options = tags["json"].split(",")
        markers = dict(re.findall(r"//\s*\+(\w+)(?:=(\S+))?", "\n".join(comment)))
        shape, kind = self.resolve(package, match["type"])
        field = {
            "name": json_name,
            "type": kind,
            "shape": "" if shape == "one" else shape,
            "number": int(tags["protobuf"].split(",")[1]) if "protobuf" in tags else 0,
            "inline": "inline" in options or not json_name,
            "pointer": match["type"].startswith("*"),
            "always": "omitempty" not in options,
            "required": "omitempty" not in options and "optional" not in markers and bool(json_name),
            "merge": tags.get("patchMergeKey", ""),
            "strategy": tags.get("patchStrategy", ""),
            "text": prose(comment),
        }
        return {key: value for key, value in field.items() if value}


def prose(comment: list[str]) -> str:
    """A Go comment as the text of ``kubectl explain``."""
    lines = [line.strip().removeprefix("//").strip() for line in comment]
    if "---" in lines:
        lines = lines[: lines.index("---")]
    kept = [line for line in lines if not line.startswith(("+", "TODO", "FIXME"))]
    return re.sub(r" *\n+ *", "\n\n", " ".join(line or "\n" for line in kept).strip())


def collect(found: Sources) -> dict[str, dict[str, Any]]:
    """The roots, and every type they need."""
    types: dict[str, dict[str, Any]] = {}
    todo = list(ROOTS)
    while todo:
        name = todo.pop()
        if name in types or name not in found.structs:
            continue
        types[name] = {"text": prose(found.structs[name][0].splitlines()), "fields": list(found.fields(name))}
        todo += [field["type"] for field in types[name]["fields"]]
    return dict(sorted(types.items()))


def dictionary(root: Path) -> bytes:
    """The text that SPDY/3.1 compresses its headers with (the draft's section 2.6.10.1), from a Go byte list."""
    text = (root / "github.com/moby/spdystream/spdy/dictionary.go").read_text(encoding="utf-8")
    return bytes(int(one, 16) for one in re.findall(r"0x([0-9a-f]{2}),?", text.partition("{")[2]))


def main() -> None:
    """Write the data files."""
    with tempfile.TemporaryDirectory() as folder:
        root = sources(Path(folder))
        types, spdy = collect(Sources(root)), dictionary(root)
    texts = {
        name: {**{field.get("name", ""): field.pop("text", "") for field in one["fields"]}, "": one["text"]}
        for name, one in types.items()
    }
    packages = ", ".join(Path(one).stem for one in PACKAGES)
    made_by = f"Made by tools/api_data.py from Debian's {packages}. The Kubernetes Authors, Apache-2.0."
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / "spdy.dictionary").write_bytes(spdy)
    print(f"spdy.dictionary: {len(spdy)} bytes")
    facts = {"note": made_by, "types": {name: one["fields"] for name, one in types.items()}}
    for file, content in (("types.json", facts), ("texts.json", {"note": made_by, "texts": texts})):
        (DATA / file).write_text(json.dumps(content, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{file}: {len(types)} types, {(DATA / file).stat().st_size} bytes")


if __name__ == "__main__":
    main()
