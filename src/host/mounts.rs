//! What a guest sees differently from its host: resolv.conf, hosts, CA bundle, `vpclab` itself, an own /sys.
//!
//! All of it lies on one tmpfs, mounted in the guest over its own (empty) folder of the lab's state and bound from there
//! over the host's files. The mounts exist in the guest's mount namespace alone and end with it; the host's files are
//! never written. A file that is missing or a dangling link can't be bound over: then /etc becomes an overlay.
//!
//! Not done: the guest keeps the host's root file system, users and programs. What a command in it writes there, it
//! writes on the host.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::mount::{MsFlags, mount};

use super::namespace::GuestSpec;

/// Where distributions keep the bundle of trusted CAs that TLS libraries read; in a guest each that exists trusts the lab.
pub const GUEST_CA_BUNDLES: &[&str] = &[
    // Debian, Ubuntu, Arch, Alpine
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, RHEL, Amazon Linux
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // SUSE
    "/etc/ssl/ca-bundle.pem",
    // Alpine's LibreSSL programs
    "/etc/ssl/cert.pem",
];

/// The bundle (system's CAs and the lab's) as the guest with this state folder sees it: for `SSL_CERT_FILE` and its kin.
pub fn guest_ca_bundle(state: &Path) -> PathBuf {
    state.join("ca-bundle.pem")
}

/// The folder that holds `vpclab` in the guest with this state folder: for `PATH`.
pub fn guest_bin(state: &Path) -> PathBuf {
    state.join("bin")
}

/// Mounts it all, in the calling thread's mount namespace, which must be new.
pub(super) fn set_up(spec: &GuestSpec) -> anyhow::Result<()> {
    make_private()?;
    fs::create_dir_all(&spec.state).with_context(|| format!("creating {}", spec.state.display()))?;
    let nothing: Option<&str> = None;
    mount(Some("vpclab"), &spec.state, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755"))
        .with_context(|| format!("mounting a tmpfs over {}", spec.state.display()))?;

    write(&spec.state.join("resolv.conf"), &resolv_conf(spec))?;
    write(&spec.state.join("hosts"), &hosts(spec))?;
    place_in_etc(&spec.state, &["resolv.conf", "hosts"])?;
    place_optional(&spec.state, spec)?;
    trust_the_lab(spec)?;
    for (name, text) in &spec.files {
        write(&spec.state.join(name), text)?;
    }
    offer_vpclab(&guest_bin(&spec.state))?;
    for folder in spec.hidden.iter().map(PathBuf::as_path).chain([
        // glibc asks a name cache of the host, when there is one, before resolv.conf.
        Path::new("/run/nscd"),
    ]) {
        if folder.is_dir() {
            mount(Some("vpclab"), folder, Some("tmpfs"), MsFlags::MS_RDONLY, nothing)
                .with_context(|| format!("hiding {}", folder.display()))?;
        }
    }
    own_sysfs(&spec.state);
    Ok(())
}

/// Nothing that is mounted from now on in this mount namespace shows in another, nor the reverse.
pub(super) fn make_private() -> anyhow::Result<()> {
    let nothing: Option<&str> = None;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .context("making the mounts of the new namespace private")
}

/// Mounts a tmpfs somewhere, to see whether one may; nothing of this process needs /tmp afterwards.
pub(super) fn try_tmpfs() -> anyhow::Result<()> {
    let nothing: Option<&str> = None;
    mount(Some("vpclab"), "/tmp", Some("tmpfs"), MsFlags::empty(), nothing).context("mounting a tmpfs")
}

/// Mounts a /proc of the calling process's PID namespace. A container that masks parts of its /proc forbids that.
pub(super) fn own_procfs() -> nix::Result<()> {
    let nothing: Option<&str> = None;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, nothing)
}

fn resolv_conf(spec: &GuestSpec) -> String {
    let mut text = format!("nameserver {}\n", spec.resolver);
    if let Some(search) = &spec.search {
        text += &format!("search {search}\n");
    }
    // As Amazon Linux writes it.
    text + "options timeout:2 attempts:5\n"
}

fn hosts(spec: &GuestSpec) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned();
    let first = spec.interfaces.first();
    if let Some((address, _)) = first.and_then(|interface| interface.addresses.first()) {
        let full = spec.search.as_ref().map(|search| format!("{}.{search} ", spec.hostname));
        text += &format!("{address} {}{}\n", full.unwrap_or_default(), spec.hostname);
    }
    for (address, name) in &spec.hosts {
        text += &format!("{address} {name}\n");
    }
    text
}

/// Puts `names` of the guest's folder over their namesakes in /etc, which need not exist.
fn place_in_etc(state: &Path, names: &[&str]) -> anyhow::Result<()> {
    let missing = |name: &&str| !Path::new("/etc").join(name).is_file();
    if names.iter().any(missing) {
        overlay_etc(state, names).with_context(|| {
            let missing: Vec<_> = names.iter().copied().filter(|name| missing(name)).collect();
            format!(
                "laying an overlay on /etc, since the host lacks {} (or it is a dangling link); creating it helps too",
                missing.iter().map(|name| format!("/etc/{name}")).collect::<Vec<_>>().join(", "),
            )
        })?;
    }
    for name in names {
        let target = Path::new("/etc").join(name);
        // In an overlay the file stands there already.
        if !same_text(&state.join(name), &target) {
            bind(&state.join(name), &target)?;
        }
    }
    Ok(())
}

/// An overlay whose upper layer already holds `names`: they stand in front of whatever /etc has, links included.
fn overlay_etc(state: &Path, names: &[&str]) -> anyhow::Result<()> {
    let (upper, work) = (state.join("etc"), state.join("etc.work"));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    for name in names {
        fs::copy(state.join(name), upper.join(name))?;
    }
    let upper = upper.display();
    let attempts = [
        // In a user namespace an upper layer needs its marks in `user.*` attributes; tmpfs has those since Linux 6.6.
        format!("lowerdir=/etc,upperdir={upper},workdir={},userxattr", work.display()),
        format!("lowerdir=/etc,upperdir={upper},workdir={}", work.display()),
        // Without any upper layer: read-only, but it shows the right files.
        format!("lowerdir={upper}:/etc"),
    ];
    let mut last = Ok(());
    for options in &attempts {
        last = mount(Some("vpclab"), "/etc", Some("overlay"), MsFlags::empty(), Some(options.as_str()));
        if last.is_ok() {
            return Ok(());
        }
    }
    last.context("mount")
}

/// What is replaced only where the host has it.
fn place_optional(state: &Path, spec: &GuestSpec) -> anyhow::Result<()> {
    let hostname = Path::new("/etc/hostname");
    if hostname.is_file() {
        let own = state.join("hostname");
        write(&own, &format!("{}\n", spec.hostname))?;
        bind(&own, hostname)?;
    }
    let switch = Path::new("/etc/nsswitch.conf");
    if let Ok(text) = fs::read_to_string(switch) {
        let own = state.join("nsswitch.conf");
        write(&own, &names_by_dns_alone(&text))?;
        bind(&own, switch)?;
    }
    Ok(())
}

/// systemd's `resolve` and `mymachines` modules ask the host's resolver over a unix socket, past the guest's network.
fn names_by_dns_alone(nsswitch: &str) -> String {
    let line = |line: &str| match line.trim_start().starts_with("hosts:") {
        true => "hosts: files dns\n".to_owned(),
        false => format!("{line}\n"),
    };
    nsswitch.lines().map(line).collect()
}

fn trust_the_lab(spec: &GuestSpec) -> anyhow::Result<()> {
    let system = GUEST_CA_BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok());
    let own = guest_ca_bundle(&spec.state);
    write(&own, &format!("{}\n{}", system.unwrap_or_default(), spec.ca_pem))?;
    // Several of the paths may be links to one file.
    let targets: BTreeSet<PathBuf> = GUEST_CA_BUNDLES.iter().filter_map(|path| fs::canonicalize(path).ok()).collect();
    targets.iter().try_for_each(|target| bind(&own, target))
}

/// Puts this very program into `folder` as `vpclab`, so that a first-boot script finds it whatever PATH the host has.
fn offer_vpclab(folder: &Path) -> anyhow::Result<()> {
    let target = folder.join("vpclab");
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    write(&target, "")?;
    let program = std::env::current_exe().context("finding vpclab's own file")?;
    if program.is_file() {
        return bind(&program, &target);
    }
    // It was replaced or deleted since it started; the kernel still has it.
    fs::copy("/proc/self/exe", &target).context("copying /proc/self/exe")?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} executable", target.display()))
}

/// The host's /sys shows the host's interfaces. A guest's own is better, and not worth failing for: a container may
/// forbid it. The cgroup tree under it is kept, since runtimes read their limits there.
fn own_sysfs(state: &Path) {
    let staging = state.join("sys");
    let nothing: Option<&str> = None;
    let mounted = fs::create_dir_all(&staging).is_ok()
        && mount(
            Some("sysfs"),
            &staging,
            Some("sysfs"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
            nothing,
        )
        .is_ok();
    if mounted {
        let _ = mount(
            Some("/sys/fs/cgroup"),
            &staging.join("fs/cgroup"),
            nothing,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            nothing,
        );
        let _ = mount(Some(&staging), "/sys", nothing, MsFlags::MS_MOVE, nothing);
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn same_text(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

fn bind(source: &Path, target: &Path) -> anyhow::Result<()> {
    let nothing: Option<&str> = None;
    mount(Some(source), target, nothing, MsFlags::MS_BIND, nothing)
        .with_context(|| format!("binding {} over {}", source.display(), target.display()))
}

#[cfg(test)]
mod tests {
    use super::names_by_dns_alone;

    #[test]
    fn names_come_from_files_and_dns_alone() {
        let host = "passwd: files systemd\nhosts:  mymachines resolve [!UNAVAIL=return] files dns\nnetworks: files\n";
        assert_eq!(names_by_dns_alone(host), "passwd: files systemd\nhosts: files dns\nnetworks: files\n");
    }
}
