//! Files over HTTP: by digest, with ranges, and with an account of what went to which box.
//!
//! Not a general file server: it knows one file at a time, which [`super::http`] chose by its digest; a path
//! from the network never reaches the disk. Written here since tower-http's `ServeDir` ignores `If-Range`
//! (RFC 9110 §13.1.5): a resumed download would be half of one build and half of the next.

use super::board::Board;
use super::reading::{PIECE, Patience, Piece};
use super::store::Store;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use model::failure::{Explain as _, Failure, Result};
use model::timeline::{Cut, Event, FileRole, Road};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use wire::http::{self, Wanted};
use wire::mac::Mac;

/// How long after a cut a resumed transfer is still the same transfer.
const RESUME: Duration = Duration::from_secs(600);

/// A file that may go out, as the build wrote it down.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its name in the timeline.
    pub(crate) name: String,
    /// What it is for the ladder.
    pub(crate) role: FileRole,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// Its SHA-256, hex: its name for caches and resumed downloads.
    pub(crate) sha256: String,
}

/// The account of transfers: what each box has got of each file so far.
#[derive(Clone)]
pub(crate) struct Transfers {
    /// By the box, and by the file's digest; where it is not fetched over HTTP, by what tells it from others.
    open: Arc<Mutex<HashMap<(Mac, String), Begun>>>,
    /// Where it is told that a box fetches.
    board: Board,
}

/// A transfer that is not done.
#[derive(Clone)]
struct Begun {
    name: String,
    at: Instant,
    last: Instant,
    sent: u64,
    bytes: u64,
}

/// A transfer under way, as it is shown.
#[derive(Debug, serde::Serialize)]
pub(crate) struct TransferView {
    /// To which box.
    #[serde(rename = "box")]
    of: Mac,
    /// The file's name in the timeline.
    file: String,
    /// Bytes sent so far.
    sent_bytes: u64,
    /// Bytes in all.
    bytes: u64,
    /// Since when, in milliseconds.
    millis: u64,
}

/// Answers a GET or HEAD for a file. `to` is the box, where it is known; its timeline learns of the transfer.
///
/// Errors: the file cannot be read, or is not what the build wrote down.
pub(crate) async fn send(
    served: &Served,
    method: &Method,
    headers: &HeaderMap,
    to: Option<(Mac, &Store, &Transfers)>,
) -> Result<Response<Body>> {
    let tag = format!("\"{}\"", served.sha256);
    let mut response = Response::new(Body::empty());
    let out = response.headers_mut();
    set(out, header::ETAG, &tag);
    set(out, header::ACCEPT_RANGES, "bytes");
    set(out, header::CONTENT_TYPE, "application/octet-stream");
    // The digest is in the path: what is there never changes.
    set(out, header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    if names(headers, header::IF_NONE_MATCH, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let (first, after) = match wanted(headers, &tag, served.bytes) {
        Wanted::Whole => (0, served.bytes),
        Wanted::Part(first, last) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(
                response.headers_mut(),
                header::CONTENT_RANGE,
                &format!("bytes {first}-{last}/{}", served.bytes),
            );
            (first, last + 1)
        }
        Wanted::Nothing => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", served.bytes));
            return Ok(response);
        }
    };
    set(response.headers_mut(), header::CONTENT_LENGTH, &(after - first).to_string());
    if *method == Method::HEAD {
        return Ok(response);
    }
    let file = open(served).await?;
    let account = to.map(|(of, store, transfers)| transfers.begin(of, store, served, first, after));
    let outgoing = Outgoing {
        file: Arc::new(file),
        at: first,
        left: after - first,
        waiting: None,
        gave: false,
        account,
    };
    *response.body_mut() = Body::from_stream(outgoing);
    Ok(response)
}

/// Opened in a thread that may wait for the disk.
async fn open(served: &Served) -> Result<OwnedFd> {
    let cannot = || format!("cannot read {}", served.path.display());
    let path = served.path.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok::<_, std::io::Error>((file, bytes))
    });
    let (file, there) = opening.await.or_fail(cannot)?.or_fail(cannot)?;
    if there != served.bytes {
        return Err(Failure::new(cannot())
            .because(format!("it has {there} bytes, but the build wrote {}", served.bytes))
            .hint("`bootworks build` makes it again"));
    }
    Ok(file.into())
}

/// What of the file is asked for. `If-Range` with another build's tag means the whole; so do several ranges
/// and anything that is no range, as RFC 9110 §14.2 allows.
fn wanted(headers: &HeaderMap, tag: &str, bytes: u64) -> Wanted {
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::Whole;
    };
    if headers.contains_key(header::IF_RANGE) && !names(headers, header::IF_RANGE, tag) {
        return Wanted::Whole;
    }
    http::range(range, bytes).unwrap_or(Wanted::Whole)
}

/// Whether a header names this tag, by strong comparison (RFC 9110 §8.8.3.2): a weak tag never does.
fn names(headers: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').map(str::trim).any(|named| named == tag || named == "*"))
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    // Digests and numbers are always header values.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

impl Transfers {
    /// None yet.
    pub(crate) fn new(board: Board) -> Transfers {
        Transfers { open: Arc::default(), board }
    }

    /// What goes to whom in this moment, or was cut off and may be resumed.
    pub(crate) fn under_way(&self) -> Vec<TransferView> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let view = |((of, _), begun): (&(Mac, String), &Begun)| TransferView {
            of: *of,
            file: begun.name.clone(),
            sent_bytes: begun.sent,
            bytes: begun.bytes,
            millis: u64::try_from(begun.at.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let mut views: Vec<TransferView> = open.iter().map(view).collect();
        views.sort_by_key(|view| view.of);
        views
    }

    /// So much of a file has gone out since it was told last.
    fn progress(&self, of: Mac, sha256: &str, sent: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = open.get_mut(&(of, sha256.to_owned())) {
            (begun.sent, begun.last) = (sent, Instant::now());
        }
        drop(open);
        self.board.fetches(of);
    }

    /// A box gets a file by another road than HTTP; `as_known` tells this transfer from others to it.
    pub(crate) fn follow(&self, of: Mac, as_known: String, name: &str, bytes: u64) -> Followed {
        let (name, at) = (name.to_owned(), Instant::now());
        let key = (of, as_known);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(key.clone(), Begun { name, at, last: at, sent: 0, bytes });
        drop(open);
        Followed { transfers: self.clone(), key }
    }

    /// A box begins to get octets `first` up to `after`, or goes on where it was cut off.
    fn begin(&self, of: Mac, store: &Store, served: &Served, first: u64, after: u64) -> Account {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, begun| begun.last.elapsed() < RESUME);
        let known = open.get(&(of, served.sha256.clone())).cloned().filter(|_| first > 0);
        let resumed = known.is_some();
        let fresh = Begun { name: served.name.clone(), at: now, last: now, sent: 0, bytes: served.bytes };
        let begun = known.unwrap_or(fresh);
        open.insert((of, served.sha256.clone()), begun.clone());
        drop(open);
        self.board.fetches(of);
        if !resumed {
            let file = served.name.clone();
            store.note(of, Event::TransferStarted { road: Road::Http, file, bytes: served.bytes });
        }
        Account {
            of,
            store: store.clone(),
            transfers: self.clone(),
            name: served.name.clone(),
            sha256: served.sha256.clone(),
            role: served.role,
            bytes: served.bytes,
            ends_file: after == served.bytes,
            at: begun.at,
            sent_before: begun.sent,
            sent: 0,
            failed: None,
        }
    }
}

/// A transfer that is shown for as long as this lives; none that can be resumed.
pub(crate) struct Followed {
    transfers: Transfers,
    key: (Mac, String),
}

impl Followed {
    /// So much of the file is there.
    pub(crate) fn arrived(&self, bytes: u64) {
        let mut open = self.transfers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = open.get_mut(&self.key) {
            (begun.sent, begun.last) = (bytes, Instant::now());
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.transfers.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// One response's part in a transfer; settled when the response is dropped, however it ended.
struct Account {
    of: Mac,
    store: Store,
    transfers: Transfers,
    name: String,
    sha256: String,
    role: FileRole,
    bytes: u64,
    ends_file: bool,
    at: Instant,
    sent_before: u64,
    sent: u64,
    failed: Option<String>,
}

impl Account {
    fn settle(&mut self, left: u64) {
        let bytes = self.sent_before + self.sent;
        let mut open = self.transfers.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self.of, std::mem::take(&mut self.sha256));
        if left == 0 && self.ends_file {
            open.remove(&key);
        } else {
            let (name, at, last) = (self.name.clone(), self.at, Instant::now());
            open.insert(key, Begun { name, at, last, sent: bytes, bytes: self.bytes });
        }
        drop(open);
        let file = std::mem::take(&mut self.name);
        if left == 0 && self.ends_file {
            let millis = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
            // The initrd is the last thing that firmware fetches.
            if self.role == FileRole::Initrd {
                self.transfers.board.fetched(self.of);
            }
            let done = Event::TransferDone { road: Road::Http, file, role: self.role, bytes, millis };
            self.store.note(self.of, done);
        } else if left > 0 {
            let (why, reason) = match self.failed.take() {
                Some(reason) => (Cut::Unreadable, reason),
                None => (Cut::ByClient, "the box closed the connection".into()),
            };
            self.store.note(self.of, Event::TransferFailed { road: Road::Http, file, bytes, why, reason });
        }
    }
}

/// A file on its way. Hyper asks for the next piece only when the box has taken the one before.
struct Outgoing {
    file: Arc<OwnedFd>,
    /// Where the next piece begins.
    at: u64,
    left: u64,
    /// The next piece, where the disk has to be waited for.
    waiting: Option<JoinHandle<std::io::Result<Piece>>>,
    /// Whether it is somebody else's turn: the kernel of a box that is close takes a whole file without a pause, and
    /// the others would have to wait for it.
    gave: bool,
    account: Option<Account>,
}

impl Outgoing {
    /// The next piece; empty only where the file has ended.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<Piece>> {
        let (at, count) = (self.at, usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE)));
        let mut waiting = match self.waiting.take() {
            Some(waiting) => waiting,
            None => {
                let piece = Piece::read(&self.file, at, count, Patience::None)?;
                if !piece.as_ref().is_empty() {
                    return Poll::Ready(Ok(piece));
                }
                let file = self.file.clone();
                tokio::task::spawn_blocking(move || {
                    Piece::read(&file, at, count, Patience::Disk).map_err(std::io::Error::from)
                })
            }
        };
        match Pin::new(&mut waiting).poll(context) {
            Poll::Ready(piece) => Poll::Ready(piece.map_err(std::io::Error::other)?),
            Poll::Pending => {
                self.waiting = Some(waiting);
                Poll::Pending
            }
        }
    }

    fn failed(&mut self, reason: String) {
        if let Some(account) = &mut self.account {
            account.failed = Some(reason);
        }
    }
}

impl Stream for Outgoing {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let outgoing = &mut *self;
        if outgoing.left == 0 {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut outgoing.gave) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = match std::task::ready!(outgoing.poll_piece(context)) {
            Ok(piece) => piece,
            Err(error) => {
                outgoing.failed(format!("reading the file: {error}"));
                return Poll::Ready(Some(Err(error)));
            }
        };
        // Somebody cut the file short while it went out: the box must not take it for whole.
        if piece.as_ref().is_empty() {
            let error = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file became shorter");
            outgoing.failed(error.to_string());
            return Poll::Ready(Some(Err(error)));
        }
        let count = piece.as_ref().len() as u64;
        outgoing.gave = true;
        outgoing.at += count;
        outgoing.left -= count;
        if let Some(account) = &mut outgoing.account {
            account.sent += count;
            let sent = account.sent_before + account.sent;
            account.transfers.progress(account.of, &account.sha256, sent);
        }
        Poll::Ready(Some(Ok(Bytes::from_owner(piece))))
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(account) = &mut self.account {
            account.settle(self.left);
        }
    }
}
