//! How labs begin and end: several at once, `kill -9` of any of their parts, bad input, names and exit statuses.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 9] = [
    ("life::the_demo_tells_the_whole_story", the_demo_tells_the_whole_story),
    ("life::sigterm_and_an_interrupted_start_leave_nothing", sigterm_and_an_interrupted_start_leave_nothing),
    ("life::several_labs_at_once", several_labs_at_once),
    ("life::kill_9_of_the_forwarder_leaves_nothing", kill_9_of_the_forwarder_leaves_nothing),
    ("life::kill_9_of_init_leaves_nothing", kill_9_of_init_leaves_nothing),
    ("life::kill_9_of_the_holder_ends_the_lab", kill_9_of_the_holder_ends_the_lab),
    ("life::kill_9_of_a_guests_process_is_its_own_affair", kill_9_of_a_guests_process_is_its_own_affair),
    ("life::bad_input_starts_nothing", bad_input_starts_nothing),
    ("life::exec_and_run_pass_everything_through", exec_and_run_pass_everything_through),
];

fn the_demo_tells_the_whole_story(stage: &Stage) -> Result<()> {
    let demo = stage.run(&["demo"])?;
    ensure!(demo.code() == 0, "{demo:?}");
    for part in [
        "Hello from S3, through a VPC endpoint.",
        "app: 10.0.1.10:",
        "dropped: NO_ROUTE_TO_DESTINATION",
        "\"service\":\"vpclab echo\"",
        "$ vpclab capture server tcp\n  0.000000  server: 10.0.",
        "delivered",
        ">           - {Sid: TheTable, Effect: Allow,",
        "\nVpcEndpoints vpce-33dd7ca9b36656c90: PolicyDocument\n",
        "{\"Event\":\"Connect\",",
        "{\"Event\":\"Accept\",",
    ] {
        ensure!(demo.stdout.contains(part), "{part} in {}", demo.stdout);
    }
    // The client's own word where there is the AWS CLI, else that of `trace`.
    let denied = "because no VPC endpoint policy allows the dynamodb:PutItem action";
    ensure!(demo.stdout.contains(denied) || demo.stderr.contains(denied), "{demo:?}");
    let nearest = "statement OnlyFromThisVpc [endpoint-policies.yaml:38], but it is a Deny";
    ensure!(demo.stdout.contains(nearest) || demo.stderr.contains(nearest), "{demo:?}");
    ensure!(demo.stderr.contains("BAD_STATE  by second/Endpoint"), "{}", demo.stderr);
    // By the AWS CLI, else by curl.
    let unknown = "InvalidServiceName";
    ensure!(demo.stdout.contains(unknown) || demo.stderr.contains(unknown), "{demo:?}");
    ensure!(demo.stderr.contains("NO_ROUTE_TO_DESTINATION  by without-endpoint/Routes"), "{}", demo.stderr);
    ensure!(names_in(stage)?.is_empty(), "left: {:?}", names_in(stage)?);
    Ok(())
}

fn sigterm_and_an_interrupted_start_leave_nothing(stage: &Stage) -> Result<()> {
    let (lab, parts) = lab_with_parts(stage)?;
    kill(parts.init, Signal::SIGTERM)?;
    wait_for("the lab to remove its own folder", || !stage.state().join("one").exists())?;
    nothing_is_left(stage, &parts)?;
    drop(lab);
    // Killed at whatever moment the start is in: the folder appears first, the rest follows.
    let mut up =
        stage.command(&["up", "one.yaml", "--name", "one"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
    wait_for("the start to begin", || stage.state().join("one/control.sock").exists())?;
    up.kill()?;
    up.wait()?;
    wait_for("the lab to be gone", || {
        stage.run(&["down", "--all"]).is_ok_and(|done| done.code() == 0)
            && names_in(stage).is_ok_and(|names| names.is_empty())
    })?;
    ensure!(
        host_mounts()? == parts.mounts && host_links()? == parts.links,
        "mounts and links are the host's own again"
    );
    Ok(())
}

const ONE_GUEST: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  app:
    Type: AWS::EC2::Instance
    Properties:
      SubnetId: !Ref Subnet
      ImageId: ami-0
      UserData: !Base64 |
        #!/bin/sh
        echo booting in $(pwd) as $(id -u)
        (setsid sleep 1000 &)
        vpclab echo --listen 0.0.0.0:80
  other: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, ImageId: ami-0, Tags: [{Key: Name, Value: second}]}}
";

fn several_labs_at_once(stage: &Stage) -> Result<()> {
    stage.write("one.yaml", ONE_GUEST)?;
    let a = stage.up("a", &["one.yaml"])?;
    let b = stage.up("b", &["one.yaml"])?;
    let again = stage.run(&["up", "one.yaml", "--name", "a"])?;
    ensure!(again.code() == 2 && again.stderr.contains("already running"), "{again:?}");
    let unnamed = stage.run(&["status"])?;
    ensure!(unnamed.code() == 2 && unnamed.stderr.contains("--name"), "{unnamed:?}");
    for lab in [&a, &b] {
        lab.exec("other", &["ping", "-c1", "-W5", "10.0.1.4"])?.ok()?;
    }
    drop(a);
    b.exec("other", &["ping", "-c1", "-W5", "10.0.1.4"])?.ok().context("the other lab goes on")?;
    stage.run(&["exec", "app", "--", "true"])?.ok().context("the only one needs no name")?;
    b.vpclab(&["down"])?.ok()?;
    ensure!(names_in(stage)?.is_empty(), "left: {:?}", names_in(stage)?);
    Ok(())
}

fn names_in(stage: &Stage) -> Result<Vec<String>> {
    let entries = fs::read_dir(stage.state())?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// What a lab consists of, as the host sees it.
struct Parts {
    namespace: PathBuf,
    init: Pid,
    forwarder: Pid,
    mounts: usize,
    links: String,
}

fn host_mounts() -> Result<usize> {
    Ok(fs::read_to_string("/proc/self/mountinfo")?.lines().count())
}

fn host_links() -> Result<String> {
    let mut names: Vec<String> = fs::read_dir("/sys/class/net")?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names.join(" "))
}

/// Starts a lab with things in its guest that might be left: a daemon that left its session, and a command under way.
fn lab_with_parts<'s>(stage: &'s Stage) -> Result<(Lab<'s>, Parts)> {
    stage.write("one.yaml", ONE_GUEST)?;
    let (mounts, links) = (host_mounts()?, host_links()?);
    let lab = stage.up("one", &["one.yaml"])?;
    let noted = fs::read_to_string(stage.state().join("one/init"))?;
    let init: i32 = noted.split_whitespace().next().context("init's id")?.parse()?;
    let namespace = fs::read_link(format!("/proc/{init}/ns/pid"))?;
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children"))?;
    let forwarder = children.split_whitespace().next().context("the forwarder's id")?.parse()?;
    wait_for("the daemon of the first boot", || processes_in(&namespace).iter().any(|it| it.ends_with(" sleep")))?;
    Ok((lab, Parts { namespace, init: Pid::from_raw(init), forwarder: Pid::from_raw(forwarder), mounts, links }))
}

fn nothing_is_left(stage: &Stage, parts: &Parts) -> Result<()> {
    wait_for("the lab's processes to be gone", || processes_in(&parts.namespace).is_empty())
        .with_context(|| format!("left: {:?}", processes_in(&parts.namespace)))?;
    ensure!(
        host_mounts()? == parts.mounts && host_links()? == parts.links,
        "mounts and links are the host's own again"
    );
    // The state folder may remain; it is swept with the next `down`, or by the next lab of that name.
    stage.run(&["down", "--all"])?.ok()?;
    ensure!(names_in(stage)?.is_empty(), "left: {:?}", names_in(stage)?);
    Ok(())
}

fn kill_9_of_the_forwarder_leaves_nothing(stage: &Stage) -> Result<()> {
    let (lab, parts) = lab_with_parts(stage)?;
    let mut under_way = stage.command(&["exec", "app", "--", "sleep", "1000"]).stderr(Stdio::null()).spawn()?;
    wait_for("the command to run", || {
        processes_in(&parts.namespace).iter().filter(|it| it.ends_with(" sleep")).count() > 1
    })?;
    kill(parts.forwarder, Signal::SIGKILL)?;
    ensure!(!under_way.wait()?.success(), "the command under way ends with the lab");
    nothing_is_left(stage, &parts)?;
    drop(lab);
    // Its name is free again.
    stage.up("one", &["one.yaml"])?.exec("app", &["true"])?.ok()?;
    Ok(())
}

fn kill_9_of_init_leaves_nothing(stage: &Stage) -> Result<()> {
    let (lab, parts) = lab_with_parts(stage)?;
    kill(parts.init, Signal::SIGKILL)?;
    nothing_is_left(stage, &parts)?;
    drop(lab);
    Ok(())
}

fn kill_9_of_the_holder_ends_the_lab(stage: &Stage) -> Result<()> {
    let (lab, parts) = lab_with_parts(stage)?;
    kill(Pid::from_raw(lab.holder() as i32), Signal::SIGKILL)?;
    wait_for("the lab to remove its own folder", || !stage.state().join("one").exists())?;
    nothing_is_left(stage, &parts)
}

fn kill_9_of_a_guests_process_is_its_own_affair(stage: &Stage) -> Result<()> {
    let (lab, parts) = lab_with_parts(stage)?;
    lab.exec("other", &["curl", "-sS", "--fail", "--max-time", "20", "http://10.0.1.4/"])?.ok()?;
    lab.exec("app", &["sh", "-c", "kill -9 $(ps -e -o pid= -o args= | awk '/vpclab echo/ && !/awk/ {print $1}')"])?
        .ok()?;
    let refused = lab.exec("other", &["curl", "-sS", "--max-time", "20", "http://10.0.1.4/"])?;
    ensure!(refused.code() == 7, "the guest's kernel refuses, as nobody listens: {refused:?}");
    let killed = lab.exec("app", &["sh", "-c", "kill -9 $$"])?;
    ensure!(killed.code() == 137, "{killed:?}");
    lab.exec("other", &["ping", "-c1", "-W5", "10.0.1.4"])?.ok()?;
    let log = fs::read_to_string(stage.state().join("one/log"))?;
    ensure!(log.contains("app: booting in / as 0"), "first boot is logged behind the guest's name: {log}");
    drop(lab);
    nothing_is_left(stage, &parts)
}

fn bad_input_starts_nothing(stage: &Stage) -> Result<()> {
    let bad = ONE_GUEST.replace("CidrBlock: 10.0.1.0/24", "CidrBlock: 10.9.1.0/24");
    stage.write("bad.yaml", &bad)?;
    for verb in ["check", "up"] {
        let done = stage.run(&[verb, "bad.yaml"])?;
        ensure!(done.code() == 2, "{verb}: {done:?}");
        for part in ["bad.yaml:3:", "InvalidSubnet.Range", "^"] {
            ensure!(done.stderr.contains(part), "{verb}: {part} in {}", done.stderr);
        }
    }
    stage.write("broken.yaml", "Resources: {Vpc: {Type: AWS::EC2::VPC")?;
    for arguments in [
        &["up", "broken.yaml"][..],
        &["up", "no-such-file.yaml"],
        &["up", "bad.yaml", "--name", "../x"],
        &["run", "bad.yaml", "app", "--", "true"],
        &["up", "bad.yaml", "--no-such-option"],
        &["down"],
        &["status"],
    ] {
        let done = stage.run(arguments)?;
        ensure!(done.code() == 2, "{arguments:?}: {done:?}");
        ensure!(
            done.stderr.starts_with("error") && !done.stderr.contains("panicked"),
            "{arguments:?}: {}",
            done.stderr
        );
    }
    ensure!(!stage.state().exists() || names_in(stage)?.is_empty(), "left: {:?}", names_in(stage)?);
    Ok(())
}

fn exec_and_run_pass_everything_through(stage: &Stage) -> Result<()> {
    stage.write("one.yaml", ONE_GUEST)?;
    let run = stage.run(&["run", "one.yaml", "app", "--", "sh", "-c", "echo out; echo err >&2; exit 42"])?;
    ensure!(run.code() == 42 && run.stdout == "out\n" && run.stderr.contains("err\n"), "{run:?}");
    ensure!(names_in(stage)?.is_empty(), "left: {:?}", names_in(stage)?);

    let lab = stage.up("one", &["one.yaml"])?;
    let name = lab.exec("second", &["hostname"])?.ok()?;
    ensure!(name == "ip-10-0-1-5\n", "a Name tag names a guest: {name}");
    let unknown = lab.exec("ap", &["true"])?;
    ensure!(unknown.code() == 125 && unknown.stderr.contains("did you mean app"), "{unknown:?}");
    let missing = lab.exec("app", &["/no/such/program"])?;
    ensure!(missing.code() == 127, "{missing:?}");
    let data = lab.exec("app", &["/etc/passwd"])?;
    ensure!(data.code() == 126, "{data:?}");
    let environment = lab.exec("app", &["env"])?.ok()?;
    for present in ["AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=", "SSL_CERT_FILE=", "NODE_EXTRA_CA_CERTS="] {
        ensure!(environment.contains(present), "{present} in {environment}");
    }
    for hidden in ["a-profile-of-the-host", "192.0.2.1"] {
        ensure!(!environment.contains(hidden), "{hidden} came through: {environment}");
    }
    Ok(())
}
