//! Templates in, a world or a drawn error out: each test is data through [`check`] or [`refused`].

mod access;
mod backends;
mod errors;
mod functions;
mod labs;
mod noise;
mod notifications;
mod route53;
mod whole_vpc;
mod worlds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Files, Lab, LoadOptions, ReadError, load};

/// Files of a test, by path.
pub(super) struct Memory(BTreeMap<PathBuf, String>);

impl Memory {
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.to_owned())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        match self.0.get(path) {
            Some(text) => Ok(text.clone()),
            None if self.0.keys().any(|file| file.starts_with(path)) => Err(ReadError::IsFolder),
            None => Err(ReadError::NotFound),
        }
    }
}

/// Loads one template.
pub(super) fn lab(template: &str) -> Lab {
    lab_with(template, LoadOptions::default())
}

pub(super) fn lab_with(template: &str, options: LoadOptions) -> Lab {
    match load(&Memory::new([("t.yaml", template)]), Path::new("t.yaml"), &options) {
        Ok(lab) => lab,
        Err(error) => panic!("{error}"),
    }
}

/// The outputs and notices of a template, a line each.
pub(super) fn check(template: &str, expect: &str) {
    assert_eq!(summary(&lab(template)), expect.trim_start_matches('\n'));
}

pub(super) fn summary(lab: &Lab) -> String {
    let mut summary = String::new();
    for stack in &lab.stacks {
        for (name, value) in &stack.outputs {
            summary += &format!("{name} = {value}\n");
        }
    }
    for notice in &lab.notices {
        summary += &format!("{notice}\n");
    }
    summary
}

/// The drawn error of a template that is refused.
pub(super) fn refused(template: &str, expect: &str) {
    refused_with(template, &LoadOptions::default(), expect);
}

pub(super) fn refused_with(template: &str, options: &LoadOptions, expect: &str) {
    let template = template.trim_start_matches('\n');
    let error = drawn_from(&Memory::new([("t.yaml", template)]), "t.yaml", options);
    assert_eq!(error, expect.trim_matches('\n'));
}

pub(super) fn drawn(template: &str) -> String {
    drawn_from(&Memory::new([("t.yaml", template)]), "t.yaml", &LoadOptions::default())
}

/// The drawn error of what can't be loaded.
pub(super) fn drawn_from(files: &Memory, path: &str, options: &LoadOptions) -> String {
    match load(files, Path::new(path), options) {
        Ok(lab) => panic!("it was loaded: {}", summary(&lab)),
        Err(error) => error.to_string(),
    }
}
