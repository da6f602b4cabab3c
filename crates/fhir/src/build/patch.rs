//! FHIRPath Patch: a `Parameters` with one `operation` each, R4 section 3.1.0.10.1.

use fhir_sdk::r4b::resources::{Parameters, ParametersParameter, ParametersParameterValue};
use fhir_sdk::r4b::types::{CodeableConcept, Coding};

use super::{Error, check_entries, json, library, reference, text};

/// One change. A path is FHIRPath, as in `Appointment.status`; quotes within it are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Puts a value in the place of another.
    Replace {
        /// The element.
        path: &'a str,
        /// What it becomes.
        value: Value<'a>,
    },
    /// Adds an element.
    Add {
        /// What it is added to.
        path: &'a str,
        /// Its name there.
        name: &'a str,
        /// What it is.
        value: Value<'a>,
    },
    /// Removes an element; one that is not there is no fault.
    Delete {
        /// The element.
        path: &'a str,
    },
}

/// What an element becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A `code`.
    Code(&'a str),
    /// A `string`.
    Text(&'a str),
    /// A `CodeableConcept` with one coding.
    Concept {
        /// Whose code.
        system: Option<&'a str>,
        /// The code.
        code: &'a str,
        /// In words.
        text: Option<&'a str>,
    },
    /// A reference, as in `Patient/1`.
    Reference(&'a str),
}

/// Writes changes as a `Parameters` resource, in their order.
///
/// # Errors
/// If there is no change or too many, or a text is not allowed where it stands.
pub fn fhirpath_patch(operations: &[Operation<'_>]) -> Result<Vec<u8>, Error> {
    check_entries("operation", operations)?;
    if operations.is_empty() {
        return Err(Error::Entries { field: "operation" });
    }
    let operations = operations.iter().map(|operation| parameter(*operation).map(Some));
    let operations = operations.collect::<Result<Vec<_>, _>>()?;
    json(&Parameters::builder().parameter(operations).build().map_err(library)?)
}

fn parameter(operation: Operation<'_>) -> Result<ParametersParameter, Error> {
    let (kind, path, name, value) = match operation {
        Operation::Replace { path, value } => ("replace", path, None, Some(value)),
        Operation::Add { path, name, value } => ("add", path, Some(name), Some(value)),
        Operation::Delete { path } => ("delete", path, None, None),
    };
    let path = text::line("path", path)?;
    let mut parts = vec![
        Some(part("type", ParametersParameterValue::Code(kind.to_owned()))?),
        Some(part("path", ParametersParameterValue::String(path))?),
    ];
    if let Some(name) = name {
        let name = text::code("name", name)?;
        parts.push(Some(part("name", ParametersParameterValue::String(name))?));
    }
    if let Some(value) = value {
        parts.push(Some(part("value", typed(value)?)?));
    }
    let operation = ParametersParameter::builder().name("operation".to_owned()).part(parts);
    operation.build().map_err(library)
}

fn part(name: &str, value: ParametersParameterValue) -> Result<ParametersParameter, Error> {
    ParametersParameter::builder().name(name.to_owned()).value(value).build().map_err(library)
}

fn typed(value: Value<'_>) -> Result<ParametersParameterValue, Error> {
    Ok(match value {
        Value::Code(code) => ParametersParameterValue::Code(text::code("value", code)?),
        Value::Text(text) => ParametersParameterValue::String(text::string("value", text)?),
        Value::Reference(target) => {
            ParametersParameterValue::Reference(reference("value", target)?)
        }
        Value::Concept { system, code, text } => {
            ParametersParameterValue::CodeableConcept(concept(system, code, text)?)
        }
    })
}

fn concept(system: Option<&str>, code: &str, text: Option<&str>) -> Result<CodeableConcept, Error> {
    let mut coding = Coding::builder().code(text::code("code", code)?);
    if let Some(system) = system {
        coding = coding.system(text::uri("system", system)?);
    }
    let coding = coding.build().map_err(library)?;
    let mut concept = CodeableConcept::builder().coding(vec![Some(coding)]);
    if let Some(text) = text {
        concept = concept.text(text::string("text", text)?);
    }
    concept.build().map_err(library)
}
