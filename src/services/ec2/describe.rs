//! Describe operations: ids, filters and pages over the rows of a [listing](super::listings).

use serde_json::{Map, Value};

use super::filter::Filter;
use super::form::{Form, shown};
use super::listings::Listing;
use super::page::page;
use super::{Asker, refused};
use crate::model::{World, id};
use crate::services::failure::Failure;

/// The answer's members.
///
/// # Errors
/// An id is unknown, a filter or page can't be.
pub fn list(listing: &Listing, world: &World, asker: &Asker, form: &Form) -> Result<Value, Failure> {
    let mut rows = (listing.rows)(world, asker, form)?;
    if let Some(ids) = &listing.ids {
        let mut wanted = form.list(ids.parameter)?;
        wanted.extend(form.text(ids.parameter).map(str::to_owned));
        if !wanted.is_empty() {
            if form.text("MaxResults").is_some() {
                let message = format!("The parameter {} cannot be used with the parameter MaxResults", ids.parameter);
                return Err(refused(400, "InvalidParameterCombination", message));
            }
            let is_there = |id: &String| rows.iter().any(|row| row[listing.key] == id.as_str());
            if let Some(id) = wanted.iter().find(|id| !is_there(id)) {
                return Err(unknown(listing, id));
            }
            rows.retain(|row| wanted.iter().any(|id| row[listing.key] == id.as_str()));
        }
    }
    for filter in Filter::all(form, listing.filters)? {
        rows.retain(|row| filter.keeps(row));
    }
    let (rows, token) = page(listing.name, listing.pages, listing.key, rows, form)?;
    let mut answer = Map::new();
    if listing.name == super::listings::SERVICES.name {
        let mut names: Vec<Value> = rows.iter().map(|row| row[listing.key].clone()).collect();
        names.dedup();
        answer.insert("ServiceNames".to_owned(), names.into());
    }
    answer.insert(listing.set.to_owned(), rows.into());
    answer.extend(token.map(|token| ("NextToken".to_owned(), token.into())));
    Ok(answer.into())
}

/// The refusal of an id that is no row's.
pub fn unknown(listing: &Listing, id: &str) -> Failure {
    let Some(ids) = &listing.ids else { return refused(400, "InvalidParameterValue", shown(id)) };
    let shown = shown(id);
    match ids.prefix {
        Some(prefix) if !id::is_well_formed(prefix, id) => refused(
            400,
            ids.malformed,
            format!(
                "Invalid Id: '{shown}' (expecting '{prefix}-...; the Id may only contain lowercase alphanumeric characters and a single dash')"
            ),
        ),
        _ => refused(400, ids.not_found, format!("The {} '{shown}' does not exist", ids.word)),
    }
}
