//! What a host name of AWS's says: which service is called, and in which Region.

use crate::model::region::is_region;

/// The Region of names that are for all Regions, and of what names none.
pub(super) const HOME: &str = "us-east-1";

/// Read from a name; an address and anybody else's name say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Called {
    /// As endpoints name it: `ec2` of `ec2.us-east-1.amazonaws.com` and of `vpce-…-….ec2.us-east-1.vpce.amazonaws.com`;
    /// `ecr.api` of `api.ecr.us-east-1.amazonaws.com`.
    pub service: Option<String>,
    /// Where it is. The global names of STS and S3 are in us-east-1; of a bucket's global name, the bucket knows.
    pub region: Option<String>,
}

impl Called {
    /// Reads a host in any case, with or without port.
    pub fn read(host: &str) -> Self {
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let of_aws = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"].into_iter();
        let Some(name) = of_aws.filter_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.')).next() else {
            return Self::default();
        };
        let name = name.strip_suffix(".vpce").unwrap_or(name);
        let last = name.rsplit('.').next().unwrap_or_default();
        let region = Some(last.strip_prefix("s3-").unwrap_or(last)).filter(|label| is_region(label));
        // Region-specific prefixes of a service stand before its name in DNS and after it in endpoint names.
        let labels = name.split('.').filter(|label| !label.starts_with("vpce-") && !is_region(label));
        let service = labels.rev().collect::<Vec<_>>().join(".");
        let global = matches!(service.as_str(), "sts" | "s3").then_some(HOME);
        Self {
            region: region.or(global).map(str::to_owned),
            service: Some(service).filter(|service| !service.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_service_and_region() {
        for (host, service, region) in [
            ("ec2.us-east-1.amazonaws.com", "ec2", "us-east-1"),
            ("EC2.us-east-1.amazonaws.com:443", "ec2", "us-east-1"),
            ("ec2.us-east-1.amazonaws.com.", "ec2", "us-east-1"),
            ("vpce-0fe5b17a0707d6abc-29p5708s.ec2.us-east-1.vpce.amazonaws.com", "ec2", "us-east-1"),
            ("vpce-0fe5b17a0707d6abc-29p5708s-us-east-1a.kms.eu-west-1.vpce.amazonaws.com", "kms", "eu-west-1"),
            ("api.ecr.us-gov-west-1.amazonaws.com", "ecr.api", "us-gov-west-1"),
            ("sqs.cn-north-1.amazonaws.com.cn", "sqs", "cn-north-1"),
            ("vpce-1-h.sqs.cn-north-1.vpce.amazonaws.com.cn", "sqs", "cn-north-1"),
            ("sts.amazonaws.com", "sts", "us-east-1"),
            ("sts.eu-west-1.amazonaws.com", "sts", "eu-west-1"),
            ("iam.amazonaws.com", "iam", ""),
            ("s3.amazonaws.com", "s3", "us-east-1"),
            ("bucket.s3.amazonaws.com", "s3.bucket", ""),
            ("s3-eu-west-1.amazonaws.com", "s3-eu-west-1", "eu-west-1"),
            ("sqs.nowhere-1.amazonaws.com", "nowhere-1.sqs", ""),
            ("amazonaws.com", "", ""),
            ("example.com", "", ""),
            ("10.0.0.1", "", ""),
            ("", "", ""),
        ] {
            let called = Called::read(host);
            let read = [called.service, called.region].map(Option::unwrap_or_default);
            assert_eq!(read, [service, region], "{host}");
        }
    }
}
