//! What a kernel does with the root: mounts it and reads a file (NFSv3, RFC 1813).

use crate::machine::connect;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;
use wire::nfs::{self, mount};
use wire::rpc::xdr::{Reader, Writer};

/// Bytes asked for at once.
const PIECE: u32 = 256 * 1024;
const MOUNT: u32 = 1;
const LOOKUP: u32 = 3;
const READ: u32 = 6;

/// A connection to the server, over which one call after the other goes.
struct Wire {
    stream: TcpStream,
    xid: u32,
}

/// Mounts `export` and reads the file at `path` in it.
pub(crate) fn read_file(
    from: Ipv4Addr,
    export: &str,
    path: &[&str],
    patience: Duration,
) -> Result<Vec<u8>, String> {
    let stream = connect(from, nfs::PORT).map_err(|error| format!("NFS: {error}"))?;
    stream.set_read_timeout(Some(patience)).map_err(|error| format!("NFS: {error}"))?;
    let mut wire = Wire { stream, xid: 0 };
    let mut arguments = Writer::default();
    arguments.opaque(export.as_bytes());
    let reply = wire.call(mount::PROGRAM, MOUNT, &arguments.into_bytes())?;
    let mut handle = opaque_after_status(&mut Reader::new(&reply), export)?;
    for name in path {
        let mut arguments = Writer::default();
        arguments.opaque(&handle).opaque(name.as_bytes());
        let reply = wire.call(nfs::PROGRAM, LOOKUP, &arguments.into_bytes())?;
        handle = opaque_after_status(&mut Reader::new(&reply), name)?;
    }
    let mut content = Vec::new();
    loop {
        let mut arguments = Writer::default();
        arguments.opaque(&handle).u64(content.len() as u64).u32(PIECE);
        let reply = wire.call(nfs::PROGRAM, READ, &arguments.into_bytes())?;
        let (piece, is_end) = piece(&reply).ok_or("NFS: READ failed")?;
        content.extend_from_slice(piece);
        if is_end {
            return Ok(content);
        }
    }
}

/// Status 0 and a handle.
fn opaque_after_status(reader: &mut Reader<'_>, what: &str) -> Result<Vec<u8>, String> {
    match reader.u32() {
        Ok(0) => reader
            .opaque(nfs::HANDLE_MOST)
            .map(<[u8]>::to_vec)
            .map_err(|error| format!("NFS {what}: {error:?}")),
        other => Err(format!("NFS {what}: {other:?}")),
    }
}

/// Status, attributes, count, whether it is the end, the bytes.
fn piece(reply: &[u8]) -> Option<(&[u8], bool)> {
    let mut reader = Reader::new(reply);
    if reader.u32().ok()? != 0 {
        return None;
    }
    if reader.bool().ok()? {
        reader.fixed(84).ok()?;
    }
    reader.u32().ok()?;
    let is_end = reader.bool().ok()?;
    Some((reader.opaque(PIECE).ok()?, is_end))
}

impl Wire {
    /// The results of a call.
    fn call(&mut self, program: u32, procedure: u32, arguments: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| format!("NFS: {error}");
        self.xid += 1;
        let mut call = Writer::default();
        call.u32(self.xid).u32(0).u32(2).u32(program).u32(3).u32(procedure).u32(0).u32(0).u32(0).u32(0);
        let message = [&call.into_bytes()[..], arguments].concat();
        let mark = 0x8000_0000 | message.len() as u32;
        self.stream.write_all(&[&mark.to_be_bytes()[..], &message].concat()).map_err(failed)?;
        let mut mark = [0; 4];
        self.stream.read_exact(&mut mark).map_err(failed)?;
        let mut reply = vec![0; (u32::from_be_bytes(mark) & 0x7fff_ffff) as usize];
        self.stream.read_exact(&mut reply).map_err(failed)?;
        // xid, reply, accepted, verifier (flavour and length), success.
        match reply.get(4..24) {
            Some(head) if head[3] == 1 && head[4..].iter().all(|octet| *octet == 0) => {
                Ok(reply.split_off(24))
            }
            _ => Err("NFS: the call was refused".into()),
        }
    }
}
