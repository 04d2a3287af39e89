//! Where a backend is, and how a request's address becomes one of its own.
//!
//! Path and query go on byte for byte: whoever encodes them anew changes what they mean to somebody.

use http::Uri;
use http::uri::{Authority, Scheme};

/// The address of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    scheme: Scheme,
    authority: Authority,
    /// A bucket stands in the path, never in the name.
    path_style: bool,
}

/// How a client called us: what its answers must name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Called {
    /// Its connection is encrypted.
    pub tls: bool,
    /// The name, with the port if it gave one.
    pub host: String,
    /// The bucket that the name holds (virtual-host style).
    pub bucket: Option<String>,
}

impl Target {
    /// Reads `http://HOST[:PORT]` or `https://…`.
    ///
    /// # Errors
    /// What is wrong with it, and what is asked for.
    pub fn parse(url: &str, path_style: bool) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("`{url}` is no URL: {error}"))?;
        let scheme = uri.scheme().filter(|it| **it == Scheme::HTTP || **it == Scheme::HTTPS).cloned();
        let scheme = scheme.ok_or_else(|| format!("`{url}`: a backend's URL begins with http:// or https://"))?;
        let authority = uri.authority().cloned().ok_or_else(|| format!("`{url}` names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!("the URL of {} holds a password: name variables for credentials", authority.host()));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(format!("`{url}`: a backend is a host and a port, without a path or a query"));
        }
        Ok(Self { scheme, authority, path_style })
    }

    /// Needs TLS.
    pub fn https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The address of a request, whose path and query are those that the client sent.
    ///
    /// # Errors
    /// When a bucket makes no host name.
    pub fn uri(&self, path_and_query: &str, called: &Called) -> Result<Uri, http::Error> {
        let uri = Uri::builder().scheme(self.scheme.clone());
        match called.bucket.as_deref() {
            Some(bucket) if self.path_style => {
                uri.authority(self.authority.clone()).path_and_query(format!("/{bucket}{path_and_query}"))
            }
            Some(bucket) => uri.authority(format!("{bucket}.{}", self.authority)).path_and_query(path_and_query),
            None => uri.authority(self.authority.clone()).path_and_query(path_and_query),
        }
        .build()
    }

    /// An address in an answer: that of the backend becomes the one that the client called, since the client can't
    /// reach the other; `None` leaves it as it is.
    pub fn as_called(&self, location: &str, called: &Called) -> Option<String> {
        let rest = location.strip_prefix(&self.base())?;
        if !matches!(rest.as_bytes().first(), None | Some(b'/' | b'?')) {
            return None;
        }
        let rest = match called.bucket.as_deref().filter(|_| self.path_style) {
            Some(bucket) => rest.strip_prefix('/')?.strip_prefix(bucket)?,
            None => rest,
        };
        Some(format!("{}{rest}", called.base()))
    }

    /// Scheme, host and port.
    pub fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

impl Called {
    /// Scheme, host and port.
    pub fn base(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_backends() {
        for good in ["http://127.0.0.1:5000", "https://minio.example:9000/", "http://[::1]:8000"] {
            Target::parse(good, true).unwrap();
        }
        let bad = [
            ("127.0.0.1:5000", "http://"),
            ("ftp://a", "http://"),
            ("http://a/prefix", "without a path"),
            ("http://a/?x", "without a path"),
            ("http://user:secret@a", "names no host"),
            ("http://", "no URL"),
            ("/path", "http://"),
        ];
        for (url, says) in bad {
            let error = Target::parse(url, true).unwrap_err();
            let fits = error.contains(says) || url.contains('@') && error.contains("password");
            assert!(fits && !error.contains("secret"), "{url}: {error}");
        }
    }

    fn called(bucket: Option<&str>) -> Called {
        let host = bucket.map_or(String::new(), |bucket| format!("{bucket}.")) + "s3.us-east-1.amazonaws.com";
        Called { tls: true, host, bucket: bucket.map(str::to_owned) }
    }

    #[test]
    fn path_and_query_stay_as_they_came() {
        let sent = "/a%2Fb/%7e%7E+%20//c?x=%2f&y&z=a+b&&";
        let target = Target::parse("http://127.0.0.1:9000", true).unwrap();
        let uri = target.uri(sent, &called(None)).unwrap();
        assert_eq!(uri.to_string(), format!("http://127.0.0.1:9000{sent}"));
        let uri = target.uri(sent, &called(Some("b.c"))).unwrap();
        assert_eq!(uri.to_string(), format!("http://127.0.0.1:9000/b.c{sent}"));
        assert_eq!(target.uri("/", &called(Some("b"))).unwrap().path(), "/b/");
        let target = Target::parse("https://s3.example", false).unwrap();
        assert_eq!(target.uri("/k?x", &called(Some("b"))).unwrap().to_string(), "https://b.s3.example/k?x");
        assert_eq!(target.uri("/b/k", &called(None)).unwrap().to_string(), "https://s3.example/b/k");
        assert!(target.uri("/k", &called(Some("b d"))).is_err());
    }

    #[test]
    fn addresses_in_answers_are_the_called_ones() {
        let target = Target::parse("http://127.0.0.1:9000", true).unwrap();
        let cases = [
            (None, "http://127.0.0.1:9000/b/k?x=%20", Some("https://s3.us-east-1.amazonaws.com/b/k?x=%20")),
            (Some("b"), "http://127.0.0.1:9000/b/k", Some("https://b.s3.us-east-1.amazonaws.com/k")),
            (Some("b"), "http://127.0.0.1:9000/other/k", None),
            (None, "http://127.0.0.1:90001/b", None),
            (None, "/b/k", None),
            (None, "https://elsewhere.example/", None),
        ];
        for (bucket, location, expected) in cases {
            assert_eq!(target.as_called(location, &called(bucket)).as_deref(), expected, "{location}");
        }
    }
}
