//! `backends` of a `lab.yaml`: servers that answer in place of the lab's own services.
//!
//! ```yaml
//! backends:
//!   s3:
//!     url: http://127.0.0.1:9000
//!     access_key_id: MINIO_USER          # names of environment variables, not the credentials themselves
//!     secret_access_key: MINIO_PASSWORD
//! ```
//!
//! The name is a service's as in its endpoints' (`com.amazonaws.REGION.NAME`). Variables are read when the lab starts, by
//! whoever starts it; a file that is shared holds no secrets.

use std::path::Path;

use super::super::document::{Key, Value};
use super::super::error::{Diagnostic, nearest};
use super::super::{Backend, BackendCredentials};
use super::beside;
use super::lab_yaml::unknown_keys;
use crate::model::aws_services;

const KEYS: [&str; 7] =
    ["url", "access_key_id", "secret_access_key", "session_token", "region", "path_style", "ca_file"];

/// Reads one entry.
pub(super) fn read(lab: &Path, service: &Key, value: &Value) -> Result<Backend, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    if !aws_services().any(|known| known == service.text) {
        let help = match nearest(&service.text, aws_services()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "it is what stands behind `com.amazonaws.REGION.` in the name of an endpoint's service".to_owned(),
        };
        errors.push(Diagnostic::at(&service.span, format!("`{}` is not a service of AWS", service.text)).help(help));
    }
    let Some(map) = value.as_map() else {
        let message = format!("a backend is a map, not {}", value.describe());
        errors.push(Diagnostic::at(&value.span, message).help("write `{url: http://HOST:PORT}`"));
        return Err(errors);
    };
    unknown_keys(map, &KEYS, "a backend", &mut errors);
    let url = match value.get("url").map(|url| (url, url.as_text().map(url_of))) {
        Some((_, Some(Ok(url)))) => url,
        Some((url, Some(Err(why)))) => {
            errors.push(Diagnostic::at(&url.span, why).help("write it as http://HOST:PORT or https://HOST:PORT"));
            String::new()
        }
        Some((url, None)) => {
            errors.push(Diagnostic::at(&url.span, format!("a URL is expected here, not {}", url.describe())));
            String::new()
        }
        None => {
            errors.push(Diagnostic::at(&service.span, "the backend has no `url`").help("add `url: http://HOST:PORT`"));
            String::new()
        }
    };
    let credentials = credentials(service, value, &mut errors);
    let region = text(value, "region", &mut errors).filter(|(region, place)| {
        let valid = is_name(region, "-");
        if !valid {
            errors.push(Diagnostic::at(&place.span, format!("`{region}` is not the name of a Region")));
        }
        valid
    });
    let backend = Backend {
        service: service.text.clone(),
        url,
        credentials,
        region: region.map(|(region, _)| region.to_owned()),
        path_style: path_style(value, &mut errors),
        ca_file: text(value, "ca_file", &mut errors).map(|(file, _)| beside(lab, file)),
    };
    if errors.is_empty() { Ok(backend) } else { Err(errors) }
}

/// All or nothing: a request is signed anew with both, or goes out unsigned.
fn credentials(service: &Key, value: &Value, errors: &mut Vec<Diagnostic>) -> Option<BackendCredentials> {
    let [id, secret, token] = ["access_key_id", "secret_access_key", "session_token"].map(|name| {
        let (variable, place) = text(value, name, errors)?;
        if !is_variable(variable) {
            // Not repeated in the message: it may be a secret.
            let message = format!("`{name}` is not the name of an environment variable");
            let help = "put the credential into a variable and write the variable's name here";
            errors.push(Diagnostic::at(&place.span, message).help(help));
        }
        Some(variable.to_owned())
    });
    match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Some(BackendCredentials { access_key_id, secret_access_key, session_token: token })
        }
        (None, None) if token.is_none() => None,
        _ => {
            let message = "a backend's credentials are `access_key_id` and `secret_access_key`, both";
            errors.push(Diagnostic::at(&service.span, message).help("without either, requests go out unsigned"));
            None
        }
    }
}

fn path_style(value: &Value, errors: &mut Vec<Diagnostic>) -> bool {
    match text(value, "path_style", errors) {
        None | Some(("true", _)) => true,
        Some(("false", _)) => false,
        Some((_, place)) => {
            errors.push(Diagnostic::at(&place.span, "`path_style` is true or false"));
            true
        }
    }
}

fn text<'a>(value: &'a Value, name: &str, errors: &mut Vec<Diagnostic>) -> Option<(&'a str, &'a Value)> {
    let value = value.get(name)?;
    let text = value.as_text();
    if text.is_none() {
        errors.push(Diagnostic::at(&value.span, format!("`{name}` must be text, not {}", value.describe())));
    }
    text.map(|text| (text, value))
}

/// A name as shells have them; an access key's own id looks like one and is none.
fn is_variable(text: &str) -> bool {
    let is_key = text.len() == 20 && (text.starts_with("AKIA") || text.starts_with("ASIA"));
    !is_key && !text.starts_with(|c: char| c.is_ascii_digit()) && is_name(text, "_")
}

fn is_name(text: &str, others: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// Scheme, host and port of a URL, without a slash at its end; why it is none.
fn url_of(text: &str) -> Result<String, String> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err(format!("`{text}` is not a URL")) };
    if !matches!(scheme, "http" | "https") {
        return Err(format!("a backend speaks http or https, not `{scheme}`"));
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return Err("credentials in a URL are not used".to_owned());
    }
    if authority.contains(['/', '?', '#']) {
        return Err("a backend's URL has no path".to_owned());
    }
    // An IPv6 address has colons of its own.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host, "-._"),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    match is_host && is_port {
        true => Ok(format!("{scheme}://{authority}")),
        false => Err(format!("`{text}` has no valid host and port")),
    }
}
