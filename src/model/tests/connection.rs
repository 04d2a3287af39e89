//! From acceptance to deletion: what each side of PrivateLink may do, in which state (B3.4, B4).

use super::provider::{allow, provider, service};
use super::*;

/// A provider that wants to be asked, a consumer with one endpoint that waits.
struct Ground {
    asker: Asker,
    balancer: String,
    service_id: String,
    service_name: String,
    vpc_id: String,
    subnet_ids: [String; 2],
    vpc_endpoint_id: String,
}

impl Ground {
    fn new() -> Self {
        let (mut asker, _, _, balancer) = provider();
        let service_id = asker.ask_as(OTHER_ACCOUNT, service(&balancer, true)).unwrap();
        asker.ask_as(OTHER_ACCOUNT, allow(&service_id, "*")).unwrap();
        let vpc_id = asker.vpc();
        let subnet_ids = [("10.0.1.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b")]
            .map(|(block, zone)| asker.subnet(&vpc_id, block, zone));
        let service_name = format!("com.amazonaws.vpce.us-east-1.{service_id}");
        let members = interface_endpoint(&vpc_id, &service_name, &[&subnet_ids[0]]);
        let vpc_endpoint_id = asker.make(Change::CreateVpcEndpoint(members));
        Self { asker, balancer, service_id, service_name, vpc_id, subnet_ids, vpc_endpoint_id }
    }

    fn state(&self) -> VpcEndpointState {
        self.asker.world.vpc_endpoints[&self.vpc_endpoint_id].state
    }

    fn accept(&self) -> Change {
        self.accept_all(&[&self.vpc_endpoint_id])
    }

    fn accept_all(&self, ids: &[&str]) -> Change {
        let vpc_endpoint_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        Change::AcceptVpcEndpointConnections { service_id: self.service_id.clone(), vpc_endpoint_ids }
    }

    fn reject(&self) -> Change {
        Change::RejectVpcEndpointConnections {
            service_id: self.service_id.clone(),
            vpc_endpoint_ids: vec![self.vpc_endpoint_id.clone()],
        }
    }

    fn delete(&self) -> Change {
        Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec![self.vpc_endpoint_id.clone()] }
    }

    fn delete_service(&self) -> Change {
        Change::DeleteVpcEndpointServiceConfigurations { service_ids: vec![self.service_id.clone()] }
    }

    fn modify_service(&self, change: impl FnOnce(&mut ModifyVpcEndpointServiceConfiguration)) -> Change {
        let mut members = ModifyVpcEndpointServiceConfiguration {
            service_id: self.service_id.clone(),
            ..ModifyVpcEndpointServiceConfiguration::default()
        };
        change(&mut members);
        Change::ModifyVpcEndpointServiceConfiguration(members)
    }

    fn modify(&self, change: impl FnOnce(&mut ModifyVpcEndpoint)) -> Change {
        let mut members =
            ModifyVpcEndpoint { vpc_endpoint_id: self.vpc_endpoint_id.clone(), ..ModifyVpcEndpoint::default() };
        change(&mut members);
        Change::ModifyVpcEndpoint(members)
    }
}

/// A world with a service and an endpoint that waits for it.
pub(super) fn waiting() -> World {
    Ground::new().asker.world
}

#[test]
fn acceptance_is_the_providers() {
    let mut ground = Ground::new();
    assert_eq!(ground.state(), VpcEndpointState::PendingAcceptance);
    let (accept, id) = (ground.accept(), ground.vpc_endpoint_id.clone());
    let unknown = "vpce-00000000000000000";
    let with = |other: &str| ground.accept_all(&[&id, other]);
    let cases = [
        (with(unknown), format!("InvalidVpcEndpointId.NotFound: The Vpc Endpoint Id '{unknown}' does not exist")),
        (with("vpce-1"), "InvalidVpcEndpointId.Malformed".to_owned()),
        (with(""), "InvalidVpcEndpointId.Malformed".to_owned()),
    ];
    for (change, expected) in cases {
        ground.asker.refused_as(OTHER_ACCOUNT, change, &expected);
    }
    ground.asker.refused(accept.clone(), "InvalidVpcEndpointServiceId.NotFound");
    ground.asker.ask_as(OTHER_ACCOUNT, accept.clone()).unwrap();
    assert_eq!(ground.state(), VpcEndpointState::Available);
    let twice = format!("IncorrectState: The Vpc Endpoint '{id}' is in state available");
    ground.asker.refused_as(OTHER_ACCOUNT, accept, &twice);
}

#[test]
fn what_the_provider_decided_it_may_decide_again() {
    let mut ground = Ground::new();
    let (accept, reject) = (ground.accept(), ground.reject());
    for (change, state) in [
        (&reject, VpcEndpointState::Rejected),
        (&accept, VpcEndpointState::Available),
        (&reject, VpcEndpointState::Rejected),
    ] {
        ground.asker.ask_as(OTHER_ACCOUNT, change.clone()).unwrap();
        assert_eq!(ground.state(), state);
        ground.asker.refused_as(OTHER_ACCOUNT, change.clone(), "IncorrectState");
    }
    ground.asker.refused(reject, "InvalidVpcEndpointServiceId.NotFound");
}

#[test]
fn only_states_that_wait_or_were_refused_can_be_accepted() {
    use VpcEndpointState::*;
    let ground = Ground::new();
    for state in [PendingAcceptance, Pending, Available, Rejected, Expired, Failed, Deleting, Deleted] {
        let mut asker = ground.asker.clone();
        asker.world.vpc_endpoints.get_mut(&ground.vpc_endpoint_id).unwrap().state = state;
        let accepted = asker.clone().ask_as(OTHER_ACCOUNT, ground.accept()).is_ok();
        assert_eq!(accepted, matches!(state, PendingAcceptance | Rejected), "accept when {}", state.as_str());
        let rejected = asker.ask_as(OTHER_ACCOUNT, ground.reject()).is_ok();
        assert_eq!(
            rejected,
            matches!(state, PendingAcceptance | Pending | Available),
            "reject when {}",
            state.as_str()
        );
    }
}

#[test]
fn only_the_consumer_deletes_and_what_is_gone_is_gone() {
    let mut ground = Ground::new();
    let (accept, delete, id) = (ground.accept(), ground.delete(), ground.vpc_endpoint_id.clone());
    let interface_id = ground.asker.world.vpc_endpoints[&id].network_interface_ids[0].clone();
    let address = ground.asker.world.network_interfaces[&interface_id].private_ip_address();
    ground.asker.refused_as(OTHER_ACCOUNT, delete.clone(), "InvalidVpcEndpointId.NotFound");
    let unknown =
        Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec![id.clone(), "vpce-00000000000000000".to_owned()] };
    ground.asker.refused(unknown, "InvalidVpcEndpointId.NotFound");
    let malformed = Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec!["../etc".to_owned()] };
    ground.asker.refused(malformed, "InvalidVpcEndpointId.Malformed");
    ground.asker.make(delete.clone());
    assert!(!ground.asker.world.vpc_endpoints.contains_key(&id));
    assert!(!ground.asker.world.network_interfaces.contains_key(&interface_id));
    ground.asker.refused(delete, "InvalidVpcEndpointId.NotFound");
    ground.asker.refused_as(OTHER_ACCOUNT, accept, "InvalidVpcEndpointId.NotFound");
    // The address is free again, the id is nobody's for ever, though the request is the same.
    let members = interface_endpoint(&ground.vpc_id, &ground.service_name, &[&ground.subnet_ids[0]]);
    let create = |asker: &mut Asker| {
        let change = Change::CreateVpcEndpoint(members.clone());
        asker.world.apply(Request { logical_id: None, stack: None, ..request(ACCOUNT, "", change) }).unwrap()
    };
    let first = create(&mut ground.asker);
    let interface = &ground.asker.world.vpc_endpoints[&first].network_interface_ids[0];
    assert_eq!(ground.asker.world.network_interfaces[interface].private_ip_address(), address);
    ground.asker.make(Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec![first.clone(), first.clone()] });
    assert_ne!(create(&mut ground.asker), first);
}

#[test]
fn a_gateway_endpoint_takes_its_routes_along() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let table = asker.world.vpcs[&vpc_id].main_route_table_id.clone();
    let gateway = asker.make(Change::CreateVpcEndpoint(gateway_endpoint(&vpc_id, "s3", &[&table])));
    let mut members = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.s3", &[]);
    members.private_dns_enabled = Some(true);
    let interface = asker.make(Change::CreateVpcEndpoint(members));
    let delete =
        |ids: &[&String]| Change::DeleteVpcEndpoints { vpc_endpoint_ids: ids.iter().map(|id| (*id).clone()).collect() };
    asker.refused(
        delete(&[&gateway]),
        &format!("InvalidParameter: The VPC endpoint {gateway} can't be deleted: {interface} has PrivateDnsOnlyForInboundResolverEndpoint"),
    );
    asker.clone().make(delete(&[&gateway, &interface]));
    asker.make(delete(&[&interface]));
    asker.make(delete(&[&gateway]));
    assert_eq!(asker.world.route_tables[&table].routes.len(), 1, "the local route alone");
}

#[test]
fn principals_are_accounts_users_roles_or_everybody() {
    let (mut asker, _, _, balancer) = provider();
    let service_id = asker.ask_as(OTHER_ACCOUNT, service(&balancer, false)).unwrap();
    let vpc_id = asker.vpc();
    let name = format!("com.amazonaws.vpce.us-east-1.{service_id}");
    let arn = |resource: &str| format!("arn:aws:iam::{ACCOUNT}:{resource}");
    let connects = |principal: Option<&str>, allowed: &str| {
        let mut world = asker.clone();
        world.ask_as(OTHER_ACCOUNT, allow(&service_id, allowed)).unwrap();
        let change = Change::CreateVpcEndpoint(interface_endpoint(&vpc_id, &name, &[]));
        let request = Request { principal: principal.map(str::to_owned), ..request(ACCOUNT, "Endpoint", change) };
        match world.world.apply(request) {
            Ok(_) => true,
            Err(refusal) => {
                let unknown = format!("InvalidServiceName: The Vpc Endpoint Service '{name}' does not exist");
                assert_eq!(refusal.to_string(), unknown, "as a service that is not there");
                false
            }
        }
    };
    let (root, user, role) = (arn("root"), arn("user/alice"), arn("role/deploy"));
    for (principal, allowed, expected) in [
        (Some(user.as_str()), "*", true),
        (Some(&user), &root, true),
        (Some(&role), &root, true),
        (Some(&user), &user, true),
        (Some(&user), &role, false),
        (Some(&role), &role, true),
        (Some(&root), &user, false),
        // A template is its account's.
        (None, &user, true),
        (None, "arn:aws:iam::999999999999:root", false),
        (Some(&user), "arn:aws:iam::999999999999:user/alice", false),
    ] {
        assert_eq!(connects(principal, allowed), expected, "{principal:?} by {allowed}");
    }
    for malformed in [
        "",
        ACCOUNT,
        "arn:aws:iam::12345:root",
        "arn:aws:iam::111122223333:group/x",
        "arn:aws:sts::111122223333:root",
        "arn:aws:iam:us-east-1:111122223333:root",
        "arn:aws:iam::111122223333",
        "**",
    ] {
        asker.refused_as(OTHER_ACCOUNT, allow(&service_id, malformed), "InvalidPrincipal: Invalid Principal: ");
    }
}

#[test]
fn a_service_with_connections_stays_as_it_is() {
    let mut ground = Ground::new();
    let subnet = ground.asker.world.load_balancers[&ground.balancer].nodes[0].subnet_id.clone();
    let second = ground.asker.ask_as(OTHER_ACCOUNT, balancer(Some("second"), true, &[&subnet])).unwrap();
    let add = |arn: &str| ground.modify_service(|it| it.add_network_load_balancer_arns = vec![arn.to_owned()]);
    let remove = |arn: &str| ground.modify_service(|it| it.remove_network_load_balancer_arns = vec![arn.to_owned()]);
    let rename = |name: &str| ground.modify_service(|it| it.private_dns_name = Some(name.to_owned()));
    let unname = ground.modify_service(|it| it.remove_private_dns_name = true);
    let existing = format!(
        "ExistingVpcEndpointConnections: Service {} has existing active VPC Endpoint connections",
        ground.service_id
    );
    let cases = [
        (ground.delete_service(), existing.clone()),
        (remove(&ground.balancer), existing.clone()),
        (unname.clone(), existing.clone()),
        (rename("other.example.com"), existing),
        (remove(&second), "InvalidNetworkLoadBalancerArn.NotFound".to_owned()),
        (add(&ground.balancer), "InvalidParameter: LBs are already associated".to_owned()),
        (add("arn:aws:x"), "InvalidNetworkLoadBalancerArn.Malformed".to_owned()),
        (rename("Example"), "InvalidParameter: The private DNS name".to_owned()),
        (
            ground.modify_service(|it| {
                it.private_dns_name = Some("a.example.com".to_owned());
                it.remove_private_dns_name = true;
            }),
            "InvalidParameterCombination".to_owned(),
        ),
    ];
    let (add_second, remove_first) = (add(&second), remove(&ground.balancer));
    let (reject, delete_service, rename) = (ground.reject(), ground.delete_service(), rename("other.example.com"));
    for (change, expected) in cases {
        ground.asker.refused(change.clone(), "InvalidVpcEndpointServiceId.NotFound");
        ground.asker.refused_as(OTHER_ACCOUNT, change, &expected);
    }
    let mut ask = |change: Change| ground.asker.ask_as(OTHER_ACCOUNT, change).unwrap();
    ask(add_second);
    ask(reject);
    ask(remove_first);
    ask(Change::StartVpcEndpointServicePrivateDnsVerification { service_id: ground.service_id.clone() });
    ask(rename);
    let made = ground.asker.world.vpc_endpoint_services[&ground.service_id].clone();
    assert_eq!(made.network_load_balancer_arns, std::slice::from_ref(&second));
    let proof = made.private_dns.unwrap();
    assert_eq!((proof.name.as_str(), proof.state), ("other.example.com", PrivateDnsState::PendingVerification));
    assert!(proof.record_name.len() == 21 && proof.record_name.starts_with('_'), "{}", proof.record_name);
    assert!(proof.record_value.len() == 25 && proof.record_value.starts_with("vpce:"), "{}", proof.record_value);
    let last = Change::ModifyVpcEndpointServiceConfiguration(ModifyVpcEndpointServiceConfiguration {
        service_id: ground.service_id.clone(),
        remove_network_load_balancer_arns: vec![second],
        ..ModifyVpcEndpointServiceConfiguration::default()
    });
    ground.asker.refused_as(OTHER_ACCOUNT, last, "InvalidParameter: An endpoint service must have at least one");
    ground.asker.ask_as(OTHER_ACCOUNT, unname).unwrap();
    ground.asker.ask_as(OTHER_ACCOUNT, delete_service.clone()).unwrap();
    ground.asker.refused_as(OTHER_ACCOUNT, delete_service, "InvalidVpcEndpointServiceId.NotFound");
    // The rejected endpoint is its consumer's, who may still delete it.
    ground.asker.make(ground.delete());
}

#[test]
fn acceptance_that_is_no_longer_required_lets_later_ones_in() {
    let mut ground = Ground::new();
    let open = ground.modify_service(|it| it.acceptance_required = Some(false));
    ground.asker.ask_as(OTHER_ACCOUNT, open).unwrap();
    assert_eq!(ground.state(), VpcEndpointState::PendingAcceptance, "who waits goes on waiting");
    let members = interface_endpoint(&ground.vpc_id, &ground.service_name, &[]);
    let later = ground.asker.make(Change::CreateVpcEndpoint(members));
    assert_eq!(ground.asker.world.vpc_endpoints[&later].state, VpcEndpointState::Available);
}

#[test]
fn an_interface_endpoint_takes_other_subnets_groups_and_private_dns() {
    let mut ground = Ground::new();
    let [a, b] = ground.subnet_ids.clone();
    let also_a = ground.asker.subnet(&ground.vpc_id, "10.0.3.0/24", "us-east-1a");
    let members = interface_endpoint(&ground.vpc_id, "com.amazonaws.us-east-1.sqs", &[&a]);
    ground.vpc_endpoint_id = ground.asker.make(Change::CreateVpcEndpoint(members));
    let id = ground.vpc_endpoint_id.clone();
    let before = ground.asker.world.vpc_endpoints[&id].clone();
    let group = ground.asker.make(Change::CreateSecurityGroup {
        group_name: Some("clients".to_owned()),
        group_description: "clients".to_owned(),
        vpc_id: ground.vpc_id.clone(),
    });
    let texts = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<Vec<String>>();
    let subnets = |add: &[&String], remove: &[&String]| {
        ground.modify(|it| (it.add_subnet_ids, it.remove_subnet_ids) = (texts(add), texts(remove)))
    };
    let groups = |add: &[&String], remove: &[&String]| {
        ground.modify(|it| (it.add_security_group_ids, it.remove_security_group_ids) = (texts(add), texts(remove)))
    };
    let private_dns = |enabled: bool| ground.modify(|it| it.private_dns_enabled = Some(enabled));
    let default = before.security_group_ids[0].clone();
    let cases = [
        (subnets(&[&also_a], &[]), "DuplicateSubnetsInSameZone".to_owned()),
        (subnets(&[&a], &[]), "DuplicateSubnetsInSameZone".to_owned()),
        (subnets(&[], &[&b]), format!("InvalidParameter: Subnet {b} is not associated with VPC endpoint {id}")),
        (groups(&[], &[&group]), format!("InvalidParameter: Security group {group} is not associated with")),
        (groups(&[], &[&default]), "InvalidParameter: VPC endpoint".to_owned()),
        (groups(&[&"sg-00000000000000000".to_owned()], &[]), "InvalidGroup.NotFound".to_owned()),
        (subnets(&[&"subnet-1".to_owned()], &[]), "InvalidSubnetId.Malformed".to_owned()),
    ];
    let moved = subnets(&[&also_a, &b], &[&a]);
    let (swapped, named, unnamed) = (groups(&[&group], &[&default]), private_dns(true), private_dns(false));
    for (change, expected) in cases {
        ground.asker.refused(change, &expected);
    }
    ground.asker.make(moved);
    ground.asker.make(swapped);
    ground.asker.make(named.clone());
    let after = ground.asker.world.vpc_endpoints[&id].clone();
    assert_eq!((&after.subnet_ids, &after.security_group_ids), (&vec![also_a, b], &vec![group.clone()]));
    assert!(!ground.asker.world.network_interfaces.contains_key(&before.network_interface_ids[0]));
    for interface in &after.network_interface_ids {
        assert_eq!(ground.asker.world.network_interfaces[interface].groups, std::slice::from_ref(&group));
    }
    assert_eq!(after.dns_entries[0], before.dns_entries[0], "the regional name is for life");
    let zonal = |entry: &&DnsEntry| matches!(entry.scope, DnsEntryScope::Zonal(_));
    assert_eq!(after.dns_entries.iter().filter(zonal).count(), 2);
    assert!(after.private_names_in_vpc().any(|name| name == "sqs.us-east-1.amazonaws.com"));
    ground.asker.make(named);
    ground.asker.make(unnamed);
    assert_eq!(ground.asker.world.vpc_endpoints[&id].private_names().count(), 0);
    assert_eq!(ground.asker.world.vpc_endpoints[&id].subnet_ids, after.subnet_ids, "what is not mentioned stays");

    let gateway = ground.asker.make(Change::CreateVpcEndpoint(gateway_endpoint(&ground.vpc_id, "s3", &[])));
    let of_gateway = Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
        vpc_endpoint_id: gateway,
        remove_subnet_ids: after.subnet_ids,
        ..ModifyVpcEndpoint::default()
    });
    ground.asker.refused(of_gateway, "InvalidParameter: Subnet IDs are only supported");
}

#[test]
fn who_lost_the_permission_keeps_the_endpoint_and_may_modify_it() {
    let mut ground = Ground::new();
    let remove = Change::ModifyVpcEndpointServicePermissions {
        service_id: ground.service_id.clone(),
        add_allowed_principals: Vec::new(),
        remove_allowed_principals: vec!["*".to_owned()],
    };
    ground.asker.ask_as(OTHER_ACCOUNT, remove).unwrap();
    let members = interface_endpoint(&ground.vpc_id, &ground.service_name, &[]);
    ground.asker.refused(Change::CreateVpcEndpoint(members), "InvalidServiceName");
    let moved = ground.modify(|it| it.remove_subnet_ids = vec![ground.subnet_ids[0].clone()]);
    ground.asker.make(moved);
    ground.asker.ask_as(OTHER_ACCOUNT, ground.accept()).unwrap();
}

#[test]
fn notifications_are_of_a_service_or_an_endpoint() {
    let mut ground = Ground::new();
    let topic = "arn:aws:sns:us-east-1:444455556666:topic";
    let create = |service: bool, endpoint: bool, arn: &str, events: &[&str]| {
        Change::CreateVpcEndpointConnectionNotification(CreateConnectionNotification {
            service_id: service.then(|| ground.service_id.clone()),
            vpc_endpoint_id: endpoint.then(|| ground.vpc_endpoint_id.clone()),
            connection_notification_arn: arn.to_owned(),
            connection_events: events.iter().map(|event| (*event).to_owned()).collect(),
        })
    };
    let cases = [
        (create(true, true, topic, &["Accept"]), "InvalidParameterCombination"),
        (create(false, false, topic, &["Accept"]), "InvalidParameterCombination"),
        (create(true, false, "arn:aws:sqs:us-east-1:444455556666:q", &["Accept"]), "InvalidParameter: "),
        (create(true, false, "arn:aws:sns:us-east-1:444455556666:../topic", &["Accept"]), "InvalidParameter: "),
        (create(true, false, topic, &["Explode"]), "InvalidParameterValue: "),
        (create(true, false, topic, &[]), "MissingParameter: "),
        (create(false, true, topic, &["Accept"]), "InvalidVpcEndpointId.NotFound"),
    ];
    let good = create(true, false, topic, &["Reject", "Accept", "Accept"]);
    let overlapping = create(true, false, topic, &["Accept"]);
    for (change, expected) in cases {
        ground.asker.refused_as(OTHER_ACCOUNT, change, expected);
    }
    let id = ground.asker.ask_as(OTHER_ACCOUNT, good).unwrap();
    assert!(id::is_well_formed("vpce-nfn", &id), "{id}");
    ground.asker.refused_as(OTHER_ACCOUNT, overlapping, "InvalidParameter: ");
    let modify = |events: &[&str]| Change::ModifyVpcEndpointConnectionNotification {
        connection_notification_id: id.clone(),
        connection_notification_arn: None,
        connection_events: events.iter().map(|event| (*event).to_owned()).collect(),
    };
    ground.asker.refused(modify(&["Delete"]), "InvalidConnectionNotification");
    ground.asker.ask_as(OTHER_ACCOUNT, modify(&["Delete"])).unwrap();
    assert_eq!(ground.asker.world.connection_notifications[&id].connection_events, [ConnectionEvent::Delete]);
    let delete = Change::DeleteVpcEndpointConnectionNotifications { connection_notification_ids: vec![id] };
    ground.asker.ask_as(OTHER_ACCOUNT, delete.clone()).unwrap();
    ground.asker.refused_as(OTHER_ACCOUNT, delete, "InvalidConnectionNotification");
}

/// Each change with what is told of it: to the service's provider of all four events, to the endpoint's owner of two.
#[test]
fn what_happens_between_two_worlds_is_told() {
    use ConnectionEvent::{Accept, Connect, Delete, Reject};
    let mut ground = Ground::new();
    let topic = |account: &str, name: &str| format!("arn:aws:sns:us-east-1:{account}:{name}");
    let create = |service_id: Option<&String>, vpc_endpoint_id: Option<&String>, arn: String, events: &[&str]| {
        Change::CreateVpcEndpointConnectionNotification(CreateConnectionNotification {
            service_id: service_id.cloned(),
            vpc_endpoint_id: vpc_endpoint_id.cloned(),
            connection_notification_arn: arn,
            connection_events: events.iter().map(|event| (*event).to_owned()).collect(),
        })
    };
    let all = ["Accept", "Connect", "Delete", "Reject"];
    let provided = create(Some(&ground.service_id), None, topic(OTHER_ACCOUNT, "provider"), &all);
    ground.asker.ask_as(OTHER_ACCOUNT, provided).unwrap();
    let owned = create(None, Some(&ground.vpc_endpoint_id), topic(ACCOUNT, "consumer"), &["Accept", "Delete"]);
    ground.asker.make(owned);

    let (accept, reject, delete) = (ground.accept(), ground.reject(), ground.delete());
    let second = Change::CreateVpcEndpoint(interface_endpoint(&ground.vpc_id, &ground.service_name, &[]));
    let other = Change::CreateVpcEndpoint(interface_endpoint(&ground.vpc_id, "com.amazonaws.us-east-1.sqs", &[]));
    let gateway = Change::CreateVpcEndpoint(gateway_endpoint(&ground.vpc_id, "s3", &[]));
    let moved = ground.modify(|it| it.remove_subnet_ids = vec![ground.subnet_ids[0].clone()]);
    type Told<'t> = (ConnectionEvent, &'t str, &'t str);
    let steps: [(&str, Change, &[Told]); 9] = [
        (OTHER_ACCOUNT, accept.clone(), &[(Accept, "consumer", "available"), (Accept, "provider", "available")]),
        (OTHER_ACCOUNT, reject.clone(), &[(Reject, "provider", "rejected")]),
        (OTHER_ACCOUNT, accept, &[(Accept, "consumer", "available"), (Accept, "provider", "available")]),
        (ACCOUNT, moved, &[]),
        (ACCOUNT, second, &[(Connect, "provider", "pendingAcceptance")]),
        (ACCOUNT, other, &[]),
        (ACCOUNT, gateway, &[]),
        (ACCOUNT, delete, &[(Delete, "consumer", "deleted"), (Delete, "provider", "deleted")]),
        (ACCOUNT, vpc("10.9.0.0/16"), &[]),
    ];
    for (account, change, expected) in steps {
        let before = ground.asker.world.clone();
        ground.asker.ask_as(account, change.clone()).unwrap();
        let notices = connection_notices(&before, &ground.asker.world);
        let mut told: Vec<_> =
            notices.iter().map(|it| (it.event, it.topic(), it.vpc_endpoint_state.as_str())).collect();
        told.sort_unstable_by_key(|(_, topic, _)| topic.to_owned());
        assert_eq!(told, expected, "{change:?}");
        for notice in &notices {
            assert_eq!(notice.service_id.as_ref(), Some(&ground.service_id));
            assert_eq!(notice.vpc_endpoint_owner, ACCOUNT);
        }
        assert_eq!(connection_notices(&before, &before), []);
    }

    // A lab that starts tells of what it starts with; a topic that takes nothing hears nothing.
    let start = |world: &World| connection_notices(&World::default(), world).len();
    let mut world = ground.asker.world;
    assert_eq!(start(&world), 1, "the second endpoint");
    assert_eq!(describe::connection_notifications(&world)[0]["ConnectionNotificationState"], "Enabled");
    world.disabled_topics.insert("provider".to_owned());
    assert_eq!(start(&world), 0);
    assert_eq!(describe::connection_notifications(&world)[0]["ConnectionNotificationState"], "Disabled");
}

/// Ids follow from names: an endpoint that leads elsewhere has the id of the old one, and is another connection.
#[test]
fn an_endpoint_that_leads_elsewhere_is_another_connection() {
    let mut ground = Ground::new();
    let notification = CreateConnectionNotification {
        service_id: Some(ground.service_id.clone()),
        connection_notification_arn: "arn:aws:sns:us-east-1:444455556666:t".to_owned(),
        connection_events: vec!["Connect".to_owned(), "Delete".to_owned()],
        ..Default::default()
    };
    let change = Change::CreateVpcEndpointConnectionNotification(notification);
    ground.asker.ask_as(OTHER_ACCOUNT, change).unwrap();
    let here = ground.asker.world;
    let mut elsewhere = here.clone();
    let endpoint = elsewhere.vpc_endpoints.get_mut(&ground.vpc_endpoint_id).unwrap();
    endpoint.service_name = "com.amazonaws.us-east-1.sqs".to_owned();
    let events = |before, after| connection_notices(before, after).iter().map(|it| it.event).collect::<Vec<_>>();
    assert_eq!(events(&here, &elsewhere), [ConnectionEvent::Delete]);
    assert_eq!(events(&elsewhere, &here), [ConnectionEvent::Connect]);
}
