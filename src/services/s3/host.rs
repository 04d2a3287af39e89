//! Which bucket a request names: in its host (virtual-host style) or in its path.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};
use s3s::s3_error;

/// The part of a name that says it is S3's, and what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// `None` in path style.
    pub bucket: Option<&'a str>,
    /// `None` for the global name `s3.amazonaws.com`.
    pub region: Option<&'a str>,
    /// Interface endpoint names that are not for buckets: `accesspoint`, `control`.
    pub other_api: Option<&'a str>,
}

/// All names of S3, as s3s asks for them.
pub(super) struct Names;

impl S3Host for Names {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        // Names are the same in any case, and buckets are lower case.
        let lower = host.to_ascii_lowercase();
        let name = parse(&lower);
        if let Some(api) = name.other_api {
            return Err(s3_error!(NotImplemented, "vpclab's S3 does not have the {api} API of endpoint names"));
        }
        let mut virtual_host = VirtualHost::new(host);
        if let Some(bucket) = name.bucket {
            virtual_host = virtual_host.with_bucket(bucket.to_owned());
        }
        if let Some(region) = name.region {
            virtual_host = virtual_host.with_region(region.to_owned());
        }
        Ok(virtual_host)
    }
}

/// Reads a host in lower case, with or without port.
///
/// A host that is none of S3's names is a bucket's own name (a CNAME to S3), as on AWS; an address is path style.
pub(super) fn parse(host: &str) -> Name<'_> {
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    let host = host.strip_suffix('.').unwrap_or(host);
    let path_style = Name { bucket: None, region: None, other_api: None };
    if host.is_empty() || host.parse::<std::net::Ipv4Addr>().is_ok() || host == "localhost" {
        return path_style;
    }
    let Some(name) = host.strip_suffix(".amazonaws.com") else { return Name { bucket: Some(host), ..path_style } };
    match name.strip_suffix(".vpce") {
        Some(name) => endpoint_name(name).unwrap_or(path_style),
        None => service_name(name).unwrap_or(path_style),
    }
}

/// `[BUCKET.]bucket.vpce-….s3.REGION`; the first labels say which API is meant (B3.3).
fn endpoint_name(name: &str) -> Option<Name<'_>> {
    let (name, region) = name.rsplit_once('.')?;
    let (name, endpoint) = name.strip_suffix(".s3")?.rsplit_once('.').unwrap_or(("", name.strip_suffix(".s3")?));
    endpoint.strip_prefix("vpce-")?;
    let (bucket, api) = name.rsplit_once('.').map_or((None, name), |(bucket, api)| (Some(bucket), api));
    let other_api = Some(api).filter(|api| !matches!(*api, "bucket" | ""));
    Some(Name { bucket, region: Some(region), other_api })
}

/// `[BUCKET.]s3.REGION`, `[BUCKET.]s3.dualstack.REGION`, `[BUCKET.]s3-REGION` or `[BUCKET.]s3`.
fn service_name(name: &str) -> Option<Name<'_>> {
    let (before, last) = name.rsplit_once('.').map_or((None, name), |(before, last)| (Some(before), last));
    if last == "s3" {
        return Some(Name { bucket: before, region: None, other_api: None });
    }
    if let Some(region) = last.strip_prefix("s3-") {
        return Some(Name { bucket: before, region: Some(region), other_api: None });
    }
    let before = before?.strip_suffix(".dualstack").or(before)?;
    let bucket = if before == "s3" { None } else { Some(before.strip_suffix(".s3")?) };
    Some(Name { bucket, region: Some(last), other_api: None })
}

/// Whether it is one of S3's names without a Region, in lower case: `s3.amazonaws.com`, `BUCKET.s3.amazonaws.com`.
pub(super) fn is_of_s3(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "s3.amazonaws.com" || host.ends_with(".s3.amazonaws.com")
}

/// Bucket and key of a request, for error documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resource {
    pub bucket: Option<String>,
    pub key: Option<String>,
}

/// Reads bucket and key from host and path.
pub(super) fn resource(host: &str, path: &str) -> Resource {
    let host = host.to_ascii_lowercase();
    let path = decode(path.strip_prefix('/').unwrap_or(path));
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    match parse(&host).bucket {
        Some(bucket) => Resource { bucket: some(bucket), key: some(&path) },
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
            Resource { bucket: some(bucket), key: some(key) }
        }
    }
}

/// Undoes percent-encoding; what is none stays as it is.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_of_s3() {
        // host, bucket, region, other API
        let cases = [
            ("s3.us-east-1.amazonaws.com", "", "us-east-1", ""),
            ("s3.us-east-1.amazonaws.com:443", "", "us-east-1", ""),
            ("s3.us-east-1.amazonaws.com.", "", "us-east-1", ""),
            ("s3.amazonaws.com", "", "", ""),
            ("b.s3.us-east-1.amazonaws.com", "b", "us-east-1", ""),
            ("my.dotted.bucket.s3.eu-west-1.amazonaws.com", "my.dotted.bucket", "eu-west-1", ""),
            ("b.s3.s3.eu-west-1.amazonaws.com", "b.s3", "eu-west-1", ""),
            ("b.s3.amazonaws.com", "b", "", ""),
            ("us-east-1.s3.amazonaws.com", "us-east-1", "", ""),
            ("b.s3-eu-west-1.amazonaws.com", "b", "eu-west-1", ""),
            ("b.s3.dualstack.eu-west-1.amazonaws.com", "b", "eu-west-1", ""),
            ("s3.dualstack.eu-west-1.amazonaws.com", "", "eu-west-1", ""),
            ("bucket.vpce-0a-29p5708s.s3.us-east-1.vpce.amazonaws.com", "", "us-east-1", ""),
            ("b.bucket.vpce-0a-29p5708s.s3.us-east-1.vpce.amazonaws.com", "b", "us-east-1", ""),
            ("b.bucket.vpce-0a-29p5708s-us-east-1a.s3.us-east-1.vpce.amazonaws.com", "b", "us-east-1", ""),
            ("vpce-0a-29p5708s.s3.us-east-1.vpce.amazonaws.com", "", "us-east-1", ""),
            ("accesspoint.vpce-0a-29p5708s.s3.us-east-1.vpce.amazonaws.com", "", "us-east-1", "accesspoint"),
            ("a.control.vpce-0a-29p5708s.s3.us-east-1.vpce.amazonaws.com", "a", "us-east-1", "control"),
            ("files.example.com", "files.example.com", "", ""),
            ("ec2.us-east-1.amazonaws.com", "", "", ""),
            ("52.216.0.5:80", "", "", ""),
            ("localhost:8080", "", "", ""),
            ("", "", "", ""),
        ];
        for (host, bucket, region, other_api) in cases {
            let name = parse(host);
            let read = [name.bucket, name.region, name.other_api].map(Option::unwrap_or_default);
            assert_eq!(read, [bucket, region, other_api], "{host}");
        }
    }

    #[test]
    fn a_resource_is_the_same_in_both_styles() {
        let expected = Resource { bucket: Some("b".into()), key: Some("a dir/ä.txt".into()) };
        assert_eq!(resource("B.s3.us-east-1.amazonaws.com", "/a%20dir/%C3%A4.txt"), expected);
        assert_eq!(resource("s3.us-east-1.amazonaws.com", "/b/a%20dir/%C3%A4.txt"), expected);
        assert_eq!(resource("10.0.0.1", "/"), Resource::default());
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
