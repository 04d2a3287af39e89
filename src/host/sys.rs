//! The crate's only `unsafe`: what neither std nor nix offers in a safe form.
//!
//! Each function here does one system call (or one fork) and gives back owned, typed values, so that the rest of the
//! house stays safe. No policy: what to open, whom to join and when to fork is decided by the callers.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::ForkResult;
use tokio::io::unix::AsyncFd;

use super::tap::Tap;

/// Features a TAP may be told to hand over undone: `TUN_F_*` of `linux/if_tun.h`.
pub(super) mod offload {
    use nix::libc;

    /// Checksums stay partial.
    pub const CHECKSUM: libc::c_uint = 0x01;
    /// TCP over IPv4 stays one super-segment.
    pub const TSO4: libc::c_uint = 0x02;
    /// TCP over IPv6 stays one super-segment.
    pub const TSO6: libc::c_uint = 0x04;
    /// UDP over IPv4 stays one super-datagram (Linux 6.2).
    pub const USO4: libc::c_uint = 0x20;
    /// UDP over IPv6 stays one super-datagram (Linux 6.2).
    pub const USO6: libc::c_uint = 0x40;
}

/// Makes the opened clone device `tun` the TAP `name` of the calling thread's network namespace, with a vnet header
/// before each frame when `vnet_header` is set.
pub(super) fn tun_set_iff(tun: &File, name: &str, vnet_header: bool) -> io::Result<()> {
    let mut flags = libc::IFF_TAP | libc::IFF_NO_PI;
    if vnet_header {
        flags |= libc::IFF_VNET_HDR;
    }
    if name.len() >= libc::IFNAMSIZ || name.contains('\0') {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: `ifreq` is plain data for which all-zero bytes are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // The flags of tun fit a short by the kernel's own definition (0x4000 is the highest that we set).
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which lives until the call returns; the descriptor is open.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) })
}

/// Tells the kernel which work this TAP's reader takes over (a set of [`offload`] bits).
pub(super) fn tun_set_offload(tun: &File, features: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD as _, libc::c_ulong::from(features)) })
}

/// Sets the length of the header that stands before each frame.
pub(super) fn tun_set_vnet_header_len(tun: &File, len: libc::c_int) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one int, which lives until the call returns.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETHDRSZ as _, &raw const len) })
}

/// The descriptor of a type that owns one but only shows its number (`tun_tap::Iface`).
pub(super) fn borrow(owner: &impl AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: the callers pass owners of open descriptors, and the result borrows the owner, which closes it on drop only.
    unsafe { BorrowedFd::borrow_raw(owner.as_raw_fd()) }
}

/// Makes reads and writes of `source` answer `WouldBlock` instead of waiting.
pub(super) fn set_non_blocking(source: &impl AsRawFd) -> io::Result<()> {
    let descriptor = borrow(source);
    let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL)?);
    fcntl(descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Blocks the thread until `source` has something to read.
pub(super) fn wait_readable(source: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: `source` owns its descriptor and is borrowed until the end of this function.
    let descriptor = unsafe { BorrowedFd::borrow_raw(source.as_raw_fd()) };
    match poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Registers a TAP with the current tokio runtime.
pub(super) fn register(tap: Tap) -> io::Result<AsyncFd<Tap>> {
    // SAFETY: a `Tap` owns its descriptor, never replaces it and closes it only on drop, so `as_raw_fd` is the same open
    // descriptor for as long as the `AsyncFd` owns the `Tap`; `Tap` offers no `&mut` access to it.
    unsafe { AsyncFd::register(tap) }.map_err(io::Error::from)
}

/// Takes ownership of a descriptor that `recvmsg` has just made for this process.
pub(super) fn adopt_received(fd: RawFd) -> OwnedFd {
    // SAFETY: SCM_RIGHTS installs a new descriptor per entry; the caller passes each exactly once and keeps no other copy.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Forks the process.
///
/// The callers are single-threaded processes by contract (the lab process before its runtime, the command line before
/// its own), so the child may use everything, allocation included.
pub(super) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: async-signal-safety binds only children of multithreaded processes; see the contract above. `preflight`
    // and tests may fork beside idle threads: glibc and musl keep the allocator usable in such a child, and the child
    // touches no other lock of ours.
    unsafe { nix::unistd::fork() }
}

/// Ends the process at once: no destructor, no `atexit`, nothing flushed that the parent still holds too.
pub(super) fn exit_now(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Closes every descriptor from `first` on. Only for a process that owns nothing but its standard streams: whoever still
/// held one of the others would find it closed.
pub(super) fn close_from(first: RawFd) {
    // SAFETY: the caller (the lab's init, right after the fork) never touches any other descriptor again and leaves by
    // `exit_now`, so no owner closes one of these numbers a second time.
    unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, 0) };
}

/// Makes `command` run `hook` in the child between fork and exec.
///
/// `hook` may only use values made before: no allocation, no lock, since other threads existed at the fork.
pub(super) fn before_exec(command: &mut Command, hook: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the callers' hooks make system calls on values captured beforehand and build errors from errno alone
    // (`io::Error::from_raw_os_error` does not allocate).
    unsafe { command.pre_exec(hook) };
}

/// Replaces a standard stream (0, 1 or 2) of this process by `with`.
pub(super) fn replace_standard_stream(stream: RawFd, with: OwnedFd) -> io::Result<()> {
    debug_assert!((0..=2).contains(&stream));
    let with = with.into_raw_fd();
    // SAFETY: dup2 onto a standard stream, which Rust never owns; `with` was ours and is closed below exactly once,
    // unless it already is that stream.
    unsafe {
        if with == stream {
            return Ok(());
        }
        let result = check(libc::dup2(with, stream));
        libc::close(with);
        result
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
