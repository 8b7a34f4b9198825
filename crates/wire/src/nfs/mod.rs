//! NFS version 3 (RFC 1813) as a server of read-only trees speaks it, with MOUNT and the port mapper.
//!
//! Every procedure is understood ([`call`]); what a read-only server has to say is written in [`reply`]. Trees,
//! sockets and who may mount what are the caller's.

pub mod call;
pub mod mount;
pub mod portmap;
pub mod reply;

/// RPC program number of NFS.
pub const PROGRAM: u32 = 100_003;
/// The version spoken here.
pub const VERSION: u32 = 3;
/// TCP and UDP port that NFS is registered for.
pub const PORT: u16 = 2049;
/// File handles are at most this many bytes (§2.4 `NFS3_FHSIZE`).
pub const HANDLE_MOST: u32 = 64;

/// Why a procedure did not do what was asked (§2.6 `nfsstat3`); OK is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// No such file or folder.
    NoEntry = 2,
    /// The disk below could not be read.
    Io = 5,
    /// Not allowed.
    AccessDenied = 13,
    /// Not a folder.
    NotFolder = 20,
    /// A folder where none may be.
    IsFolder = 21,
    /// The operation makes no sense for this kind of file.
    Invalid = 22,
    /// The file system is read-only.
    ReadOnly = 30,
    /// A name is too long.
    NameTooLong = 63,
    /// The file of this handle is gone.
    Stale = 70,
    /// This is not a handle of this server.
    BadHandle = 10001,
    /// The asked size does not hold a single entry.
    TooSmall = 10005,
    /// Something on the server's side.
    ServerFault = 10006,
}

/// What a file is (§2.5 `ftype3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// NF3REG.
    File = 1,
    /// NF3DIR.
    Folder = 2,
    /// NF3BLK.
    BlockDevice = 3,
    /// NF3CHR.
    CharacterDevice = 4,
    /// NF3LNK.
    SymbolicLink = 5,
    /// NF3SOCK.
    Socket = 6,
    /// NF3FIFO.
    Fifo = 7,
}

/// A moment (§2.5 `nfstime3`): unsigned seconds since 1970, so it ends in 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds.
    pub seconds: u32,
    /// Nanoseconds, below 10⁹.
    pub nanoseconds: u32,
}

/// What is told of a file (§2.5 `fattr3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// Permissions with set-uid, set-gid and sticky: the low twelve bits of `st_mode`.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Bytes on the disk.
    pub used_bytes: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// The file system it belongs to.
    pub file_system: u64,
    /// Its number in that file system, what `stat` shows as inode.
    pub number: u64,
    /// Last read.
    pub accessed: Time,
    /// Content last changed.
    pub modified: Time,
    /// Attributes last changed.
    pub changed: Time,
}

/// The procedures (§3). The discriminant is the number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names are the RFC's, each has its section there")]
pub enum Procedure {
    Null = 0,
    GetAttr = 1,
    SetAttr = 2,
    Lookup = 3,
    Access = 4,
    ReadLink = 5,
    Read = 6,
    Write = 7,
    Create = 8,
    MkDir = 9,
    SymLink = 10,
    MkNod = 11,
    Remove = 12,
    RmDir = 13,
    Rename = 14,
    Link = 15,
    ReadDir = 16,
    ReadDirPlus = 17,
    FsStat = 18,
    FsInfo = 19,
    PathConf = 20,
    Commit = 21,
}

impl Procedure {
    /// All of them, by number.
    pub const ALL: [Procedure; 22] = [
        Procedure::Null,
        Procedure::GetAttr,
        Procedure::SetAttr,
        Procedure::Lookup,
        Procedure::Access,
        Procedure::ReadLink,
        Procedure::Read,
        Procedure::Write,
        Procedure::Create,
        Procedure::MkDir,
        Procedure::SymLink,
        Procedure::MkNod,
        Procedure::Remove,
        Procedure::RmDir,
        Procedure::Rename,
        Procedure::Link,
        Procedure::ReadDir,
        Procedure::ReadDirPlus,
        Procedure::FsStat,
        Procedure::FsInfo,
        Procedure::PathConf,
        Procedure::Commit,
    ];

    /// The procedure with this number.
    pub fn of(number: u32) -> Option<Procedure> {
        Procedure::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// What ACCESS can ask about and grant (§3.3.4), bits.
pub mod access {
    /// Read a file, list a folder.
    pub const READ: u32 = 0x01;
    /// Look a name up in a folder.
    pub const LOOKUP: u32 = 0x02;
    /// Change what is there.
    pub const MODIFY: u32 = 0x04;
    /// Add to it.
    pub const EXTEND: u32 = 0x08;
    /// Take an entry out of a folder.
    pub const DELETE: u32 = 0x10;
    /// Run a file.
    pub const EXECUTE: u32 = 0x20;
}

#[cfg(test)]
mod tests;
