//! Which file holds a lab's expectations: `lab.yaml` itself, or `NAME.test.yaml` beside the template `NAME.yaml`.

use std::path::PathBuf;

use crate::template::document::{self, Value};
use crate::template::{Diagnostic, Files, Lab, ReadError, did_you_mean};

/// Key of the list, in either file.
const KEY: &str = "expect";

/// The list as written.
///
/// # Errors
/// There is none, or its file is not as it should be.
pub fn source(files: &dyn Files, lab: &Lab) -> Result<Value, Vec<Diagnostic>> {
    if let Some(list) = &lab.expect {
        return Ok(list.clone());
    }
    let candidates = ["test.yaml", "test.yml"].map(|ending| lab.file.with_extension(ending));
    for path in &candidates {
        match files.read(path) {
            Err(ReadError::NotFound) => {}
            Err(error) => return Err(vec![Diagnostic::nowhere(format!("can't read {}: {error}", path.display()))]),
            Ok(text) => {
                let document = document::read(&path.display().to_string(), &text).map_err(|error| vec![error])?;
                return list_of(&document);
            }
        }
    }
    let [beside, _]: &[PathBuf; 2] = &candidates;
    let is_lab = lab.file.file_stem().is_some_and(|stem| stem == "lab");
    let message = match is_lab {
        true => format!("{} expects nothing: it has no `{KEY}`", lab.file.display()),
        false => format!("nothing is expected: there is no {}", beside.display()),
    };
    let help = format!("write there what must hold, such as `{KEY}: [{{from: GUEST, to: internet, drop: CODE}}]`");
    Err(vec![Diagnostic::nowhere(message).help(help)])
}

fn list_of(document: &Value) -> Result<Value, Vec<Diagnostic>> {
    let Some(map) = document.as_map() else {
        let message = format!("a test file is a map with the key `{KEY}`, not {}", document.describe());
        return Err(vec![Diagnostic::at(&document.span, message)]);
    };
    let unknown = map.iter().filter(|(key, _)| key.text != KEY).map(|(key, _)| {
        let help = did_you_mean(&key.text, [KEY]).unwrap_or_else(|| format!("the only key is `{KEY}`"));
        Diagnostic::at(&key.span, format!("`{}` is not a key of a test file", key.text)).help(help)
    });
    let unknown: Vec<Diagnostic> = unknown.collect();
    match document.get(KEY) {
        _ if !unknown.is_empty() => Err(unknown),
        Some(list) => Ok(list.clone()),
        None => Err(vec![Diagnostic::at(&document.span, format!("the test file has no `{KEY}`"))]),
    }
}
