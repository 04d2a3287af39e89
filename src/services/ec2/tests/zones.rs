//! Zones by the asker's own names (B1.1, B4).

use super::*;

#[test]
fn each_account_hears_its_own_names_of_zones() {
    let story = Story::new();
    {
        // The consumer's us-east-1b is the provider's us-east-1a.
        let mut held = story.lab.0.lock();
        let names = [("us-east-1a".to_owned(), "use1-az2".to_owned())];
        let zone_names = [(CONSUMER.to_owned(), names.into())].into();
        *held = Arc::new(World { zone_names, ..World::clone(&held) });
    }
    let (service_id, name) = story.service();
    story.allow(&service_id, "*");
    let subnet = Change::CreateSubnet {
        vpc_id: story.vpc_id.clone(),
        cidr_block: "10.0.7.0/24".to_owned(),
        availability_zone: Some("us-east-1b".to_owned()),
        map_public_ip_on_launch: false,
    };
    let subnet_id = story.lab.make(CONSUMER, subnet);
    for (account, zone) in [(PROVIDER, "us-east-1a"), (CONSUMER, "us-east-1b")] {
        let services = story.done(account, "DescribeVpcEndpointServices", &[("ServiceName.1", &name)]);
        let expected = format!("<availabilityZoneSet><item>{zone}</item></availabilityZoneSet>");
        assert!(services.contains(&expected), "{account}: {services}");
        assert!(
            services.contains("<availabilityZoneIdSet><item>use1-az1</item></availabilityZoneIdSet>"),
            "{services}"
        );
        let filter = [("Filter.1.Name", "zone-id"), ("Filter.1.Value.1", "use1-az1")];
        let zones = story.done(account, "DescribeAvailabilityZones", &filter);
        assert_eq!(elements(&zones, "zoneName"), [zone], "{account}");
        assert!(zones.contains("<availabilityZoneInfo><item>") && zones.contains("<zoneState>available<"), "{zones}");
    }
    let subnets = story.done(CONSUMER, "DescribeSubnets", &[("SubnetId.1", &subnet_id)]);
    assert!(subnets.contains("<availabilityZone>us-east-1b<") && subnets.contains("<availabilityZoneId>use1-az1<"));
    let unknown = [("ZoneName.1", "us-east-1x")];
    story.refused(CONSUMER, "DescribeAvailabilityZones", &unknown, 400, "InvalidParameterValue");
    let create = [
        ("VpcEndpointType", "Interface"),
        ("VpcId", &story.vpc_id),
        ("ServiceName", &name),
        ("SubnetId.1", &subnet_id),
    ];
    let made = story.done(CONSUMER, "CreateVpcEndpoint", &create);
    let names = elements(&made, "dnsName");
    assert!(names.len() == 2 && names[1].contains("-us-east-1b.vpce-svc-"), "{names:?}");
    story.running.end();
}
