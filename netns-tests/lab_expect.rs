//! `vpclab test` on labs that run: what guests really send, exit statuses, and what is told of failures.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 9] = [
    ("expect::what_the_examples_expect_holds", what_the_examples_expect_holds),
    ("expect::ten_expectations_end_soon", ten_expectations_end_soon),
    ("expect::many_guests_take_turns", many_guests_take_turns),
    ("expect::failures_say_what_happened_and_where", failures_say_what_happened_and_where),
    ("expect::a_command_is_held_to_what_it_really_sent", a_command_is_held_to_what_it_really_sent),
    ("expect::trace_and_packet_must_agree", trace_and_packet_must_agree),
    ("expect::an_answer_that_is_dropped_is_told", an_answer_that_is_dropped_is_told),
    ("expect::bad_input_is_never_a_pass", bad_input_is_never_a_pass),
    ("expect::a_machine_that_runs_no_lab_is_told", a_machine_that_runs_no_lab_is_told),
];

fn what_the_examples_expect_holds(stage: &Stage) -> Result<()> {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))? {
        stage.example(&entry?.file_name().to_string_lossy())?;
    }
    for entry in fs::read_dir(stage.path())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_lab = stage.path().join(&name).join("lab.yaml").exists();
        let is_template = name.ends_with(".yaml") && !name.ends_with(".test.yaml");
        if is_lab || is_template {
            stage.run(&["test", &name])?.ok().context(name)?;
        }
    }
    nothing_is_left(stage)
}

/// What the issue asks for is 5 s; a loaded machine gets more.
const SOON: Duration = Duration::from_secs(15);

fn ten_expectations_end_soon(stage: &Stage) -> Result<()> {
    for example in ["three-endpoints", "private-service", "files"] {
        stage.example(example)?;
    }
    let lab = fs::read_to_string(stage.path().join("three-endpoints/lab.yaml"))?;
    let more = "
  - {from: app, to: s3.us-east-1.amazonaws.com, via: S3}
  - {from: app, to: '10.0.0.2:53', proto: udp, via: resolver}
  - {from: app, run: 'curl -sS --fail --max-time 20 https://three-endpoints-111111111111.s3.us-east-1.amazonaws.com/hello.txt', only: [S3, resolver]}
";
    stage.write("three-endpoints/lab.yaml", &(lab + more))?;
    let up = Instant::now();
    drop(stage.up("three", &["three-endpoints"])?);
    let up = up.elapsed();
    let start = Instant::now();
    let test = stage.run(&["test", "three-endpoints"])?;
    let took = start.elapsed();
    ensure!(test.code() == 0, "{test:?}");
    ensure!(test.stdout.contains("10 of 10 expectations hold"), "{}", test.stdout);
    ensure!(test.stdout.contains("classes of packets, each sent"), "{}", test.stdout);
    println!("10 expectations: {took:.2?} with start and end of the lab, which alone take {up:.2?}");
    ensure!(took < up + SOON, "{took:?}, of which {up:?} are start and end of the lab");
    nothing_is_left(stage)
}

/// More packets than may be under way at once, from many guests: each has its turn, and none is late for the others' sake.
fn many_guests_take_turns(stage: &Stage) -> Result<()> {
    const GUESTS: usize = 10;
    let mut template = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
"
    .to_owned();
    let mut list = "expect:\n".to_owned();
    for guest in 0..GUESTS {
        template += &format!(
            "  g{guest}: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref Subnet, ImageId: ami-0}}}}\n"
        );
        let others: Vec<String> = (0..GUESTS).filter(|it| *it != guest).map(|it| format!("g{it}")).collect();
        list += &format!("  - {{from: g{guest}, only: [resolver, metadata, {}]}}\n", others.join(", "));
        list += &format!("  - {{from: g{guest}, to: {}, proto: icmp}}\n", others[0]);
        list += &format!("  - {{from: g{guest}, run: ping -c1 -W5 10.0.0.2 || true, only: [resolver]}}\n");
    }
    stage.write("many.yaml", &template)?;
    stage.write("many.test.yaml", &list)?;
    let test = stage.run(&["test", "many.yaml"])?;
    ensure!(test.code() == 1 && test.stdout.contains("20 of 30 expectations hold"), "{test:?}");
    ensure!(test.stdout.matches("icmp was dropped: RESOLVER_PORT_RESTRICTION").count() == GUESTS, "{}", test.stdout);
    nothing_is_left(stage)
}

fn failures_say_what_happened_and_where(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    stage.write(
        "first.test.yaml",
        "expect:
  - {from: app, to: internet, via: S3}
  - {from: app, to: s3.us-east-1.amazonaws.com, drop: NO_ROUTE_TO_DESTINATION}
  - {from: app, to: '10.0.1.77:80', drop: NO_SUCH_ADDRESS}
  - {from: app, only: [S3]}
  - {from: app, only: [S3, resolver, metadata, app]}
  - {from: app, run: 'echo as it said; exit 3'}
",
    )?;
    let mut command = stage.command(&["test", "first.yaml", "--junit", "outcome.xml"]);
    let output = command.env("GITHUB_ACTIONS", "true").stdin(Stdio::null()).output().context("starting vpclab")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1), "{output:?}");
    for part in [
        "FAILED   app > internet via S3  [first.test.yaml:2]",
        "it is dropped: NO_ROUTE_TO_DESTINATION",
        "the packet that was sent was dropped: NO_ROUTE_TO_DESTINATION",
        "FAILED   app > s3.us-east-1.amazonaws.com drop NO_ROUTE_TO_DESTINATION  [first.test.yaml:3]",
        "the packet that was sent went to s3",
        "ok       app > 10.0.1.77:80 drop NO_SUCH_ADDRESS",
        "10.0.0.2 tcp 53 reaches resolver, which is not listed",
        "app is listed, but nothing that is sent reaches it",
        "`echo as it said; exit 3` ended with exit status 3\n             as it said\n",
        "1 of 6 expectations hold",
        "::error file=first.yaml,line=5,title=expected%3A app > internet via S3::it is dropped",
        "::error file=first.yaml,line=7,title=expected%3A app > s3.us-east-1.amazonaws.com drop",
        "::error file=first.test.yaml,line=7,title=expected%3A app runs echo as it said; exit 3::",
    ] {
        ensure!(said.contains(part), "{part} in {said}");
    }
    let xml = fs::read_to_string(stage.path().join("outcome.xml"))?;
    let report = quick_junit::Report::deserialize_from_str(&xml).context("the JUnit file is well-formed")?;
    let suite = report.test_suites.first().context("a suite")?;
    ensure!((suite.tests, suite.failures, suite.errors) == (6, 5, 0), "{xml}");
    nothing_is_left(stage)
}

fn a_command_is_held_to_what_it_really_sent(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    stage.write("labs/fetch.sh", "curl -sS -o /dev/null --max-time 20 https://s3.us-east-1.amazonaws.com/\n")?;
    stage.write("labs/leak.sh", "ping -c1 -W1 192.0.2.7 >/dev/null\ncurl -s --max-time 1 http://10.9.0.1/\ntrue\n")?;
    fs::rename(stage.path().join("first.yaml"), stage.path().join("labs/first.yaml"))?;
    let list = |entries: &str| stage.write("labs/first.test.yaml", &format!("expect:\n{entries}"));
    // The folder of the file is where it runs; resolver and endpoint are all it uses.
    list("  - {from: app, run: sh fetch.sh, only: [S3, resolver]}\n  - {from: app, run: sh fetch.sh}\n")?;
    let good = stage.run(&["test", "labs/first.yaml"])?;
    ensure!(good.code() == 0 && good.stdout.contains("2 of 2 expectations hold"), "{good:?}");
    ensure!(good.stdout.contains("app runs sh fetch.sh: only S3, resolver  (2 flows of "), "{good:?}");
    // It ends well, and still its packets tell on it: DNS that was not listed, drops, in whatever protocol.
    list("  - {from: app, run: sh fetch.sh, only: [S3]}\n  - {from: app, run: sh leak.sh, only: [S3, resolver]}\n")?;
    let bad = stage.run(&["test", "labs/first.yaml"])?;
    ensure!(bad.code() == 1, "{bad:?}");
    for part in [
        ":53 udp went to resolver, which is not listed",
        "app: 10.0.1.10 > 192.0.2.7 icmp was dropped: NO_ROUTE_TO_DESTINATION",
        "> 10.9.0.1:80 tcp was dropped: NO_ROUTE_TO_DESTINATION",
        "[labs/first.yaml:5]",
        "0 of 2 expectations hold",
    ] {
        ensure!(bad.stdout.contains(part), "{part} in {}", bad.stdout);
    }
    nothing_is_left(stage)
}

/// `app` can't send to `web`, which no table knows: its first-boot script, which `up` waits for since a balancer's target
/// listens at its end, made it so.
const LYING: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.20, ImageId: ami-0}}
  app:
    Type: AWS::EC2::Instance
    Properties:
      SubnetId: !Ref Subnet
      PrivateIpAddress: 10.0.1.10
      ImageId: ami-0
      UserData: !Base64 |
        #!/bin/sh
        ip route add unreachable 10.0.1.20/32
        vpclab echo --listen 0.0.0.0:80
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, Subnets: [!Ref Subnet]}}
  Apps: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {VpcId: !Ref Vpc, Protocol: TCP, Port: 80, Targets: [{Id: !Ref app}]}}
  Http:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties: {LoadBalancerArn: !Ref Balancer, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Apps}]}
";

fn trace_and_packet_must_agree(stage: &Stage) -> Result<()> {
    stage.write("lying.yaml", LYING)?;
    stage.write(
        "lying.test.yaml",
        "expect:
  - {from: app, to: 'web:80'}
  - {from: app, only: [web, resolver, metadata]}
  - {from: web, to: 'app:80'}
",
    )?;
    let tables = stage.run(&["test", "--static", "lying.yaml"])?;
    ensure!(tables.code() == 0, "the tables know nothing of it: {tables:?}");
    let test = stage.run(&["test", "lying.yaml"])?;
    ensure!(test.code() == 1, "{test:?}");
    for part in [
        "FAILED   app > web:80 is delivered",
        "trace and the real packet disagree: trace says it is delivered to network interface lying/web",
        "the packet was not sent by the guest's own kernel: ",
        "FAILED   app reaches only web, resolver, metadata",
        // The same route swallows what app would answer.
        "FAILED   web > app:80 is delivered",
        "the packet went to app, and nothing came back",
    ] {
        ensure!(test.stdout.contains(part), "{part} in {}", test.stdout);
    }
    nothing_is_left(stage)
}

/// Two interfaces, and no policy routing: what comes to the second is answered from the first, which may not say so.
const ASYMMETRIC: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: false}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
  Second: {Type: AWS::EC2::NetworkInterface, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.50}}
  Attach: {Type: AWS::EC2::NetworkInterfaceAttachment, Properties: {InstanceId: !Ref app, NetworkInterfaceId: !Ref Second, DeviceIndex: \"1\"}}
  web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.20, ImageId: ami-0}}
";

fn an_answer_that_is_dropped_is_told(stage: &Stage) -> Result<()> {
    stage.write("asymmetric.yaml", ASYMMETRIC)?;
    stage.write(
        "asymmetric.test.yaml",
        "expect:
  - {from: web, to: '10.0.1.50', proto: icmp, via: app}
  - {from: web, to: '10.0.1.10', proto: icmp, via: app}
  - {from: web, only: [app, metadata]}
  - {from: app, only: [web, metadata]}
  - {from: app, to: s3.us-east-1.amazonaws.com, drop: DNS_SUPPORT_DISABLED}
",
    )?;
    let test = stage.run(&["test", "asymmetric.yaml"])?;
    ensure!(test.code() == 1 && test.stdout.contains("4 of 5 expectations hold"), "{test:?}");
    for part in [
        "FAILED   web > 10.0.1.50 icmp via app",
        "the packet went to app.eth1, and the answer was dropped: ENI_SOURCE_DEST_CHECK_RESTRICTION",
        "[asymmetric.yaml:4]",
    ] {
        ensure!(test.stdout.contains(part), "{part} in {}", test.stdout);
    }
    // The second interface's packets are walked, not sent.
    let only = test
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("ok       app reaches only web, metadata  ("))
        .context("only")?;
    let numbers: Vec<usize> = only.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    ensure!(matches!(numbers.as_slice(), [classes, sent] if *classes == 2 * sent), "{only}");
    nothing_is_left(stage)
}

fn bad_input_is_never_a_pass(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    for (entry, place, said) in [
        ("{from: ap, only: [S3]}", "first.test.yaml:2:12", "did you mean app?"),
        ("{from: app, only: [S3, resolvr]}", "first.test.yaml:2:28", "there is no object `resolvr`"),
        ("{from: app, only: [Routes]}", "first.test.yaml:2:24", "which no packet ends at"),
        ("{from: app, onyl: [S3]}", "first.test.yaml:2:17", "did you mean `only`?"),
        ("{from: app, rum: ./x.sh}", "first.test.yaml:2:17", "did you mean `run`?"),
        ("{from: app, run: ./x.sh, to: internet}", "first.test.yaml:2:30", "does not go with"),
        ("{from: app, to: internet, drop: NO_ROUT}", "first.test.yaml:2:37", "is no explanation code"),
    ] {
        stage.write("first.test.yaml", &format!("expect:\n  - {entry}\n"))?;
        for arguments in [&["test", "first.yaml"][..], &["test", "--static", "first.yaml"]] {
            let done = stage.run(arguments)?;
            ensure!(done.code() == 2, "{entry}: {done:?}");
            for part in [place, said, "^"] {
                ensure!(done.stderr.contains(part), "{entry}: {part} in {}", done.stderr);
            }
        }
    }
    fs::remove_file(stage.path().join("first.test.yaml"))?;
    let none = stage.run(&["test", "first.yaml"])?;
    ensure!(none.code() == 2 && none.stderr.contains("there is no first.test.yaml"), "{none:?}");
    ensure!(!stage.state().exists(), "nothing was started");
    Ok(())
}

fn a_machine_that_runs_no_lab_is_told(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    stage.example("first.test.yaml")?;
    // Nobody but root may hide the machine's TAPs.
    if stage.setting.who != Who::Me || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let inner = stage.command(&["test", "first.yaml"]);
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        "mount -t tmpfs tmpfs /dev/net && exec \"$@\"",
        "sh",
    ]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(stage.path());
    let output = command.env("VPCLAB_STATE", stage.state()).env("HOME", stage.path()).output()?;
    ensure!(output.status.code() == Some(3), "{output:?}");
    ensure!(String::from_utf8_lossy(&output.stderr).contains("/dev/net/tun"), "{output:?}");
    nothing_is_left(stage)
}

fn nothing_is_left(stage: &Stage) -> Result<()> {
    let is_empty = |folder: &Path| fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_empty(&stage.state()), "left in {}", stage.state().display());
    Ok(())
}
