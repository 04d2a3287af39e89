//! The private DNS name of an endpoint service: what proves it, and who may use it (B3.3, B4).

use super::hosted_zone::{record, zone};
use super::provider::{allow, provider};
use super::*;

/// A service for everybody, its provider's zone `example.com`, and a consumer's VPC.
struct Ground {
    asker: Asker,
    service_id: String,
    zone_id: String,
    vpc_id: String,
}

impl Ground {
    /// By the API, or as templates declare it.
    fn new(name: &str, by_template: bool) -> Self {
        let (mut asker, _, _, balancer) = provider();
        let create = Change::CreateVpcEndpointServiceConfiguration {
            network_load_balancer_arns: vec![balancer],
            acceptance_required: true,
            private_dns_name: Some(name.to_owned()),
        };
        let mut create = request(OTHER_ACCOUNT, "Service", create);
        if !by_template {
            create.stack = None;
        }
        let service_id = asker.world.apply(create).unwrap();
        asker.ask_as(OTHER_ACCOUNT, allow(&service_id, "*")).unwrap();
        let zone_id = asker.ask_as(OTHER_ACCOUNT, zone("example.com", &[])).unwrap();
        let vpc_id = asker.vpc();
        Self { asker, service_id, zone_id, vpc_id }
    }

    fn private_dns(&self) -> &ServicePrivateDns {
        self.asker.world.vpc_endpoint_services[&self.service_id].private_dns.as_ref().unwrap()
    }

    fn state(&self) -> PrivateDnsState {
        self.private_dns().state
    }

    /// A TXT record with the proof.
    fn prove_at(&mut self, name: &str) {
        let value = format!("\"{}\"", self.private_dns().record_value);
        self.asker.ask_as(OTHER_ACCOUNT, record(&self.zone_id, name, "TXT", &["\"other\"", &value])).unwrap();
    }

    fn verify(&mut self) -> PrivateDnsState {
        let start = Change::StartVpcEndpointServicePrivateDnsVerification { service_id: self.service_id.clone() };
        self.asker.refused(start.clone(), "InvalidVpcEndpointServiceId.NotFound");
        self.asker.ask_as(OTHER_ACCOUNT, start).unwrap();
        self.state()
    }

    fn connect(&self, vpc_id: &str) -> Change {
        let service = &self.asker.world.vpc_endpoint_services[&self.service_id];
        let mut members = interface_endpoint(vpc_id, &service.service_name, &[]);
        members.private_dns_enabled = Some(true);
        Change::CreateVpcEndpoint(members)
    }
}

#[test]
fn a_private_name_is_proved_by_its_text_record() {
    use PrivateDnsState::{Failed, PendingVerification, Verified};
    let mut ground = Ground::new("api.example.com", false);
    assert_eq!(ground.state(), PendingVerification);
    assert_eq!(ground.verify(), Failed, "there is no record");
    let label = ground.private_dns().record_name.clone();
    for (name, expected) in [
        (format!("{label}.api.example.com"), Verified),
        ("api.example.com".to_owned(), Verified),
        // Who has the parent has all below.
        (format!("{label}.example.com"), Verified),
        ("example.com".to_owned(), Verified),
        (format!("{label}.other.example.com"), Failed),
        (format!("x.{label}.example.com"), Failed),
    ] {
        let mut ground = Ground::new("api.example.com", false);
        ground.prove_at(&name);
        assert_eq!(ground.state(), PendingVerification, "nobody has asked yet");
        assert_eq!(ground.verify(), expected, "{name}");
    }
    // Another service's text, the right one in a private zone, and a zone below that hides the record.
    let mut ground = Ground::new("api.example.com", false);
    let value = format!("\"{}\"", ground.private_dns().record_value);
    let wrong =
        record(&ground.zone_id, "api.example.com", "TXT", &["\"vpce:aaaaaaaaaaaaaaaaaaaa\"", &value.to_uppercase()]);
    ground.asker.ask_as(OTHER_ACCOUNT, wrong).unwrap();
    let private = ground.asker.make(zone("api.example.com", &[&ground.vpc_id]));
    ground.asker.make(record(&private, "api.example.com", "TXT", &[&value]));
    assert_eq!(ground.verify(), Failed);
    let right = record(&ground.zone_id, &format!("{label}.api.example.com"), "TXT", &[&value]);
    ground.asker.ask_as(OTHER_ACCOUNT, right).unwrap();
    assert_eq!(ground.verify(), Verified);
    ground.asker.make(zone("api.example.com", &[]));
    assert_eq!(ground.verify(), Failed, "the verification looks again, and the nearest zone has no record");
}

#[test]
fn a_name_from_a_template_is_verified_once_its_record_is_there() {
    let mut ground = Ground::new("*.example.com", true);
    let unproved = format!(
        "InvalidParameter: Private DNS can't be enabled because the service com.amazonaws.vpce.us-east-1.{} has not verified the private DNS name.",
        ground.service_id
    );
    let connect = ground.connect(&ground.vpc_id);
    ground.asker.refused(connect.clone(), &unproved);
    let help = ground.asker.ask(connect.clone()).unwrap_err().help.unwrap();
    let proof = ground.private_dns().clone();
    assert!(
        help.contains(&format!("`{}.example.com`", proof.record_name)) && help.contains(&proof.record_value),
        "{help}"
    );
    ground.prove_at(&format!("{}.example.com", proof.record_name));
    assert_eq!(ground.state(), PrivateDnsState::Verified);
    let id = ground.asker.make(connect);
    let endpoint = &ground.asker.world.vpc_endpoints[&id];
    assert_eq!(endpoint.dns_entries.last().unwrap().dns_name, "*.example.com");
    assert_eq!(endpoint.state, VpcEndpointState::PendingAcceptance);
}

/// A later verification may fail; connections that use the name keep it, and may be modified otherwise.
#[test]
fn who_uses_a_name_keeps_it() {
    let mut ground = Ground::new("api.example.com", true);
    ground.prove_at("api.example.com");
    let connect = ground.connect(&ground.vpc_id);
    let id = ground.asker.make(connect);
    ground.asker.make(zone("api.example.com", &[]));
    assert_eq!(ground.verify(), PrivateDnsState::Failed);
    let subnet_id = ground.asker.subnet(&ground.vpc_id, "10.0.1.0/24", "us-east-1a");
    let modify = |change: &dyn Fn(&mut ModifyVpcEndpoint)| {
        let mut members = ModifyVpcEndpoint { vpc_endpoint_id: id.clone(), ..ModifyVpcEndpoint::default() };
        change(&mut members);
        Change::ModifyVpcEndpoint(members)
    };
    ground.asker.make(modify(&|it| it.add_subnet_ids = vec![subnet_id.clone()]));
    assert_eq!(ground.asker.world.vpc_endpoints[&id].private_names().collect::<Vec<_>>(), ["api.example.com"]);
    ground.asker.make(modify(&|it| it.private_dns_enabled = Some(false)));
    let again = modify(&|it| it.private_dns_enabled = Some(true));
    ground.asker.refused(again, "InvalidParameter: Private DNS can't be enabled because the service ");
}

/// B3.3: a name and its wildcard share one hidden zone, and a VPC has one of a name.
#[test]
fn a_vpc_has_one_holder_of_a_private_name() {
    let mut ground = Ground::new("*.example.com", true);
    ground.prove_at("example.com");
    let mut second = ground.asker.clone();
    second.make(zone("example.com", &[&ground.vpc_id]));
    let conflict = format!(
        "InvalidParameter: private-dns-enabled cannot be set because there is already a conflicting DNS domain for *.example.com in the VPC {}",
        ground.vpc_id
    );
    second.refused(ground.connect(&ground.vpc_id), &conflict);
    let connect = ground.connect(&ground.vpc_id);
    ground.asker.make(connect.clone());
    ground.asker.refused(connect, &conflict);
    let hosted = zone("example.com", &[&ground.vpc_id]);
    ground.asker.refused(hosted, "ConflictingDomainExists: ");
    let elsewhere = ground.asker.make(vpc("10.9.0.0/16"));
    let connect = ground.connect(&elsewhere);
    ground.asker.make(connect);
}

#[test]
fn a_private_name_is_a_domain_in_small_letters() {
    let (asker, _, _, balancer) = provider();
    let create = |name: &str| {
        let change = Change::CreateVpcEndpointServiceConfiguration {
            network_load_balancer_arns: vec![balancer.clone()],
            acceptance_required: false,
            private_dns_name: Some(name.to_owned()),
        };
        asker.clone().ask_as(OTHER_ACCOUNT, change).map_err(|refusal| refusal.to_string())
    };
    for good in ["api.example.com", "*.example.com", "a-1.b.example.com"] {
        create(good).unwrap();
    }
    for bad in
        ["Api.example.com", "example", "*", "*.com", "a.*.example.com", "*a.example.com", "-a.example.com", "a..b", ""]
    {
        let expected = format!("InvalidParameter: The private DNS name '{bad}' is not valid");
        // `*.com` is a wildcard under a name of one label.
        assert_eq!(create(bad), Err(expected), "{bad}");
    }
}
