//! VPC peering connections, and what a peering lets other objects do (B1.6, B1.8).

use super::*;

fn peer(vpc_id: &str, peer_vpc_id: &str) -> CreateVpcPeeringConnection {
    CreateVpcPeeringConnection { vpc_id: vpc_id.to_owned(), peer_vpc_id: peer_vpc_id.to_owned(), ..Default::default() }
}

fn accept(id: &str) -> Change {
    Change::AcceptVpcPeeringConnection { vpc_peering_connection_id: id.to_owned() }
}

fn status(asker: &Asker, id: &str) -> &'static str {
    asker.world.vpc_peering_connections[id].status.as_str()
}

/// Two VPCs that fit, of one account.
fn two_vpcs() -> (Asker, String, String) {
    let mut asker = Asker::default();
    let one = asker.vpc();
    let two = asker.make(vpc("10.1.0.0/16"));
    (asker, one, two)
}

#[test]
fn a_peering_is_pending_until_its_accepter_accepts() {
    let mut asker = Asker::default();
    let own = asker.vpc();
    let theirs = asker.ask_as(OTHER_ACCOUNT, vpc("10.1.0.0/16")).unwrap();
    let members = CreateVpcPeeringConnection { peer_owner_id: Some(OTHER_ACCOUNT.to_owned()), ..peer(&own, &theirs) };
    let id = asker.make(Change::CreateVpcPeeringConnection(members));
    assert!(id::is_well_formed("pcx", &id), "{id}");
    assert_eq!(status(&asker, &id), "pending-acceptance");
    assert!(asker.world.active_peering(&own, &theirs).is_none());
    // A route may lead there already, and is a blackhole until then.
    let table = asker.world.vpcs[&own].main_route_table_id.clone();
    asker.make(route(&table, "10.1.0.0/16", RouteTargetId::VpcPeeringConnection(id.clone())));
    let state = |asker: &Asker| asker.world.route_state(&asker.world.route_tables[&table].routes[1]);
    assert_eq!(state(&asker), RouteState::Blackhole);
    asker.refused(accept(&id), &format!("OperationNotPermitted: User {ACCOUNT} cannot accept peering {id}"));
    asker.ask_as(OTHER_ACCOUNT, accept(&id)).unwrap();
    assert_eq!((status(&asker, &id), state(&asker)), ("active", RouteState::Active));
    assert_eq!(
        asker.world.active_peering(&theirs, &own).map(|it| it.peer_of(&own).unwrap().vpc_id.clone()),
        Some(theirs.clone())
    );
    asker.ask_as(OTHER_ACCOUNT, accept(&id)).unwrap();
    // The other side has its own table to write into.
    let far_table = asker.world.vpcs[&theirs].main_route_table_id.clone();
    let back = route(&far_table, "10.0.0.0/16", RouteTargetId::VpcPeeringConnection(id.clone()));
    asker.ask_as(OTHER_ACCOUNT, back).unwrap();

    let shown = &describe(&asker.world)["VpcPeeringConnections"][0];
    assert_eq!(shown["Status"], serde_json::json!({ "Code": "active", "Message": "Active" }));
    assert_eq!(shown["RequesterVpcInfo"]["CidrBlock"], "10.0.0.0/16");
    assert_eq!(
        shown["AccepterVpcInfo"],
        serde_json::json!({
            "VpcId": theirs,
            "OwnerId": OTHER_ACCOUNT,
            "Region": REGION,
            "CidrBlock": "10.1.0.0/16",
            "CidrBlockSet": [{ "CidrBlock": "10.1.0.0/16" }],
            "PeeringOptions": { "AllowDnsResolutionFromRemoteVpc": false },
        })
    );
}

#[test]
fn peerings_that_are_refused() {
    let (mut asker, one, two) = two_vpcs();
    let third = asker.ask_as("777788889999", vpc("10.7.0.0/16")).unwrap();
    let id = asker.make(Change::CreateVpcPeeringConnection(peer(&one, &two)));
    let cases = [
        (peer(&one, &one), format!("InvalidParameterValue: A VPC cannot be peered with itself: {one}")),
        (
            peer(&one, &two),
            format!(
                "VpcPeeringConnectionAlreadyExists: A VPC peering connection between {one} and {two} already exists: {id}"
            ),
        ),
        (peer(&two, &one), "VpcPeeringConnectionAlreadyExists".to_owned()),
        (peer(&one, "vpc-00000000"), "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000' does not exist".to_owned()),
        (peer(&third, &one), "InvalidVpcID.NotFound".to_owned()),
        (
            CreateVpcPeeringConnection { peer_region: Some("us-moon-1".to_owned()), ..peer(&one, &two) },
            "InvalidParameterValue: There is no Region 'us-moon-1'".to_owned(),
        ),
        (
            CreateVpcPeeringConnection { peer_region: Some("cn-north-1".to_owned()), ..peer(&one, &two) },
            "InvalidParameterValue: VPCs of us-east-1 and cn-north-1 cannot be peered".to_owned(),
        ),
    ];
    asker.all_refused(cases.map(|(members, expected)| (Change::CreateVpcPeeringConnection(members), expected)));
    asker.all_refused([
        (accept("pcx-00000000"), "InvalidVpcPeeringConnectionID.NotFound: The vpcPeeringConnection ID 'pcx-00000000'"),
        (accept("pcx"), "InvalidVpcPeeringConnectionId.Malformed"),
    ]);
    asker.refused_as("777788889999", accept(&id), "InvalidVpcPeeringConnectionID.NotFound");
}

/// What AWS tells by the status alone.
#[test]
fn peerings_that_fail() {
    let (mut asker, one, two) = two_vpcs();
    let third = asker.ask_as("777788889999", vpc("10.7.0.0/16")).unwrap();
    let same_addresses = asker.make(vpc("10.0.128.0/17"));
    let id = asker.make(Change::CreateVpcPeeringConnection(peer(&one, &two)));
    let wrong_owner =
        CreateVpcPeeringConnection { peer_owner_id: Some(OTHER_ACCOUNT.to_owned()), ..peer(&one, &third) };
    for members in [peer(&one, &same_addresses), wrong_owner] {
        let id = asker.make(Change::CreateVpcPeeringConnection(members));
        assert_eq!(status(&asker, &id), "failed");
        let table = asker.world.vpcs[&one].main_route_table_id.clone();
        asker.refused(
            route(&table, "10.7.0.0/16", RouteTargetId::VpcPeeringConnection(id.clone())),
            &format!("InvalidVpcPeeringConnectionID.NotFound: The vpcPeeringConnection ID '{id}' does not exist"),
        );
        if asker.world.vpc_peering_connections[&id].accepter.account == ACCOUNT {
            asker.refused(
                accept(&id),
                &format!(
                    "InvalidStateTransition: Invalid state transition for {id}, attempted to transition from failed to provisioning"
                ),
            );
        }
    }
    // A failed one is in nobody's way.
    asker.make(Change::CreateVpcPeeringConnection(peer(&one, &same_addresses)));
    let foreign_table = asker.world.vpcs[&same_addresses].main_route_table_id.clone();
    asker.refused(
        route(&foreign_table, "1.0.0.0/8", RouteTargetId::VpcPeeringConnection(id.clone())),
        &format!(
            "InvalidParameterValue: route table {foreign_table} and VPC peering connection {id} belong to different networks"
        ),
    );
}

#[test]
fn new_blocks_keep_clear_of_peers() {
    let (mut asker, one, two) = two_vpcs();
    let add = |vpc_id: &str, block: &str| Change::AssociateVpcCidrBlock {
        vpc_id: vpc_id.to_owned(),
        cidr_block: block.to_owned(),
    };
    let id = asker.make(Change::CreateVpcPeeringConnection(peer(&one, &two)));
    asker.refused(add(&one, "10.5.0.0/16"), &format!("OperationNotPermitted: No CIDR can be added to {one}"));
    asker.make(accept(&id));
    asker.make(add(&one, "10.5.0.0/16"));
    asker.refused(
        add(&two, "10.5.7.0/24"),
        &format!("InvalidVpc.Range: The CIDR '10.5.7.0/24' overlaps with 10.5.0.0/16 of {one}, peered by {id}"),
    );
    let third = asker.make(vpc("10.3.0.0/16"));
    let pending = asker.make(Change::CreateVpcPeeringConnection(peer(&one, &third)));
    asker.make(add(&third, "10.5.7.0/24"));
    assert_eq!(status(&asker, &pending), "failed", "its accepter has an address of its requester now");
}

#[test]
fn rules_name_groups_of_active_peers_only() {
    let mut asker = Asker::default();
    let own = asker.vpc();
    let theirs = asker.ask_as(OTHER_ACCOUNT, vpc("10.1.0.0/16")).unwrap();
    let group = |asker: &Asker, vpc_id: &str| asker.world.vpcs[vpc_id].default_security_group_id.clone();
    let (mine, peers) = (group(&asker, &own), group(&asker, &theirs));
    let from = |owner: Option<&str>| Change::AuthorizeSecurityGroupIngress {
        group_id: mine.clone(),
        permissions: vec![IpPermission {
            group_owner_id: owner.map(str::to_owned),
            ..permission("tcp", 443, PermissionPeer::Group(peers.clone()))
        }],
    };
    const APART: &str = "InvalidGroup.NotFound: You have specified two resources that belong to different networks.";
    asker.refused(from(Some(OTHER_ACCOUNT)), APART);
    let members = CreateVpcPeeringConnection { peer_owner_id: Some(OTHER_ACCOUNT.to_owned()), ..peer(&own, &theirs) };
    let id = asker.make(Change::CreateVpcPeeringConnection(members));
    asker.refused(from(Some(OTHER_ACCOUNT)), APART);
    asker.ask_as(OTHER_ACCOUNT, accept(&id)).unwrap();
    // Without its owner the group is looked for among one's own.
    asker.refused(from(None), &format!("InvalidGroup.NotFound: The security group '{peers}' does not exist"));
    asker.make(from(Some(OTHER_ACCOUNT)));
    let pairs = describe(&asker.world)["SecurityGroups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|shown| shown["GroupId"] == mine)
        .map(|shown| shown["IpPermissions"][1]["UserIdGroupPairs"].clone());
    assert_eq!(pairs, Some(serde_json::json!([{ "GroupId": peers, "UserId": OTHER_ACCOUNT }])));
    // The rule stays when the peering goes, and names nobody.
    asker.world.vpc_peering_connections.get_mut(&id).unwrap().status = PeeringStatus::Deleted;
    assert_eq!(asker.world.security_groups[&mine].ingress.len(), 2);
}
