//! Where the store keeps what it knows: the seam between the store and a database.
//!
//! Implemented by [`super::sqlite`]; a server with a thousand boxes may want another one. Only
//! [`super::Store`] and `boxes` use it.

use model::failure::Result;
use model::timeline::{Entry, Timestamp};
use std::future::Future;
use std::pin::Pin;
use wire::dhcp::server::leases::Lease;
use wire::mac::Mac;

/// An answer of a shelf, as a value: a trait with `async fn` could not stand behind a pointer.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A database that keeps timelines. A commit is whole or not there at all, also when the power goes.
pub(crate) trait Shelf: Send + Sync {
    /// Writes a batch in one transaction; when it returns, the batch is on the disk.
    fn commit<'a>(&'a self, batch: &'a Batch) -> Later<'a, ()>;
    /// Reads everything but the entries and records.
    fn remembered(&self) -> Later<'_, Remembered>;
    /// Hands every entry after `after` to `each`, in order: of one box, or of all.
    fn entries<'a>(
        &'a self,
        of: Option<Mac>,
        after: u64,
        each: &'a mut (dyn FnMut(Entry) + Send),
    ) -> Later<'a, Unreadable>;
    /// The record of a box, as it was sent.
    fn record(&self, of: Mac) -> Later<'_, Option<String>>;
}

/// How many entries of another version of the program were passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) u64);

/// What is written together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// New lines of timelines, their sequence ascending.
    pub(crate) entries: Vec<Entry>,
    /// How far each boot's reports are in.
    pub(crate) marks: Vec<ReportMark>,
    /// Leases made or renewed.
    pub(crate) leases: Vec<Lease>,
    /// Answers given.
    pub(crate) answers: Vec<(Mac, String, String)>,
    /// Boxes whose answers are no longer needed.
    pub(crate) forgotten: Vec<Mac>,
    /// Plans confirmed: box and boot id.
    pub(crate) confirmations: Vec<(Mac, String)>,
    /// Records, as sent.
    pub(crate) records: Vec<(Mac, Timestamp, String)>,
}

/// How far the reports of one boot of one box are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportMark {
    /// The box.
    pub(crate) of: Mac,
    /// The kernel's boot id.
    pub(crate) boot: String,
    /// Number of the first event not seen yet.
    pub(crate) next: u64,
    /// When the last report of it came.
    pub(crate) at: Timestamp,
}

/// Everything a store knows besides entries and records.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// How far each boot's reports are in.
    pub(crate) marks: Vec<ReportMark>,
    /// Leases, also those that ran out.
    pub(crate) leases: Vec<Lease>,
    /// Answers given and not used up.
    pub(crate) answers: Vec<(Mac, String, String)>,
    /// Plans confirmed: box and boot id.
    pub(crate) confirmations: Vec<(Mac, String)>,
}
