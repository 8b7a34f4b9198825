//! NFSv3 calls (RFC 1813 §3.3): what each of the 22 procedures asks for.
//!
//! Names and handles are borrowed from the packet. The writing procedures are read as far as their types go,
//! so that rubbish is told from a wish that a read-only server refuses; what they would write is not kept.

use super::{HANDLE_MOST, Procedure, Time};
use crate::rpc::xdr::{Malformed, Reader};

/// A file handle as the client sent it.
pub type Handle<'a> = &'a [u8];

/// A name in a folder (§2.5 `diropargs3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The folder.
    pub folder: Handle<'a>,
    /// The name in it: any bytes.
    pub name: &'a [u8],
}

/// What is asked for. A name is as long as the packet lets it be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call<'a> {
    /// Are you there (§3.3.0).
    Null,
    /// Attributes of a file (§3.3.1).
    GetAttr(Handle<'a>),
    /// The file of a name (§3.3.3).
    Lookup(Place<'a>),
    /// May I (§3.3.4): the bits of [`super::access`].
    Access(Handle<'a>, u32),
    /// Where a symbolic link points (§3.3.5).
    ReadLink(Handle<'a>),
    /// Bytes of a file (§3.3.6).
    Read {
        /// The file.
        file: Handle<'a>,
        /// From this byte.
        offset: u64,
        /// At most so many.
        count: u32,
    },
    /// Names in a folder (§3.3.16).
    ReadDir {
        /// The folder.
        folder: Handle<'a>,
        /// Behind this entry; 0 from the start.
        cookie: u64,
        /// At most so many bytes of answer.
        count: u32,
    },
    /// Names in a folder with attributes and handles (§3.3.17).
    ReadDirPlus {
        /// The folder.
        folder: Handle<'a>,
        /// Behind this entry; 0 from the start.
        cookie: u64,
        /// At most so many bytes of names, numbers and cookies.
        names: u32,
        /// At most so many bytes of answer.
        count: u32,
    },
    /// How full it is (§3.3.18).
    FsStat(Handle<'a>),
    /// What sizes the server likes (§3.3.19).
    FsInfo(Handle<'a>),
    /// Limits on names and links (§3.3.20).
    PathConf(Handle<'a>),
    /// Anything that writes.
    Write {
        /// Which procedure.
        procedure: Procedure,
        /// The file, or the folder of the name. For RENAME the folder it leaves.
        object: Handle<'a>,
        /// The folder RENAME and LINK put the name into.
        into: Option<Handle<'a>>,
    },
}

impl<'a> Call<'a> {
    /// Reads a procedure's arguments; nothing may be left over.
    pub fn parse(procedure: Procedure, arguments: &'a [u8]) -> Result<Call<'a>, Malformed> {
        let mut reader = Reader::new(arguments);
        let reader = &mut reader;
        let call = match procedure {
            Procedure::Null => Call::Null,
            Procedure::GetAttr => Call::GetAttr(handle(reader)?),
            Procedure::Lookup => Call::Lookup(place(reader)?),
            Procedure::Access => Call::Access(handle(reader)?, reader.u32()?),
            Procedure::ReadLink => Call::ReadLink(handle(reader)?),
            Procedure::Read => {
                Call::Read { file: handle(reader)?, offset: reader.u64()?, count: reader.u32()? }
            }
            Procedure::ReadDir => {
                let (folder, cookie) = (handle(reader)?, reader.u64()?);
                reader.fixed(8)?; // The cookie verifier: our cookies stay good, see `reply::Listing`.
                Call::ReadDir { folder, cookie, count: reader.u32()? }
            }
            Procedure::ReadDirPlus => {
                let (folder, cookie) = (handle(reader)?, reader.u64()?);
                reader.fixed(8)?;
                Call::ReadDirPlus { folder, cookie, names: reader.u32()?, count: reader.u32()? }
            }
            Procedure::FsStat => Call::FsStat(handle(reader)?),
            Procedure::FsInfo => Call::FsInfo(handle(reader)?),
            Procedure::PathConf => Call::PathConf(handle(reader)?),
            writing => write(writing, reader)?,
        };
        reader.end()?;
        Ok(call)
    }

    /// The file that the call is about first of all; NULL is about none.
    pub fn handle(&self) -> Option<Handle<'a>> {
        match *self {
            Call::Null => None,
            Call::Lookup(place) => Some(place.folder),
            Call::GetAttr(handle)
            | Call::Access(handle, _)
            | Call::ReadLink(handle)
            | Call::FsStat(handle)
            | Call::FsInfo(handle)
            | Call::PathConf(handle)
            | Call::Read { file: handle, .. }
            | Call::ReadDir { folder: handle, .. }
            | Call::ReadDirPlus { folder: handle, .. }
            | Call::Write { object: handle, .. } => Some(handle),
        }
    }
}

/// The arguments of a procedure that writes; of one that does not, nothing is read and no such call made.
fn write<'a>(procedure: Procedure, reader: &mut Reader<'a>) -> Result<Call<'a>, Malformed> {
    let write = |object| Call::Write { procedure, object, into: None };
    Ok(match procedure {
        Procedure::SetAttr => {
            let object = handle(reader)?;
            new_attributes(reader)?;
            if reader.bool()? {
                time(reader)?;
            }
            write(object)
        }
        Procedure::Write => {
            let object = handle(reader)?;
            reader.fixed(12)?; // Offset and count.
            choice(reader, 2)?; // How stable it must be.
            reader.opaque(u32::MAX)?;
            write(object)
        }
        Procedure::Create => {
            let object = place(reader)?.folder;
            if choice(reader, 2)? == 2 {
                reader.fixed(8)?; // EXCLUSIVE: the verifier.
            } else {
                new_attributes(reader)?;
            }
            write(object)
        }
        Procedure::MkDir => {
            let object = place(reader)?.folder;
            new_attributes(reader)?;
            write(object)
        }
        Procedure::SymLink => {
            let object = place(reader)?.folder;
            new_attributes(reader)?;
            reader.opaque(u32::MAX)?;
            write(object)
        }
        Procedure::MkNod => {
            let object = place(reader)?.folder;
            match choice(reader, 7)? {
                3 | 4 => {
                    new_attributes(reader)?;
                    reader.fixed(8)?; // Major and minor number.
                }
                6 | 7 => new_attributes(reader)?,
                _ => {}
            }
            write(object)
        }
        Procedure::Remove | Procedure::RmDir => write(place(reader)?.folder),
        Procedure::Rename => {
            let (from, to) = (place(reader)?, place(reader)?);
            Call::Write { procedure, object: from.folder, into: Some(to.folder) }
        }
        Procedure::Link => {
            let (object, to) = (handle(reader)?, place(reader)?);
            Call::Write { procedure, object, into: Some(to.folder) }
        }
        Procedure::Commit => {
            let object = handle(reader)?;
            reader.fixed(12)?; // Offset and count.
            write(object)
        }
        _ => return Err(Malformed::NoSuchValue(procedure as u32)),
    })
}

fn handle<'a>(reader: &mut Reader<'a>) -> Result<Handle<'a>, Malformed> {
    reader.opaque(HANDLE_MOST)
}

fn place<'a>(reader: &mut Reader<'a>) -> Result<Place<'a>, Malformed> {
    Ok(Place { folder: handle(reader)?, name: reader.opaque(u32::MAX)? })
}

fn time(reader: &mut Reader<'_>) -> Result<Time, Malformed> {
    Ok(Time { seconds: reader.u32()?, nanoseconds: reader.u32()? })
}

/// A union's discriminant, up to and with `most`.
fn choice(reader: &mut Reader<'_>, most: u32) -> Result<u32, Malformed> {
    match reader.u32()? {
        value if value <= most => Ok(value),
        value => Err(Malformed::NoSuchValue(value)),
    }
}

/// `sattr3` (§2.5): what a file should become.
fn new_attributes(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _mode_uid_gid in 0..3 {
        if reader.bool()? {
            reader.u32()?;
        }
    }
    if reader.bool()? {
        reader.u64()?; // The size.
    }
    for _accessed_modified in 0..2 {
        if choice(reader, 2)? == 2 {
            time(reader)?; // SET_TO_CLIENT_TIME.
        }
    }
    Ok(())
}
