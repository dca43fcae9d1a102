"""Compares objects of KEDA and KServe, on standard input as YAML, with the models that the projects publish for Python.

Prints each field that a model does not have, or whose value it refuses. Needs:
pip install cloudcoil-models-keda six urllib3 && pip install --no-deps kserve
"""

import importlib.util
import pathlib
import re
import sys
import types

import yaml


def keda_faults(document):
    from cloudcoil.models.keda import v1alpha1

    model = getattr(v1alpha1, document["kind"]).model_validate(document)
    # Unknown fields are dropped without a word.
    return differences(document, model.model_dump(mode="json", by_alias=True, exclude_none=True), document["kind"])


def differences(given, kept, where):
    if isinstance(given, dict) and isinstance(kept, dict):
        missing = [f"{where}.{key} is unknown" for key in given if key not in kept]
        return missing + [each for key in given if key in kept for each in differences(given[key], kept[key], f"{where}.{key}")]
    if isinstance(given, list) and isinstance(kept, list):
        return [each for index, (a, b) in enumerate(zip(given, kept)) for each in differences(a, b, f"{where}[{index}]")]
    return [] if given == kept else [f"{where} is {given!r}, which is read as {kept!r}"]


def load_kserve():
    """The generated classes alone: the package itself imports a whole server."""
    spec = importlib.util.find_spec("kserve")
    package = types.ModuleType("kserve")
    package.__path__ = [str(pathlib.Path(spec.origin).parent)]
    sys.modules["kserve"] = package
    models = types.ModuleType("kserve.models")
    models.__path__ = [f"{package.__path__[0]}/models"]
    sys.modules["kserve.models"] = models


def class_of(name):
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    try:
        return getattr(importlib.import_module(f"kserve.models.{module}"), name)
    except ModuleNotFoundError as missing:
        if missing.name != f"kserve.models.{module}":
            raise
        # A type of Kubernetes, such as a container: its own schemas are for that.
        return None


SCALARS = {"str": str, "bool": bool, "int": int, "float": (int, float)}


def kserve_faults(value, type_name, where):
    listed = re.fullmatch(r"list\[(.*)\]", type_name)
    mapped = re.fullmatch(r"dict\(str, (.*)\)", type_name)
    if listed:
        return [each for index, item in enumerate(value) for each in kserve_faults(item, listed[1], f"{where}[{index}]")]
    if mapped:
        return [each for key, item in value.items() for each in kserve_faults(item, mapped[1], f"{where}.{key}")]
    if type_name in SCALARS:
        return [] if isinstance(value, SCALARS[type_name]) else [f"{where} is {value!r}, not of the type {type_name}"]
    found = class_of(type_name)
    if found is None:
        return []
    names = {json: name for name, json in found.attribute_map.items()}
    unknown = [f"{where}.{key} is unknown" for key in value if key not in names]
    known = [(key, found.openapi_types[names[key]]) for key in value if key in names]
    return unknown + [each for key, kind in known for each in kserve_faults(value[key], kind, f"{where}.{key}")]


faults, count = [], 0
for document in yaml.safe_load_all(sys.stdin):
    group, _, version = document["apiVersion"].partition("/")
    if group == "keda.sh":
        faults += keda_faults(document)
    elif group == "serving.kserve.io":
        load_kserve()
        faults += kserve_faults(document, f"{version.capitalize()}{document['kind']}", document["kind"])
    else:
        faults.append(f"{group} is neither KEDA nor KServe")
    count += 1
print("\n".join(faults or [f"{count} objects are as published"]))
sys.exit(1 if faults else 0)
