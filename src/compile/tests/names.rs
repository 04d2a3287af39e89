//! Names of endpoints to customers' services: regional, zonal and private (B3.3, B4).

use std::net::Ipv4Addr;

use super::lab::*;
use super::services::addresses;
use crate::compile::compile;
use crate::model::{Change, DnsEntry, ServicePrivateDns};

/// A service in two zones whose private name is `*.api.example.com`.
const SERVICE: &str = "
Resources:
  Their: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  TheirA: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Their, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  TheirB: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Their, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, Subnets: [!Ref TheirA, !Ref TheirB]}}
  Service: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Balancer], Tags: [{Key: 'vpclab:PrivateDnsName', Value: '*.api.example.com'}]}}
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: example.com}}
";

/// Its consumer, in both zones.
const CONSUMER: &str = "
  Our: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  OurA: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Our, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  OurB: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Our, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b}}
  Endpoint: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcEndpointType: Interface, VpcId: !Ref Our, SubnetIds: [!Ref OurA, !Ref OurB], ServiceName: !Sub \"com.amazonaws.vpce.us-east-1.${Service}\", PrivateDnsEnabled: true}}
";

fn proof(lab: &Lab) -> ServicePrivateDns {
    let service = Lab::named(&lab.world.vpc_endpoint_services, |it| &it.meta, "Service");
    lab.world.vpc_endpoint_services[service].private_dns.clone().expect("the tag names it")
}

/// Both, with the record that the service asks for.
fn connected() -> Lab {
    let proof = proof(&Lab::new(SERVICE));
    let record = format!(
        "  Proof: {{Type: AWS::Route53::RecordSet, Properties: {{HostedZoneId: !Ref Zone, Name: {}.api.example.com, Type: TXT, TTL: 60, ResourceRecords: ['\"{}\"']}}}}\n",
        proof.record_name, proof.record_value
    );
    Lab::new(&format!("{SERVICE}{CONSUMER}{record}"))
}

fn entries(lab: &Lab) -> Vec<DnsEntry> {
    lab.world.vpc_endpoints[Lab::named(&lab.world.vpc_endpoints, |it| &it.meta, "Endpoint")].dns_entries.clone()
}

fn decide(lab: &mut Lab, accept: bool) {
    let service_id = Lab::named(&lab.world.vpc_endpoint_services, |it| &it.meta, "Service").to_owned();
    let vpc_endpoint_ids = vec![Lab::named(&lab.world.vpc_endpoints, |it| &it.meta, "Endpoint").to_owned()];
    lab.ask(match accept {
        true => Change::AcceptVpcEndpointConnections { service_id, vpc_endpoint_ids },
        false => Change::RejectVpcEndpointConnections { service_id, vpc_endpoint_ids },
    });
}

#[test]
fn regional_names_have_all_zones_and_zonal_ones_their_own() {
    let mut lab = connected();
    decide(&mut lab, true);
    let entries = entries(&lab);
    let [regional, a, b, private] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(private.dns_name, "*.api.example.com", "private names come last");
    assert!([a, b].iter().all(|it| it.hosted_zone_id == regional.hosted_zone_id), "one zone of the Region's");
    assert_ne!(private.hosted_zone_id, regional.hosted_zone_id, "and one of the endpoint's own");
    let zones = compile(&lab.world).zones;
    let our = Lab::named(&lab.world.vpcs, |it| &it.meta, "Our");
    for view in [our, "internet"] {
        let of = |entry: &DnsEntry| addresses(&zones, view, &entry.dns_name);
        let ([in_a], [in_b]) = (&of(a)[..], &of(b)[..]) else { panic!("one address for each zone") };
        assert_eq!((in_a.octets()[..3].to_vec(), in_b.octets()[..3].to_vec()), (vec![10, 0, 1], vec![10, 0, 2]));
        let mut all = of(regional);
        all.sort();
        assert_eq!(all, [*in_a, *in_b], "{view}");
    }
}

#[test]
fn a_private_wildcard_follows_the_connection() {
    let mut lab = connected();
    let [our, their] = ["Our", "Their"].map(|name| Lab::named(&lab.world.vpcs, |it| &it.meta, name).to_owned());
    let heard =
        |lab: &Lab, view: &str, name: &str| -> Vec<Ipv4Addr> { addresses(&compile(&lab.world).zones, view, name) };
    assert!(heard(&lab, &our, "eu.api.example.com").is_empty(), "it waits for its provider");
    decide(&mut lab, true);
    assert_eq!(heard(&lab, &our, "eu.api.example.com").len(), 2);
    for (view, name) in
        [(&*our, "api.example.com"), (&*their, "eu.api.example.com"), ("internet", "eu.api.example.com")]
    {
        assert!(heard(&lab, view, name).is_empty(), "{name} in {view}");
    }
    decide(&mut lab, false);
    assert!(heard(&lab, &our, "eu.api.example.com").is_empty(), "nor is it there once it is rejected");
}
