//! `availability_zones` of a `lab.yaml`: what each account calls the zones of a Region.
//!
//! On AWS every account has its own shuffle, and what two accounts mean by `us-east-1a` may be two zones; their ids tell.

use std::collections::BTreeMap;

use super::super::document::{Map, Value};
use super::super::error::{Diagnostic, did_you_mean};
use crate::model::availability_zones;
use crate::model::region::is_region;

/// By account: zone names to ids. One to one, of zones that there are; names that are left out take the ids that are left.
pub(super) fn read(accounts: &Map, errors: &mut Vec<Diagnostic>) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut read = BTreeMap::new();
    for (account, zones) in accounts {
        if account.text.len() != 12 || !account.text.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{}` is not an account: twelve digits, quoted in YAML", account.text);
            errors.push(Diagnostic::at(&account.span, message));
        }
        let Some(zones) = zones.as_map() else {
            let message = format!("zone names and ids are expected here, not {}", zones.describe());
            errors.push(Diagnostic::at(&zones.span, message).help("write such as {us-east-1a: use1-az4}"));
            continue;
        };
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for (name, id) in zones {
            match zone(&name.text, id, &names) {
                Ok(id) => drop(names.insert(name.text.clone(), id)),
                Err((at_name, message, help)) => {
                    let span = if at_name { &name.span } else { &id.span };
                    errors.push(Diagnostic::at(span, message).maybe_help(help));
                }
            }
        }
        read.insert(account.text.clone(), names);
    }
    read
}

/// The id that a name shall stand for, or whether the name or the id is wrong, why, and what to do.
fn zone(name: &str, id: &Value, others: &BTreeMap<String, String>) -> Result<String, (bool, String, Option<String>)> {
    let region = name.strip_suffix(|last: char| last.is_ascii_lowercase()).filter(|region| is_region(region));
    let Some(region) = region else {
        return Err((true, format!("`{name}` is not the name of an Availability Zone"), None));
    };
    let zones = availability_zones(region);
    if !zones.iter().any(|zone| zone.name == name) {
        let names: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
        let help = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| format!("it has {}", names.join(", ")));
        return Err((true, format!("{region} has no Availability Zone `{name}`"), Some(help)));
    }
    let written = id.as_text().unwrap_or_default();
    if !zones.iter().any(|zone| zone.id == written) {
        let ids: Vec<&str> = zones.iter().map(|zone| zone.id.as_str()).collect();
        let message = format!("`{written}` is not the id of a zone of {region}");
        return Err((false, message, Some(format!("its ids are {}", ids.join(", ")))));
    }
    match others.iter().find(|(_, other)| *other == written) {
        Some((other, _)) => {
            let help = "each zone has one name in an account".to_owned();
            Err((false, format!("`{written}` is the id of {other} already"), Some(help)))
        }
        None => Ok(written.to_owned()),
    }
}
