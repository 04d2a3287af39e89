//! Pages of a listing (B6.1).
//!
//! A page's end is remembered by the caller: the token says after which row the next one begins, so that rows which come or go
//! meanwhile move nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::form::{self, Form};
use super::refused;
use crate::services::failure::Failure;

/// What `MaxResults` may be.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// Fewer are refused.
    pub least: i64,
    /// More are refused, or cut.
    pub most: i64,
    /// Cut rather than refused.
    pub cuts: bool,
}

/// The rows of a page, in order of their keys, and the token for the next.
///
/// # Errors
/// `MaxResults` or the token can't be.
pub fn page(
    operation: &str,
    pages: Pages,
    key: &str,
    mut rows: Vec<Value>,
    form: &Form,
) -> Result<(Vec<Value>, Option<String>), Failure> {
    let text = |row: &Value| row[key].as_str().unwrap_or_default().to_owned();
    rows.sort_by_cached_key(text);
    let start = match form.text("NextToken") {
        None => 0,
        Some(token) => {
            let (after, given) = opened(operation, token)
                .ok_or_else(|| refused(400, "InvalidNextToken", "The NextToken is not one of this operation"))?;
            // Several rows may have one key: so many of them were given.
            let before = rows.iter().filter(|row| text(row) < after).count();
            let same = rows.iter().filter(|row| text(row) == after).count();
            before + same.min(given)
        }
    };
    let Some(size) = size(pages, form)? else { return Ok((rows.split_off(start), None)) };
    let mut rest = rows.split_off(start);
    let more = rest.len() > size;
    rest.truncate(size);
    let token = rest.last().filter(|_| more).map(|last| {
        let after = text(last);
        let given = rows.iter().chain(&rest).filter(|row| text(row) == after).count();
        URL_SAFE_NO_PAD.encode(format!("{operation}\n{given}\n{after}"))
    });
    Ok((rest, token))
}

fn size(pages: Pages, form: &Form) -> Result<Option<usize>, Failure> {
    let Some(wanted) = form.integer("MaxResults")? else { return Ok(None) };
    let Pages { least, most, cuts } = pages;
    if wanted < least || wanted > most && !cuts {
        let why = format!("Expecting a value from {least} to {most}.");
        return Err(form::invalid("MaxResults", &wanted.to_string(), &why));
    }
    Ok(usize::try_from(wanted.min(most)).ok())
}

fn opened(operation: &str, token: &str) -> Option<(String, usize)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let mut parts = text.splitn(3, '\n');
    let (of, given, after) = (parts.next()?, parts.next()?, parts.next()?);
    (of == operation).then_some(())?;
    Some((after.to_owned(), given.parse().ok()?))
}
