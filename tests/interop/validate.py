"""Validates FHIR resources with two validators that nobody here wrote: npm's @medplum/core against the
profiles of R4, and PyPI's fhir.resources in its model of R4B.

Neither looks at the codes that a field must have one of; those are here.
"""

import json
import subprocess

from fhir.resources.R4B import get_fhir_model_class

from loop import WITHIN

# FHIR R4: value sets with a required binding.
CODES = {
    ("Appointment", "status"): {
        "proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow",
        "entered-in-error", "checked-in", "waitlist",
    },
    ("AppointmentResponse", "participantStatus"): {
        "accepted", "declined", "tentative", "needs-action",
    },
    ("Subscription", "status"): {"requested", "active", "error", "off"},
}
CHANNELS = {"rest-hook", "websocket", "email", "sms", "message"}
PARTICIPATION = CODES["AppointmentResponse", "participantStatus"]
# RFC 6902, 4, and the operations of a FHIRPath Patch (FHIR R4, 2.21.0.8).
JSON_PATCH = {"add", "remove", "replace", "move", "copy", "test"}
FHIRPATH_PATCH = {"add", "insert", "delete", "replace", "move"}


def faults(resources, node, folder):
    """What the validators find wrong, as (index, text)."""
    told = subprocess.run(
        [node, "validate.mjs"], cwd=folder, input=json.dumps(resources), check=True,
        capture_output=True, text=True, timeout=WITHIN,
    )
    found = []
    for index, (resource, issues) in enumerate(zip(resources, json.loads(told.stdout))):
        found += [(index, f"medplum: {json.dumps(issue)}") for issue in issues]
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except ValueError as fault:
            found.append((index, f"fhir.resources: {fault}"))
        found += [(index, f"code: {code}") for code in wrong_codes(resource)]
    return found


def wrong_codes(resource):
    kind = resource["resourceType"]
    for (of, field), codes in CODES.items():
        if of == kind and resource.get(field) not in codes:
            yield f"{of}.{field} {resource.get(field)}"
    if kind == "Appointment":
        for participant in resource.get("participant", []):
            if participant.get("status") not in PARTICIPATION:
                yield f"participant.status {participant.get('status')}"
    if kind == "Subscription" and resource["channel"]["type"] not in CHANNELS:
        yield f"channel.type {resource['channel']['type']}"
    if kind == "Parameters":
        for parameter in resource["parameter"]:
            parts = {part["name"]: part for part in parameter["part"]}
            is_sound = (
                parameter["name"] == "operation"
                and parts["type"].get("valueCode") in FHIRPATH_PATCH
                and parts["path"].get("valueString")
            )
            if not is_sound:
                yield f"operation {parameter}"


def is_json_patch(body):
    """RFC 6902, 3 and 4, as far as wishes use it."""
    return isinstance(body, list) and len(body) > 0 and all(
        set(step) == {"op", "path", "value"}
        and step["op"] in JSON_PATCH
        and step["path"].startswith("/")
        for step in body
    )
