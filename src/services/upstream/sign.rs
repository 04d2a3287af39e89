//! Signs a request anew for the backend: Signature Version 4, in the Authorization header.
//!
//! The client's own signature ended at our door: it is about our names and the lab's keys.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Credentials;
use crate::services::front::signature::canonical::{self, digest, hexadecimal, hmac, squeezed};

/// Whether the signature covers the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// SHA-256 of it, in hexadecimal.
    Hash(String),
    /// It streams: `UNSIGNED-PAYLOAD`.
    Unsigned,
}

impl Payload {
    /// Of a body that is there.
    pub fn of(body: &[u8]) -> Self {
        Self::Hash(digest(body))
    }

    fn text(&self) -> &str {
        match self {
            Self::Hash(hash) => hash,
            Self::Unsigned => "UNSIGNED-PAYLOAD",
        }
    }
}

/// With what a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    pub credentials: &'a Credentials,
    pub region: &'a str,
    /// Name in the credential scope, such as `s3`.
    pub service: &'a str,
    pub now: OffsetDateTime,
}

impl Signer<'_> {
    /// Adds `x-amz-date`, S3's `x-amz-content-sha256`, the session token and `Authorization`. `headers` holds no `Host`: it
    /// follows from the address.
    ///
    /// # Errors
    /// When the credentials make no header.
    pub fn sign(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        payload: &Payload,
    ) -> Result<(), http::Error> {
        let date = self.now.format(format_description!("[year][month][day]T[hour][minute][second]Z"));
        let date = date.expect("the form fits every date");
        headers.insert("x-amz-date", HeaderValue::from_str(&date)?);
        if self.service == "s3" {
            headers.insert("x-amz-content-sha256", HeaderValue::from_str(payload.text())?);
        }
        if let Some(token) = &self.credentials.session_token {
            headers.insert("x-amz-security-token", HeaderValue::from_str(token)?);
        }
        let scope = format!("{}/{}/{}/aws4_request", &date[..8], self.region, self.service);
        let (signed, canonical) = self.canonical(method, uri, headers, payload);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", digest(&canonical));
        let key = canonical::key(&self.credentials.secret_access_key, &scope);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
            self.credentials.access_key_id,
            hexadecimal(&hmac(&key, text.as_bytes())),
        );
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&authorization)?);
        Ok(())
    }

    /// The names of signed headers, and the canonical request. Signed are `host`, `content-type` and all `x-amz-`.
    fn canonical(&self, method: &Method, uri: &Uri, headers: &HeaderMap, payload: &Payload) -> (String, Vec<u8>) {
        let host = uri.authority().map_or("", |authority| authority.as_str()).as_bytes().to_vec();
        let mut lines: Vec<(&str, Vec<u8>)> = vec![("host", host)];
        for name in headers.keys().map(HeaderName::as_str) {
            if name.starts_with("x-amz-") || matches!(name, "content-type" | "content-md5") {
                let values: Vec<Vec<u8>> = headers.get_all(name).iter().map(|it| squeezed(it.as_bytes())).collect();
                lines.push((name, values.join(&b',')));
            }
        }
        lines.sort();
        let signed = lines.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let path = canonical::paths(self.service == "s3", uri.path()).swap_remove(0);
        let query = canonical::query(uri.query().unwrap_or_default(), None);
        let mut text = format!("{method}\n{path}\n{query}\n").into_bytes();
        for (name, value) in &lines {
            text.extend([name.as_bytes(), b":", value, b"\n"].concat());
        }
        text.extend(format!("\n{signed}\n{}", payload.text()).into_bytes());
        (signed, text)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn signature(service: &str, region: &str, token: Option<&str>, request: &http::Request<&str>) -> String {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: token.map(str::to_owned),
        };
        let now = datetime!(2026-11-25 07:00:00 UTC);
        let signer = Signer { credentials: &credentials, region, service, now };
        let mut headers = request.headers().clone();
        let payload = Payload::of(request.body().as_bytes());
        signer.sign(request.method(), request.uri(), &mut headers, &payload).unwrap();
        headers[AUTHORIZATION].to_str().unwrap().to_owned()
    }

    /// What botocore 1.44 signs for the same requests at the same time.
    #[test]
    fn signatures_are_those_of_botocore() {
        let path = "/b.c/a%20b/~x//%C3%A9?uploadId=a%2Fb&partNumber=1&tagging";
        let put = http::Request::put(format!("http://127.0.0.1:9000{path}"))
            .header("x-amz-meta-a", "  two   words ")
            .header("content-type", "text/plain")
            .body("")
            .unwrap();
        assert_eq!(
            signature("s3", "us-east-1", Some("token/+="), &put),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/us-east-1/s3/aws4_request, \
             SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token, \
             Signature=e5ec2f77d7a8b9d66f79fe0f3af030c3ef0578e239d83859988f4e5a5b3f0c18"
        );
        let invoke = http::Request::post("http://127.0.0.1:5000/2015-03-31/functions/f%3A1/invocations")
            .header("content-type", "application/json")
            .body("{}")
            .unwrap();
        assert_eq!(
            signature("lambda", "eu-west-1", None, &invoke),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261125/eu-west-1/lambda/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=106df0a26ea3eef52ff1f11e97cc870b89fda40f27599142ffe6e545ae2b7dab"
        );
    }
}
