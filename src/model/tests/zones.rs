//! Availability Zones: one id for all, a name for each account (B1.1, B4).

use super::provider::{allow, service};
use super::*;

/// `ACCOUNT` calls use1-az4 us-east-1a; `OTHER_ACCOUNT` says nothing.
fn mapped() -> Asker {
    let names = [("us-east-1a".to_owned(), "use1-az4".to_owned())];
    let zone_names = [(ACCOUNT.to_owned(), names.into())].into();
    Asker { world: World { zone_names, ..World::default() }, ..Asker::default() }
}

#[test]
fn each_account_has_its_own_names_of_zones() {
    let world = mapped().world;
    let pairs = |account: &str, region: &str| {
        let zones = world.availability_zones(region, account).into_iter();
        zones.map(|zone| format!("{}={}", zone.name, zone.id)).collect::<Vec<_>>().join(" ")
    };
    // What is not mapped takes what is left.
    assert_eq!(
        pairs(ACCOUNT, REGION),
        "us-east-1a=use1-az4 us-east-1b=use1-az1 us-east-1c=use1-az2 us-east-1d=use1-az3 us-east-1e=use1-az5 us-east-1f=use1-az6"
    );
    assert!(pairs(OTHER_ACCOUNT, REGION).starts_with("us-east-1a=use1-az1 us-east-1b=use1-az2"));
    assert_eq!(pairs(ACCOUNT, "eu-west-1"), "eu-west-1a=euw1-az1 eu-west-1b=euw1-az2 eu-west-1c=euw1-az3");
    let shape = &describe::availability_zones(&world, ACCOUNT, REGION)[0];
    assert_eq!((&shape["ZoneName"], &shape["ZoneId"]), (&"us-east-1a".into(), &"use1-az4".into()));
}

/// The provider's balancer is in its us-east-1d, which the consumer calls us-east-1a.
#[test]
fn a_service_is_where_its_zone_ids_say() {
    let mut asker = mapped();
    let provider_vpc = asker.ask_as(OTHER_ACCOUNT, vpc("10.0.0.0/16")).unwrap();
    let theirs = asker.ask_as(OTHER_ACCOUNT, subnet(&provider_vpc, "10.0.1.0/24", "us-east-1d")).unwrap();
    let arn = asker.ask_as(OTHER_ACCOUNT, balancer(Some("orders"), true, &[&theirs])).unwrap();
    let service_id = asker.ask_as(OTHER_ACCOUNT, service(&arn, false)).unwrap();
    asker.ask_as(OTHER_ACCOUNT, allow(&service_id, "*")).unwrap();
    let service_name = asker.world.vpc_endpoint_services[&service_id].service_name.clone();

    for (account, expected) in [(ACCOUNT, "us-east-1a"), (OTHER_ACCOUNT, "us-east-1d")] {
        let seen = describe::vpc_endpoint_service_details(&asker.world, account, REGION, None);
        let seen = seen.iter().find(|it| it["ServiceId"] == service_id.as_str()).unwrap();
        assert_eq!(seen["AvailabilityZones"], serde_json::json!([expected]), "{account}");
        assert_eq!(seen["AvailabilityZoneIds"], serde_json::json!(["use1-az4"]), "{account}");
        assert_eq!(
            seen["BaseEndpointDnsNames"],
            serde_json::json!([format!("{service_id}.us-east-1.vpce.amazonaws.com")])
        );
    }

    let vpc_id = asker.vpc();
    let a = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let d = asker.subnet(&vpc_id, "10.0.4.0/24", "us-east-1d");
    let also_a = asker.subnet(&vpc_id, "10.0.5.0/24", "us-east-1a");
    let made = &asker.world.subnets[&a];
    assert_eq!((made.availability_zone.as_str(), made.availability_zone_id.as_str()), ("us-east-1a", "use1-az4"));
    let connect = |subnets: &[&str]| Change::CreateVpcEndpoint(interface_endpoint(&vpc_id, &service_name, subnets));
    asker.all_refused([
        // The provider's name of the zone is another one's here.
        (
            connect(&[&d]),
            format!("InvalidParameter: The VPC endpoint service {service_name} does not support the availability zone of the subnet: {d}."),
        ),
        (connect(&[&a, &also_a]), "DuplicateSubnetsInSameZone: ".to_owned()),
    ]);
    // B3.3: zonal names are the consumer's own, all under the base name, in AWS's constant zone of the Region.
    let id = asker.make(connect(&[&a]));
    let entries = &asker.world.vpc_endpoints[&id].dns_entries;
    let base = format!("{service_id}.us-east-1.vpce.amazonaws.com");
    let label = entries[0].dns_name.strip_suffix(&format!(".{base}")).unwrap().to_owned();
    assert!(label.starts_with(&format!("{id}-")) && label.len() == id.len() + 9, "{label}");
    assert_eq!(entries[1].dns_name, format!("{label}-us-east-1a.{base}"));
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.hosted_zone_id == "Z7HUB22UULQXV"), "{entries:?}");
}
