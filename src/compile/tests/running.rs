//! Both sides of PrivateLink change under a running lab: what packets and names do in each state (B3.4, B4).

use super::lab::*;
use crate::compile::{Shape, compile, recompile};
use crate::dataplane::DropReason::{self, *};
use crate::model::{Change, CreateVpcEndpoint, ModifyVpcEndpoint, VpcEndpointState, World};

/// One account on both sides: a service that wants to be asked, an endpoint that waits, and one for SQS.
const BOTH_SIDES: &str = "
Resources:
  Their: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  TheirA: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Their, CidrBlock: 10.0.1.0/24}}
  TheirGroup: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Their, SecurityGroupIngress: [{IpProtocol: \"-1\", CidrIp: 0.0.0.0/0}]}}
  server: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref TheirA, PrivateIpAddress: 10.0.1.20, SecurityGroupIds: [!Ref TheirGroup]}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, SubnetMappings: [{SubnetId: !Ref TheirA, PrivateIPv4Address: 10.0.1.100}]}}
  Servers: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {VpcId: !Ref Their, Protocol: TCP, Port: 80, Targets: [{Id: !Ref server}]}}
  Http: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Balancer, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Servers}]}}
  Service: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Balancer], AcceptanceRequired: true}}

  Our: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: true, EnableDnsHostnames: true}}
  OurA: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Our, CidrBlock: 10.0.1.0/24}}
  OurGroup: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Our, SecurityGroupIngress: [{IpProtocol: \"-1\", CidrIp: 0.0.0.0/0}]}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref OurA, PrivateIpAddress: 10.0.1.10, SecurityGroupIds: [!Ref OurGroup]}}
  Sqs: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcEndpointType: Interface, VpcId: !Ref Our, SubnetIds: [!Ref OurA], SecurityGroupIds: [!Ref OurGroup], ServiceName: com.amazonaws.us-east-1.sqs}}
  Endpoint: {Type: AWS::EC2::VPCEndpoint, DependsOn: Sqs, Properties: {VpcEndpointType: Interface, VpcId: !Ref Our, SubnetIds: [!Ref OurA], SecurityGroupIds: [!Ref OurGroup], ServiceName: !Sub \"com.amazonaws.vpce.us-east-1.${Service}\"}}
";
const SQS: &str = "app: 10.0.1.10:4000 > 10.0.1.4:443 tcp SYN";

struct Story {
    lab: Lab,
    service_id: String,
    vpc_endpoint_id: String,
    like: CreateVpcEndpoint,
}

impl Story {
    fn new() -> Self {
        Self::of(BOTH_SIDES)
    }

    fn of(template: &str) -> Self {
        let lab = Lab::new(template);
        let service_id = Lab::named(&lab.world.vpc_endpoint_services, |it| &it.meta, "Service").to_owned();
        let vpc_endpoint_id = Lab::named(&lab.world.vpc_endpoints, |it| &it.meta, "Endpoint").to_owned();
        let first = &lab.world.vpc_endpoints[&vpc_endpoint_id];
        let like = CreateVpcEndpoint {
            vpc_endpoint_type: Some("Interface".to_owned()),
            vpc_id: first.vpc_id.clone(),
            service_name: first.service_name.clone(),
            subnet_ids: first.subnet_ids.clone(),
            security_group_ids: first.security_group_ids.clone(),
            ..CreateVpcEndpoint::default()
        };
        Self { lab, service_id, vpc_endpoint_id, like }
    }

    fn accept(&mut self) {
        let vpc_endpoint_ids = vec![self.vpc_endpoint_id.clone()];
        self.lab.ask(Change::AcceptVpcEndpointConnections { service_id: self.service_id.clone(), vpc_endpoint_ids });
    }

    fn reject(&mut self) {
        let vpc_endpoint_ids = vec![self.vpc_endpoint_id.clone()];
        self.lab.ask(Change::RejectVpcEndpointConnections { service_id: self.service_id.clone(), vpc_endpoint_ids });
    }

    fn delete(&mut self) {
        self.lab.ask(Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec![self.vpc_endpoint_id.clone()] });
    }

    /// Another endpoint of the same service.
    fn create(&mut self) -> String {
        self.lab.ask(Change::CreateVpcEndpoint(self.like.clone()))
    }

    #[track_caller]
    fn is_carried(&mut self, port: u16, address: &str) {
        let sent = format!("app: 10.0.1.10:{port} > {address}:80 tcp SYN");
        let arrived = self.lab.send(&sent).unwrap_or_else(|reason| panic!("{sent}: {reason:?}"));
        assert!(
            arrived.starts_with("server: 10.0.1.100:") && arrived.ends_with(" > 10.0.1.20:80 tcp SYN"),
            "{arrived}"
        );
    }

    #[track_caller]
    fn is_dropped(&mut self, address: &str, reason: DropReason) {
        self.lab.drops(&format!("app: 10.0.1.10:5000 > {address}:80 tcp SYN"), reason);
    }

    /// Whether the endpoint's regional name has an address for `app`.
    fn resolves(&self) -> bool {
        let name = &self.lab.world.vpc_endpoints[&self.vpc_endpoint_id].dns_entries[0].dns_name;
        has_address(&self.lab.world, name)
    }
}

fn has_address(world: &World, name: &str) -> bool {
    let our = Lab::named(&world.vpcs, |it| &it.meta, "Our");
    crate::dns::addresses(&compile(world).zones, our, name).is_ok()
}

#[test]
fn an_endpoint_carries_what_its_provider_accepts_and_nothing_else() {
    let mut story = Story::new();
    story.is_dropped("10.0.1.5", EndpointUnavailable);
    assert!(!story.resolves());
    assert_eq!(story.lab.refuser(), "t/Endpoint");
    story.accept();
    story.is_carried(5001, "10.0.1.5");
    assert!(story.resolves());
    assert_eq!(story.lab.answer("tcp SYN|ACK"), Ok("app: 10.0.1.5:80 > 10.0.1.10:5001 tcp SYN|ACK".to_owned()));
    story.reject();
    // Also for the connection that stands.
    story.lab.drops("app: 10.0.1.10:5001 > 10.0.1.5:80 tcp ACK", EndpointUnavailable);
    story.is_dropped("10.0.1.5", EndpointUnavailable);
    assert!(!story.resolves());
    story.accept();
    story.is_carried(5002, "10.0.1.5");
}

#[test]
fn only_an_available_endpoint_carries_and_has_names() {
    use VpcEndpointState::*;
    for state in [PendingAcceptance, Pending, Available, Rejected, Expired, Failed, Deleting, Deleted] {
        let mut world = world(BOTH_SIDES);
        let id = Lab::named(&world.vpc_endpoints, |it| &it.meta, "Sqs").to_owned();
        let endpoint = world.vpc_endpoints.get_mut(&id).expect("the endpoint");
        endpoint.state = state;
        let name = endpoint.dns_entries[0].dns_name.clone();
        assert_eq!(has_address(&world, &name), state == Available, "names when {}", state.as_str());
        let sent = Lab::of(world).send(SQS);
        let expected = if state == Available { Ok(()) } else { Err(EndpointUnavailable) };
        assert_eq!(sent.map(|_| ()), expected, "packets when {}", state.as_str());
    }
}

#[test]
fn private_dns_follows_the_state_and_the_attribute() {
    let mut story = Story::new();
    let name = "sqs.us-east-1.amazonaws.com";
    let our = Lab::named(&story.lab.world.vpcs, |it| &it.meta, "Our").to_owned();
    let address = |story: &Story| {
        let zones = compile(&story.lab.world).zones;
        crate::dns::addresses(&zones, &our, name).unwrap()
    };
    let public = address(&story);
    let sqs = Lab::named(&story.lab.world.vpc_endpoints, |it| &it.meta, "Sqs").to_owned();
    let private_dns = |enabled| {
        Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
            vpc_endpoint_id: sqs.clone(),
            private_dns_enabled: Some(enabled),
            ..ModifyVpcEndpoint::default()
        })
    };
    story.lab.ask(private_dns(true));
    assert_eq!(address(&story), ["10.0.1.4".parse::<std::net::Ipv4Addr>().unwrap()]);
    story.lab.ask(private_dns(false));
    assert_eq!(address(&story), public);
}

#[test]
fn endpoints_come_and_go_under_connections() {
    let mut story = Story::new();
    story.accept();
    // A service sees a fabric address; it must be the same guest's for the connection's whole life.
    assert!(story.lab.send(SQS).is_ok());
    let seen = story.lab.origin().clone();
    assert!(seen.name == "t/app" && seen.vpc_endpoint_id.is_some());
    let stands = "app: 10.0.1.10:4000 > 10.0.1.4:443 tcp ACK";
    assert!(story.lab.answer("tcp SYN|ACK").is_ok());
    story.is_carried(5001, "10.0.1.5");

    // Ids are digests: some of these sort before the others, some behind.
    let made: Vec<String> = (0..8).map(|_| story.create()).collect();
    story.is_dropped("10.0.1.6", EndpointUnavailable);
    assert!(story.lab.send(stands).is_ok());
    assert_eq!(story.lab.origin(), &seen);

    story.delete();
    story.is_dropped("10.0.1.5", NoSuchAddress);
    assert!(story.lab.send(stands).is_ok());
    assert_eq!(story.lab.origin(), &seen);

    // The address is the next one's; the gap does not get in its way.
    let next = story.create();
    story.vpc_endpoint_id = next;
    story.is_dropped("10.0.1.5", EndpointUnavailable);
    story.accept();
    story.is_carried(5002, "10.0.1.5");
    for id in made {
        story.vpc_endpoint_id = id;
        story.delete();
    }
    story.is_dropped("10.0.1.6", NoSuchAddress);
    story.is_carried(5003, "10.0.1.5");
    assert!(story.lab.send(stands).is_ok());
    assert_eq!(story.lab.origin(), &seen);
}

#[test]
fn a_drop_keeps_the_names_that_it_had() {
    let mut story = Story::new();
    story.is_dropped("10.0.1.5", EndpointUnavailable);
    for _ in 0..4 {
        story.create();
    }
    assert_eq!(story.lab.refuser(), "t/Endpoint");
    story.delete();
    assert_eq!(story.lab.refuser(), "t/Endpoint", "even when the endpoint is gone");
}

#[test]
fn a_moved_endpoint_answers_where_it_is() {
    let mut story = Story::new();
    story.accept();
    let subnet_ids = story.lab.world.vpc_endpoints[&story.vpc_endpoint_id].subnet_ids.clone();
    let modify = |story: &mut Story, add: &[String], remove: &[String]| {
        story.lab.ask(Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
            vpc_endpoint_id: story.vpc_endpoint_id.clone(),
            add_subnet_ids: add.to_vec(),
            remove_subnet_ids: remove.to_vec(),
            ..ModifyVpcEndpoint::default()
        }));
    };
    modify(&mut story, &[], &subnet_ids);
    story.is_dropped("10.0.1.5", NoSuchAddress);
    assert!(!story.resolves());
    modify(&mut story, &subnet_ids, &[]);
    story.is_carried(5001, "10.0.1.5");
    assert!(story.resolves());
}

/// A journal's interfaces are those of the start.
#[test]
fn flow_logs_neither_stop_endpoints_nor_follow_them() {
    let log = "  Log: {Type: AWS::EC2::FlowLog, Properties: {ResourceType: VPC, ResourceId: !Ref Our, TrafficType: ALL, LogGroupName: g, MaxAggregationInterval: 60}}\n";
    let mut story = Story::of(&format!("{BOTH_SIDES}{log}"));
    let plans = |story: &Story| format!("{:?}", story.lab.dataplane.tables().flow_logs.plans);
    let before = plans(&story);
    assert!(before.contains("fl-"), "{before}");
    let made = story.create();
    story.delete();
    assert_eq!(plans(&story), before);
    story.vpc_endpoint_id = made;
    story.accept();
    story.is_carried(5001, "10.0.1.6");
    let tables = story.lab.dataplane.tables();
    let another = recompile(&world(&format!("{BOTH_SIDES}{}", log.replace("ALL", "REJECT"))), &tables).tables;
    assert_eq!(Shape::of(&tables).changes(&Shape::of(&another)), ["what flow logs record is another"]);
}

#[test]
fn what_a_running_lab_cannot_take_is_said() {
    let before = compile(&world(BOTH_SIDES)).tables;
    let changes = |template: &str| {
        let after = recompile(&world(template), &before).tables;
        Shape::of(&before).changes(&Shape::of(&after))
    };
    assert_eq!(changes(BOTH_SIDES), Vec::<String>::new());
    // Endpoints come and go by a file as well.
    let one = "  A: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcEndpointType: Interface, VpcId: !Ref Our, SubnetIds: [!Ref OurA], ServiceName: com.amazonaws.us-east-1.sns}}\n";
    assert_eq!(changes(&format!("{BOTH_SIDES}{one}")), Vec::<String>::new());
    let less = BOTH_SIDES.lines().filter(|line| !line.starts_with("  Endpoint:")).collect::<Vec<_>>().join("\n");
    assert_eq!(changes(&less), Vec::<String>::new());
    let guest = "  more: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref OurA}}\n";
    let more = changes(&format!("{BOTH_SIDES}{guest}"));
    assert!(
        more.len() == 1 && more[0].starts_with("network interface t/more") && more[0].ends_with("is new"),
        "{more:?}"
    );
    let without = changes(&BOTH_SIDES.replace("  app: ", "  other: "));
    assert!(without.iter().any(|it| it.ends_with("is another")), "{without:?}");
    assert!(
        without.iter().any(|it| it.starts_with("network interface t/other") && it.ends_with("is new")),
        "{without:?}"
    );
    // A VPC less: the gaps have nowhere to be, which is no reason to panic.
    let our = BOTH_SIDES.split("\n  Our:").next().unwrap();
    let less = changes(our);
    assert!(less.iter().any(|it| it.starts_with("VPC t/Our")), "{less:?}");
}
