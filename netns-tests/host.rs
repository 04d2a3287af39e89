//! Namespaces, TAPs and processes on a real kernel: as root, and as an ordinary user in a user namespace.
//!
//! Each story runs in a lab of its own (see `host_harness`), which is also how it cleans up: by dying.

// The ban on clocks and files is for the pure rooms; these tests are about the kernel.
#![allow(clippy::disallowed_methods)]

#[path = "host_exec.rs"]
mod exec;
#[path = "host_harness.rs"]
mod harness;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;

use anyhow::{Context, ensure};
use harness::*;
use libtest_mimic::{Arguments, Trial};
use vpclab::host::*;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "--role") {
        play(&args[2..].iter().map(String::as_str).collect::<Vec<_>>());
    }
    if let Some(error) = with_default_signals() {
        eprintln!("starting this test again with the default signals: {error}");
        return ExitCode::FAILURE;
    }
    let mut trials = Vec::new();
    for who in Who::all() {
        let is_root = nix::unistd::geteuid().is_root();
        for story in STORIES.iter().filter(|story| is_root || story.prepare.is_empty()) {
            trials.push(trial(&format!("{}::{who:?}", story.name), move || in_lab(who, story.prepare, &[story.name])));
        }
    }
    trials.push(trial("preflight::here", preflight_here));
    // Only root can make another user's situation.
    if nix::unistd::geteuid().is_root() {
        trials.push(trial("one_id_or_a_range", one_id_or_a_range));
        trials.push(trial("preflight::names_the_tun_node", preflight_names_the_tun_node));
        trials.push(trial("preflight::names_the_limit", preflight_names_the_limit));
    }
    trials.extend(exec::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Starts this program anew when it was started deaf to Ctrl-C, as a shell's `&` and `nohup` do: whoever is ignored here
/// is ignored in all that the stories start, and those about signals would wait for ever. Returns only what went wrong.
fn with_default_signals() -> Option<std::io::Error> {
    const INTERRUPT_HANGUP_QUIT: u64 = 1 << 1 | 1 | 1 << 2;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    if ignored & INTERRUPT_HANGUP_QUIT == 0 {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    Some(Command::new("env").arg("--default-signal=INT,HUP,QUIT").arg(program).args(std::env::args().skip(1)).exec())
}

pub(crate) fn trial(name: &str, test: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| format!("{error:#}").into()))
}

/// A child of this test in its role. Never returns.
fn play(args: &[&str]) -> ! {
    match args {
        ["lab", story] => {
            let story = STORIES.iter().find(|known| known.name == *story).expect("a known story");
            report_from_lab(|lab| (story.tell)(lab))
        }
        ["preflight"] => {
            match preflight() {
                Ok(found) => println!("ready {found:?}"),
                Err(obstacles) => obstacles.iter().for_each(|obstacle| println!("{obstacle}")),
            }
            std::process::exit(0)
        }
        other => exec::play(other),
    }
}

/// What happens inside a lab.
struct Story {
    name: &'static str,
    /// Shell that root runs before the lab starts.
    prepare: &'static str,
    tell: fn(&LabProcess) -> anyhow::Result<()>,
}

const STORIES: &[Story] = &[
    Story { name: "ping_with_offload", prepare: "", tell: |_| ping(LinkKind::Offload) },
    Story { name: "ping_on_plain_links", prepare: "", tell: |_| ping(LinkKind::Plain) },
    Story { name: "tcp_in_super_segments", prepare: "", tell: tcp_in_super_segments },
    Story { name: "tcp_on_plain_links", prepare: "", tell: tcp_on_plain_links },
    Story { name: "udp_in_super_datagrams", prepare: "", tell: udp_in_super_datagrams },
    Story { name: "a_guest_sees_its_own", prepare: "", tell: a_guest_sees_its_own },
    Story { name: "a_service_owns_prefixes", prepare: "", tell: a_service_owns_prefixes },
    Story { name: "init_reaps_and_pids_are_the_labs", prepare: "", tell: init_reaps_and_pids_are_the_labs },
    Story {
        name: "etc_without_resolv_conf",
        prepare: "
            mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work
            mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
            rm -f /etc/resolv.conf /etc/hosts
            ln -s ../run/nowhere/stub-resolv.conf /etc/resolv.conf",
        tell: etc_without_resolv_conf,
    },
    Story {
        name: "resolv_conf_is_a_link",
        prepare: "
            mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work && echo the host >/mnt/stub-resolv.conf
            mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
            rm -f /etc/resolv.conf && ln -s ../mnt/stub-resolv.conf /etc/resolv.conf",
        tell: resolv_conf_is_a_link,
    },
];

fn ping(kind: LinkKind) -> anyhow::Result<()> {
    let (a, b, _) = two_guests(kind)?;
    sh(&a, "ping -c 2 -i 0.01 -W 5 10.0.0.11")?;
    // A full MTU: 9001 less 28 bytes of headers.
    sh(&b, "ping -c 1 -W 5 -M do -s 8973 10.0.0.10")?;
    let too_long = sh(&b, "ping -c 1 -W 5 -M do -s 8974 10.0.0.10").unwrap_err();
    ensure!(too_long.to_string().contains("too long"), "{too_long}");
    Ok(())
}

const BULK: usize = 32 << 20;

/// Bytes whose place shows in them, so that a lost, doubled or swapped piece is seen.
fn pattern(offset: usize) -> u8 {
    (offset ^ (offset >> 8) ^ (offset >> 16)) as u8
}

fn send_bulk(from: &Namespaces, to: &Namespaces) -> anyhow::Result<()> {
    let listener = within(to, || Ok(TcpListener::bind("10.0.0.11:5001")?))?;
    let mut sender = within(from, || Ok(TcpStream::connect("10.0.0.11:5001")?))?;
    let (mut receiver, peer) = listener.accept()?;
    ensure!(peer.ip() == Ipv4Addr::new(10, 0, 0, 10), "{peer}");
    receiver.set_read_timeout(Some(PATIENCE))?;
    let writer = std::thread::spawn(move || -> std::io::Result<()> {
        let bytes: Vec<u8> = (0..BULK).map(pattern).collect();
        sender.write_all(&bytes)
    });
    let mut received = Vec::with_capacity(BULK);
    receiver.read_to_end(&mut received).context("receiving")?;
    writer.join().expect("the writer doesn't panic")?;
    ensure!(received.len() == BULK, "{} bytes of {BULK} came", received.len());
    let wrong = received.iter().enumerate().find(|(at, byte)| **byte != pattern(*at));
    ensure!(wrong.is_none(), "wrong byte at {wrong:?}");
    Ok(())
}

fn tcp_in_super_segments(_: &LabProcess) -> anyhow::Result<()> {
    let (a, b, seen) = two_guests(LinkKind::Offload)?;
    send_bulk(&a, &b)?;
    ensure!(seen.segmented.load(Ordering::Relaxed) > 100, "{seen:?}");
    ensure!(seen.partial.load(Ordering::Relaxed) > 100, "{seen:?}");
    ensure!(seen.longest.load(Ordering::Relaxed) > 60_000, "{seen:?}");
    Ok(())
}

fn tcp_on_plain_links(_: &LabProcess) -> anyhow::Result<()> {
    let (a, b, seen) = two_guests(LinkKind::Plain)?;
    send_bulk(&a, &b)?;
    ensure!(seen.longest.load(Ordering::Relaxed) == 14 + u64::from(GUEST_MTU), "{seen:?}");
    Ok(())
}

/// One `send` of ten datagrams (UDP_SEGMENT) crosses as one frame where the kernel has USO, and arrives as ten anyway.
fn udp_in_super_datagrams(_: &LabProcess) -> anyhow::Result<()> {
    let (a, tap_a) = create_guest(&guest_spec("a"), LinkKind::Offload)?;
    let (b, tap_b) = create_guest(&guest_spec("b"), LinkKind::Offload)?;
    let [tap_a, tap_b] = [tap_a, tap_b].map(|mut taps| taps.remove(0));
    let offloads = tap_a.offloads();
    let seen = relay(tap_a, tap_b, |_, _| {});
    let receiver = within(&b, || Ok(UdpSocket::bind("10.0.0.11:5001")?))?;
    let sender = within(&a, || Ok(UdpSocket::bind("10.0.0.10:0")?))?;
    receiver.set_read_timeout(Some(PATIENCE))?;
    nix::sys::socket::setsockopt(&sender, nix::sys::socket::sockopt::UdpGsoSegment, &1001)?;
    let bytes: Vec<u8> = (0..10 * 1001 - 1).map(pattern).collect();
    sender.send_to(&bytes, "10.0.0.11:5001")?;
    let mut received = Vec::new();
    for _ in 0..10 {
        let mut buffer = [0; 2000];
        let len = receiver.recv(&mut buffer).context("receiving a datagram")?;
        received.extend_from_slice(&buffer[..len]);
    }
    ensure!(received == bytes, "datagrams changed on their way");
    let one_frame = seen.longest.load(Ordering::Relaxed) > 10_000;
    ensure!(one_frame == offloads.udp_segmentation, "{offloads:?} but {seen:?}");
    Ok(())
}

fn a_guest_sees_its_own(lab: &LabProcess) -> anyhow::Result<()> {
    let secret = test_folder().join("secret");
    std::fs::create_dir(&secret)?;
    std::fs::write(secret.join("credentials"), "the host's")?;
    let host_resolv = std::fs::read("/etc/resolv.conf").ok();
    let host_name = nix::unistd::gethostname()?;
    let spec = guest_spec("a");
    let (a, _taps) = create_guest(&spec, LinkKind::Offload)?;
    let sees = |script: &str, text: &str| -> anyhow::Result<()> {
        let output = sh(&a, script)?;
        ensure!(output.contains(text), "`{script}` says:\n{output}\nand not `{text}`");
        Ok(())
    };
    sees("cat /etc/resolv.conf", "nameserver 10.0.0.2\nsearch ec2.internal\n")?;
    sees("getent ahostsv4 ip-10-0-0-10", "10.0.0.10")?;
    sees("getent ahostsv4 written-by-hand", "10.0.0.99")?;
    sees("hostname", "ip-10-0-0-10")?;
    sees("id -u", "0")?;
    sees("ls /sys/class/net | sort | tr '\\n' ' '", "eth0 lo")?;
    sees("ip -br link show eth0", "02:00:0a:00:00:0a")?;
    sees("ip link show eth0", "mtu 9001")?;
    sees("ip -br address show eth0", "10.0.0.10/24")?;
    sees("ip route", "default via 10.0.0.1 dev eth0")?;
    sees("ip -6 -o address | wc -l", "1\n")?;
    sees("ping -c 1 -W 5 127.0.0.1", "1 received")?;
    sees("cat /proc/sys/net/ipv4/ping_group_range", "0\t0")?;
    sees("cat /proc/sys/net/ipv4/conf/eth0/rp_filter", "0")?;
    // CUBIC where the machine lets a namespace have it, else Reno; never the pacing BBR.
    let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").unwrap_or_default();
    let usual = if allowed.contains("cubic") { "cubic" } else { "reno" };
    sees("cat /proc/sys/net/ipv4/tcp_congestion_control", usual)?;
    let bundle = guest_ca_bundle(&spec.state);
    sees(&format!("cat {}", bundle.display()), "the-lab")?;
    for path in GUEST_CA_BUNDLES.iter().filter(|path| Path::new(path).exists()) {
        sees(&format!("cat {path}"), "the-lab")?;
        ensure!(!std::fs::read_to_string(path)?.contains("the-lab"), "the host's {path} changed");
    }
    sees(&format!("ls -A {} | wc -l", secret.display()), "0\n")?;
    let program = guest_bin(&spec.state).join("vpclab");
    sees(&format!("{} --role preflight", program.display()), "")?;

    let before = nix::unistd::gethostname()?;
    ensure!(before == host_name, "the lab's host name became {before:?}");
    ensure!(std::fs::read("/etc/resolv.conf").ok() == host_resolv, "the lab's resolv.conf changed");
    ensure!(lab.rootless == (sh(&a, "cat /proc/self/uid_map")?.split_whitespace().nth(2) != Some("4294967295")));
    Ok(())
}

fn a_service_owns_prefixes(_: &LabProcess) -> anyhow::Result<()> {
    let mac = [0x02, 0, 0, 0, 0, 0x53];
    let mut local_prefixes = vec!["52.216.0.0/15".parse()?, "3.5.0.0/19".parse()?];
    for third in 0..=255u8 {
        local_prefixes.push(ipnet::Ipv4Net::new(Ipv4Addr::new(16, 182, third, 0), 28)?);
    }
    let service = ServiceSpec {
        name: "s3".to_owned(),
        addresses: vec![Ipv4Addr::new(169, 254, 80, 1)],
        local_prefixes,
        mac,
        mtu: GUEST_MTU,
    };
    let (service, service_tap) = create_service(&service, LinkKind::Offload)?;
    let spec = guest_spec("a");
    let guest_mac = spec.interfaces[0].mac;
    let (a, mut taps) = create_guest(&spec, LinkKind::Offload)?;
    // A router that knows both ends; the guest is spared ARP.
    sh(&a, "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0")?;
    relay(taps.remove(0), service_tap, move |from_guest, frame| {
        frame[..6].copy_from_slice(if from_guest { &mac } else { &guest_mac });
        frame[6..12].copy_from_slice(&ROUTER_MAC);
    });
    let listener = within(&service, || Ok(TcpListener::bind("0.0.0.0:80")?))?;
    for address in ["52.216.1.2:80", "52.217.255.255:80", "3.5.31.7:80", "16.182.255.15:80"] {
        let mut client = within(&a, || Ok(TcpStream::connect(address)?))?;
        let (mut served, peer) = listener.accept()?;
        ensure!(served.local_addr()?.to_string() == address, "{:?}", served.local_addr());
        ensure!(peer.ip() == Ipv4Addr::new(10, 0, 0, 10), "{peer}");
        served.write_all(b"hello")?;
        drop(served);
        let mut text = String::new();
        client.read_to_string(&mut text)?;
        ensure!(text == "hello");
    }
    Ok(())
}

fn init_reaps_and_pids_are_the_labs(lab: &LabProcess) -> anyhow::Result<()> {
    let own = std::process::id();
    ensure!(own == 2, "the forwarder is process {own} of the lab");
    ensure!(lab.init_pid != 1 && lab.forwarder_pid > lab.init_pid, "{lab:?}");
    let (a, _taps) = create_guest(&guest_spec("a"), LinkKind::Plain)?;
    // A daemon, twice forked: its parent becomes init, and init reaps it.
    sh(&a, "(setsid sleep 0.05 &) ; true")?;
    until("all orphans are reaped", || {
        let init = std::fs::read_to_string("/proc/1/task/1/children").ok()?;
        (init.split_whitespace().collect::<Vec<_>>() == ["2"]).then_some(())
    })
}

fn etc_without_resolv_conf(_: &LabProcess) -> anyhow::Result<()> {
    let (a, _taps) = create_guest(&guest_spec("a"), LinkKind::Plain)?;
    ensure!(sh(&a, "cat /etc/resolv.conf")?.starts_with("nameserver 10.0.0.2\n"));
    ensure!(sh(&a, "cat /etc/hosts")?.contains("ip-10-0-0-10"));
    ensure!(sh(&a, "cat /etc/ssl/certs/ca-certificates.crt")?.contains("the-lab"));
    ensure!(sh(&a, "getent passwd root")?.starts_with("root:"), "the rest of /etc is gone");
    ensure!(!Path::new("/etc/resolv.conf").exists() && !Path::new("/etc/hosts").exists());
    Ok(())
}

fn resolv_conf_is_a_link(_: &LabProcess) -> anyhow::Result<()> {
    let (a, _taps) = create_guest(&guest_spec("a"), LinkKind::Plain)?;
    ensure!(sh(&a, "cat /etc/resolv.conf")?.starts_with("nameserver 10.0.0.2\n"));
    ensure!(std::fs::read_to_string("/etc/resolv.conf")? == "the host\n");
    Ok(())
}

/// Both maps of ids: one's own alone, and a range by newuidmap.
fn one_id_or_a_range() -> anyhow::Result<()> {
    in_lab(Who::NobodyWithRange, "", &["ping_with_offload"])?;
    in_lab(Who::NobodyWithRange, "", &["a_guest_sees_its_own"])
}

fn preflight_output(who: Who, prepare: &str) -> anyhow::Result<String> {
    let folder = open_folder();
    let output =
        role(who, folder.path(), prepare, &["preflight"]).current_dir("/").stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn preflight_here() -> anyhow::Result<()> {
    for who in Who::all() {
        let said = preflight_output(who, "")?;
        ensure!(said.starts_with("ready"), "{who:?}: {said}");
        ensure!(said.contains("tcp_segmentation: true"), "{who:?}: {said}");
        if who == Who::Nobody {
            ensure!(said.contains("usermod --add-subuids"), "{said}");
        }
    }
    Ok(())
}

fn refuses(prepare: &str, setting: &str, fix: &str) -> anyhow::Result<()> {
    let said = preflight_output(Who::Nobody, prepare)?;
    ensure!(said.contains(setting) && said.contains(fix), "`{prepare}`: {said}");
    Ok(())
}

fn preflight_names_the_tun_node() -> anyhow::Result<()> {
    refuses("TUN_MODE=0600", "the mode of /dev/net/tun (now 0600)", "chmod 0666 /dev/net/tun")?;
    refuses("TUN_MODE=none", "/dev/net/tun does not exist", "modprobe tun")
}

/// A user namespace in which no further one may be made, for a user who has no capability in it.
fn preflight_names_the_limit() -> anyhow::Result<()> {
    let no_more = r#"run() {
        unshare --user --map-root-user sh -c '
            echo 0 > /proc/sys/user/max_user_namespaces
            exec setpriv --bounding-set=-all --inh-caps=-all "$@"' sh "$@"
    }"#;
    refuses(no_more, "user.max_user_namespaces (now 0)", "sysctl user.max_user_namespaces=15000")
}
