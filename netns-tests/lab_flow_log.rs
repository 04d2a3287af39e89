//! Flow logs that real clients leave behind: accepted, refused by a security group, refused by a network ACL; and what happens
//! when their file can't be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 2] = [
    ("flow_log::records_of_real_clients", records_of_real_clients),
    ("flow_log::a_full_disk_costs_lines_and_no_packets", a_full_disk_costs_lines_and_no_packets),
];

const LAB: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  RoutesA: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref A, RouteTableId: !Ref Routes}}
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref Routes]}}
  Clients: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: clients, VpcId: !Ref Vpc}}
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: HTTP
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/16}]
  # Answers to low ports do not leave.
  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  AclB: {Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: {SubnetId: !Ref B, NetworkAclId: !Ref Acl}}
  In: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: -1, RuleAction: allow, CidrBlock: 0.0.0.0/0}}
  Out: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: 6, RuleAction: allow, Egress: true, CidrBlock: 0.0.0.0/0, PortRange: {From: 32768, To: 65535}}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10, SecurityGroupIds: [!Ref Clients], ImageId: ami-0}}
  db:
    Type: AWS::EC2::Instance
    Properties:
      SubnetId: !Ref B
      PrivateIpAddress: 10.0.2.10
      SecurityGroupIds: [!Ref Web]
      ImageId: ami-0
      UserData: !Base64 |
        #!/bin/sh
        vpclab echo --listen 0.0.0.0:80 &
  Log:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: VPC
      ResourceId: !Ref Vpc
      TrafficType: ALL
      LogGroupName: /vpc/flows
      Tags: [{Key: 'vpclab:AggregationSeconds', Value: '1'}]
  Kept:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: VPC
      ResourceId: !Ref Vpc
      TrafficType: ALL
      LogDestinationType: s3
      LogDestination: arn:aws:s3:::logs
      LogFormat: '${srcaddr} ${dstaddr} ${dstport} ${flow-direction} ${action} ${pkt-dst-aws-service} ${traffic-path}'
      Tags: [{Key: 'vpclab:LogFile', Value: kept/flows.log}]
";

fn records_of_real_clients(stage: &Stage) -> Result<()> {
    stage.write("flows.yaml", LAB)?;
    let lab = stage.up("flows", &["flows.yaml"])?;
    let file = log_file(&lab, "Log")?;
    ensure!(file.to_string_lossy().contains("/flows/flow-logs/vpc/flows/fl-"), "{}", file.display());
    let curl = |url: &str| lab.exec("app", &["curl", "-sS", "--max-time", "1", "-o", "/dev/null", url]);
    wait_for("db to listen", || curl("http://10.0.2.10/").is_ok_and(|done| done.code() == 0))?;
    ensure!(curl("http://10.0.2.10:443/")?.code() == 28, "its group refuses");
    ensure!(
        lab.exec("app", &["curl", "-sS", "--local-port", "20000", "--max-time", "1", "http://10.0.2.10/"])?.code()
            == 28
    );
    curl("http://s3.us-east-1.amazonaws.com/")?.ok()?;

    let has = |parts: &[&str]| read(&file).lines().any(|line| parts.iter().all(|part| line.contains(part)));
    for parts in [
        [" 10.0.1.10 10.0.2.10 ", " 80 6 ", " ACCEPT OK"],
        [" 10.0.2.10 10.0.1.10 80 ", " 6 ", " ACCEPT OK"],
        [" 10.0.1.10 10.0.2.10 ", " 443 6 ", " REJECT OK"],
        [" 10.0.1.10 10.0.2.10 ", " 20000 80 6 ", " ACCEPT OK"],
        // The group would let the answer go, the ACL does not: both stand in the log.
        [" 10.0.2.10 10.0.1.10 ", " 80 20000 6 ", " REJECT OK"],
        [" - - - - - - - ", " - ", " NODATA"],
    ] {
        wait_for(&format!("a line with {parts:?} in {}", file.display()), || has(&parts))?;
    }
    let lines = read(&file);
    ensure!(
        lines.lines().all(|line| line.split(' ').count() == 14 && line.starts_with("2 123456789012 eni-")),
        "{lines}"
    );
    ensure!(!lines.contains(" 10.0.0.2 ") && !lines.contains(" 53 17 "), "DNS to the resolver is not logged: {lines}");
    ensure!(!lines.contains(" 100.64."), "the fabric is nobody's to see: {lines}");
    cannot_be_written(&lab, stage, &file)?;

    // The other one's interval is a minute: its end is the lab's.
    let kept = log_file(&lab, "Kept")?;
    ensure!(kept == stage.path().join("kept/flows.log") && !kept.exists(), "{}", kept.display());
    drop(lab);
    let lines = read(&kept);
    ensure!(lines.contains("10.0.1.10 10.0.2.10 443 ingress REJECT - -\n"), "{lines}");
    ensure!(lines.contains("10.0.1.10 10.0.2.10 443 egress ACCEPT - 1\n"), "{lines}");
    ensure!(lines.lines().any(|line| line.ends_with(" 80 egress ACCEPT S3 7")), "{lines}");
    Ok(())
}

/// A folder stands where the file should: the lab goes on, says so once, and writes again when it can.
fn cannot_be_written(lab: &Lab<'_>, stage: &Stage, file: &Path) -> Result<()> {
    let status = || -> Result<serde_json::Value> {
        let logs = lab.json(&["status"])?;
        let logs = logs["FlowLogs"].as_array().context("flow logs")?.clone();
        logs.into_iter().find(|log| log["LogGroupName"] == "/vpc/flows").context("the log")
    };
    let good = status()?;
    ensure!(good["DeliverLogsStatus"] == "SUCCESS" && good["LostRecords"] == 0, "{good}");
    ensure!(good["LogFile"].as_str() == file.to_str(), "{good}");
    // Whoever owns the lab's folder: the story's user.
    let moved = file.with_extension("moved");
    fs::rename(file, &moved)?;
    fs::create_dir(file)?;
    wait_for("the failure to be told", || {
        status().is_ok_and(|log| log["DeliverLogsStatus"] == "FAILED" && log["LostRecords"].as_u64() > Some(3))
    })?;
    ensure!(lab.exec("app", &["curl", "-sS", "--max-time", "5", "http://10.0.2.10/"])?.code() == 0, "packets go on");
    let log = fs::read_to_string(stage.state().join("flows/log"))?;
    ensure!(log.matches("its lines are lost until that works").count() == 1, "{log}");
    fs::remove_dir(file)?;
    wait_for("the file to be written again", || read(file).contains(" - SKIPDATA\n"))?;
    let again = status()?;
    ensure!(again["DeliverLogsStatus"] == "SUCCESS" && again["LostRecords"].as_u64() > Some(3), "{again}");
    Ok(())
}

/// A disk of one page, which the records of sixty refused connections overfill at once. It takes root to mount one.
fn a_full_disk_costs_lines_and_no_packets(stage: &Stage) -> Result<()> {
    if stage.setting.who != Who::Me || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    stage.write(
        "full.yaml",
        &LAB.replace("Value: '1'}]", "Value: '1'}, {Key: 'vpclab:LogFile', Value: full/flows.log}]"),
    )?;
    fs::create_dir(stage.path().join("full"))?;
    let lab = stage.start_by("full", &["full.yaml"], |command| {
        let script = "mount -t tmpfs -o size=4k tmpfs full && exec \"$@\"";
        let mut by = Command::new("unshare");
        by.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(command.get_program());
        by.args(command.get_args()).current_dir(stage.path());
        by.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        by
    })?;
    // The disk is mounted where the lab is, not where this story is.
    let file = log_file(&lab, "Log")?;
    let file = PathBuf::from(format!("/proc/{}/root{}", lab.holder(), file.display()));
    wait_for("a first line", || !read(&file).is_empty())?;
    let scan = "http://10.0.2.10:[1000-1059]/";
    lab.exec("app", &["curl", "-sS", "-Z", "--parallel-immediate", "--parallel-max", "60", "--max-time", "1", scan])?;
    let log = || fs::read_to_string(stage.state().join("full/log")).unwrap_or_default();
    wait_for("the disk to be full", || log().contains("No space left on device"))?;
    wait_for("lines that fit to be written again", || read(&file).contains(" - SKIPDATA\n"))?;
    let (lines, status) = (read(&file), lab.json(&["status"])?);
    ensure!(lines.ends_with('\n') && lines.lines().all(|line| line.split(' ').count() == 14), "whole lines: {lines}");
    let logs = status["FlowLogs"].as_array().context("flow logs")?;
    let lost = logs.iter().filter_map(|log| log["LostRecords"].as_u64()).max();
    ensure!(lost >= Some(60), "{logs:?}");
    let (text, count) = (log(), |part: &str| log().matches(part).count());
    let (failed, again) = (count("its lines are lost until that works"), count("is written again"));
    ensure!(failed >= 1 && failed <= again + 1, "each failure is said once: {text}");
    let url = "http://10.0.2.10/";
    wait_for("db to answer", || {
        lab.exec("app", &["curl", "-sS", "--max-time", "1", url]).is_ok_and(|it| it.code() == 0)
    })
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

/// Where `up` said that a flow log goes.
fn log_file(lab: &Lab<'_>, name: &str) -> Result<PathBuf> {
    let logs = lab.summary["flow_logs"].as_array().context("flow logs")?;
    let log = logs.iter().find(|log| log["name"] == name).with_context(|| format!("flow log {name}"))?;
    Ok(log["log_file"].as_str().context("a file")?.into())
}
