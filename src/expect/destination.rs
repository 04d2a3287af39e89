//! A destination as people write it: `HOST[:PORT]`, a URL, `s3://BUCKET/KEY`. What the host means is looked up elsewhere.

/// Host and port of what the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// A name, an address, a guest; of an S3 object `s3://BUCKET`, whose host depends on the sender's Region.
    pub host: String,
    /// The port, where one was written or the scheme has one.
    pub port: Option<u16>,
}

impl Destination {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence that says what may be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let malformed =
            || format!("`{text}` is no destination: write HOST, HOST:PORT, https://HOST/PATH or s3://BUCKET/KEY");
        let (rest, usual) = match text.split_once("://") {
            Some(("https", rest)) => (rest, Some(443)),
            Some(("http", rest)) => (rest, Some(80)),
            Some(("s3", rest)) => {
                let bucket = rest.split('/').next().filter(|bucket| !bucket.is_empty()).ok_or_else(malformed)?;
                return Ok(Self { host: format!("s3://{bucket}"), port: Some(443) });
            }
            Some(_) => return Err(malformed()),
            None => (text, None),
        };
        // A guest may be written as STACK/NAME: only a URL has a path.
        let authority = if usual.is_some() { rest.split(['/', '?', '#']).next().unwrap_or_default() } else { rest };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| malformed())?)),
            None => (authority, usual),
        };
        match host.is_empty() || host.contains([' ', '?', '#']) {
            true => Err(malformed()),
            false => Ok(Self { host: host.to_owned(), port }),
        }
    }

    /// The bucket, when it is one.
    pub fn bucket(&self) -> Option<&str> {
        self.host.strip_prefix("s3://")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        for (text, host, port) in [
            ("10.0.0.7", "10.0.0.7", None),
            ("10.0.0.7:80", "10.0.0.7", Some(80)),
            ("https://b.s3.us-east-1.amazonaws.com/k?x=1", "b.s3.us-east-1.amazonaws.com", Some(443)),
            ("http://h:8080/", "h", Some(8080)),
            ("s3://b/k/l", "s3://b", Some(443)),
            ("provider/server:80", "provider/server", Some(80)),
        ] {
            assert_eq!(Destination::parse(text), Ok(Destination { host: host.into(), port }), "{text}");
        }
        for text in ["", ":80", "h:x", "h:99999", "ftp://h", "s3:///k", "a b", "http:///x"] {
            assert!(Destination::parse(text).is_err(), "{text}");
        }
    }
}
