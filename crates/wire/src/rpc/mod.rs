//! ONC RPC version 2 (RFC 5531): calls taken apart, replies put together.
//!
//! The server's side only: our box mounts with its kernel's client. Transport is the caller's: a [`Reply`]
//! knows both its form in a datagram and its form in a stream.

pub mod record;
pub mod xdr;

use alloc::vec::Vec;
use xdr::{Malformed, Reader, Writer};

/// The only version of the protocol there is.
const RPC_VERSION: u32 = 2;
/// `msg_type` (§9).
const CALL: u32 = 0;
const REPLY: u32 = 1;
/// `reply_stat` (§9).
const ACCEPTED: u32 = 0;
const DENIED: u32 = 1;
/// Credentials and verifiers are at most this many bytes (§8.2).
const CREDENTIAL_MOST: u32 = 400;
/// `auth_flavor` (§8.2, and §14 for AUTH_SYS).
const AUTH_NONE: u32 = 0;
const AUTH_SYS: u32 = 1;

/// Who says it calls (appendix A). A claim, not a proof: the build network is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// AUTH_NONE: nobody in particular.
    Nobody,
    /// AUTH_SYS: a user of the client.
    User {
        /// The effective user id.
        uid: u32,
        /// The effective group id.
        gid: u32,
        /// Further group ids (at most 16), as they stand in the packet: four bytes each.
        groups: &'a [u8],
    },
}

impl Caller<'_> {
    /// Is the caller in this group, by its own word.
    pub fn is_in_group(&self, group: u32) -> bool {
        match self {
            Caller::Nobody => false,
            Caller::User { gid, groups, .. } => {
                *gid == group || groups.chunks_exact(4).any(|unit| unit == group.to_be_bytes())
            }
        }
    }
}

/// A call, without what it asks for understood yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Chosen by the client; the reply repeats it.
    pub xid: u32,
    /// The program: NFS, MOUNT, PORTMAP.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// The procedure's number in that version.
    pub procedure: u32,
    /// Who calls.
    pub caller: Caller<'a>,
    /// The procedure's arguments in XDR.
    pub arguments: &'a [u8],
}

/// Why a message is not a call that can be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoCall {
    /// Not a call at all: nothing can be answered.
    Rubbish,
    /// A call that is to be answered with this.
    Answer(Reply),
}

/// Why a well-formed call is not carried out (§9 `accept_stat`, `reject_stat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// PROG_UNAVAIL: no such program here.
    NoSuchProgram,
    /// PROG_MISMATCH: only these versions of it.
    NoSuchVersion {
        /// Lowest version here.
        low: u32,
        /// Highest version here.
        high: u32,
    },
    /// PROC_UNAVAIL: the version has no such procedure.
    NoSuchProcedure,
    /// GARBAGE_ARGS: the arguments cannot be read.
    GarbageArguments,
    /// SYSTEM_ERR: something on our side.
    SystemError,
}

impl<'a> Call<'a> {
    /// Takes a message apart.
    pub fn parse(message: &'a [u8]) -> Result<Call<'a>, NoCall> {
        let mut reader = Reader::new(message);
        let (Ok(xid), Ok(CALL)) = (reader.u32(), reader.u32()) else { return Err(NoCall::Rubbish) };
        let rubbish = |_: Malformed| NoCall::Rubbish;
        if reader.u32().map_err(rubbish)? != RPC_VERSION {
            return Err(NoCall::Answer(Reply::denied_version(xid)));
        }
        let program = reader.u32().map_err(rubbish)?;
        let version = reader.u32().map_err(rubbish)?;
        let procedure = reader.u32().map_err(rubbish)?;
        let flavour = reader.u32().map_err(rubbish)?;
        let body = reader.opaque(CREDENTIAL_MOST).map_err(rubbish)?;
        // The verifier of AUTH_NONE and AUTH_SYS says nothing.
        reader.u32().map_err(rubbish)?;
        reader.opaque(CREDENTIAL_MOST).map_err(rubbish)?;
        let caller = match flavour {
            AUTH_NONE => Caller::Nobody,
            AUTH_SYS => match user(body) {
                Ok(user) => user,
                Err(_) => return Err(NoCall::Answer(Reply::denied_credential(xid, AUTH_BADCRED))),
            },
            _ => return Err(NoCall::Answer(Reply::denied_credential(xid, AUTH_TOOWEAK))),
        };
        Ok(Call { xid, program, version, procedure, caller, arguments: reader.rest() })
    }
}

/// `authsys_parms` (appendix A): stamp, machine name, uid, gid, groups.
fn user(body: &[u8]) -> Result<Caller<'_>, Malformed> {
    let mut reader = Reader::new(body);
    reader.u32()?;
    reader.opaque(255)?;
    let (uid, gid) = (reader.u32()?, reader.u32()?);
    let count = reader.u32()?;
    if count > 16 {
        return Err(Malformed::TooLong { length: count, most: 16 });
    }
    Ok(Caller::User { uid, gid, groups: reader.fixed(count as usize * 4)? })
}

/// `auth_stat`: the credential cannot be read.
const AUTH_BADCRED: u32 = 1;
/// `auth_stat`: another flavour is asked for; sent where a client tries RPCSEC_GSS, so that it falls back.
const AUTH_TOOWEAK: u32 = 5;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The message behind four bytes of room for the record mark.
    bytes: Vec<u8>,
}

impl Reply {
    /// The call was carried out: the results follow in the writer; [`Reply::of`] closes it. `room` is how many
    /// bytes the results will need.
    pub fn accepted(xid: u32, room: usize) -> Writer {
        let mut writer = Writer::with_room(record::HEADER + 24 + room);
        // Record mark, and behind it the header with an empty verifier and SUCCESS.
        writer.u32(0).u32(xid).u32(REPLY).u32(ACCEPTED).u32(AUTH_NONE).u32(0).u32(0);
        writer
    }

    /// Closes what [`Reply::accepted`] began.
    pub fn of(writer: Writer) -> Reply {
        Reply::before(writer, 0)
    }

    /// Closes what [`Reply::accepted`] began, where `more` bytes of the same message follow that are not in memory.
    pub fn before(mut writer: Writer, more: usize) -> Reply {
        let length = writer.length().saturating_sub(record::HEADER).saturating_add(more);
        // Replies stay far below 2³¹ bytes: the largest is a READ of what FSINFO allows.
        writer.set_u32(0, u32::try_from(length).unwrap_or(0) | record::LAST);
        Reply { bytes: writer.into_bytes() }
    }

    /// The call was understood and is not carried out.
    pub fn refused(xid: u32, refusal: Refusal) -> Reply {
        let mut writer = Writer::with_room(40);
        writer.u32(0).u32(xid).u32(REPLY).u32(ACCEPTED).u32(AUTH_NONE).u32(0);
        match refusal {
            Refusal::NoSuchProgram => writer.u32(1),
            Refusal::NoSuchVersion { low, high } => writer.u32(2).u32(low).u32(high),
            Refusal::NoSuchProcedure => writer.u32(3),
            Refusal::GarbageArguments => writer.u32(4),
            Refusal::SystemError => writer.u32(5),
        };
        Reply::of(writer)
    }

    /// `RPC_MISMATCH`.
    fn denied_version(xid: u32) -> Reply {
        let mut writer = Writer::with_room(28);
        writer.u32(0).u32(xid).u32(REPLY).u32(DENIED).u32(0).u32(RPC_VERSION).u32(RPC_VERSION);
        Reply::of(writer)
    }

    /// `AUTH_ERROR`.
    fn denied_credential(xid: u32, why: u32) -> Reply {
        let mut writer = Writer::with_room(24);
        writer.u32(0).u32(xid).u32(REPLY).u32(DENIED).u32(1).u32(why);
        Reply::of(writer)
    }

    /// As it goes into a stream: one record of one fragment.
    pub fn record(&self) -> &[u8] {
        &self.bytes
    }

    /// The memory, for the next reply.
    pub fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    /// As it goes into a datagram.
    pub fn datagram(&self) -> &[u8] {
        self.bytes.get(record::HEADER..).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests;
