//! Guests and services: anonymous namespaces with a TAP inside, and descriptors that keep them alive.
//!
//! Each is made by a plain thread that unshares, sets the inside up and ends; what stays are the descriptors in
//! [`Namespaces`] and the open [`Tap`]s. When the last descriptor and the last process inside are gone, so is everything
//! else: TAPs, mounts, addresses. There is no destroy function, because there is nothing that it could do.
//!
//! Not here: what runs inside (`join`), what is mounted (`mounts`), addresses and routes (`netlink`).

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context, bail};
use ipnet::Ipv4Net;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use super::netlink;
use super::tap::{LinkKind, Tap};
use super::{ROUTER_ADDRESS, ROUTER_MAC, mounts};

/// One network interface of a guest.
#[derive(Clone, Debug)]
pub struct InterfaceSpec {
    /// `eth0`, `eth1`, …: at most 15 bytes.
    pub name: String,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Its addresses with the subnet's prefix length; the first is the one that it speaks from.
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// [`GUEST_MTU`](super::GUEST_MTU) as a rule.
    pub mtu: u32,
    /// The subnet's `.1`, if the default route leaves here.
    pub gateway: Option<Ipv4Addr>,
}

/// What a guest is made from.
#[derive(Clone, Debug)]
pub struct GuestSpec {
    /// The name that errors and the log use.
    pub name: String,
    /// `ip-10-0-1-10`.
    pub hostname: String,
    /// At least one.
    pub interfaces: Vec<InterfaceSpec>,
    /// The VPC's resolver, for resolv.conf.
    pub resolver: Ipv4Addr,
    /// resolv.conf's `search`.
    pub search: Option<String>,
    /// Further lines of /etc/hosts, after localhost and the guest's own name.
    pub hosts: Vec<(Ipv4Addr, String)>,
    /// The lab's CA, PEM: appended to the system's bundle.
    pub ca_pem: String,
    /// A folder of this guest alone in the lab's state folder (made when missing). In the guest a tmpfs lies over it that
    /// holds the guest's files, so the folder itself stays empty.
    pub state: PathBuf,
    /// Files of the lab's own in that folder, by name: in the guest alone.
    pub files: Vec<(&'static str, &'static str)>,
    /// Folders to show empty in the guest when they exist (`~/.aws`).
    pub hidden: Vec<PathBuf>,
}

/// What a service's namespace is made from.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    /// The name that errors and the log use.
    pub name: String,
    /// Addresses of `eth0`, each /32.
    pub addresses: Vec<Ipv4Addr>,
    /// Prefixes all of whose addresses are local here: one socket answers for a whole published range.
    pub local_prefixes: Vec<Ipv4Net>,
    /// The MAC of `eth0`.
    pub mac: [u8; 6],
    /// The MTU of `eth0`.
    pub mtu: u32,
}

/// The namespaces of one guest or service, held open.
#[derive(Debug)]
pub struct Namespaces {
    /// Who owns the others: the lab's user namespace, or the machine's when the lab runs as root.
    pub user: OwnedFd,
    /// Its mounts. A service shares the lab's.
    pub mount: OwnedFd,
    /// Its network.
    pub net: OwnedFd,
    /// Its host name. A service shares the lab's.
    pub uts: OwnedFd,
    /// The lab's processes.
    pub pid: OwnedFd,
}

impl Namespaces {
    /// How many descriptors [`fds`](Namespaces::fds) gives.
    pub const COUNT: usize = 5;

    /// The descriptors in the order that [`from_fds`](Namespaces::from_fds) takes: for `SCM_RIGHTS`.
    pub fn fds(&self) -> [BorrowedFd<'_>; Self::COUNT] {
        [self.user.as_fd(), self.mount.as_fd(), self.net.as_fd(), self.uts.as_fd(), self.pid.as_fd()]
    }

    /// The other end of [`fds`](Namespaces::fds).
    pub fn from_fds(descriptors: Vec<OwnedFd>) -> anyhow::Result<Namespaces> {
        let count = descriptors.len();
        let Ok([user, mount, net, uts, pid]) = <[OwnedFd; Self::COUNT]>::try_from(descriptors) else {
            bail!("{count} namespace descriptors came instead of {}", Self::COUNT);
        };
        Ok(Namespaces { user, mount, net, uts, pid })
    }

    /// A second handle on the same namespaces.
    pub fn try_clone(&self) -> std::io::Result<Namespaces> {
        Ok(Namespaces {
            user: self.user.try_clone()?,
            mount: self.mount.try_clone()?,
            net: self.net.try_clone()?,
            uts: self.uts.try_clone()?,
            pid: self.pid.try_clone()?,
        })
    }

    /// Those of the calling thread.
    pub fn of_this_thread() -> anyhow::Result<Namespaces> {
        let open = |kind: &str| -> anyhow::Result<OwnedFd> {
            let path = format!("/proc/thread-self/ns/{kind}");
            let file = File::open(&path).with_context(|| format!("opening {path}"))?;
            Ok(file.into())
        };
        Ok(Namespaces {
            user: open("user")?,
            mount: open("mnt")?,
            net: open("net")?,
            uts: open("uts")?,
            pid: open("pid")?,
        })
    }
}

/// Makes a guest: its namespaces and one TAP per interface, in the order of the spec. Blocks; not for a tokio worker.
pub fn create_guest(spec: &GuestSpec, kind: LinkKind) -> anyhow::Result<(Namespaces, Vec<Tap>)> {
    on_own_thread(&spec.name, || build_guest(spec, kind)).with_context(|| format!("making guest `{}`", spec.name))
}

/// Makes a service's network namespace and its TAP. Blocks; not for a tokio worker.
pub fn create_service(spec: &ServiceSpec, kind: LinkKind) -> anyhow::Result<(Namespaces, Tap)> {
    on_own_thread(&spec.name, || build_service(spec, kind))
        .with_context(|| format!("making the namespace of service `{}`", spec.name))
}

/// Runs `job` on a plain thread inside the network namespace, to open sockets that stay there. Mounts and user stay the
/// lab's. Blocks; not for a tokio worker.
pub fn within<T: Send>(namespaces: &Namespaces, job: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    on_own_thread("within", || {
        setns(&namespaces.net, CloneFlags::CLONE_NEWNET).context("entering the network namespace")?;
        job()
    })
}

/// A namespace is entered for good, so the thread that does it is never one that others use again.
fn on_own_thread<T: Send>(name: &str, job: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        // The kernel shows 15 bytes of a thread's name.
        let name: String = name.chars().filter(|c| *c != '\0').take(15).collect();
        let thread = std::thread::Builder::new().name(name).spawn_scoped(scope, job).context("starting a thread")?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn build_guest(spec: &GuestSpec, kind: LinkKind) -> anyhow::Result<(Namespaces, Vec<Tap>)> {
    enter_new(
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS,
        "a network, mount and UTS namespace",
    )?;
    nix::unistd::sethostname(&spec.hostname).with_context(|| format!("setting the host name `{}`", spec.hostname))?;
    set_network_defaults()?;
    let mut taps = Vec::with_capacity(spec.interfaces.len());
    for interface in &spec.interfaces {
        taps.push(Tap::open(&interface.name, kind)?);
    }
    netlink::configure(netlink::Plan::guest(&spec.interfaces))?;
    mounts::set_up(spec)?;
    Ok((Namespaces::of_this_thread()?, taps))
}

fn build_service(spec: &ServiceSpec, kind: LinkKind) -> anyhow::Result<(Namespaces, Tap)> {
    enter_new(CloneFlags::CLONE_NEWNET, "a network namespace")?;
    set_network_defaults()?;
    let tap = Tap::open("eth0", kind)?;
    netlink::configure(netlink::Plan::service(spec, ROUTER_ADDRESS, ROUTER_MAC))?;
    Ok((Namespaces::of_this_thread()?, tap))
}

/// Unshares, and names the limit that stands behind the error.
fn enter_new(flags: CloneFlags, what: &str) -> anyhow::Result<()> {
    unshare(flags).map_err(|errno| {
        let error = anyhow::Error::new(errno);
        match errno {
            Errno::ENOSPC => error.context(format!(
                "making {what}: a limit is reached; raise `sysctl user.max_net_namespaces` and `user.max_mnt_namespaces`"
            )),
            _ => error.context(format!("making {what}")),
        }
    })
}

/// Network settings of the new namespace, before its first interface: `default` is what new interfaces start with.
///
/// IPv4's values are inherited from the machine (`net.core.devconf_inherit_init_net` is 0), so each that matters is set.
/// `lo` keeps `::1`; other interfaces get no IPv6, or each would chatter about its neighbours.
fn set_network_defaults() -> anyhow::Result<()> {
    const SETTINGS: &[(&str, &str)] = &[
        ("ipv6/conf/default/disable_ipv6", "1"),
        // Strict reverse-path filtering drops what arrives for a service's prefixes, or on a guest's second interface.
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/forwarding", "0"),
        ("ipv4/conf/default/forwarding", "0"),
        // `ping` without a capability, as EC2's own images have it.
        ("ipv4/ping_group_range", "0 0"),
        // Linux's defaults, whatever the machine's owner tuned.
        ("ipv4/ip_local_port_range", "32768 60999"),
        ("ipv4/tcp_mtu_probing", "0"),
        ("ipv4/ip_no_pmtu_disc", "0"),
    ];
    for (setting, value) in SETTINGS {
        let path = format!("/proc/sys/net/{setting}");
        match std::fs::write(&path, value) {
            Ok(()) => {}
            // A kernel without IPv6 lacks its folder.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // A container may show /proc/sys read-only; what is right already needs no writing.
            Err(_) if holds(&path, value) => {}
            Err(error) => return Err(error).with_context(|| format!("writing `{value}` to {path}")),
        }
    }
    set_congestion_control();
    Ok(())
}

/// CUBIC is Linux's and Amazon Linux's default. A machine set to BBR would pace every guest: half the throughput and a timer for
/// each burst. A namespace may only choose what the machine allows (`net.ipv4.tcp_allowed_congestion_control`): Reno always,
/// which is as fast where nothing is lost.
fn set_congestion_control() {
    const PATH: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
    // Where even that is refused the machine's own default serves, only slower.
    let _ = ["cubic", "reno"].into_iter().find(|name| std::fs::write(PATH, name).is_ok());
}

fn holds(path: &str, value: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|now| now.split_whitespace().eq(value.split_whitespace()))
}
