//! Descriptors over a unix socket (`SCM_RIGHTS`): how a running lab hands a guest's namespaces to `vpclab exec`.
//!
//! One message per call; what the bytes mean, and waiting on a socket that does not block, is the control protocol's
//! business.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};

use super::sys;

/// The most descriptors that one message carries here; the kernel's own limit is 253.
const MOST_DESCRIPTORS: usize = 16;

/// Sends `bytes`, or as many as there is room for, and with the first of them `descriptors`; returns how many went. `bytes`
/// must not be empty: the kernel attaches descriptors to data. A socket that does not block may say `WouldBlock`: then
/// nothing went.
pub fn send_with_fds(stream: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if bytes.is_empty() || descriptors.len() > MOST_DESCRIPTORS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a message with descriptors needs at least one byte and at most 16 descriptors",
        ));
    }
    let raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let socket = stream.as_fd().as_raw_fd();
    retry_interrupted(|| sendmsg::<UnixAddr>(socket, &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None))
}

/// Receives up to `buffer.len()` bytes and the descriptors that came with them, close-on-exec. `(0, [])` is the end of the
/// stream.
pub fn recv_with_fds(stream: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; MOST_DESCRIPTORS]);
    let mut slices = [IoSliceMut::new(buffer)];
    let (received, raw, flags) = loop {
        let message =
            recvmsg::<UnixAddr>(stream.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
        let message = match message {
            Err(nix::errno::Errno::EINTR) => continue,
            other => other?,
        };
        let mut raw = Vec::new();
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                raw.extend(descriptors);
            }
        }
        break (message.bytes, raw, message.flags);
    };
    let descriptors: Vec<OwnedFd> = raw.into_iter().map(sys::adopt_received).collect();
    if flags.contains(MsgFlags::MSG_CTRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "more descriptors came than fit (or this process may open no more files: see `ulimit -n`)",
        ));
    }
    Ok((received, descriptors))
}

fn retry_interrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(nix::errno::Errno::EINTR) => {}
            other => return other.map_err(io::Error::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn descriptors_arrive_with_their_bytes_and_work() {
        let (here, there) = UnixStream::pair().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (other, _keep) = std::io::pipe().unwrap();
        send_with_fds(&here, b"two\n", &[reader.as_fd(), other.as_fd()]).unwrap();
        drop(reader);
        let mut buffer = [0; 64];
        let (len, mut descriptors) = recv_with_fds(&there, &mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"two\n");
        assert_eq!(descriptors.len(), 2);
        writer.write_all(b"x").unwrap();
        drop(writer);
        let mut text = String::new();
        std::io::PipeReader::from(descriptors.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn the_end_of_the_stream_is_no_bytes() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(here);
        let (len, descriptors) = recv_with_fds(&there, &mut [0; 8]).unwrap();
        assert_eq!((len, descriptors.len()), (0, 0));
    }

    #[test]
    fn a_message_without_bytes_is_refused() {
        let (here, _there) = UnixStream::pair().unwrap();
        let error = send_with_fds(&here, b"", &[here.as_fd()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
