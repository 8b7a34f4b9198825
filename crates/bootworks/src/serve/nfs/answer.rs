//! From a call to its reply: NFS from the index, MOUNT from the list of exports, the port mapper from what is
//! served.
//!
//! Every call can be answered any number of times with the same effect, so a retransmission is a call like any
//! other: there is no table of calls seen. (A server that kept one left a reconnecting client without answer.)
//! Sockets are `mod.rs`'s.

use super::super::reading::{self, Patience};
use super::Witness;
use super::exports::{Exports, tidy};
use super::files::File;
use super::memory;
use super::outbox::Parcel;
use super::readers::Readers;
use super::shelf::{self, Folder, Place, Walked};
use super::tree::{Node, ROOT};
use model::timeline::Denial;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use wire::nfs::call::Call;
use wire::nfs::portmap::{Service, Transport};
use wire::nfs::reply::{self, Content, Entry, IsEnd, Listing, Sizes};
use wire::nfs::{self, Attributes, Kind, Procedure, Status, access, mount, portmap};
use wire::rpc::{self, Caller, NoCall, Refusal, Reply};

/// READ gives at most so much at once: the most that Linux takes (`NFS_MAX_FILE_IO_SIZE`).
const READ_MOST: u32 = 1 << 20;
/// From so many bytes on two more calls of the kernel cost less than to take them into our memory and out again.
const ENCLOSED_LEAST: usize = 16 << 10;
/// READDIR gives at most so much at once.
const LISTING_MOST: u32 = 256 << 10;
/// What clients are told to ask for. Nothing is ever written, but Linux takes the size of writes for a file's block size
/// (`s_blocksize`, fs/nfs/client.c), and programs read in blocks: with 32 KiB `cp` asked for 128 KiB at a time, not 1 MiB.
const SIZES: Sizes = Sizes { read: READ_MOST, write: READ_MOST, listing: 128 << 10 };
/// Reads that wait for the disk at once: a disk that hangs must not take all threads of the program.
static DISK: Semaphore = Semaphore::const_new(64);
/// How many mounts are remembered for DUMP: for people only.
const MOUNTS_MOST: usize = 4096;
/// Services sought that are remembered, so that each is told once; the bound is on memory.
const SOUGHT_MOST: usize = 4096;
/// A name in a folder is at most so long on every Linux file system (`NAME_MAX`).
const NAME_MOST: usize = 255;

/// A reply, or what it takes to get one.
pub(super) enum Answer {
    /// At once.
    Now(Parcel),
    /// After waiting for the disk; at most `weight` bytes.
    Later {
        /// How large the reply can be.
        weight: usize,
        /// The waiting.
        reply: Pin<Box<dyn Future<Output = Parcel> + Send>>,
    },
    /// The message is no call: nothing can be said.
    Never,
}

impl Answer {
    fn now(reply: Reply) -> Answer {
        Answer::Now(reply.into())
    }
}

/// From where and by what a call came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Road {
    /// The client.
    pub(super) client: SocketAddr,
    /// Our address as the client sees it.
    pub(super) here: Ipv4Addr,
    /// TCP or UDP.
    pub(super) transport: Transport,
}

/// What to do for a handle that may belong to a folder that was not walked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unwalked {
    Walk,
    Refuse(Status),
}

/// Everything that answers.
pub(super) struct Desk {
    exports: Exports,
    services: Vec<Service>,
    mounts: Mutex<BTreeSet<(IpAddr, String)>>,
    witness: Witness,
    readers: Readers,
    /// Services that each client asked for since its last mount: each is told once.
    sought: Mutex<BTreeSet<(IpAddr, String)>>,
}

impl Desk {
    /// Answers for these exports.
    pub(super) fn new(exports: impl Into<Exports>, services: Vec<Service>, witness: Witness) -> Desk {
        Desk {
            exports: exports.into(),
            services,
            mounts: Mutex::default(),
            witness,
            readers: Readers::default(),
            sought: Mutex::default(),
        }
    }

    /// The exported folders.
    pub(super) fn folders(&self) -> Vec<Arc<Folder>> {
        self.exports.now().folders.clone()
    }

    /// Tells what was read since it was told last.
    pub(super) fn tell_readers(&self, now: Duration) {
        for summary in self.readers.news(now) {
            self.witness.read(summary);
        }
    }

    /// Answers one message.
    pub(super) fn answer(self: &Arc<Self>, message: &[u8], road: Road) -> Answer {
        self.answer_with(message, road, Unwalked::Walk)
    }

    fn answer_with(self: &Arc<Self>, message: &[u8], road: Road, unwalked: Unwalked) -> Answer {
        let call = match rpc::Call::parse(message) {
            Ok(call) => call,
            Err(NoCall::Answer(reply)) => return Answer::now(reply),
            Err(NoCall::Rubbish) => return Answer::Never,
        };
        let xid = call.xid;
        let refused = |refusal| Answer::now(Reply::refused(xid, refusal));
        match (call.program, call.version) {
            // A datagram is too small for READ: NFS is served over TCP only, its NULL answers pings.
            (nfs::PROGRAM, nfs::VERSION) if road.transport == Transport::Tcp || call.procedure == 0 => {
                match (self.answer_nfs(&call, road), unwalked) {
                    (Some(answer), _) => answer,
                    (None, Unwalked::Walk) => self.answer_after_walking(message, road),
                    (None, Unwalked::Refuse(status)) => {
                        let procedure = Procedure::of(call.procedure).unwrap_or(Procedure::Null);
                        Answer::now(reply::failed(xid, procedure, status, None, None))
                    }
                }
            }
            (mount::PROGRAM, mount::VERSION) => self.answer_mount(&call, road),
            (portmap::PROGRAM, portmap::VERSION_LOW..=portmap::VERSION_HIGH) => {
                self.answer_portmap(&call, road)
            }
            (nfs::PROGRAM, version) if road.transport == Transport::Tcp => {
                let client = road.client.ip().to_canonical();
                let reason = format!("it speaks NFS version {version}; served is version {}", nfs::VERSION);
                if self.is_first(client, &reason) {
                    self.witness.refused(client, String::new(), Denial::WrongVersion, reason);
                }
                refused(Refusal::NoSuchVersion { low: nfs::VERSION, high: nfs::VERSION })
            }
            (mount::PROGRAM, _) => {
                refused(Refusal::NoSuchVersion { low: mount::VERSION, high: mount::VERSION })
            }
            (portmap::PROGRAM, _) => {
                refused(Refusal::NoSuchVersion { low: portmap::VERSION_LOW, high: portmap::VERSION_HIGH })
            }
            _ => refused(Refusal::NoSuchProgram),
        }
    }

    /// `None` while a folder was not walked that may have the file.
    fn answer_nfs(&self, call: &rpc::Call<'_>, road: Road) -> Option<Answer> {
        let xid = call.xid;
        let Some(procedure) = Procedure::of(call.procedure) else {
            return Some(Answer::now(Reply::refused(xid, Refusal::NoSuchProcedure)));
        };
        let Ok(asked) = Call::parse(procedure, call.arguments) else {
            return Some(Answer::now(Reply::refused(xid, Refusal::GarbageArguments)));
        };
        let Some(handle) = asked.handle() else { return Some(Answer::now(reply::nothing(xid))) };
        let exported = self.exports.now();
        match shelf::find(&exported.folders, handle) {
            Ok(Some(place)) => {
                if let Call::Read { offset, count, .. } = asked {
                    let left = place.volume.tree.attributes(place.node).size_bytes.saturating_sub(offset);
                    let bytes = left.min(count.min(READ_MOST).into());
                    self.readers.note(road.client.ip(), xid, &place, bytes);
                }
                Some(carry_out(xid, &asked, &call.caller, place, &exported.folders))
            }
            Ok(None) => None,
            Err(status) => Some(Answer::now(reply::failed(xid, procedure, status, None, None))),
        }
    }

    /// The first call after a start may come from a box that had us mounted before: the trees are walked first.
    fn answer_after_walking(self: &Arc<Self>, message: &[u8], road: Road) -> Answer {
        let (desk, message) = (Arc::clone(self), message.to_vec());
        let reply = async move {
            let status = match shelf::walk_all(&desk.folders()).await {
                // A folder that cannot be read now may have the file: a box that runs from it must not lose it.
                Walked::Partly => Status::ServerFault,
                Walked::Wholly => Status::Stale,
            };
            match desk.answer_with(&message, road, Unwalked::Refuse(status)) {
                Answer::Now(parcel) => parcel,
                Answer::Later { reply, .. } => reply.await,
                Answer::Never => Reply::refused(0, Refusal::SystemError).into(),
            }
        };
        Answer::Later { weight: READ_MOST as usize, reply: Box::pin(reply) }
    }

    fn answer_mount(self: &Arc<Self>, call: &rpc::Call<'_>, road: Road) -> Answer {
        let xid = call.xid;
        let client = road.client.ip().to_canonical();
        let mut mounts = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = match mount::Call::parse(call.procedure, call.arguments) {
            None => Reply::refused(xid, Refusal::NoSuchProcedure),
            Some(Err(_)) => Reply::refused(xid, Refusal::GarbageArguments),
            Some(Ok(mount::Call::Null)) => mount::nothing(xid),
            Some(Ok(mount::Call::Mount(path))) => {
                let desk = Arc::clone(self);
                let path = tidy(&String::from_utf8_lossy(path));
                let reply = async move { desk.mount(xid, client, path).await.into() };
                return Answer::Later { weight: 256, reply: Box::pin(reply) };
            }
            Some(Ok(mount::Call::Dump)) => {
                let pairs: Vec<(String, &str)> =
                    mounts.iter().map(|(client, path)| (client.to_string(), path.as_str())).collect();
                mount::mounts(xid, pairs.iter().map(|(client, path)| (client.as_bytes(), path.as_bytes())))
            }
            Some(Ok(mount::Call::Unmount(path))) => {
                mounts.remove(&(client, tidy(&String::from_utf8_lossy(path))));
                mount::nothing(xid)
            }
            Some(Ok(mount::Call::UnmountAll)) => {
                mounts.retain(|(other, _)| *other != client);
                mount::nothing(xid)
            }
            Some(Ok(mount::Call::Exports)) => {
                mount::exports(xid, self.exports.now().paths.iter().map(|(path, _)| path.as_bytes()))
            }
        };
        Answer::now(reply)
    }

    async fn mount(&self, xid: u32, client: IpAddr, path: String) -> Reply {
        let exports = self.exports.now();
        let Some((_, folder)) = exports.paths.iter().find(|(exported, _)| *exported == path) else {
            let exported: Vec<&str> = exports.paths.iter().map(|(path, _)| path.as_str()).collect();
            let reason = format!("not exported; what is: {}", exported.join(", "));
            self.witness.refused(client, path, Denial::NotFound, reason);
            return mount::refused(xid, mount::Refusal::NoEntry);
        };
        match folder.fresh().await {
            Ok(volume) => {
                let mut mounts = self.mounts.lock().unwrap_or_else(PoisonError::into_inner);
                if mounts.len() < MOUNTS_MOST {
                    mounts.insert((client, path.clone()));
                }
                drop(mounts);
                self.lock_sought().retain(|(other, ..)| *other != client);
                self.witness.mounted(client, path);
                mount::mounted(xid, &volume.handle(ROOT))
            }
            Err(failure) => {
                self.witness.refused(client, path, Denial::Other, failure.to_string());
                mount::refused(xid, mount::Refusal::Io)
            }
        }
    }

    /// Whether this client asks for that for the first time since its last mount.
    fn is_first(&self, client: IpAddr, service: &str) -> bool {
        let mut sought = self.lock_sought();
        sought.len() < SOUGHT_MOST && sought.insert((client, service.to_owned()))
    }

    fn lock_sought(&self) -> MutexGuard<'_, BTreeSet<(IpAddr, String)>> {
        self.sought.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer_portmap(&self, call: &rpc::Call<'_>, road: Road) -> Answer {
        let (xid, version) = (call.xid, call.version);
        Answer::now(match portmap::Call::parse(version, call.procedure, call.arguments) {
            None => Reply::refused(xid, Refusal::NoSuchProcedure),
            Some(Err(_)) => Reply::refused(xid, Refusal::GarbageArguments),
            Some(Ok(portmap::Call::Null)) => portmap::nothing(xid),
            Some(Ok(portmap::Call::Change)) => portmap::unchanged(xid),
            Some(Ok(portmap::Call::Dump)) => portmap::services(xid, version, road.here, &self.services),
            Some(Ok(portmap::Call::Find { program, version: wanted, transport })) => {
                let here =
                    |service: &&Service| service.program == program && Some(service.transport) == transport;
                // A known program in another version is told where it is, as rpcbind does: asking there says
                // which versions there are.
                let exact = self.services.iter().filter(here).find(|service| service.version == wanted);
                let service = exact.or_else(|| self.services.iter().find(here));
                let (client, words) = (road.client.ip().to_canonical(), words_of(program, wanted, transport));
                if self.is_first(client, &words) {
                    self.witness.sought(client, words, service.is_some());
                }
                portmap::found(xid, version, road.here, service.map(|service| service.port))
            }
        })
    }
}

/// A service as it is told: `mount version 3 over udp`.
fn words_of(program: u32, version: u32, transport: Option<Transport>) -> String {
    let name = match program {
        nfs::PROGRAM => "NFS".to_owned(),
        mount::PROGRAM => "mount".to_owned(),
        other => format!("program {other}"),
    };
    let over = match transport {
        Some(Transport::Tcp) => " over tcp",
        Some(Transport::Udp) => " over udp",
        None => " over what is not served at all",
    };
    format!("{name} version {version}{over}")
}

/// What an NFS call asks for, of a file that is there.
fn carry_out(
    xid: u32,
    asked: &Call<'_>,
    caller: &Caller<'_>,
    place: Place,
    folders: &[Arc<Folder>],
) -> Answer {
    let (volume, node) = (&place.volume, place.node);
    let tree = &volume.tree;
    let it = tree.attributes(node);
    let failed = |procedure, status| Answer::now(reply::failed(xid, procedure, status, Some(it), None));
    Answer::now(match asked {
        Call::Null => reply::nothing(xid),
        Call::GetAttr(_) => reply::attributes(xid, it),
        Call::Access(_, bits) => reply::access(xid, it, bits & granted(it, caller)),
        Call::Lookup(of) => match look_up(&place, of.name) {
            Ok(found) => reply::found(xid, &volume.handle(found), tree.attributes(found), it),
            Err(status) => return failed(Procedure::Lookup, status),
        },
        Call::ReadLink(_) if it.kind != Kind::SymbolicLink => {
            return failed(Procedure::ReadLink, Status::Invalid);
        }
        Call::ReadLink(_) => reply::target(xid, it, tree.target(node)),
        Call::Read { offset, count, .. } => match it.kind {
            Kind::File => return read(xid, place, *offset, *count),
            Kind::Folder => return failed(Procedure::Read, Status::IsFolder),
            _ => return failed(Procedure::Read, Status::Invalid),
        },
        Call::ReadDir { cookie, count, .. } => {
            let listing = Listing::names(xid, it, (*count).min(LISTING_MOST) as usize);
            list(xid, Procedure::ReadDir, &place, *cookie, listing)
        }
        Call::ReadDirPlus { cookie, names, count, .. } => {
            let count = (*count).min(LISTING_MOST) as usize;
            let listing = Listing::with_attributes(xid, it, *names as usize, count);
            list(xid, Procedure::ReadDirPlus, &place, *cookie, listing)
        }
        Call::FsStat(_) => reply::fullness(xid, it, tree.used_bytes(), tree.count() as u64),
        Call::FsInfo(_) => reply::sizes(xid, it, &SIZES),
        Call::PathConf(_) => reply::limits(xid, it),
        Call::Write { procedure, into, .. } => {
            let into = into.and_then(|handle| shelf::find(folders, handle).ok().flatten());
            let into = into.as_ref().map(|place| place.volume.tree.attributes(place.node));
            reply::failed(xid, *procedure, Status::ReadOnly, Some(it), into)
        }
    })
}

fn look_up(place: &Place, name: &[u8]) -> Result<Node, Status> {
    let tree = &place.volume.tree;
    if tree.attributes(place.node).kind != Kind::Folder {
        return Err(Status::NotFolder);
    }
    match name {
        b"." => Ok(place.node),
        // The root's parent is the root: nothing is above.
        b".." => Ok(tree.parent(place.node)),
        _ if name.len() > NAME_MOST => Err(Status::NameTooLong),
        _ => tree.child(place.node, name).ok_or(Status::NoEntry),
    }
}

/// What a caller may do, by mode, owner and group. There is no root squash: a live OS's root is read by root.
///
/// Writing is not granted, so that a client that mounted read-write learns it when it opens a file and not when
/// it flushes it. Devices, FIFOs and sockets are written to without the file system: there the mode decides.
fn granted(file: &Attributes, caller: &Caller<'_>) -> u32 {
    let bits = match caller {
        Caller::User { uid: 0, .. } => {
            let runs = file.kind == Kind::Folder || file.mode & 0o111 != 0;
            0o6 | u32::from(runs)
        }
        Caller::User { uid, .. } if *uid == file.uid => file.mode >> 6,
        _ if caller.is_in_group(file.gid) => file.mode >> 3,
        _ => file.mode,
    };
    let (reads, writes, runs) = (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0);
    let mut granted = 0;
    if reads {
        granted |= access::READ;
    }
    match file.kind {
        Kind::Folder if runs => granted |= access::LOOKUP,
        Kind::File if runs => granted |= access::EXECUTE,
        Kind::CharacterDevice | Kind::BlockDevice | Kind::Fifo | Kind::Socket if writes => {
            granted |= access::MODIFY | access::EXTEND;
        }
        _ => {}
    }
    granted
}

fn list(xid: u32, procedure: Procedure, place: &Place, cookie: u64, mut listing: Listing) -> Reply {
    let (volume, node) = (&place.volume, place.node);
    let tree = &volume.tree;
    let it = tree.attributes(node);
    if it.kind != Kind::Folder {
        return reply::failed(xid, procedure, Status::NotFolder, Some(it), None);
    }
    let mut add = |name: &[u8], of: Node, cookie: u64| {
        let attributes = tree.attributes(of);
        let entry = Entry { number: attributes.number, name, cookie };
        let handle = volume.handle(of);
        let more = (procedure == Procedure::ReadDirPlus).then_some((attributes, &handle[..]));
        listing.add(&entry, more)
    };
    let dots = [(&b"."[..], node, 1), (&b".."[..], tree.parent(node), 2)];
    let dots = dots.into_iter().filter(|(_, _, dot)| *dot > cookie);
    let names =
        tree.entries_after(node, cookie.max(2)).map(|entry| (tree.name(entry), entry.node, entry.cookie));
    let mut is_end = IsEnd::Yes;
    for (name, of, cookie) in dots.chain(names) {
        if !add(name, of, cookie) {
            is_end = IsEnd::No;
            break;
        }
    }
    if listing.is_empty() && is_end == IsEnd::No {
        return reply::failed(xid, procedure, Status::TooSmall, Some(it), None);
    }
    listing.finish(is_end)
}

/// READ: at once where the bytes are in memory, on another thread where the disk must be waited for.
fn read(xid: u32, place: Place, offset: u64, count: u32) -> Answer {
    let it = *place.volume.tree.attributes(place.node);
    // A file cannot be larger than `i64::MAX`, so what is left over fits where it is needed.
    let left = it.size_bytes.saturating_sub(offset);
    let count = usize::try_from(left.min(u64::from(count.min(READ_MOST)))).unwrap_or(0);
    let begin = || Content::begin(memory::of(count), xid, &it, count);
    if count == 0 {
        return Answer::now(begin().finish(if left == 0 { IsEnd::Yes } else { IsEnd::No }));
    }
    let file = place.volume.files.at_hand(&place.volume.tree, place.node);
    if let Some(file) = file.as_ref().filter(|file| can_be_enclosed(file, offset, count)) {
        let reply = reply::before_content(xid, &it, count as u32, end_of(&it, offset, count));
        return Answer::Now(Parcel::with_file(reply, Arc::clone(file), offset, count));
    }
    let mut content = begin();
    if let Some(file) = file {
        let read = reading::read(&file, offset, content.rest(), Patience::None);
        content.add(read.unwrap_or(0));
        if read == Ok(count) {
            return Answer::now(content.finish(end_of(&it, offset, count)));
        }
    }
    let reply = async move {
        let refresh = Arc::clone(&place.folder);
        let outdated = Arc::clone(&place.volume);
        // Held until the disk has answered; the semaphore is never closed.
        let _place = DISK.acquire().await;
        let blocking =
            tokio::task::spawn_blocking(move || read_from_disk(content, &place, &it, offset, count));
        let (reply, found) = match blocking.await {
            Ok(answer) => answer,
            Err(_) => return Reply::refused(xid, Refusal::SystemError).into(),
        };
        if found == Found::Outdated {
            // Who asks next gets the attributes as they are now.
            tokio::spawn(async move { drop(refresh.newer(&outdated).await) });
        }
        reply.unwrap_or_else(|status| reply::failed(xid, Procedure::Read, status, Some(&it), None)).into()
    };
    Answer::Later { weight: count, reply: Box::pin(reply) }
}

/// Whether a piece of a file can be sent straight from the kernel's memory: it is worth it, and nothing of it has to be
/// waited for. Its last octet says besides that the file did not become shorter, and that what is being read in is there.
fn can_be_enclosed(file: &OwnedFd, offset: u64, count: usize) -> bool {
    let last = offset + count as u64 - 1;
    count >= ENCLOSED_LEAST
        && reading::read(file, last, &mut [0], Patience::None) == Ok(1)
        && linux::resident::is_in_memory(file, offset, count as u64)
}

/// Whether a file was found as it was walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    AsWalked,
    Outdated,
}

fn read_from_disk(
    mut content: Content,
    place: &Place,
    it: &Attributes,
    offset: u64,
    count: usize,
) -> (Result<Reply, Status>, Found) {
    let (file, found) = match place.volume.files.open(&place.volume.tree, place.node) {
        Ok(File::Open(file)) => (file, Found::AsWalked),
        Ok(File::Edited(file)) => (file, Found::Outdated),
        Ok(File::Gone) => return (Err(Status::Stale), Found::Outdated),
        Err(errno) => return (Err(status_of(errno)), Found::AsWalked),
    };
    let before = content.length() as u64;
    match reading::read(&file, offset + before, content.rest(), Patience::Disk) {
        Ok(read) => {
            content.add(read);
            let length = content.length();
            // Shorter than walked: what is missing is not coming.
            let is_end = if length < count { IsEnd::Yes } else { end_of(it, offset, length) };
            (Ok(content.finish(is_end)), found)
        }
        Err(errno) => (Err(status_of(errno)), found),
    }
}

fn end_of(file: &Attributes, offset: u64, length: usize) -> IsEnd {
    if offset.saturating_add(length as u64) >= file.size_bytes { IsEnd::Yes } else { IsEnd::No }
}

fn status_of(errno: Errno) -> Status {
    match errno {
        Errno::ACCESS | Errno::PERM => Status::AccessDenied,
        Errno::STALE => Status::Stale,
        Errno::IO => Status::Io,
        // Out of file descriptors and the like: ours, not the disk's.
        _ => Status::ServerFault,
    }
}
