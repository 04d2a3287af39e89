//! Opinions in, and what follows for flows, names and `status`: no socket, no namespace.

use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::compile::{Compiled, compile};
use crate::dataplane::{LinkIndex, Outbox, Verdict};
use crate::dns::addresses;
use crate::model::World;
use crate::packet::Notation;
use crate::template::{Files, LoadOptions, ReadError, load};

const TEMPLATE: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b}}
  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: '-1', CidrIp: 10.0.0.0/16}]}}
  client: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
  a: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, SecurityGroupIds: [!Ref Open], PrivateIpAddress: 10.0.1.20, ImageId: ami-0}}
  b: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref B, SecurityGroupIds: [!Ref Open], PrivateIpAddress: 10.0.2.20, ImageId: ami-0}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: web, Type: network, Scheme: internal, SubnetMappings: [{SubnetId: !Ref A, PrivateIPv4Address: 10.0.1.100}, {SubnetId: !Ref B, PrivateIPv4Address: 10.0.2.100}]}}
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      Name: web
      Protocol: TCP
      Port: 80
      VpcId: !Ref Vpc
      TargetType: ip
      Targets: [{Id: 10.0.1.20}, {Id: 10.0.2.20}]
      TargetGroupAttributes: [{Key: deregistration_delay.timeout_seconds, Value: '0'}ATTRIBUTES]
  Listener: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Balancer, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Group}]}}
";
const CROSS_ZONE: &str = ", {Key: load_balancing.cross_zone.enabled, Value: 'true'}";
const SPARE: &str = ", {Key: target_health_state.unhealthy.connection_termination.enabled, Value: 'false'}";
const CUT: &str = ", {Key: deregistration_delay.connection_termination.enabled, Value: 'true'}";

struct OneFile(String);

impl Files for OneFile {
    fn read(&self, _path: &Path) -> Result<String, ReadError> {
        Ok(self.0.clone())
    }
}

struct Rig {
    world: World,
    zones: Zones,
    dataplane: Arc<Dataplane>,
    health: Arc<TargetsHealth>,
    jobs: watch::Receiver<Arc<Vec<Job>>>,
    client: (LinkIndex, [u8; 6]),
    /// The node in the client's zone: a neighbour of it.
    node: [u8; 6],
}

fn read(template: &str) -> (World, Compiled) {
    let lab = load(&OneFile(template.to_owned()), Path::new("t.yaml"), &LoadOptions::default()).unwrap();
    let compiled = compile(&lab.world);
    (lab.world, compiled)
}

fn rig(attributes: &str) -> Rig {
    let (world, compiled) = read(&TEMPLATE.replace("ATTRIBUTES", attributes));
    let Compiled { tables, zones, health, guests, .. } = compiled;
    let client = guests.iter().find(|guest| guest.name() == "client").unwrap();
    let client = (client.interfaces[0].link, client.interfaces[0].mac);
    let node = tables.interfaces.iter().find(|it| it.addresses[0].to_string() == "10.0.1.100").unwrap().mac;
    let dataplane = Arc::new(Dataplane::new(Arc::new(tables), [1, 2, 3, 4]));
    let health = TargetsHealth::new(health, &dataplane, &zones, &Handle::current());
    let jobs = health.jobs.subscribe();
    Rig { world, zones, dataplane, health, jobs, client, node }
}

impl Rig {
    /// The node of a zone (0 or 1) thinks that of a target.
    fn note(&self, target: &str, node: usize, health: TargetHealth) {
        let jobs = self.jobs.borrow();
        let job = jobs.iter().find(|it| it.checked.target_id == target && it.checked.node == node).unwrap();
        self.health.note(&job.checked, health);
    }

    fn names(&self) -> Vec<String> {
        let balancer = self.world.load_balancers.values().next().unwrap();
        let mut found: Vec<String> = addresses(&self.zones, &balancer.vpc_id, &balancer.dns_name)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        found.sort();
        found
    }

    /// `ID STATE REASON` of each target.
    fn told(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |it: &Value| {
            let health = &it["TargetHealth"];
            format!("{} {} {}", text(&it["Target"]["Id"]), text(&health["State"]), text(&health["Reason"]))
        };
        self.health.describe().iter().map(line).collect()
    }

    /// The client opens a connection to the node of its zone, or speaks on it.
    fn send(&self, content: &str) -> Verdict {
        let text = format!("client: 10.0.1.10:40000 > 10.0.1.100:80 tcp {content}");
        let mut frame = text.parse::<Notation>().unwrap().frame(self.client.1, self.node);
        self.dataplane.handle(self.client.0, None, &mut frame, Duration::from_secs(1), &mut Outbox::default())
    }

    /// Another template takes the place of this one.
    fn apply(&mut self, template: &str) {
        let (world, Compiled { mut tables, zones, health, .. }) = read(template);
        tables.vpcs.iter_mut().for_each(|vpc| vpc.generation += 1);
        self.health.renew(health, &tables, &zones);
        self.dataplane.swap(Arc::new(tables));
        (self.world, self.zones) = (world, zones);
    }
}

const ONE_LEFT: (&str, &str) = ("Targets: [{Id: 10.0.1.20}, {Id: 10.0.2.20}]", "Targets: [{Id: 10.0.2.20}]");

#[tokio::test]
async fn zones_without_a_healthy_target_leave_the_name() {
    let rig = rig("");
    assert_eq!(
        rig.told(),
        ["10.0.1.20 initial Elb.InitialHealthChecking", "10.0.2.20 initial Elb.InitialHealthChecking"]
    );
    assert_eq!(rig.names(), ["10.0.1.100", "10.0.2.100"], "nobody is well yet, so nobody is left out");
    rig.note("10.0.2.20", 1, TargetHealth::healthy());
    assert_eq!(rig.names(), ["10.0.2.100"]);
    rig.note("10.0.1.20", 0, TargetHealth::healthy());
    assert_eq!(rig.names(), ["10.0.1.100", "10.0.2.100"]);
    rig.note("10.0.2.20", 1, TargetHealth::timed_out());
    assert_eq!(rig.names(), ["10.0.1.100"]);
    assert_eq!(rig.told(), ["10.0.1.20 healthy -", "10.0.2.20 unhealthy Target.Timeout"]);
    rig.note("10.0.1.20", 0, TargetHealth::failed());
    assert_eq!(rig.names(), ["10.0.1.100", "10.0.2.100"], "all are ill: all are used");
}

#[tokio::test]
async fn a_target_is_what_the_worst_of_its_nodes_says() {
    let rig = rig(CROSS_ZONE);
    assert_eq!(rig.jobs.borrow().len(), 4, "each node checks both");
    rig.note("10.0.1.20", 0, TargetHealth::healthy());
    assert_eq!(rig.told()[0], "10.0.1.20 initial Elb.InitialHealthChecking", "the other node has not asked yet");
    rig.note("10.0.1.20", 1, TargetHealth::healthy());
    assert_eq!(rig.told()[0], "10.0.1.20 healthy -");
    rig.note("10.0.1.20", 1, TargetHealth::mismatched(500));
    assert_eq!(rig.told()[0], "10.0.1.20 unhealthy Target.ResponseCodeMismatch");
    // Both nodes may use the other target, so that neither leaves DNS.
    rig.note("10.0.2.20", 0, TargetHealth::healthy());
    rig.note("10.0.2.20", 1, TargetHealth::healthy());
    assert_eq!(rig.names().len(), 2);
}

#[tokio::test]
async fn connections_of_a_target_that_fails_are_cut_unless_it_is_spared() {
    for (attributes, left) in [("", 0), (SPARE, 1)] {
        let rig = rig(attributes);
        rig.note("10.0.1.20", 0, TargetHealth::healthy());
        assert!(matches!(rig.send("SYN"), Verdict::Forward { .. }));
        assert!(matches!(rig.send("ACK 5"), Verdict::Forward { .. }));
        rig.note("10.0.1.20", 0, TargetHealth::failed());
        assert_eq!(rig.dataplane.flows().len(), left, "{attributes}");
        let goes_on = matches!(rig.send("ACK 5"), Verdict::Forward { .. });
        assert_eq!(goes_on, left == 1, "a cut one is answered with a reset");
        // Nobody is healthy: a new connection is made all the same, and stays when its target fails again.
        rig.send("RST");
        assert!(matches!(rig.send("SYN"), Verdict::Forward { .. }));
        rig.note("10.0.1.20", 0, TargetHealth::timed_out());
        assert_eq!(rig.dataplane.flows().len(), 1);
    }
}

#[tokio::test]
async fn a_deregistered_target_drains_and_what_is_known_stays() {
    for (attributes, left) in [("", 1), (CUT, 0)] {
        let template = TEMPLATE.replace("ATTRIBUTES", attributes);
        let mut rig = rig(attributes);
        rig.note("10.0.1.20", 0, TargetHealth::healthy());
        rig.note("10.0.2.20", 1, TargetHealth::healthy());
        assert!(matches!(rig.send("SYN"), Verdict::Forward { .. }));
        rig.apply(&template.replace(ONE_LEFT.0, ONE_LEFT.1));
        assert_eq!(rig.told(), ["10.0.2.20 healthy -", "10.0.1.20 draining Target.DeregistrationInProgress"]);
        assert_eq!(rig.names(), ["10.0.2.100"]);
        let end = Instant::now() + Duration::from_secs(20);
        while rig.told().len() > 1 {
            assert!(Instant::now() < end, "its delay is 0 s");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(
            rig.dataplane.flows().len(),
            left,
            "{attributes}: cut at the end of the delay, if that was asked for"
        );
        // Registered again, it begins anew.
        rig.apply(&template);
        assert_eq!(rig.told()[0], "10.0.1.20 initial Elb.InitialHealthChecking");
        assert_eq!(rig.told()[1], "10.0.2.20 healthy -");
    }
}

#[tokio::test]
async fn a_target_that_is_registered_again_in_time_drains_no_longer() {
    let template =
        TEMPLATE.replace("ATTRIBUTES", "").replace("timeout_seconds, Value: '0'", "timeout_seconds, Value: '300'");
    let mut rig = rig("");
    rig.apply(&template);
    rig.apply(&template.replace(ONE_LEFT.0, ONE_LEFT.1));
    assert_eq!(rig.told()[1], "10.0.1.20 draining Target.DeregistrationInProgress");
    rig.apply(&template);
    assert_eq!(rig.told().len(), 2);
    assert_eq!(rig.told()[0], "10.0.1.20 initial Elb.InitialHealthChecking");
}
