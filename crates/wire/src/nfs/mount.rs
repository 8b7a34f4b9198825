//! MOUNT version 3 (RFC 1813 §5): from an exported path to the handle of its root.
//!
//! Versions 1 and 2 are not spoken: their answer is a handle of NFSv2.

use crate::rpc::Reply;
use crate::rpc::xdr::{Malformed, Reader};

/// RPC program number of MOUNT.
pub const PROGRAM: u32 = 100_005;
/// The version spoken here.
pub const VERSION: u32 = 3;
/// A path is at most this many bytes (§5.1.1 `MNTPATHLEN`).
pub const PATH_MOST: u32 = 1024;
/// AUTH_NONE and AUTH_SYS (RFC 5531 §8.2): what a mount may be used with. AUTH_SYS first: clients take the
/// first that they know, and the Linux client would then call as nobody.
const FLAVOURS: [u32; 2] = [1, 0];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// Are you there.
    Null,
    /// The root of this path.
    Mount(&'a [u8]),
    /// Who has what mounted.
    Dump,
    /// This path is not mounted by the caller any more.
    Unmount(&'a [u8]),
    /// Nothing is.
    UnmountAll,
    /// What can be mounted.
    Exports,
}

impl<'a> Call<'a> {
    /// Reads the arguments of procedure `number`; `None` where the program has no such procedure.
    pub fn parse(number: u32, arguments: &'a [u8]) -> Option<Result<Call<'a>, Malformed>> {
        let path = || {
            let mut reader = Reader::new(arguments);
            let path = reader.opaque(PATH_MOST)?;
            reader.end()?;
            Ok(path)
        };
        Some(match number {
            0 => Ok(Call::Null),
            1 => path().map(Call::Mount),
            2 => Ok(Call::Dump),
            3 => path().map(Call::Unmount),
            4 => Ok(Call::UnmountAll),
            5 => Ok(Call::Exports),
            _ => return None,
        })
    }
}

/// Why a path is not given (§5.1.5 `mountstat3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Refusal {
    /// No such path.
    NoEntry = 2,
    /// It could not be read.
    Io = 5,
    /// The path is not a folder.
    NotFolder = 20,
}

/// NULL, UMNT and UMNTALL: nothing to say.
pub fn nothing(xid: u32) -> Reply {
    Reply::of(Reply::accepted(xid, 0))
}

/// MNT: the handle.
pub fn mounted(xid: u32, handle: &[u8]) -> Reply {
    let mut writer = Reply::accepted(xid, 84);
    writer.u32(0).opaque(handle).u32(FLAVOURS.len() as u32);
    for flavour in FLAVOURS {
        writer.u32(flavour);
    }
    Reply::of(writer)
}

/// MNT: why not.
pub fn refused(xid: u32, refusal: Refusal) -> Reply {
    let mut writer = Reply::accepted(xid, 4);
    writer.u32(refusal as u32);
    Reply::of(writer)
}

/// DUMP: pairs of a client's name and the path it mounted.
pub fn mounts<'a>(xid: u32, pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Reply {
    let mut writer = Reply::accepted(xid, 64);
    for (name, path) in pairs {
        writer.bool(true).opaque(name).opaque(path);
    }
    writer.bool(false);
    Reply::of(writer)
}

/// EXPORT: the paths; an empty list of groups says that every client may mount them.
pub fn exports<'a>(xid: u32, paths: impl IntoIterator<Item = &'a [u8]>) -> Reply {
    let mut writer = Reply::accepted(xid, 64);
    for path in paths {
        writer.bool(true).opaque(path).bool(false);
    }
    writer.bool(false);
    Reply::of(writer)
}
