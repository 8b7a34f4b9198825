//! A small NFSv3 client for the tests: one call at a time unless told otherwise.
//!
//! It reads replies by itself and shares with the server only the reading of XDR's units.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use wire::nfs::Procedure;
use wire::rpc::xdr::{Reader, Writer};

/// NFS3ERR_BADHANDLE and NFS3ERR_STALE.
pub(super) const FILE_HANDLE_ERRORS: (u32, u32) = (10_001, 70);

/// A connection.
pub(super) struct Client {
    stream: TcpStream,
    xid: u32,
    /// The uid and gid it calls with.
    pub(super) caller: (u32, u32),
}

/// What the tests look at of `fattr3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: u32,
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) used: u64,
    pub(super) number: u64,
    pub(super) modified: (u32, u32),
}

/// An entry of READDIRPLUS.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) cookie: u64,
    pub(super) attributes: Told,
    pub(super) handle: Vec<u8>,
}

/// A call by root.
pub(super) fn call_to(xid: u32, program: u32, version: u32, procedure: u32, arguments: &[u8]) -> Vec<u8> {
    call_by((0, 0), xid, program, version, procedure, arguments)
}

fn call_by(
    caller: (u32, u32),
    xid: u32,
    program: u32,
    version: u32,
    procedure: u32,
    arguments: &[u8],
) -> Vec<u8> {
    let mut user = Writer::default();
    user.u32(0).opaque(b"test").u32(caller.0).u32(caller.1).u32(0);
    let mut call = Writer::default();
    call.u32(xid).u32(0).u32(2).u32(program).u32(version).u32(procedure);
    call.u32(1).opaque(&user.into_bytes()).u32(0).u32(0);
    [&call.into_bytes()[..], arguments].concat()
}

fn told(reader: &mut Reader<'_>) -> Told {
    let mut next = || reader.u32().unwrap();
    let (kind, mode, links, uid, gid) = (next(), next(), next(), next(), next());
    let (size, used) = (reader.u64().unwrap(), reader.u64().unwrap());
    reader.fixed(16).unwrap();
    let number = reader.u64().unwrap();
    reader.fixed(8).unwrap();
    let modified = (reader.u32().unwrap(), reader.u32().unwrap());
    reader.fixed(8).unwrap();
    Told { kind, mode, links, uid, gid, size, used, number, modified }
}

fn maybe_told(reader: &mut Reader<'_>) -> Option<Told> {
    reader.bool().unwrap().then(|| told(reader))
}

fn status(reader: &mut Reader<'_>) -> Result<(), u32> {
    match reader.u32().unwrap() {
        0 => Ok(()),
        status => Err(status),
    }
}

impl Client {
    pub(super) async fn connect(to: SocketAddr) -> Client {
        Client { stream: TcpStream::connect(to).await.unwrap(), xid: 1, caller: (0, 0) }
    }

    /// Connects from a port that was used before: the earlier connection may linger.
    pub(super) async fn connect_from(port: u16, to: SocketAddr) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], port).into()).unwrap();
        Client { stream: socket.connect(to).await.unwrap(), xid: 1, caller: (0, 0) }
    }

    /// Our port; the connection will end without lingering, so that the port can be taken again at once.
    pub(super) fn local_port(&self) -> u16 {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        self.stream.local_addr().unwrap().port()
    }

    pub(super) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(super) async fn send(&mut self, message: &[u8]) {
        let mark = 0x8000_0000 + u32::try_from(message.len()).unwrap();
        self.send_raw(&[&mark.to_be_bytes()[..], message].concat()).await;
    }

    /// The next reply, whole.
    pub(super) async fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mark = self.stream.read_u32().await?;
        assert!(mark >= 0x8000_0000, "replies are one fragment");
        let mut reply = vec![0; (mark & 0x7fff_ffff) as usize];
        self.stream.read_exact(&mut reply).await?;
        Ok(reply)
    }

    /// The results of a call, or why there are none.
    pub(super) async fn try_call(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        arguments: &[u8],
    ) -> Result<Vec<u8>, String> {
        self.xid += 1;
        let message = call_by(self.caller, self.xid, program, version, procedure, arguments);
        let mark = 0x8000_0000 + u32::try_from(message.len()).unwrap();
        let message = [&mark.to_be_bytes()[..], &message].concat();
        self.stream.write_all(&message).await.map_err(|error| error.to_string())?;
        let reply = self.receive().await.map_err(|error| error.to_string())?;
        let mut reader = Reader::new(&reply);
        let mut next = || reader.u32().unwrap();
        assert_eq!((next(), next()), (self.xid, 1));
        match [next(), next(), next(), next()] {
            [0, 0, 0, 0] => Ok(reader.rest().to_vec()),
            [0, 0, 0, status] => Err(format!("accepted with status {status}")),
            other => Err(format!("denied: {other:?}")),
        }
    }

    pub(super) async fn call(
        &mut self,
        program: u32,
        version: u32,
        procedure: u32,
        arguments: &[u8],
    ) -> Vec<u8> {
        self.try_call(program, version, procedure, arguments).await.unwrap()
    }

    async fn nfs(&mut self, procedure: Procedure, arguments: &mut Writer) -> Vec<u8> {
        self.call(100_003, 3, procedure as u32, &arguments.clone().into_bytes()).await
    }

    pub(super) async fn mount(&mut self, path: &str) -> Result<Vec<u8>, u32> {
        let arguments = Writer::default().opaque(path.as_bytes()).clone().into_bytes();
        let results = self.call(100_005, 3, 1, &arguments).await;
        let mut reader = Reader::new(&results);
        status(&mut reader)?;
        Ok(reader.opaque(64).unwrap().to_vec())
    }

    pub(super) async fn attributes(&mut self, handle: &[u8]) -> Result<Told, u32> {
        let results = self.nfs(Procedure::GetAttr, Writer::default().opaque(handle)).await;
        let mut reader = Reader::new(&results);
        status(&mut reader)?;
        let told = told(&mut reader);
        assert_eq!(reader.end(), Ok(()));
        Ok(told)
    }

    pub(super) async fn access(&mut self, handle: &[u8], bits: u32) -> Result<u32, u32> {
        let results = self.nfs(Procedure::Access, Writer::default().opaque(handle).u32(bits)).await;
        let mut reader = Reader::new(&results);
        status(&mut reader)?;
        maybe_told(&mut reader);
        Ok(reader.u32().unwrap())
    }

    pub(super) async fn look_up(&mut self, folder: &[u8], name: &str) -> Result<Vec<u8>, u32> {
        let results =
            self.nfs(Procedure::Lookup, Writer::default().opaque(folder).opaque(name.as_bytes())).await;
        let mut reader = Reader::new(&results);
        status(&mut reader)?;
        Ok(reader.opaque(64).unwrap().to_vec())
    }

    pub(super) async fn read_link(&mut self, link: &[u8]) -> Result<String, u32> {
        let results = self.nfs(Procedure::ReadLink, Writer::default().opaque(link)).await;
        let mut reader = Reader::new(&results);
        status(&mut reader)?;
        maybe_told(&mut reader);
        Ok(String::from_utf8(reader.opaque(4096).unwrap().to_vec()).unwrap())
    }

    /// Bytes, and whether they are the last.
    pub(super) async fn read(
        &mut self,
        file: &[u8],
        offset: u64,
        count: u32,
    ) -> Result<(Vec<u8>, bool), u32> {
        let results = self.nfs(Procedure::Read, Writer::default().opaque(file).u64(offset).u32(count)).await;
        let mut reader = Reader::new(&results);
        status(&mut reader)?;
        maybe_told(&mut reader);
        let (length, is_end) = (reader.u32().unwrap(), reader.bool().unwrap());
        let bytes = reader.opaque(u32::MAX).unwrap();
        assert_eq!((bytes.len(), reader.end()), (length as usize, Ok(())));
        Ok((bytes.to_vec(), is_end))
    }

    /// A whole file in pieces of `count` bytes.
    pub(super) async fn read_whole(&mut self, file: &[u8], count: u32) -> Result<Vec<u8>, u32> {
        let mut whole = Vec::new();
        loop {
            let (piece, is_end) = self.read(file, whole.len() as u64, count).await?;
            whole.extend(piece);
            if is_end {
                return Ok(whole);
            }
        }
    }

    /// One READDIR: names with their cookies, and whether they are the last.
    pub(super) async fn list_raw(
        &mut self,
        folder: &[u8],
        cookie: u64,
        count: u32,
    ) -> Result<(Vec<(String, u64)>, bool), u32> {
        let mut arguments = Writer::default();
        arguments.opaque(folder).u64(cookie).u64(0).u32(count);
        let results = self.nfs(Procedure::ReadDir, &mut arguments).await;
        assert!(results.len() <= count as usize + 4 || results[3] != 0);
        let mut reader = Reader::new(&results);
        status(&mut reader)?;
        maybe_told(&mut reader);
        reader.u64().unwrap();
        let mut names = Vec::new();
        while reader.bool().unwrap() {
            reader.u64().unwrap();
            let name = String::from_utf8(reader.opaque(255).unwrap().to_vec()).unwrap();
            names.push((name, reader.u64().unwrap()));
        }
        let is_end = reader.bool().unwrap();
        assert_eq!(reader.end(), Ok(()));
        Ok((names, is_end))
    }

    /// All names by READDIR.
    pub(super) async fn list(&mut self, folder: &[u8], count: u32) -> Vec<String> {
        let (mut all, mut cookie) = (Vec::new(), 0);
        loop {
            let (names, is_end) = self.list_raw(folder, cookie, count).await.unwrap();
            cookie = names.last().map_or(cookie, |(_, cookie)| *cookie);
            all.extend(names.into_iter().map(|(name, _)| name));
            if is_end {
                return all;
            }
        }
    }

    /// All entries by READDIRPLUS.
    pub(super) async fn list_plus(&mut self, folder: &[u8], names: u32, count: u32) -> Vec<Found> {
        let (mut all, mut cookie): (Vec<Found>, u64) = (Vec::new(), 0);
        loop {
            let mut arguments = Writer::default();
            arguments.opaque(folder).u64(cookie).u64(0).u32(names).u32(count);
            let results = self.nfs(Procedure::ReadDirPlus, &mut arguments).await;
            assert!(results.len() <= count as usize + 4);
            let mut reader = Reader::new(&results);
            status(&mut reader).unwrap();
            maybe_told(&mut reader);
            reader.u64().unwrap();
            while reader.bool().unwrap() {
                let number = reader.u64().unwrap();
                let name = String::from_utf8(reader.opaque(255).unwrap().to_vec()).unwrap();
                cookie = reader.u64().unwrap();
                let attributes = maybe_told(&mut reader).unwrap();
                assert_eq!(attributes.number, number);
                assert!(reader.bool().unwrap());
                all.push(Found { name, cookie, attributes, handle: reader.opaque(64).unwrap().to_vec() });
            }
            if reader.bool().unwrap() {
                return all;
            }
        }
    }
}
