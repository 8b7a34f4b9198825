//! Fetches the packages of a lock into the store: in parallel, resumed where a connection was cut, verified
//! before they get their name.

use super::own;
use super::store::{Store, feed, hex, touch};
use crate::report;
use model::failure::{Explain as _, Failure, Result};
use model::lock::{Lock, Package};
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections at a time: enough to hide the round trips of small packages, few enough to be a polite guest.
const CONNECTIONS: usize = 6;
/// How often a file is asked for before the mirror counts as unable.
const TRIES: u32 = 3;
/// Silence after which a connection counts as cut.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one file may take; what came until then is kept for the next try.
const BODY: Duration = Duration::from_secs(900);

/// What a fetch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Files that were not there before.
    pub files: usize,
    /// Their sizes together.
    pub bytes: u64,
}

/// Makes sure that every package of the lock is in the store. `line` is the line's folder, which has its own.
pub(crate) fn fetch(lock: &Lock, line: &Path, store: &Store) -> Result<Fetched> {
    let mut missing: Vec<&Package> = lock.files().into_values().collect();
    missing.retain(|package| {
        let file = store.package(&package.sha256);
        touch(&file);
        !file.is_file()
    });
    // Large ones first: the last connection should not be alone with the kernel.
    missing.sort_by_key(|package| std::cmp::Reverse(package.bytes));
    let bytes = missing.iter().map(|package| package.bytes).sum();
    if missing.is_empty() {
        return Ok(Fetched::default());
    }
    super::room::need(store.folder(), bytes, "the packages")?;
    report::note(&format!("fetching {} packages, {}", missing.len(), super::amount(bytes)));
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let agent = agent();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS.min(missing.len()) {
            scope.spawn(|| {
                while let Some(package) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let addresses: Vec<String> =
                        lock.addresses(package).into_iter().map(|address| of_line(address, line)).collect();
                    if let Err(failure) = fetch_one(&agent, package, &addresses, store) {
                        next.store(missing.len(), Ordering::Relaxed);
                        if let Ok(mut failures) = failures.lock() {
                            failures.push(failure);
                        }
                    }
                }
            });
        }
    });
    match failures.into_inner().unwrap_or_default().into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(Fetched { files: missing.len(), bytes }),
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_recv_body(Some(BODY))
        .http_status_as_error(false)
        .user_agent(concat!("bootworks/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

/// An address that can be opened: that of a package of the line's own is a path in its folder.
fn of_line(address: String, line: &Path) -> String {
    match address.strip_prefix(own::SCHEME) {
        Some(path) => format!("file:{}", line.join(path).display()),
        None => address,
    }
}

fn fetch_one(agent: &ureq::Agent, package: &Package, addresses: &[String], store: &Store) -> Result<()> {
    let partial = store.partial(&package.sha256);
    let writing = || format!("cannot write {}", partial.display());
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&partial)
        .or_fail(writing)?;
    // Two builds may want the same package: the second waits here and then finds it done.
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).or_fail(writing)?;
    let done = store.package(&package.sha256);
    if done.is_file() {
        // Whoever held the lock has finished it; what was opened here is another, empty file.
        let _ = std::fs::remove_file(&partial);
        return Ok(());
    }
    let mut tried = Vec::new();
    for _ in 0..TRIES {
        for address in addresses {
            match attempt(agent, package, address, &mut file) {
                Ok(()) => {
                    file.sync_all().or_fail(writing)?;
                    return std::fs::rename(&partial, &done)
                        .or_fail(|| format!("cannot write {}", done.display()));
                }
                Err(why) => tried.push(format!("{address}: {why}")),
            }
        }
    }
    tried.sort();
    tried.dedup();
    let failure = Failure::new(format!("cannot fetch {} {}", package.name, package.version));
    let failure = tried.into_iter().fold(failure, Failure::because);
    Err(failure.hint("where the archive has a newer version only, `bootworks lock` takes that one"))
}

/// Asks for what is missing of a file and verifies the whole. A reason is a phrase for a person.
fn attempt(agent: &ureq::Agent, package: &Package, address: &str, file: &mut File) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let mut have = file.seek(SeekFrom::End(0)).map_err(text)?;
    if have > package.bytes {
        have = 0;
    }
    if have < package.bytes {
        let mut body = open(agent, address, &mut have)?;
        file.set_len(have).map_err(text)?;
        file.seek(SeekFrom::Start(have)).map_err(text)?;
        let mut left = (&mut body).take(package.bytes - have);
        let copied = std::io::copy(&mut left, file);
        file.flush().map_err(text)?;
        let copied = copied.map_err(|error| format!("the connection broke: {error}"))?;
        if copied < package.bytes - have {
            return Err(format!("the connection ended after {} of {} bytes", have + copied, package.bytes));
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(text)?;
    let mut hash = Sha256::new();
    feed(&mut hash, file).map_err(text)?;
    let found = hex(&hash.finalize());
    if found == package.sha256 {
        return Ok(());
    }
    // What is wrong from its first byte is not worth resuming.
    file.set_len(0).map_err(text)?;
    Err(format!("its SHA-256 is {found}, the lock says {}", package.sha256))
}

/// Opens the stream at byte `have`, or at the first where the other side cannot; `have` is set to which it was.
fn open(agent: &ureq::Agent, address: &str, have: &mut u64) -> Result<Box<dyn std::io::Read>, String> {
    if let Some(path) = address.strip_prefix("file:") {
        let path = wire::deb::percent_decoded(path.strip_prefix("//").unwrap_or(path));
        *have = 0;
        return Ok(Box::new(File::open(&*path).map_err(|error| format!("{path}: {error}"))?));
    }
    let mut request = agent.get(address);
    if *have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| error.to_string())?;
    match response.status().as_u16() {
        206 => {}
        200 => *have = 0,
        416 => {
            *have = 0;
            return Err("the server has less of it than was already fetched".into());
        }
        status => return Err(format!("the server answers {status}")),
    }
    Ok(Box::new(response.into_body().into_reader()))
}
