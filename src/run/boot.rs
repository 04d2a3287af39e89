//! First boot: what a guest's `UserData` starts, and whether the targets of balancers listen.
//!
//! **Purpose.** A script runs once per guest and start, like cloud-init's: as root, in `/`, with a plain environment. What it
//! prints goes to the lab's log behind the guest's name.
//!
//! **Life.** Written to the lab's folder, started in the guest after everything else stands, waited for by a thread of
//! its own. A lab is ready when every target that a script could have started listens, or after [`PATIENCE`]: a target
//! that still does not listen becomes a notice, not an error.
//!
//! **Not done.** `#cloud-config` and MIME documents (AWS's cloud-init reads them): a script starts with `#!`.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::guest::Guest;
use crate::host::{self, GuestCommand, Namespaces};
use crate::model::World;

/// How long `up` waits for the targets of balancers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a guest's listening sockets.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest line of a script's output that is kept together.
const LONGEST_LINE: u64 = 8 * 1024;

/// Starts a guest's script. Errors are the user's own (no such interpreter), so the caller makes them notices.
pub fn start_user_data(folder: &Path, guest: &Guest, script: &str) -> Result<()> {
    if !script.starts_with("#!") {
        anyhow::bail!("its UserData is no script: the first line must name an interpreter, such as `#!/bin/sh`");
    }
    let file = folder.join("user-data").join(&guest.instance_id);
    write_program(&file, script)?;
    let (reader, writer) = std::io::pipe().context("making a pipe for its output")?;
    let errors = writer.try_clone().context("making a pipe for its errors")?;
    let mut env: Vec<_> = guest.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let path = format!("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{}", guest.programs.display());
    env.push(("PATH".into(), path.into()));
    env.push(("HOME".into(), "/root".into()));
    let command = GuestCommand {
        program: file.into_os_string(),
        env,
        clear_env: true,
        stdin: Some(OpenOptions::new().read(true).open("/dev/null").context("opening /dev/null")?.into()),
        stdout: Some(writer.into()),
        stderr: Some(errors.into()),
        cwd: Some("/".into()),
        ..GuestCommand::default()
    };
    let mut child = host::spawn_in(&guest.namespaces, &command)?;
    drop(command); // our ends of the pipe, or its reader would never see the end
    let name = guest.name.shown.clone();
    // Two threads, as what a script leaves in the background holds the pipe open for the lab's whole life.
    thread::Builder::new()
        .name("first boot".into())
        .spawn({
            let name = name.clone();
            move || log_lines(&name, reader)
        })
        .context("starting the thread that reads its output")?;
    thread::Builder::new()
        .name("first boot".into())
        .spawn(move || match child.wait() {
            Ok(status) if status.success() => tracing::info!("{name}: UserData ended"),
            Ok(status) => tracing::warn!("{name}: UserData ended with {status}"),
            Err(error) => tracing::warn!("{name}: UserData: {error}"),
        })
        .context("starting the thread that waits for it")?;
    Ok(())
}

fn write_program(file: &Path, script: &str) -> Result<()> {
    let folder = file.parent().context("a script is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))?;
    let mut open = OpenOptions::new();
    let mut written = open
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o700)
        .open(file)
        .with_context(|| format!("creating `{}`", file.display()))?;
    written.write_all(script.as_bytes()).with_context(|| format!("writing `{}`", file.display()))
}

fn log_lines(name: &str, reader: PipeReader) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        match std::io::Read::take(&mut reader, LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!("{name}: {}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}

/// Waits for the TCP targets of balancers in guests with a script; returns a notice for each that does not listen.
pub fn wait_for_targets(world: &World, guests: &[Guest], said: &mut dyn FnMut(usize, usize)) -> Vec<String> {
    let mut waiting = targets(world, guests);
    let total = waiting.len();
    let end = Instant::now() + PATIENCE;
    loop {
        waiting.retain(|target| !target.listens());
        said(total - waiting.len(), total);
        if waiting.is_empty() || Instant::now() >= end {
            break;
        }
        thread::sleep(PAUSE);
    }
    waiting
        .iter()
        .map(|target| {
            format!(
                "{}: nothing listens on TCP {}:{} yet, where a balancer's target is",
                target.guest.name.shown, target.address, target.port
            )
        })
        .collect()
}

struct Target<'a> {
    guest: &'a Guest,
    address: Ipv4Addr,
    port: u16,
}

fn targets<'a>(world: &World, guests: &'a [Guest]) -> Vec<Target<'a>> {
    let mut found: Vec<Target> = Vec::new();
    for group in world.target_groups.values().filter(|group| group.protocol.starts_with("TCP")) {
        for target in &group.targets {
            let here = guests.iter().filter(|guest| guest.has_user_data && guest.vpc_id == group.vpc_id);
            let hit = here.filter_map(|guest| {
                let by_id = (guest.instance_id == target.id).then(|| guest.addresses.first().copied()).flatten();
                let by_address = guest.addresses.iter().copied().find(|address| address.to_string() == target.id);
                Some((guest, by_id.or(by_address)?))
            });
            for (guest, address) in hit {
                let known = found.iter().any(|it| {
                    (&it.guest.instance_id, it.address, it.port) == (&guest.instance_id, address, target.port)
                });
                if !known {
                    found.push(Target { guest, address, port: target.port });
                }
            }
        }
    }
    found
}

impl Target<'_> {
    fn listens(&self) -> bool {
        listening(&self.guest.namespaces)
            .is_ok_and(|tables| tables.iter().any(|table| listens(table, self.address, self.port)))
    }
}

/// The kernel's tables of TCP sockets in a namespace.
fn listening(namespaces: &Namespaces) -> Result<Vec<String>> {
    host::within(namespaces, || {
        // A kernel without IPv6 has no second table.
        let tables = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].map(fs::read_to_string);
        Ok(tables.into_iter().flatten().collect())
    })
}

/// Whether a table (proc_net_tcp: `sl local_address rem_address st …`, hexadecimal, address as the host's own u32s) has a
/// listener for the address and port.
fn listens(table: &str, address: Ipv4Addr, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let exact = format!("{:08X}", u32::from_ne_bytes(address.octets()));
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (Some(local), _, Some(state)) = (fields.next(), fields.next(), fields.next()) else { return false };
        let Some((local_address, local_port)) = local.split_once(':') else { return false };
        let any = local_address.bytes().all(|digit| digit == b'0');
        state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port) && (any || local_address.ends_with(&exact))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::naming::GuestName;
    use crate::model::{self, HealthCheck, Meta, TargetGroup};

    #[test]
    fn listeners_are_found_in_the_kernels_own_table() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let table = fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
        assert!(listens(&table, Ipv4Addr::LOCALHOST, port));
        assert!(!listens(&table, Ipv4Addr::new(10, 0, 0, 1), port));
        drop(listener);
        let _connected = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = _connected.local_addr().unwrap().port();
        let table = fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
        assert!(listens(&table, Ipv4Addr::new(10, 0, 0, 1), port), "any address is this one, too");
    }

    #[test]
    fn a_script_is_executable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("user-data/i-1");
        write_program(&file, "#!/bin/sh\n").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn each_address_and_port_is_a_target_of_its_own() {
        let addresses = ["10.0.1.10", "10.0.2.10"].map(|address| address.parse().unwrap());
        let guest = Guest {
            name: GuestName {
                stack: None,
                logical_id: None,
                name_tag: None,
                instance_id: "i-1".into(),
                shown: "web".into(),
            },
            instance_id: "i-1".into(),
            vpc_id: "vpc-1".into(),
            region: String::new(),
            account: String::new(),
            addresses: addresses.to_vec(),
            links: Vec::new(),
            namespaces: Namespaces::of_this_thread().unwrap(),
            environment: Vec::new(),
            programs: "/".into(),
            has_user_data: true,
        };
        let target = |id: &str, port| model::Target { id: id.into(), port };
        let group = TargetGroup {
            target_group_arn: "arn".into(),
            meta: Meta {
                account: "111122223333".into(),
                region: "us-east-1".into(),
                stack: None,
                logical_id: None,
                source: None,
                tags: BTreeMap::new(),
            },
            target_group_name: "group".into(),
            protocol: "TCP".into(),
            port: 80,
            vpc_id: "vpc-1".into(),
            target_type: "ip".into(),
            // The guest by its id is the guest by its first address; 10.0.9.9 is nobody's.
            targets: vec![
                target("10.0.1.10", 80),
                target("10.0.2.10", 80),
                target("10.0.2.10", 81),
                target("i-1", 80),
                target("10.0.9.9", 80),
            ],
            attributes: BTreeMap::new(),
            health_check: HealthCheck {
                protocol: model::HealthCheckProtocol::Tcp,
                port: None,
                path: None,
                interval_seconds: 30,
                timeout_seconds: 10,
                healthy_threshold: 5,
                unhealthy_threshold: 2,
                matcher: None,
                interval_milliseconds: None,
            },
        };
        let mut world = World::default();
        world.target_groups.insert("arn".into(), group);
        let guests = [guest];
        let found: Vec<_> = targets(&world, &guests).iter().map(|target| (target.address, target.port)).collect();
        assert_eq!(found, [(addresses[0], 80), (addresses[1], 80), (addresses[1], 81)]);
    }
}
