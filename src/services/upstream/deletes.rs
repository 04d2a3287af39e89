//! DeleteObjects in front of a backend: each key is decided by itself, as AWS does; what is denied stays and is told beside
//! what is gone.
//!
//! A request of which everything is allowed goes on as it came. Otherwise the backend gets a document of what is left of it,
//! and its answer gets an `<Error>` for each key that it never heard of.

use base64::Engine;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest, Md5};
use s3s::dto::{Delete, Error, ObjectIdentifier};
use s3s::xml::{Serialize, Serializer};

/// A request's keys after the policies.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// The document that the backend gets; `None` when none is left.
    pub left: Option<Bytes>,
    /// The others.
    pub denied: Vec<Error>,
}

/// Asks for each key; `ask` gives AWS's text of a denial.
pub(super) fn split(body: &Bytes, mut delete: Delete, mut ask: impl FnMut(usize) -> Result<(), String>) -> Split {
    let mut denied = Vec::new();
    let mut at = 0;
    delete.objects.retain(|object| {
        let said = ask(at);
        at += 1;
        said.map_err(|text| denied.push(error(object, text))).is_ok()
    });
    let left = match (denied.is_empty(), delete.objects.is_empty()) {
        (true, _) => Some(body.clone()),
        (false, true) => None,
        (false, false) => {
            let mut document = Vec::new();
            delete.serialize(&mut Serializer::new(&mut document)).expect("a vector takes all");
            Some(document.into())
        }
    };
    Split { left, denied }
}

fn error(object: &ObjectIdentifier, text: String) -> Error {
    Error {
        code: Some("AccessDenied".to_owned()),
        key: Some(object.key.clone()),
        message: Some(text),
        version_id: object.version_id.clone(),
    }
}

/// The new body's digest in place of the old one's: S3 demands one.
pub(super) fn digest(headers: &mut HeaderMap, body: &[u8]) {
    let of_old: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-amz-checksum-")).cloned().collect();
    for name in of_old {
        headers.remove(name);
    }
    headers.remove("x-amz-sdk-checksum-algorithm");
    let digest = base64::engine::general_purpose::STANDARD.encode(Md5::digest(body));
    headers.insert("content-md5", HeaderValue::from_str(&digest).expect("base 64"));
}

/// An answer with what was denied; `None` when the backend's is no DeleteResult.
pub(super) fn with_denied(answer: &[u8], denied: &[Error]) -> Option<Bytes> {
    let text = std::str::from_utf8(answer).ok()?;
    let mut errors = Vec::new();
    Serializer::new(&mut errors).flattened_list("Error", denied).expect("a vector takes all");
    let errors = String::from_utf8(errors).expect("XML of texts");
    let text = match text.rfind("</DeleteResult>") {
        Some(end) => format!("{}{errors}{}", &text[..end], &text[end..]),
        None => {
            let begin = text.rfind("<DeleteResult")?;
            let end = begin + text[begin..].find("/>")?;
            format!("{}>{errors}</DeleteResult>{}", &text[..end], &text[end + 2..])
        }
    };
    Some(text.into())
}

/// The answer when nothing was left for the backend.
pub(super) const NOTHING_LEFT: &[u8] =
    b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></DeleteResult>";

#[cfg(test)]
mod tests {
    use s3s::xml::{Deserialize, Deserializer};

    use super::*;

    fn parsed(text: &[u8]) -> Delete {
        Delete::deserialize(&mut Deserializer::new(text)).unwrap()
    }

    #[test]
    fn each_key_is_decided_by_itself() {
        let body = Bytes::from_static(
            b"<Delete><Quiet>true</Quiet><Object><Key>a&amp;&#13;b</Key></Object><Object><Key>c</Key><VersionId>1</VersionId></Object></Delete>",
        );
        let all = split(&body, parsed(&body), |_| Ok(()));
        assert_eq!((all.left.as_ref(), all.denied.len()), (Some(&body), 0), "as it came");
        let none = split(&body, parsed(&body), |_| Err("no".to_owned()));
        assert_eq!((none.left, none.denied.len()), (None, 2));
        let some = split(&body, parsed(&body), |at| if at == 1 { Err("User: <x>".to_owned()) } else { Ok(()) });
        let left = parsed(&some.left.unwrap());
        assert_eq!(left.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a&\rb"]);
        assert_eq!(left.quiet, Some(true));
        let error = "<Error><Code>AccessDenied</Code><Key>c</Key><Message>User: &lt;x&gt;</Message><VersionId>1</VersionId></Error>";
        for (answer, expected) in [
            (
                "<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>",
                "<DeleteResult><Deleted><Key>a</Key></Deleted>@</DeleteResult>",
            ),
            (
                "<?xml version=\"1.0\"?><DeleteResult xmlns=\"n\"/>",
                "<?xml version=\"1.0\"?><DeleteResult xmlns=\"n\">@</DeleteResult>",
            ),
        ] {
            let merged = with_denied(answer.as_bytes(), &some.denied).unwrap();
            assert_eq!(std::str::from_utf8(&merged).unwrap(), expected.replace('@', error));
        }
        assert_eq!(with_denied(b"<html>", &some.denied), None);
    }

    #[test]
    fn a_digest_of_the_new_body() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-crc32", HeaderValue::from_static("AAAAAA=="));
        headers.insert("x-amz-sdk-checksum-algorithm", HeaderValue::from_static("CRC32"));
        digest(&mut headers, b"");
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["content-md5"], "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
