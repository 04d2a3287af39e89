//! Hosted zones and their records, with Route 53's refusals.

use super::*;

pub(super) fn zone(name: &str, vpc_ids: &[&str]) -> Change {
    let vpc = |id: &&str| HostedZoneVpc { vpc_id: (*id).to_owned(), vpc_region: REGION.to_owned() };
    Change::CreateHostedZone(CreateHostedZone {
        name: name.to_owned(),
        caller_reference: format!("{name} of {vpc_ids:?}"),
        comment: None,
        vpcs: vpc_ids.iter().map(vpc).collect(),
    })
}

fn set(name: &str, record_type: &str, values: &[&str]) -> ResourceRecordSet {
    ResourceRecordSet {
        name: name.to_owned(),
        record_type: record_type.to_owned(),
        ttl: Some(300),
        resource_records: values.iter().map(|value| (*value).to_owned()).collect(),
        alias_target: None,
    }
}

fn alias(name: &str, hosted_zone_id: &str, dns_name: &str) -> ResourceRecordSet {
    let target = AliasTarget {
        hosted_zone_id: hosted_zone_id.to_owned(),
        dns_name: dns_name.to_owned(),
        evaluate_target_health: false,
    };
    ResourceRecordSet { ttl: None, alias_target: Some(target), ..set(name, "A", &[]) }
}

fn change(hosted_zone_id: &str, changes: &[(ChangeAction, ResourceRecordSet)]) -> Change {
    Change::ChangeResourceRecordSets(ChangeResourceRecordSets {
        hosted_zone_id: hosted_zone_id.to_owned(),
        changes: changes.to_vec(),
    })
}

pub(super) fn record(hosted_zone_id: &str, name: &str, record_type: &str, values: &[&str]) -> Change {
    change(hosted_zone_id, &[(ChangeAction::Create, set(name, record_type, values))])
}

#[test]
fn a_zone_is_born_with_name_servers_and_takes_records() {
    let mut asker = Asker::default();
    let id = asker.make(zone("Example.COM", &[]));
    assert!(id.len() == 21 && id.starts_with('Z'), "{id}");
    let made = &asker.world.hosted_zones[&id];
    assert_eq!((made.name.as_str(), made.domain(), made.is_private()), ("example.com.", "example.com", false));
    assert_eq!(asker.world.attribute(&id, "NameServers").unwrap().as_array().unwrap().len(), 4);
    asker.make(record(&id, "www.example.com", "A", &["192.0.2.1", "192.0.2.2"]));
    asker.make(record(&id, "*.Example.com.", "CNAME", &["www.example.com"]));
    let long = format!("\"v=1 \\\"x\\\\\\041\" \"{}\"", "y".repeat(255));
    asker.make(record(&id, "example.com", "TXT", &[&long, "\"\""]));
    let texts: Vec<Vec<Vec<u8>>> =
        asker.world.hosted_zones[&id].record_sets[&("example.com.".into(), "TXT".into())].texts().collect();
    assert_eq!(texts[0][0], b"v=1 \"x\\!", "escapes, the last one octal");
    assert_eq!((texts[0][1].len(), &texts[1]), (255, &vec![Vec::new()]));
    let shape = &describe::hosted_zones(&asker.world)[0];
    assert_eq!(shape["Id"], format!("/hostedzone/{id}"));
    assert_eq!(shape["ResourceRecordSetCount"], 5);
    let names: Vec<String> =
        shape["ResourceRecordSets"].as_array().unwrap().iter().map(|it| it["Name"].to_string()).collect();
    assert!(names.contains(&r#""\\052.example.com.""#.to_owned()), "a star as Route 53 lists it: {names:?}");
    // DELETE wants all that is there; UPSERT takes its place.
    let there = set("www.example.com", "A", &["192.0.2.1", "192.0.2.2"]);
    let other = set("www.example.com.", "A", &["192.0.2.3"]);
    asker.refused(
        change(&id, &[(ChangeAction::Delete, other.clone())]),
        "InvalidChangeBatch: [Tried to delete resource record set [name='www.example.com.', type='A'] but the values provided do not match the current values]",
    );
    asker.make(change(&id, &[(ChangeAction::Delete, there.clone()), (ChangeAction::Create, other.clone())]));
    asker.make(change(&id, &[(ChangeAction::Upsert, there.clone())]));
    asker.make(change(&id, &[(ChangeAction::Delete, there.clone())]));
    asker.refused(
        change(&id, &[(ChangeAction::Create, other), (ChangeAction::Delete, set("none.example.com", "A", &["1.1.1.1"]))]),
        "InvalidChangeBatch: [Tried to delete resource record set [name='none.example.com.', type='A'] but it was not found]",
    );
}

#[test]
fn what_no_zone_takes_is_refused_in_route_53s_words() {
    let mut asker = Asker::default();
    let id = asker.make(zone("example.com", &[]));
    asker.make(record(&id, "www.example.com", "A", &["192.0.2.1"]));
    asker.make(record(&id, "to.example.com", "CNAME", &["www.example.com"]));
    let long = format!("\"{}\"", "x".repeat(256));
    let both = ResourceRecordSet { ttl: Some(60), ..alias("a.example.com", &id, "www.example.com") };
    let none = ResourceRecordSet { ttl: None, ..set("a.example.com", "A", &["192.0.2.1"]) };
    let one_of = "InvalidInput: Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found";
    let create = |set: ResourceRecordSet| change(&id, &[(ChangeAction::Create, set)]);
    let conflict = "is not permitted as it conflicts with other records with the same DNS name in zone example.com.]";
    asker.all_refused([
        (record(&id, "WWW.example.com.", "A", &["192.0.2.2"]), "InvalidChangeBatch: [Tried to create resource record set [name='www.example.com.', type='A'] but it already exists]".to_owned()),
        (record(&id, "www.example.org", "A", &["192.0.2.2"]), "InvalidChangeBatch: [RRSet with DNS name www.example.org. is not permitted in zone example.com.]".to_owned()),
        (record(&id, "notexample.com", "A", &["192.0.2.2"]), "InvalidChangeBatch: [RRSet with DNS name notexample.com. is not permitted".to_owned()),
        (record(&id, "example.com", "CNAME", &["x.org"]), "InvalidChangeBatch: [RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.]".to_owned()),
        (record(&id, "www.example.com", "CNAME", &["x.org"]), format!("InvalidChangeBatch: [RRSet of type CNAME with DNS name www.example.com. {conflict}")),
        (record(&id, "to.example.com", "TXT", &["\"x\""]), format!("InvalidChangeBatch: [RRSet of type TXT with DNS name to.example.com. {conflict}")),
        (record(&id, "a.example.com", "CNAME", &["x.org", "y.org"]), "InvalidChangeBatch: [RRSet of type CNAME".to_owned()),
        (record(&id, "a.example.com", "A", &["192.0.2"]), "InvalidChangeBatch: [Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '192.0.2'']".to_owned()),
        (record(&id, "a.example.com", "A", &["192.0.2.1", "192.0.2.1"]), "InvalidChangeBatch: [Duplicate Resource Record: '192.0.2.1']".to_owned()),
        (record(&id, "a.example.com", "TXT", &["x"]), "InvalidChangeBatch: [Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'x'']".to_owned()),
        (record(&id, "a.example.com", "TXT", &["\"x"]), "InvalidChangeBatch: [Invalid Resource Record: 'FATAL problem: InvalidCharacterString".to_owned()),
        (record(&id, "a.example.com", "TXT", &[&long]), "InvalidChangeBatch: [Invalid Resource Record: 'FATAL problem: CharacterStringTooLong".to_owned()),
        (record(&id, "a..example.com", "A", &["192.0.2.1"]), "InvalidChangeBatch: [FATAL problem: DomainLabelEmpty".to_owned()),
        (record(&id, &format!("{}.example.com", "x".repeat(64)), "A", &["192.0.2.1"]), "InvalidChangeBatch: [FATAL problem: DomainLabelTooLong".to_owned()),
        (record(&id, "a b.example.com", "A", &["192.0.2.1"]), "InvalidChangeBatch: [FATAL problem: UnsupportedCharacter".to_owned()),
        (record(&id, "a.example.com", "A", &[]), format!("{one_of} none in Change with [Action=CREATE, Name=a.example.com, Type=A, SetIdentifier=null]")),
        (create(none), format!("{one_of} none")),
        (create(both), format!("{one_of} more than one")),
        (record("Z0", "a.example.com", "A", &["192.0.2.1"]), "NoSuchHostedZone: No hosted zone found with ID: Z0".to_owned()),
        (zone("example.com", &[]), "HostedZoneAlreadyExists: A hosted zone has already been created with the specified caller reference.".to_owned()),
        (zone("exa mple.com", &[]), "InvalidDomainName".to_owned()),
        (zone("*.example.com", &[]), "InvalidDomainName".to_owned()),
    ]);
    asker.refused_as(OTHER_ACCOUNT, record(&id, "b.example.com", "A", &["192.0.2.1"]), "NoSuchHostedZone");
}

#[test]
fn an_alias_leads_to_a_name_that_is_there() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let sqs = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.sqs", &[&subnet_id]);
    let endpoint = asker.make(Change::CreateVpcEndpoint(sqs));
    let [regional, zonal] = [0, 1].map(|at| asker.world.vpc_endpoints[&endpoint].dns_entries[at].clone());
    let arn = asker.make(balancer(Some("front"), true, &[&subnet_id]));
    let balancer = asker.world.load_balancers[&arn].clone();
    let id = asker.make(zone("example.com", &[]));
    let create = |set: ResourceRecordSet| change(&id, &[(ChangeAction::Create, set)]);
    asker.make(create(alias("a.example.com", &regional.hosted_zone_id, &regional.dns_name)));
    asker.make(create(alias("z.example.com", &zonal.hosted_zone_id, &format!("{}.", zonal.dns_name))));
    asker.make(create(alias("b.example.com", &balancer.canonical_hosted_zone_id(), &balancer.dns_name)));
    asker.make(create(alias("c.example.com", &id, "a.example.com")));
    let outside = "but the alias target name does not lie within the target zone]";
    asker.all_refused([
        (
            create(alias("d.example.com", &id, "nobody.example.com")),
            format!("InvalidChangeBatch: [Tried to create an alias that targets nobody.example.com., type A in zone {id}, but that target was not found]"),
        ),
        (
            create(alias("d.example.com", &id, &regional.dns_name)),
            format!("InvalidChangeBatch: [Tried to create an alias that targets {}., type A in zone {id}, {outside}", regional.dns_name),
        ),
        (
            create(alias("d.example.com", "Z7HUB22UULQXV", &balancer.dns_name.to_lowercase())),
            format!("InvalidChangeBatch: [Tried to create an alias that targets {}., type A in zone Z7HUB22UULQXV, {outside}", balancer.dns_name.to_lowercase()),
        ),
        (
            create(alias("d.example.com", "Z7HUB22UULQXV", "vpce-1-x.sqs.us-east-1.vpce.amazonaws.com")),
            "InvalidChangeBatch: [Tried to create an alias that targets vpce-1-x.sqs.us-east-1.vpce.amazonaws.com., type A in zone Z7HUB22UULQXV, but that target was not found]".to_owned(),
        ),
        (create(alias("d.example.com", "Z2FDTNDATAQYW2", "d1.cloudfront.net")), "InvalidChangeBatch: [Tried".to_owned()),
    ]);
}

#[test]
fn a_vpc_has_one_zone_of_a_name() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let other_vpc = asker.make(vpc("10.9.0.0/16"));
    let id = asker.make(zone("corp.internal", &[&vpc_id]));
    assert!(asker.world.hosted_zones[&id].is_private());
    let again = Change::CreateHostedZone(CreateHostedZone {
        name: "Corp.internal.".to_owned(),
        caller_reference: "second".to_owned(),
        comment: None,
        vpcs: vec![HostedZoneVpc { vpc_id: vpc_id.clone(), vpc_region: REGION.to_owned() }],
    });
    asker.refused(again, &format!("ConflictingDomainExists: The VPC {vpc_id} in region us-east-1 has already been associated with the hosted zone {id} with the same domain name."));
    asker.make(zone("corp.internal", &[&other_vpc]));
    asker.make(zone("sub.corp.internal", &[&vpc_id]));
    asker.make(zone("corp.internal", &[]));
    asker.refused_as(OTHER_ACCOUNT, zone("corp.internal", &[&vpc_id]), "InvalidVPCId: ");
    asker.refused(zone("x.internal", &["vpc-00000000000000000"]), "InvalidVPCId: ");

    // The hidden zone of an endpoint's private name is one of them, whoever comes first (B3.3).
    let sqs = || {
        let mut members = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.sqs", &[]);
        members.private_dns_enabled = Some(true);
        Change::CreateVpcEndpoint(members)
    };
    let name = "sqs.us-east-1.amazonaws.com";
    let mut hosted_first = asker.clone();
    hosted_first.make(zone(name, &[&vpc_id]));
    hosted_first.refused(sqs(), &format!("InvalidParameter: private-dns-enabled cannot be set because there is already a conflicting DNS domain for {name} in the VPC {vpc_id}"));
    let endpoint = asker.make(sqs());
    let hidden = asker.world.vpc_endpoints[&endpoint].dns_entries.last().unwrap().hosted_zone_id.clone();
    asker.refused(zone(name, &[&vpc_id]), &format!("ConflictingDomainExists: The VPC {vpc_id} in region us-east-1 has already been associated with the hosted zone {hidden}"));
    asker.make(zone(name, &[&other_vpc]));
}
