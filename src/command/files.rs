//! The files that a lab is loaded from: the template room reads through [`Disk`].

use std::io::Read;
use std::path::Path;

use crate::run::launch::Definition;
use crate::template::{Files, Lab, LoadOptions, ReadError, TemplateError, load};

/// Loads what a lab is defined by.
pub fn load_lab(definition: &Definition) -> Result<Lab, TemplateError> {
    let options = LoadOptions {
        account: definition.account.clone(),
        region: definition.region.clone(),
        parameters: definition.parameters.clone(),
        seeds: definition.seeds.clone(),
    };
    load(&Disk, &definition.file, &options)
}

/// Files of the disk.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

/// More than any template has; a device that never ends is not read for ever.
const MAXIMUM_SIZE: u64 = 16 << 20;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        let not_read = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => ReadError::NotFound,
            std::io::ErrorKind::IsADirectory => ReadError::IsFolder,
            std::io::ErrorKind::InvalidData => ReadError::NotText,
            _ => ReadError::Other(error.to_string()),
        };
        let file = std::fs::File::open(path).map_err(not_read)?;
        if file.metadata().map_err(not_read)?.is_dir() {
            return Err(ReadError::IsFolder);
        }
        let mut text = String::new();
        file.take(MAXIMUM_SIZE + 1).read_to_string(&mut text).map_err(not_read)?;
        match text.len() as u64 > MAXIMUM_SIZE {
            true => Err(ReadError::TooLarge),
            false => Ok(text),
        }
    }
}
