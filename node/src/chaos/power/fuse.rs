//! One file that is a disk: the kernel's FUSE protocol, as far as a single regular file needs it.
//!
//! The file system consists of nothing but this file, mounted over an ordinary one, so that a loop device can stand on it. Every write and
//! every flush of whatever lives on that loop device then comes here. The layouts are those of `linux/fuse.h`, version 7.31;
//! a newer kernel speaks it too.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use gridbook_ledger::bytes::{BytesError, Reader, Writer};
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::platter::Platter;

const VERSION: (u32, u32) = (7, 31);
/// The file's node: the root.
const NODE: u64 = 1;
const WRITE_BYTES_MAX: u32 = 1 << 20;
/// Flags of the start: pages beyond the old limit in one request.
const MAX_PAGES: u32 = 1 << 22;
const BIG_WRITES: u32 = 1 << 5;
/// Opened files bypass the page cache: what is written comes at once.
const DIRECT_IO: u32 = 1;
/// How long the kernel may believe what it knows of the file, in seconds. Nobody else changes it.
const BELIEVED_S: u64 = 3600;
const REGULAR_FILE: u32 = 0o100_600;
const BLOCK_BYTES: u32 = 4096;
/// Where the data of a write begins: behind two headers of 40 bytes.
const WRITE_DATA_AT: usize = 80;

/// What the kernel asks, by its numbers.
mod ask {
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const SETATTR: u32 = 4;
    pub(super) const OPEN: u32 = 14;
    pub(super) const READ: u32 = 15;
    pub(super) const WRITE: u32 = 16;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const FSYNC: u32 = 20;
    pub(super) const FLUSH: u32 = 25;
    pub(super) const INIT: u32 = 26;
    pub(super) const INTERRUPT: u32 = 36;
    pub(super) const DESTROY: u32 = 38;
    pub(super) const BATCH_FORGET: u32 = 42;
}

/// Mounts a disk over a file, and serves it from a thread of its own until it is unmounted.
///
/// # Errors
/// Why that cannot be done here.
pub(super) fn mount(over: &Path, disk: Arc<Mutex<Platter>>) -> anyhow::Result<()> {
    let device = File::options().read(true).write(true).open("/dev/fuse").context("cannot open /dev/fuse")?;
    let options = format!("fd={},rootmode={REGULAR_FILE:o},user_id=0,group_id=0", device.as_raw_fd());
    let options = CString::new(options).expect("no zero in it");
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("gridbook-disk", over, "fuse", flags, options.as_c_str())
        .with_context(|| format!("cannot mount a FUSE file over {}", over.display()))?;
    let serve = move || {
        if let Err(error) = serve(&device, &disk) {
            tracing::error!(%error, "the disk broke down");
        }
    };
    std::thread::Builder::new().name("disk".into()).spawn(serve).context("cannot start a thread")?;
    Ok(())
}

fn serve(mut device: &File, disk: &Mutex<Platter>) -> io::Result<()> {
    let mut request = vec![0; WRITE_BYTES_MAX as usize + BLOCK_BYTES as usize];
    loop {
        let length = match device.read(&mut request) {
            Ok(length) => length,
            // Unmounted.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Taken back before it was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let Some(reply) = answer(&request[..length], disk) else { continue };
        match device.write_all(&reply) {
            // Whoever asked has gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
}

/// The whole reply to a request; nothing to those that want none.
fn answer(request: &[u8], disk: &Mutex<Platter>) -> Option<Vec<u8>> {
    let mut r = Reader::new(request);
    let head = (|| Ok::<_, BytesError>((r.u32()?, r.u32()?, r.u64()?, r.bytes(24)?)))();
    let (_, opcode, unique, _) = head.ok()?;
    if matches!(opcode, ask::FORGET | ask::BATCH_FORGET | ask::INTERRUPT) {
        return None;
    }
    let result = match body(opcode, &mut r, request, disk) {
        Ok(result) => result,
        Err(_) => Err(Errno::INVAL),
    };
    let (error, body) = match result {
        Ok(body) => (0, body),
        Err(errno) => (-errno.raw_os_error(), Vec::new()),
    };
    let mut w = Writer::new();
    w.u32(u32::try_from(16 + body.len()).expect("a reply is short")).u32(error.cast_unsigned()).u64(unique);
    w.bytes(&body);
    Some(w.finish())
}

type Body = Result<Vec<u8>, Errno>;

fn body(opcode: u32, r: &mut Reader<'_>, request: &[u8], disk: &Mutex<Platter>) -> Result<Body, BytesError> {
    let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    Ok(match opcode {
        ask::INIT => Ok(hello()),
        ask::GETATTR | ask::SETATTR => Ok(attributes(disk.lock().bytes())),
        ask::OPEN => {
            let mut w = Writer::new();
            w.u64(0).u32(DIRECT_IO).u32(0);
            Ok(w.finish())
        }
        ask::READ => {
            let (_, offset, length) = (r.u64()?, r.u64()?, r.u32()?);
            disk.lock().read(offset, usize::try_from(length).unwrap_or(0)).map_err(errno)
        }
        ask::WRITE => {
            let (_, offset, length) = (r.u64()?, r.u64()?, r.u32()?);
            let bytes = request.get(WRITE_DATA_AT..).filter(|bytes| bytes.len() as u64 == u64::from(length));
            let written = bytes.ok_or(Errno::INVAL).and_then(|bytes| disk.lock().write(offset, bytes).map_err(errno));
            written.map(|()| [length.to_le_bytes(), [0; 4]].concat())
        }
        ask::FSYNC => disk.lock().flush().map(|()| Vec::new()).map_err(errno),
        ask::RELEASE | ask::FLUSH | ask::DESTROY => Ok(Vec::new()),
        _ => Err(Errno::NOSYS),
    })
}

fn hello() -> Vec<u8> {
    let pages = u16::try_from(WRITE_BYTES_MAX / BLOCK_BYTES).expect("few pages");
    let mut w = Writer::new();
    w.u32(VERSION.0).u32(VERSION.1).u32(WRITE_BYTES_MAX).u32(MAX_PAGES | BIG_WRITES);
    w.u16(16).u16(12).u32(WRITE_BYTES_MAX).u32(1).u16(pages).u16(0).bytes(&[0; 32]);
    w.finish()
}

fn attributes(bytes: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.u64(BELIEVED_S).u32(0).u32(0);
    w.u64(NODE).u64(bytes).u64(bytes / 512).u64(0).u64(0).u64(0).u32(0).u32(0).u32(0);
    w.u32(REGULAR_FILE).u32(1).u32(0).u32(0).u32(0).u32(BLOCK_BYTES).u32(0);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::super::super::dice::Dice;
    use super::super::platter::Loses;
    use super::*;

    fn disk() -> Mutex<Platter> {
        let file = || {
            let file = tempfile::tempfile().unwrap();
            file.set_len(1 << 16).unwrap();
            file
        };
        Mutex::new(Platter::new(file(), file(), 1 << 16))
    }

    fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(u32::try_from(40 + body.len()).unwrap()).u32(opcode).u64(77).u64(NODE).bytes(&[0; 16]).bytes(body);
        w.finish()
    }

    fn read_or_write(offset: u64, length: u32, data: &[u8]) -> Vec<u8> {
        let mut w = Writer::new();
        w.u64(0).u64(offset).u32(length).bytes(&[0; 20]).bytes(data);
        w.finish()
    }

    fn error_of(reply: &[u8]) -> i32 {
        i32::from_le_bytes(*reply[4..].first_chunk().unwrap())
    }

    /// The kernel writes, reads and flushes; then the power goes, and it is told of an error instead of a success.
    #[test]
    fn the_kernels_requests_reach_the_disk_and_a_dead_disk_says_so() {
        let disk = disk();
        let ask = |opcode, body: &[u8]| answer(&request(opcode, body), &disk).unwrap();
        let wrote = ask(ask::WRITE, &read_or_write(512, 4, b"abcd"));
        assert_eq!((error_of(&wrote), &wrote[16..20]), (0, &[4, 0, 0, 0][..]));
        assert_eq!(&ask(ask::READ, &read_or_write(512, 4, &[]))[16..], b"abcd");
        assert_eq!(error_of(&ask(ask::FSYNC, &[0; 16])), 0);
        disk.lock().cut();
        assert_eq!(error_of(&ask(ask::FSYNC, &[0; 16])), -Errno::IO.raw_os_error());
        assert_eq!(error_of(&ask(ask::WRITE, &read_or_write(0, 1, b"x"))), -Errno::IO.raw_os_error());
        disk.lock().restore(Loses::All, &mut Dice::new(1, 1)).unwrap();
        assert_eq!(&ask(ask::READ, &read_or_write(512, 4, &[]))[16..], b"abcd");
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused_and_what_wants_no_reply_gets_none() {
        let disk = disk();
        assert_eq!(answer(&[1, 2, 3], &disk), None);
        assert_eq!(answer(&request(ask::FORGET, &[0; 8]), &disk), None);
        let short = answer(&request(ask::WRITE, &read_or_write(0, 9, b"less")), &disk).unwrap();
        assert_eq!(error_of(&short), -Errno::INVAL.raw_os_error());
        let unknown = answer(&request(9999, &[]), &disk).unwrap();
        assert_eq!(error_of(&unknown), -Errno::NOSYS.raw_os_error());
        assert_eq!(hello().len(), 64);
        assert_eq!(attributes(4096).len(), 104);
    }
}
