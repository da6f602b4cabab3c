//! How commands name a mapping: by its name, `auto`, or a file that is not in force yet.

use std::path::Path;
use std::sync::Arc;

use super::Failure;
use crate::app;
use crate::mapping::{Choice, Fault, Library};
use crate::settings::Settings;

/// Finds a mapping among those built in, those of the settings, and in a file.
pub(super) fn choice(named: &str, settings: Option<&Settings>) -> Result<Choice, Failure> {
    let mut files = match settings {
        Some(settings) => app::mapping_files(&settings.mappings)
            .map_err(|fault| Failure::Configuration(vec![fault]))?,
        None => Vec::new(),
    };
    let mut name = named;
    let path = Path::new(named);
    if is_file(named) {
        let text = std::fs::read_to_string(path)
            .map_err(|refusal| Failure::Usage(format!("{named}: {refusal}")))?;
        name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(named);
        // The file takes the place of one that is in force under the same name.
        files.push((named.to_owned(), text));
    }
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let library = Library::load(texts)
        .map_err(|faults| Failure::Configuration(faults.iter().map(Fault::to_string).collect()))?;
    Choice::parse(name, &Arc::new(library)).map_err(Failure::Usage)
}

/// Names of mappings have neither dots nor slashes.
fn is_file(named: &str) -> bool {
    named.contains(['/', '.'])
}
