//! Inbound resolver endpoints.

use super::*;

fn resolver(ip_addresses: &[(&str, Option<&str>)], groups: &[&str]) -> Change {
    Change::CreateResolverEndpoint(CreateResolverEndpoint {
        direction: "INBOUND".to_owned(),
        ip_addresses: ip_addresses.iter().map(|(subnet, ip)| ((*subnet).to_owned(), ip.map(address))).collect(),
        security_group_ids: groups.iter().map(|id| (*id).to_owned()).collect(),
        name: None,
    })
}

#[test]
fn an_inbound_endpoint_takes_addresses_in_one_vpc() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let group = asker.world.vpcs[&vpc_id].default_security_group_id.clone();
    let other_vpc = asker.make(vpc("10.9.0.0/16"));
    let elsewhere = asker.subnet(&other_vpc, "10.9.1.0/24", "us-east-1a");
    // A drawn address never takes one that is asked for behind it.
    let id = asker.make(resolver(&[(&subnet_id, None), (&subnet_id, Some("10.0.1.4"))], &[&group]));
    assert!(id.starts_with("rslvr-in-") && id.len() == 26, "{id}");
    let endpoint = &asker.world.resolver_endpoints[&id];
    let addresses: Vec<String> = endpoint.ip_addresses.iter().map(|each| each.ip.to_string()).collect();
    assert_eq!(addresses, ["10.0.1.5", "10.0.1.4"]);
    assert_eq!(endpoint.host_vpc_id, vpc_id);
    assert_eq!(endpoint.arn(), format!("arn:aws:route53resolver:us-east-1:{ACCOUNT}:resolver-endpoint/{id}"));
    let interface = endpoint.ip_addresses[0].network_interface_id.clone();
    let subnet = subnet_id.as_str();
    let mut outbound = resolver(&[(subnet, None), (subnet, None)], &[&group]);
    if let Change::CreateResolverEndpoint(members) = &mut outbound {
        members.direction = "OUTBOUND".to_owned();
    }
    let instance_id = asker.instance(subnet);
    asker.all_refused([
        (
            resolver(&[(subnet, None)], &[&group]),
            "InvalidRequestException: [RSLVR-00400] Resolver endpoint need to have at least 2 IP addresses.",
        ),
        (resolver(&[(subnet, None); 7], &[&group]), "LimitExceededException"),
        (resolver(&[(subnet, None), (subnet, None)], &[]), "InvalidParameterException"),
        (resolver(&[(subnet, None), (&elsewhere, None)], &[&group]), "InvalidRequestException: The subnets"),
        (resolver(&[(subnet, None), (subnet, Some("10.0.1.4"))], &[&group]), "InvalidIPAddress.InUse"),
        (resolver(&[(subnet, None), (subnet, Some("10.0.2.4"))], &[&group]), "InvalidParameterValue"),
        (outbound, "InvalidParameterException: Outbound resolver endpoints are not emulated"),
        (
            Change::AttachNetworkInterface { network_interface_id: interface, instance_id, device_index: 1 },
            "AuthFailure: You do not have permission to access the specified resource.",
        ),
    ]);
}
