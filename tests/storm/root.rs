//! What a kernel does with the root: mounts it, walks through it and reads its files (NFSv3, RFC 1813).

use crate::machine::connect;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;
use wire::nfs::{self, mount};
use wire::rpc::xdr::{Malformed, Reader, Writer};

/// Bytes asked for at once.
const PIECE: u32 = 256 * 1024;
const MOUNT: u32 = 1;
const GETATTR: u32 = 1;
const LOOKUP: u32 = 3;
const ACCESS: u32 = 4;
const READ: u32 = 6;
const READDIRPLUS: u32 = 17;
/// Bytes of a READ where a whole tree is read, calls that are under way at once and at least, bytes of names and attributes
/// in one answer: as Linux asks, which reads ahead in bursts.
const TREE_PIECE: u64 = 128 * 1024;
const CALLS_AHEAD: usize = 16;
const CALLS_LEAST: usize = 8;
/// So much is taken from the socket at once: several small answers, or a large one and the beginning of the next.
const HEARD_AT_ONCE: usize = 256 * 1024;
const NAMES: u32 = 32 * 1024;
/// The right to read, and no other (`ACCESS3_READ`).
const TO_READ: u32 = 1;
/// What a file is, in its attributes (`ftype3`).
const REGULAR: u32 = 1;
const FOLDER: u32 = 2;

/// A connection to the server, over which one call after the other goes.
struct Wire {
    stream: TcpStream,
    xid: u32,
    /// Calls that go out with the next one that is sent.
    calls: Vec<u8>,
    /// Memory for answers, used again: what is measured is the server, and new memory for each answer would cost as
    /// much as the answer.
    memory: Vec<u8>,
    /// What of it was received and not looked at yet.
    heard: std::ops::Range<usize>,
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
    let mut wire = Wire::over(stream);
    let mut arguments = Writer::default();
    arguments.opaque(export.as_bytes());
    let reply = wire.call(mount::PROGRAM, MOUNT, &arguments.into_bytes())?;
    let mut handle = opaque_after_status(&mut Reader::new(reply), export)?;
    for name in path {
        let mut arguments = Writer::default();
        arguments.opaque(&handle).opaque(name.as_bytes());
        let reply = wire.call(nfs::PROGRAM, LOOKUP, &arguments.into_bytes())?;
        handle = opaque_after_status(&mut Reader::new(reply), name)?;
    }
    let mut content = Vec::new();
    loop {
        let mut arguments = Writer::default();
        arguments.opaque(&handle).u64(content.len() as u64).u32(PIECE);
        let reply = wire.call(nfs::PROGRAM, READ, &arguments.into_bytes())?;
        let (piece, is_end) = piece(reply).ok_or("NFS: READ failed")?;
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

/// Type and size out of attributes that may be absent (`post_op_attr`).
fn attributes(reader: &mut Reader<'_>) -> Result<Option<(u32, u64)>, Malformed> {
    if !reader.bool()? {
        return Ok(None);
    }
    let octets = reader.fixed(84)?;
    let mut attributes = Reader::new(octets);
    let kind = attributes.u32()?;
    attributes.fixed(16)?;
    Ok(Some((kind, attributes.u64()?)))
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

/// What reading a whole tree came to.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) folders: u64,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) walking: Duration,
    pub(crate) reading: Duration,
    pub(crate) copying: Duration,
}

/// Mounts `export` over the port `mount` of any server and reads everything below: names and attributes first, then every
/// file twice, as many readers at once do (several calls ahead, whatever their files), and as one `cp -a` does.
pub(crate) fn read_tree(server: Ipv4Addr, mount: u16, export: &str) -> Result<Tree, String> {
    let connect = |port: u16| {
        let stream = TcpStream::connect((server, port)).map_err(|error| format!("NFS: {error}"))?;
        stream.set_nodelay(true).map_err(|error| format!("NFS: {error}"))?;
        Ok::<Wire, String>(Wire::over(stream))
    };
    let mut arguments = Writer::default();
    arguments.opaque(export.as_bytes());
    let mut mounting = connect(mount)?;
    let reply = mounting.call(mount::PROGRAM, MOUNT, &arguments.into_bytes())?;
    let root = opaque_after_status(&mut Reader::new(reply), export)?;
    let mut wire = connect(nfs::PORT)?;
    let (mut tree, mut files) = (Tree::default(), Vec::new());
    let began = std::time::Instant::now();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        tree.folders += 1;
        wire.list(&folder, &mut folders, &mut files)?;
    }
    tree.walking = began.elapsed();
    tree.files = files.len() as u64;
    let began = std::time::Instant::now();
    let pieces = files.iter().flat_map(|(handle, size)| {
        (0..size.div_ceil(TREE_PIECE)).map(move |index| (handle, index * TREE_PIECE))
    });
    let mut under_way = 0;
    for (handle, offset) in pieces {
        if under_way == CALLS_AHEAD {
            wire.flush()?;
            while under_way > CALLS_LEAST {
                tree.bytes += wire.read_bytes()?;
                under_way -= 1;
            }
        }
        let mut arguments = Writer::default();
        arguments.opaque(handle).u64(offset).u32(TREE_PIECE as u32);
        wire.queue(nfs::PROGRAM, READ, &arguments.into_bytes());
        under_way += 1;
    }
    wire.flush()?;
    for _ in 0..under_way {
        tree.bytes += wire.read_bytes()?;
    }
    tree.reading = began.elapsed();
    let expected: u64 = files.iter().map(|(_, size)| size).sum();
    let began = std::time::Instant::now();
    let mut copied = 0;
    for (handle, size) in &files {
        copied += wire.copy(handle, *size)?;
    }
    tree.copying = began.elapsed();
    match [tree.bytes, copied].into_iter().find(|bytes| *bytes != expected) {
        None => Ok(tree),
        Some(bytes) => Err(format!("{bytes} of {expected} bytes")),
    }
}

impl Wire {
    fn over(stream: TcpStream) -> Wire {
        Wire { stream, xid: 0, calls: Vec::new(), memory: Vec::new(), heard: 0..0 }
    }

    /// The folders and regular files in a folder, by handle, files with their sizes.
    fn list(
        &mut self,
        folder: &[u8],
        folders: &mut Vec<Vec<u8>>,
        files: &mut Vec<(Vec<u8>, u64)>,
    ) -> Result<(), String> {
        let broken = |error| format!("NFS READDIRPLUS: {error:?}");
        let (mut cookie, mut verifier) = (0, [0; 8]);
        loop {
            let mut arguments = Writer::default();
            arguments.opaque(folder).u64(cookie).fixed(&verifier).u32(NAMES).u32(NAMES);
            let reply = self.call(nfs::PROGRAM, READDIRPLUS, &arguments.into_bytes())?;
            let mut reader = Reader::new(reply);
            let status = reader.u32().map_err(broken)?;
            if status != 0 {
                return Err(format!("NFS READDIRPLUS: status {status}"));
            }
            attributes(&mut reader).map_err(broken)?;
            verifier.copy_from_slice(reader.fixed(8).map_err(broken)?);
            while reader.bool().map_err(broken)? {
                reader.u64().map_err(broken)?;
                let is_itself = matches!(reader.opaque(255).map_err(broken)?, b"." | b"..");
                cookie = reader.u64().map_err(broken)?;
                let what = attributes(&mut reader).map_err(broken)?;
                if !reader.bool().map_err(broken)? {
                    continue;
                }
                let handle = reader.opaque(nfs::HANDLE_MOST).map_err(broken)?.to_vec();
                match what {
                    Some((FOLDER, _)) if !is_itself => folders.push(handle),
                    Some((REGULAR, size)) => files.push((handle, size)),
                    _ => {}
                }
            }
            if reader.bool().map_err(broken)? {
                return Ok(());
            }
        }
    }

    /// Reads one file as Linux has it read by a program that reads one after another, and tells its bytes: attributes when
    /// it is opened (`nfs_lookup_verify_inode`), the right to read it (`nfs_do_access` of `fs/nfs/dir.c`), its bytes ahead
    /// of the reader, and only then the next file.
    fn copy(&mut self, handle: &[u8], size: u64) -> Result<u64, String> {
        let mut arguments = Writer::default();
        arguments.opaque(handle);
        let reply = self.call(nfs::PROGRAM, GETATTR, &arguments.into_bytes())?;
        if Reader::new(reply).u32() != Ok(0) {
            return Err("NFS: GETATTR failed".into());
        }
        let mut arguments = Writer::default();
        arguments.opaque(handle).u32(TO_READ);
        let reply = self.call(nfs::PROGRAM, ACCESS, &arguments.into_bytes())?;
        if Reader::new(reply).u32() != Ok(0) {
            return Err("NFS: ACCESS failed".into());
        }
        let pieces = size.div_ceil(TREE_PIECE);
        let (mut asked, mut bytes) = (0, 0);
        for read in 0..pieces {
            while asked < pieces && asked < read + CALLS_AHEAD as u64 {
                let mut arguments = Writer::default();
                arguments.opaque(handle).u64(asked * TREE_PIECE).u32(TREE_PIECE as u32);
                self.queue(nfs::PROGRAM, READ, &arguments.into_bytes());
                asked += 1;
            }
            self.flush()?;
            bytes += self.read_bytes()?;
        }
        Ok(bytes)
    }

    /// How many bytes the next answer to a READ brings.
    fn read_bytes(&mut self) -> Result<u64, String> {
        let reply = self.receive()?;
        piece(reply).map(|(bytes, _)| bytes.len() as u64).ok_or_else(|| "NFS: READ failed".into())
    }

    /// The results of a call.
    fn call(&mut self, program: u32, procedure: u32, arguments: &[u8]) -> Result<&[u8], String> {
        self.send(program, procedure, arguments)?;
        self.receive()
    }

    fn send(&mut self, program: u32, procedure: u32, arguments: &[u8]) -> Result<(), String> {
        self.queue(program, procedure, arguments);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        self.stream.write_all(&self.calls).map_err(|error| format!("NFS: {error}"))?;
        self.calls.clear();
        Ok(())
    }

    fn queue(&mut self, program: u32, procedure: u32, arguments: &[u8]) {
        self.xid += 1;
        let mut call = Writer::default();
        call.u32(self.xid).u32(0).u32(2).u32(program).u32(3).u32(procedure);
        // AUTH_SYS of root: stamp, machine, user, group, no more groups (RFC 5531 §8.2, appendix A).
        let mut root = Writer::default();
        root.u32(0).opaque(b"box").u32(0).u32(0).u32(0);
        call.u32(1).opaque(&root.into_bytes()).u32(0).u32(0);
        let message = [&call.into_bytes()[..], arguments].concat();
        self.calls.extend((0x8000_0000 | message.len() as u32).to_be_bytes());
        self.calls.extend(message);
    }

    /// The results of the next answer.
    fn receive(&mut self) -> Result<&[u8], String> {
        let (mut begin, mut length) = (0, 0);
        // A record comes in fragments, the last of which is marked (RFC 5531 §11). What came before a mark moves over it.
        loop {
            self.hear(begin + length + 4)?;
            let start = self.heard.start + begin;
            let end = start + length;
            let mark = u32::from_be_bytes([0, 1, 2, 3].map(|index| self.memory[end + index]));
            self.memory.copy_within(start..end, start + 4);
            begin += 4;
            length += (mark & 0x7fff_ffff) as usize;
            self.hear(begin + length)?;
            if mark & 0x8000_0000 != 0 {
                break;
            }
        }
        let start = self.heard.start + begin;
        let record = start..start + length;
        self.heard.start = record.end;
        // xid, reply, accepted, verifier (flavour and length), success.
        match self.memory[record].split_at_checked(24) {
            Some((head, results)) if head[7] == 1 && head[8..].iter().all(|octet| *octet == 0) => Ok(results),
            _ => Err("NFS: the call was refused".into()),
        }
    }

    /// Waits until so many bytes are there that were not looked at yet.
    fn hear(&mut self, wanted: usize) -> Result<(), String> {
        if self.heard.len() >= wanted {
            return Ok(());
        }
        if self.heard.is_empty() || self.memory.len() < self.heard.start + wanted {
            self.memory.copy_within(self.heard.clone(), 0);
            self.heard = 0..self.heard.len();
            let room = self.memory.len().max(wanted + HEARD_AT_ONCE);
            self.memory.resize(room, 0);
        }
        while self.heard.len() < wanted {
            match self.stream.read(&mut self.memory[self.heard.end..]) {
                Ok(0) => return Err("NFS: the server closed the connection".into()),
                Ok(count) => self.heard.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("NFS: {error}")),
            }
        }
        Ok(())
    }
}
