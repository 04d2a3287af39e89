//! A TAP: the place where a guest's frames enter and leave this process.
//!
//! Two kinds, because no single one serves both needs. `Offload` carries a vnet header and 64 KiB super-segments, which
//! is what makes a lab fast; `Plain` is the `tun-tap` crate's, one frame per segment with a complete checksum, for
//! kernels that refuse the header and for the first question of every offload bug. Neither knows what a frame means.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Context;
use nix::libc;
use tokio::io::unix::AsyncFd;

use super::sys::{self, offload};

/// The clone device of TUN and TAP.
pub(super) const TUN_DEVICE: &str = "/dev/net/tun";

/// What a lab's links are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// A vnet header before each frame, checksum and segmentation left to the reader.
    #[default]
    Offload,
    /// Ethernet frames alone (`tun-tap`).
    Plain,
}

/// What the kernel leaves undone on a TAP, each marked in the vnet header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Transport checksums may be partial.
    pub checksum: bool,
    /// TCP may come as one super-segment.
    pub tcp_segmentation: bool,
    /// UDP may come as one super-datagram (Linux 6.2 and later).
    pub udp_segmentation: bool,
}

/// An open, non-blocking TAP. It lives in the network namespace where it was opened and dies with its last descriptor.
pub enum Tap {
    /// With vnet header.
    Offload {
        /// The open clone device, attached to the interface.
        file: File,
        /// What this kernel granted.
        offloads: Offloads,
    },
    /// Without.
    Plain(tun_tap::Iface),
}

/// A [`Tap`] in a tokio runtime.
pub type AsyncTap = AsyncFd<Tap>;

/// Hands a TAP to the current tokio runtime. The runtime must have its I/O driver enabled.
pub fn register(tap: Tap) -> io::Result<AsyncTap> {
    sys::register(tap)
}

impl Tap {
    /// Opens the TAP `name` in the calling thread's network namespace.
    pub(super) fn open(name: &str, kind: LinkKind) -> anyhow::Result<Tap> {
        match kind {
            LinkKind::Offload => Tap::open_offload(name),
            LinkKind::Plain => Tap::open_plain(name),
        }
        .with_context(|| format!("opening TAP `{name}` on {TUN_DEVICE}"))
    }

    fn open_offload(name: &str) -> anyhow::Result<Tap> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(TUN_DEVICE)
            .context("open")?;
        sys::tun_set_iff(&file, name, true).context("TUNSETIFF with a vnet header (`--plain-links` does without)")?;
        sys::tun_set_vnet_header_len(&file, 10).context("TUNSETVNETHDRSZ")?;
        let offloads = set_offloads(&file).context("TUNSETOFFLOAD")?;
        Ok(Tap::Offload { file, offloads })
    }

    fn open_plain(name: &str) -> anyhow::Result<Tap> {
        let interface = tun_tap::Iface::without_packet_info(name, tun_tap::Mode::Tap).context("open and TUNSETIFF")?;
        sys::set_non_blocking(&interface).context("O_NONBLOCK")?;
        Ok(Tap::Plain(interface))
    }

    /// Which kind this is: whether a read starts with a vnet header.
    pub fn kind(&self) -> LinkKind {
        match self {
            Tap::Offload { .. } => LinkKind::Offload,
            Tap::Plain(_) => LinkKind::Plain,
        }
    }

    /// What the kernel leaves to the reader; nothing on a plain TAP.
    pub fn offloads(&self) -> Offloads {
        match self {
            Tap::Offload { offloads, .. } => *offloads,
            Tap::Plain(_) => Offloads::default(),
        }
    }

    /// Reads one frame: on `Offload` 10 bytes of vnet header and then the Ethernet frame, on `Plain` the frame. A frame
    /// longer than `buffer` is cut, so give it [`READ_BUFFER`](super::READ_BUFFER) bytes. `WouldBlock` when none waits.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Tap::Offload { file, .. } => (&mut &*file).read(buffer),
            Tap::Plain(interface) => interface.recv(buffer),
        }
    }

    /// Blocks the thread until a frame waits: for readers without a runtime (the bench's relay). May return early.
    pub fn wait_readable(&self) -> io::Result<()> {
        sys::wait_readable(self)
    }

    /// Writes one frame, in the form that [`read`](Tap::read) returns. The kernel refuses a vnet header that doesn't fit
    /// its frame with `InvalidInput`.
    pub fn write(&self, frame: &[u8]) -> io::Result<usize> {
        match self {
            Tap::Offload { file, .. } => (&mut &*file).write(frame),
            Tap::Plain(interface) => interface.send(frame),
        }
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Tap::Offload { file, .. } => file.as_raw_fd(),
            Tap::Plain(interface) => interface.as_raw_fd(),
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        sys::borrow(self)
    }
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Tap({:?}, fd {})", self.kind(), self.as_raw_fd())
    }
}

/// Asks for all that we can carry. USO came with Linux 6.2: an older kernel refuses the whole set with EINVAL, so it is
/// asked again without.
fn set_offloads(file: &File) -> io::Result<Offloads> {
    let base = offload::CHECKSUM | offload::TSO4 | offload::TSO6;
    let granted = Offloads { checksum: true, tcp_segmentation: true, udp_segmentation: true };
    match sys::tun_set_offload(file, base | offload::USO4 | offload::USO6) {
        Ok(()) => Ok(granted),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            sys::tun_set_offload(file, base)?;
            Ok(Offloads { udp_segmentation: false, ..granted })
        }
        Err(error) => Err(error),
    }
}
