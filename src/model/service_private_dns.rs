//! The private DNS name of an endpoint service, and the TXT record that proves it (B4).
//!
//! The lab's own public hosted zones are looked at, at once. What was verified stays so until somebody asks again, and
//! endpoints that use a name keep it: AWS documents no more.

use super::*;

/// Tag of an endpoint service in a template that gives its private DNS name: CloudFormation has no property for it.
pub const PRIVATE_DNS_NAME_TAG: &str = "vpclab:PrivateDnsName";

/// The private DNS name of a service, and whether it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrivateDns {
    /// Such as `api.example.com` or `*.example.com`.
    pub name: String,
    /// Consumers may use a verified name only.
    pub state: PrivateDnsState,
    /// Label of the TXT record that proves it: `_` and 20 characters.
    pub record_name: String,
    /// Its text: `vpce:` and 20 characters.
    pub record_value: String,
    /// A template gave it. Templates have no way to start the verification, so that it happens once the record is there.
    pub is_declared: bool,
}

/// AWS's `PrivateDnsNameConfiguration.State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum PrivateDnsState {
    PendingVerification,
    Verified,
    Failed,
}

impl ServicePrivateDns {
    pub(super) fn unproved(service_id: &str, name: &str, is_declared: bool) -> Self {
        let text = |what: &str| id::Digest::of(&[what, service_id, name]).alphanumerics(20);
        Self {
            name: name.to_owned(),
            state: PrivateDnsState::PendingVerification,
            record_name: format!("_{}", text("private DNS record")),
            record_value: format!("vpce:{}", text("private DNS proof")),
            is_declared,
        }
    }

    /// The domain, of a wildcard the one that it hangs under.
    pub(super) fn domain(&self) -> &str {
        without_star(&self.name)
    }
}

/// A name without the `*.` that stands for all names below.
pub(super) fn without_star(name: &str) -> &str {
    name.strip_prefix("*.").unwrap_or(name)
}

impl World {
    /// StartVpcEndpointServicePrivateDnsVerification: looks for the TXT record, whatever was found before.
    pub(super) fn verify_private_dns_name(&mut self, request: &Request, service_id: &str) -> Result<ObjectId, Refusal> {
        let service = self.own_service(service_id, request)?;
        let Some(private_dns) = &service.private_dns else {
            return Err(Refusal::new(
                "InvalidParameter",
                format!("The service {service_id} does not have a private DNS name"),
            ));
        };
        let state = if self.is_proved(private_dns) { PrivateDnsState::Verified } else { PrivateDnsState::Failed };
        let service = self.vpc_endpoint_services.get_mut(service_id).expect("own_service found it");
        service.private_dns.as_mut().expect("looked at just before").state = state;
        Ok(service_id.to_owned())
    }

    /// Names from templates that wait for their record, and have it now.
    pub(super) fn verify_declared_names(&mut self) {
        let services = self.vpc_endpoint_services.values();
        let waiting = services.filter(|service| {
            service.private_dns.as_ref().is_some_and(|it| {
                it.is_declared && it.state == PrivateDnsState::PendingVerification && self.is_proved(it)
            })
        });
        let proved: Vec<String> = waiting.map(|service| service.service_id.clone()).collect();
        for id in proved {
            let service = self.vpc_endpoint_services.get_mut(&id).expect("found just before");
            service.private_dns.as_mut().expect("found just before").state = PrivateDnsState::Verified;
        }
    }

    /// The record stands at its own label under the domain or one above, or at the bare one
    /// (<https://docs.aws.amazon.com/vpc/latest/privatelink/manage-dns-names.html>): who has the parent has all below.
    fn is_proved(&self, private_dns: &ServicePrivateDns) -> bool {
        let domains = std::iter::successors(Some(private_dns.domain()), |domain| {
            domain.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'))
        });
        let proves =
            |name: &str| self.public_texts(name).iter().any(|text| text == private_dns.record_value.as_bytes());
        domains.into_iter().any(|domain| proves(&format!("{}.{domain}", private_dns.record_name)) || proves(domain))
    }
}

/// A lower-case domain name, with `*.` in front where it stands for all names below.
pub(super) fn check_private_dns_name(name: &str) -> Result<(), Refusal> {
    let domain = without_star(name);
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label) {
        return Ok(());
    }
    Err(Refusal::new("InvalidParameter", format!("The private DNS name '{name}' is not valid"))
        .help("a domain name in lower case, such as api.example.com or *.example.com"))
}
