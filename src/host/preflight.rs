//! Whether this machine can run a lab, and if not, which setting forbids it.
//!
//! A child process tries what a lab does, step by step; the parent turns the kernel's bare `Operation not permitted` into
//! the name of the setting behind it and the command that changes it. Reading settings alone would not do: distributions
//! forbid in ways that no list is complete for, and a setting that looks bad may not matter.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use anyhow::Context;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;

use super::tap::{LinkKind, Offloads, TUN_DEVICE, Tap};
use super::{lab_process, mounts, sys};

/// What this machine offers.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// Whether a lab runs in a user namespace of its own here.
    pub rootless: bool,
    /// What TAPs with a vnet header can do; `None` when only `--plain-links` works.
    pub offloads: Option<Offloads>,
    /// What works less well here than it could.
    pub notes: Vec<String>,
}

/// One thing that forbids a lab, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What was tried and what the kernel said.
    pub what: String,
    /// The setting behind it: `kernel.apparmor_restrict_unprivileged_userns`, `/dev/net/tun`, …
    pub setting: String,
    /// What to do: a command or an option.
    pub fix: String,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}\n  because of: {}\n  to allow it: {}", self.what, self.setting, self.fix)
    }
}

/// Tries what a lab needs, in a child process, and explains each refusal. Call it while this process has a single thread.
pub fn preflight() -> Result<Preflight, Vec<Obstacle>> {
    let rootless = lab_process::needs_user_namespace();
    let probe = run_probe(rootless).map_err(|error| {
        vec![Obstacle {
            what: format!("trying what a lab needs failed: {error:#}"),
            setting: "unknown".to_owned(),
            fix: "check `ulimit -u` and free memory".to_owned(),
        }]
    })?;
    let settings = Settings::read();
    let obstacles: Vec<Obstacle> =
        probe.refusals.iter().map(|(step, errno)| settings.explain(*step, *errno, rootless)).collect();
    if !obstacles.is_empty() {
        return Err(obstacles);
    }
    let mut notes = Vec::new();
    if rootless {
        notes.extend(lab_process::foresee_one_user());
    }
    if probe.offloads.is_none() {
        notes.push(format!("{TUN_DEVICE} refuses TAPs with a vnet header here; use `--plain-links` (slower)"));
    }
    Ok(Preflight { rootless, offloads: probe.offloads, notes })
}

/// What the child tries, in this order. It stops at the first refusal that makes the rest pointless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    UserNamespace,
    MapIds,
    MountAndPid,
    NetworkAndHostname,
    Mount,
    OpenTun,
    Tap,
}

impl Step {
    const ALL: [Step; 7] = [
        Step::UserNamespace,
        Step::MapIds,
        Step::MountAndPid,
        Step::NetworkAndHostname,
        Step::Mount,
        Step::OpenTun,
        Step::Tap,
    ];

    fn says(self) -> &'static str {
        match self {
            Step::UserNamespace => "making a user namespace",
            Step::MapIds => "mapping ids in a new user namespace",
            Step::MountAndPid => "making a mount and PID namespace",
            Step::NetworkAndHostname => "making a network and UTS namespace",
            Step::Mount => "mounting in a new mount namespace",
            Step::OpenTun => "opening /dev/net/tun",
            Step::Tap => "making a TAP in a new network namespace",
        }
    }
}

#[derive(Debug, Default)]
struct Probe {
    refusals: Vec<(Step, i32)>,
    offloads: Option<Offloads>,
}

fn run_probe(rootless: bool) -> anyhow::Result<Probe> {
    let (mut reader, mut writer) = std::io::pipe().context("pipe")?;
    match sys::fork().context("fork")? {
        ForkResult::Child => {
            drop(reader);
            let probe = probe(rootless);
            let _ = writer.write_all(&probe.encode());
            sys::exit_now(0)
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).context("reading from the child")?;
            waitpid(child, None).context("waiting for the child")?;
            Probe::decode(&bytes).context("the child ended early (seccomp may kill it)")
        }
    }
}

fn probe(rootless: bool) -> Probe {
    let mut probe = Probe::default();
    // Tried first and apart: whoever has two problems should learn of both at once.
    if let Err(error) = fs::File::options().read(true).write(true).open(TUN_DEVICE) {
        probe.refuse(Step::OpenTun, error.raw_os_error());
    }
    if let Err((step, errno)) = probe_namespaces(rootless) {
        probe.refuse(step, Some(errno));
    } else if probe.refusals.is_empty() {
        match Tap::open("probe0", LinkKind::Offload) {
            Ok(tap) => probe.offloads = Some(tap.offloads()),
            Err(_) => {
                if let Err(error) = Tap::open("probe1", LinkKind::Plain) {
                    probe.refuse(Step::Tap, errno_of(&error));
                }
            }
        }
    }
    probe
}

fn probe_namespaces(rootless: bool) -> Result<(), (Step, i32)> {
    let at = |step: Step| move |errno: Errno| (step, errno as i32);
    if rootless {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        unshare(CloneFlags::CLONE_NEWUSER).map_err(at(Step::UserNamespace))?;
        lab_process::map_own_id(uid, gid).map_err(|error| (Step::MapIds, errno_of(&error).unwrap_or(0)))?;
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).map_err(at(Step::MountAndPid))?;
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS).map_err(at(Step::NetworkAndHostname))?;
    mounts::make_private()
        .and_then(|()| mounts::try_tmpfs())
        .map_err(|error| (Step::Mount, errno_of(&error).unwrap_or(0)))
}

fn errno_of(error: &anyhow::Error) -> Option<i32> {
    error.chain().find_map(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::raw_os_error)
            .or_else(|| cause.downcast_ref::<Errno>().map(|errno| *errno as i32))
    })
}

impl Probe {
    fn refuse(&mut self, step: Step, errno: Option<i32>) {
        self.refusals.push((step, errno.unwrap_or(0)));
    }

    /// One byte of offloads (bit 7: a TAP with vnet header works), then five bytes per refusal.
    fn encode(&self) -> Vec<u8> {
        let bits = self.offloads.map_or(0, |offloads| {
            0x80 | u8::from(offloads.checksum)
                | u8::from(offloads.tcp_segmentation) << 1
                | u8::from(offloads.udp_segmentation) << 2
        });
        let mut bytes = vec![bits];
        for (step, errno) in &self.refusals {
            bytes.push(*step as u8);
            bytes.extend(errno.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Probe> {
        let (bits, refusals) = bytes.split_first()?;
        let offloads = (bits & 0x80 != 0).then_some(Offloads {
            checksum: bits & 1 != 0,
            tcp_segmentation: bits & 2 != 0,
            udp_segmentation: bits & 4 != 0,
        });
        let refusals = refusals.chunks_exact(5).map(|chunk| {
            let step = Step::ALL.into_iter().find(|step| *step as u8 == chunk[0])?;
            Some((step, i32::from_le_bytes(chunk[1..].try_into().ok()?)))
        });
        Some(Probe { refusals: refusals.collect::<Option<_>>()?, offloads })
    }
}

/// The settings that are known to forbid something, as they stand; `None` where this kernel has no such setting.
#[derive(Clone, Debug, Default)]
struct Settings {
    apparmor_restrict: Option<u64>,
    userns_clone: Option<u64>,
    max_user_namespaces: Option<u64>,
    /// Whether a seccomp filter lies over this process.
    seccomp: bool,
    tun: Tun,
}

/// What /dev/net/tun is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tun {
    #[default]
    Missing,
    NotADevice,
    Device {
        mode: u32,
    },
}

impl Settings {
    fn read() -> Settings {
        let number = |name: &str| {
            let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
            text.trim().parse().ok()
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Settings {
            apparmor_restrict: number("kernel/apparmor_restrict_unprivileged_userns"),
            userns_clone: number("kernel/unprivileged_userns_clone"),
            max_user_namespaces: number("user/max_user_namespaces"),
            seccomp: status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])),
            tun: match fs::metadata(TUN_DEVICE) {
                Err(_) => Tun::Missing,
                Ok(device) if device.file_type().is_char_device() => Tun::Device { mode: device.mode() & 0o777 },
                Ok(_) => Tun::NotADevice,
            },
        }
    }

    fn explain(&self, step: Step, errno: i32, rootless: bool) -> Obstacle {
        let errno = Errno::from_raw(errno);
        let (setting, fix) = match step {
            Step::OpenTun => self.explain_tun(errno),
            Step::Tap => self.explain_tap(errno),
            _ => self.explain_namespace(step, errno, rootless),
        };
        Obstacle { what: format!("{}: {}", step.says(), errno.desc()), setting, fix }
    }

    fn explain_namespace(&self, step: Step, errno: Errno, rootless: bool) -> (String, String) {
        let pair = |setting: &str, fix: &str| (setting.to_owned(), fix.to_owned());
        match errno {
            // The kernel's answer to every exhausted `user.max_*_namespaces` (namespaces(7)).
            Errno::ENOSPC if step == Step::UserNamespace => (
                format!(
                    "user.max_user_namespaces (now {})",
                    self.max_user_namespaces.map_or("unknown".to_owned(), |max| max.to_string())
                ),
                "sudo sysctl user.max_user_namespaces=15000, or run vpclab as root".to_owned(),
            ),
            Errno::ENOSPC => pair(
                "user.max_mnt_namespaces, user.max_pid_namespaces, user.max_net_namespaces or user.max_uts_namespaces",
                "sudo sysctl user.max_net_namespaces=15000 (and the others of that name)",
            ),
            Errno::EINVAL | Errno::ENOSYS if step == Step::UserNamespace && !self.seccomp => {
                pair("the kernel, built without CONFIG_USER_NS", "run vpclab as root, or another kernel")
            }
            _ if self.userns_clone == Some(0) && rootless => pair(
                "kernel.unprivileged_userns_clone=0",
                "sudo sysctl kernel.unprivileged_userns_clone=1, or run vpclab as root",
            ),
            _ if self.max_user_namespaces == Some(0) && step == Step::UserNamespace => {
                pair("user.max_user_namespaces=0", "sudo sysctl user.max_user_namespaces=15000, or run vpclab as root")
            }
            // Ubuntu 23.10 and later: `unshare` succeeds, then writing uid_map gives EPERM or a mount EACCES.
            _ if self.apparmor_restrict == Some(1) && rootless => pair(
                "kernel.apparmor_restrict_unprivileged_userns=1",
                "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with `userns,` \
                 for the vpclab program, or run vpclab as root",
            ),
            _ if self.seccomp => pair(
                "a seccomp filter over this process, as containers have it",
                "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                 --cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun",
            ),
            _ => pair(
                "a security module (SELinux, AppArmor), a chroot or a container",
                "run vpclab as root outside of it, or look into `dmesg` for the denial",
            ),
        }
    }

    fn explain_tun(&self, errno: Errno) -> (String, String) {
        const LOAD: &str = "sudo modprobe tun (in a container: --device /dev/net/tun)";
        let pair = |setting: &str, fix: &str| (setting.to_owned(), fix.to_owned());
        match (self.tun, errno) {
            (Tun::Missing, _) => pair(
                "/dev/net/tun does not exist",
                &format!(
                    "{LOAD}; if the module is built in: sudo mkdir -p /dev/net && sudo mknod -m 0666 /dev/net/tun c 10 200"
                ),
            ),
            (Tun::NotADevice, _) => pair("/dev/net/tun is not a device", LOAD),
            (Tun::Device { .. }, Errno::ENODEV | Errno::ENXIO) => pair("the kernel module `tun` is not loaded", LOAD),
            (Tun::Device { mode }, Errno::EACCES) => (
                format!("the mode of /dev/net/tun (now {mode:04o})"),
                "sudo chmod 0666 /dev/net/tun (it gives nobody power over the host's network: a TAP needs \
                 CAP_NET_ADMIN in its own namespace), or run vpclab as root"
                    .to_owned(),
            ),
            (Tun::Device { .. }, _) => pair(
                "the device cgroup of this container, or its /dev mounted `nodev`",
                "start the container with --device /dev/net/tun",
            ),
        }
    }

    fn explain_tap(&self, errno: Errno) -> (String, String) {
        let setting = match errno {
            Errno::EPERM if self.seccomp => "a seccomp filter or a missing CAP_NET_ADMIN",
            Errno::EPERM => "a security module (SELinux, AppArmor)",
            _ => "the kernel's tun driver",
        };
        (
            setting.to_owned(),
            "sudo ip tuntap add mode tap name probe0 tells more; run vpclab as root or outside of the container"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn explains(settings: &Settings, step: Step, errno: Errno, setting: &str, fix: &str) {
        let obstacle = settings.explain(step, errno as i32, true);
        assert!(obstacle.setting.contains(setting), "{obstacle}");
        assert!(obstacle.fix.contains(fix), "{obstacle}");
        assert!(obstacle.what.starts_with(step.says()), "{obstacle}");
    }

    #[test]
    fn each_refusal_names_its_setting_and_the_command() {
        let plain =
            Settings { max_user_namespaces: Some(15_000), tun: Tun::Device { mode: 0o600 }, ..Settings::default() };
        let ubuntu = Settings { apparmor_restrict: Some(1), ..plain.clone() };
        let apparmor = "kernel.apparmor_restrict_unprivileged_userns";
        explains(&ubuntu, Step::MapIds, Errno::EPERM, apparmor, "sysctl kernel.apparmor");
        explains(&ubuntu, Step::Mount, Errno::EACCES, apparmor, "sysctl kernel.apparmor");
        let debian = Settings { userns_clone: Some(0), ..plain.clone() };
        let clone = "kernel.unprivileged_userns_clone";
        explains(&debian, Step::UserNamespace, Errno::EPERM, clone, "userns_clone=1");
        let none = Settings { max_user_namespaces: Some(0), ..plain.clone() };
        let max = "user.max_user_namespaces";
        explains(&none, Step::UserNamespace, Errno::ENOSPC, max, "sysctl user.max_user");
        let docker = Settings { seccomp: true, ..plain.clone() };
        explains(&docker, Step::UserNamespace, Errno::EPERM, "seccomp", "seccomp=unconfined");
        explains(&plain, Step::OpenTun, Errno::EACCES, "0600", "chmod 0666 /dev/net/tun");
        explains(&plain, Step::OpenTun, Errno::ENODEV, "not loaded", "modprobe tun");
        let missing = Settings::default();
        explains(&missing, Step::OpenTun, Errno::ENOENT, "does not exist", "modprobe tun");
        explains(&plain, Step::OpenTun, Errno::EPERM, "device cgroup", "--device");
        explains(&plain, Step::UserNamespace, Errno::EINVAL, "CONFIG_USER_NS", "as root");
        explains(&plain, Step::NetworkAndHostname, Errno::ENOSPC, "max_net_namespaces", "sysctl");
    }

    #[test]
    fn a_probe_survives_its_pipe() {
        let probe = Probe {
            refusals: vec![(Step::OpenTun, 13), (Step::MapIds, 1)],
            offloads: Some(Offloads { checksum: true, tcp_segmentation: true, udp_segmentation: false }),
        };
        let decoded = Probe::decode(&probe.encode()).unwrap();
        assert_eq!(decoded.refusals, probe.refusals);
        assert_eq!(decoded.offloads, probe.offloads);
        assert!(Probe::decode(&[]).is_none());
        assert!(Probe::decode(&[0, 99, 0, 0, 0, 0]).is_none());
    }
}
