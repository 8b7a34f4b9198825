//! The timeline store: everything seen of every box, on the disk first, then in memory, then to live readers.
//!
//! One task writes; whoever has something to tell sends it there, and what piled up meanwhile goes to the disk
//! as one transaction. Decides nothing: states are folds (`model::timeline::state`).
//!
//! ```text
//! note()     ─┐                 ┌─► memory: boxes, leases, answers
//! report()   ─┼─► writer ─► shelf (SQLite) ─┼─► live readers (broadcast)
//! keep_…()   ─┘   one batch     └─► whoever waits for its own commit
//! ```

pub(crate) mod shelf;
pub(crate) mod sqlite;

use model::api::{Orders, Report};
use model::failure::{Failure, Result};
use model::hardware::Smbios;
use model::ladder::Rung;
use model::timeline::state::BoxState;
use model::timeline::{Entry, Event, Timestamp};
use shelf::{Batch, ReportMark, Shelf, Unreadable};
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, oneshot};
use wire::dhcp::server::leases::Lease;
use wire::mac::Mac;

/// Most pieces of work in one transaction: enough to make the disk's flush cheap, few enough to answer soon.
const BATCH: usize = 512;
/// Entries a live reader may be behind before it has to read from the shelf.
const LIVE: usize = 4096;
/// Pause before what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A handle to the store; clones are the same store.
#[derive(Clone)]
pub(crate) struct Store {
    work: mpsc::UnboundedSender<Work>,
    shared: Arc<Shared>,
}

struct Shared {
    shelf: Box<dyn Shelf>,
    memory: RwLock<Memory>,
    live: broadcast::Sender<Arc<Entry>>,
}

/// What is asked of the store all the time, kept out of the database's way.
#[derive(Default)]
struct Memory {
    boxes: BTreeMap<Mac, BoxState>,
    leases: BTreeMap<Mac, Lease>,
    /// The same by address: each packet that comes asks whose it is.
    holders: HashMap<Ipv4Addr, Mac>,
    answers: HashMap<Mac, BTreeMap<String, String>>,
    confirmed: HashMap<Mac, String>,
    /// Number of the next event of each boot.
    next: HashMap<(Mac, String), u64>,
    /// The boot each box is in.
    boots: HashMap<Mac, String>,
}

/// One thing to write, and who waits for it.
struct Work {
    what: What,
    waiting: Option<oneshot::Sender<Result<()>>>,
}

enum What {
    Seen(Mac, Timestamp, Vec<Event>),
    Reported(Report, Timestamp),
    Leased(Lease),
    Answered(Mac, BTreeMap<String, String>),
    Confirmed(Mac, String),
    Sealed(Mac, Timestamp, String),
}

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Store {
    /// Reads everything back and starts the writer, which ends when the last handle is gone.
    pub(crate) async fn open(shelf: impl Shelf + 'static) -> Result<(Store, Unreadable)> {
        let mut memory = Memory::default();
        let mut sequence = 0;
        let mut fold = |entry: Entry| {
            sequence = entry.sequence;
            memory.fold(&entry);
        };
        let unreadable = shelf.entries(None, 0, &mut fold).await?;
        memory.remember(shelf.remembered().await?);
        let (work, queue) = mpsc::unbounded_channel();
        let (live, _) = broadcast::channel(LIVE);
        let shared = Arc::new(Shared { shelf: Box::new(shelf), memory: RwLock::new(memory), live });
        tokio::spawn(Writer { shared: shared.clone(), queue, sequence, kept: Vec::new() }.run());
        Ok((Store { work, shared }, unreadable))
    }

    /// Something was seen of a box. Does not wait: for packet loops.
    pub(crate) fn note(&self, of: Mac, event: Event) {
        // The writer ends only after the last handle: there is always somebody to take it.
        let _ = self.work.send(Work { what: What::Seen(of, now(), vec![event]), waiting: None });
    }

    /// Events seen together; on the disk when it returns.
    pub(crate) async fn record(&self, of: Mac, events: Vec<Event>) -> Result<()> {
        self.write(What::Seen(of, now(), events)).await
    }

    /// A box's report; on the disk when it returns. What came before comes in once.
    pub(crate) async fn report(&self, report: Report) -> Result<Orders> {
        let (of, boot) = (report.of, report.boot.clone());
        self.write(What::Reported(report, now())).await?;
        let memory = self.memory();
        Ok(Orders {
            answers: memory.answers.get(&of).cloned().unwrap_or_default(),
            confirmed: memory.confirmed.get(&of) == Some(&boot),
        })
    }

    /// A lease; on the disk when it returns, as RFC 2131 §4.3.1 wants it before the DHCPACK.
    pub(crate) async fn keep_lease(&self, lease: Lease) -> Result<()> {
        self.write(What::Leased(lease)).await
    }

    /// Answers from outside the console, checked already and with passwords hashed.
    pub(crate) async fn keep_answers(&self, of: Mac, answers: BTreeMap<String, String>) -> Result<()> {
        self.write(What::Answered(of, answers)).await
    }

    /// Confirms the plan that the box shows. `false` where none stands on its screen: a confirmation counts for
    /// the boot that asked for it, never for the next.
    pub(crate) async fn confirm(&self, of: Mac) -> Result<bool> {
        let boot = {
            let memory = self.memory();
            let shown = memory.boxes.get(&of).is_some_and(BoxState::waits_for_confirmation);
            memory.boots.get(&of).filter(|_| shown).cloned()
        };
        match boot {
            Some(boot) => self.write(What::Confirmed(of, boot)).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Keeps the record of a box, as JSON.
    pub(crate) async fn seal(&self, of: Mac, record: String) -> Result<()> {
        self.write(What::Sealed(of, now(), record)).await
    }

    /// Returns when everything told before is on the disk.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.write(What::Seen(Mac([0; 6]), now(), Vec::new())).await
    }

    /// Every box, by MAC.
    pub(crate) fn boxes(&self) -> Vec<BoxState> {
        self.memory().boxes.values().cloned().collect()
    }

    /// One box.
    pub(crate) fn state(&self, of: Mac) -> Option<BoxState> {
        self.memory().boxes.get(&of).cloned()
    }

    /// The finished boxes that this is: by the NIC that it boots from, and by what its firmware calls it.
    pub(crate) fn finished(&self, of: Mac, smbios: &Smbios) -> Vec<Mac> {
        let memory = self.memory();
        let installed = memory.boxes.values().filter(|state| state.installed.is_some());
        installed.filter(|state| state.of == of || state.is_machine(smbios)).map(|state| state.of).collect()
    }

    /// Answers given to a box from outside the console.
    pub(crate) fn answers(&self, of: Mac) -> BTreeMap<String, String> {
        self.memory().answers.get(&of).cloned().unwrap_or_default()
    }

    /// Every lease known, also those that ran out: a box that comes back gets its address again.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.memory().leases.values().copied().collect()
    }

    /// Which box has this address: by its lease, else by what was seen of it (another server's lease).
    pub(crate) fn box_at(&self, address: Ipv4Addr) -> Option<Mac> {
        let memory = self.memory();
        let leased = memory.holders.get(&address).copied();
        leased.or_else(|| {
            let seen = memory.boxes.values().filter(|state| state.address == Some(address));
            seen.max_by_key(|state| state.last_seen).map(|state| state.of)
        })
    }

    /// The timeline of a box, or of all boxes, after a place in it.
    pub(crate) async fn entries(&self, of: Option<Mac>, after: u64) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.shared.shelf.entries(of, after, &mut |entry| entries.push(entry)).await?;
        Ok(entries)
    }

    /// The record of a box, as it was sent.
    pub(crate) async fn sealed(&self, of: Mac) -> Result<Option<String>> {
        self.shared.shelf.record(of).await
    }

    /// New entries from now on. A reader that falls behind is told so and reads on from [`Store::entries`].
    pub(crate) fn live(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.shared.live.subscribe()
    }

    async fn write(&self, what: What) -> Result<()> {
        let (waiting, done) = oneshot::channel();
        let gone = |_| Failure::new("the timeline store is closed");
        self.work.send(Work { what, waiting: Some(waiting) }).map_err(|_| gone(()))?;
        done.await.map_err(|_| gone(()))?
    }

    fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.shared.memory()
    }
}

impl Shared {
    // A panic while the lock was held leaves whole entries behind, never half of one: going on is right.
    fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Memory {
    /// No address twice: its old holder lost it. No box twice: its old address has no holder.
    fn lease(&mut self, lease: Lease) {
        let before = self.holders.insert(lease.address, lease.mac);
        if let Some(loser) = before.filter(|mac| *mac != lease.mac) {
            self.leases.remove(&loser);
        }
        let before = self.leases.insert(lease.mac, lease);
        if let Some(left) = before.filter(|old| old.address != lease.address) {
            self.holders.remove(&left.address);
        }
    }

    fn fold(&mut self, entry: &Entry) {
        let state = self.boxes.entry(entry.of).or_insert_with(|| BoxState::new(entry.of, entry.at));
        state.apply(entry);
    }

    fn remember(&mut self, remembered: shelf::Remembered) {
        let shelf::Remembered { marks, leases, answers, confirmations } = remembered;
        self.take(Batch { marks, leases, answers, confirmations, ..Batch::default() });
    }

    fn take(&mut self, batch: Batch) {
        for entry in &batch.entries {
            self.fold(entry);
        }
        for ReportMark { of, boot, next, .. } in batch.marks {
            self.boots.insert(of, boot.clone());
            self.next.insert((of, boot), next);
        }
        for lease in batch.leases {
            self.lease(lease);
        }
        for (of, question, answer) in batch.answers {
            self.answers.entry(of).or_default().insert(question, answer);
        }
        self.confirmed.extend(batch.confirmations);
        for of in batch.forgotten {
            self.answers.remove(&of);
            self.confirmed.remove(&of);
        }
    }
}

/// The one task that writes.
struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedReceiver<Work>,
    /// The last one given.
    sequence: u64,
    /// What nobody waits for and could not be written yet.
    kept: Vec<Work>,
}

impl Writer {
    async fn run(mut self) {
        let mut told = false;
        while let Some(works) = self.gather().await {
            let batch = self.draft(&works);
            match self.shared.shelf.commit(&batch).await {
                Ok(()) => {
                    told = false;
                    self.publish(batch);
                    for waiting in works.into_iter().filter_map(|work| work.waiting) {
                        let _ = waiting.send(Ok(()));
                    }
                }
                Err(failure) => {
                    if !std::mem::replace(&mut told, true) {
                        crate::report::note(&failure.report());
                    }
                    self.keep(works, &failure);
                }
            }
        }
    }

    /// What is to be written next; `None` once every handle is gone and all is written.
    async fn gather(&mut self) -> Option<Vec<Work>> {
        let mut works = std::mem::take(&mut self.kept);
        if works.is_empty() {
            works.push(self.queue.recv().await?);
        } else {
            tokio::time::sleep(RETRY).await;
            if self.queue.is_closed() && self.queue.is_empty() {
                return None;
            }
        }
        while works.len() < BATCH {
            match self.queue.try_recv() {
                Ok(work) => works.push(work),
                Err(_) => break,
            }
        }
        Some(works)
    }

    /// Turns work into rows, giving each event its place.
    fn draft(&self, works: &[Work]) -> Batch {
        let mut batch = Batch::default();
        let mut sequence = self.sequence;
        let mut add = |batch: &mut Batch, of: Mac, at: Timestamp, event: &Event| {
            sequence += 1;
            if matches!(event, Event::Reached { rung: Rung::PoweredOff, .. }) {
                batch.forgotten.push(of);
            }
            batch.entries.push(Entry { sequence, at, of, event: event.clone() });
        };
        let memory = self.shared.memory();
        // The same report twice in one batch must count once too.
        let mut next: HashMap<(Mac, &str), u64> = HashMap::new();
        for work in works {
            match &work.what {
                What::Seen(of, at, events) => {
                    for event in events {
                        add(&mut batch, *of, *at, event);
                    }
                }
                What::Reported(report, at) => {
                    let seen = *next.entry((report.of, &report.boot)).or_insert_with(|| {
                        memory.next.get(&(report.of, report.boot.clone())).copied().unwrap_or(0)
                    });
                    let fresh = usize::try_from(seen.saturating_sub(report.first)).unwrap_or(usize::MAX);
                    for event in report.events.iter().skip(fresh) {
                        add(&mut batch, report.of, *at, event);
                    }
                    let after = report.first.saturating_add(report.events.len() as u64).max(seen);
                    next.insert((report.of, &report.boot), after);
                    let mark = ReportMark { of: report.of, boot: report.boot.clone(), next: after, at: *at };
                    batch.marks.push(mark);
                }
                What::Leased(lease) => batch.leases.push(*lease),
                What::Answered(of, answers) => {
                    let rows = answers.iter().map(|(id, answer)| (*of, id.clone(), answer.clone()));
                    batch.answers.extend(rows);
                }
                What::Confirmed(of, boot) => batch.confirmations.push((*of, boot.clone())),
                What::Sealed(of, at, record) => batch.records.push((*of, *at, record.clone())),
            }
        }
        batch
    }

    fn publish(&mut self, batch: Batch) {
        let entries: Vec<Arc<Entry>> = batch.entries.iter().cloned().map(Arc::new).collect();
        self.sequence = entries.last().map_or(self.sequence, |entry| entry.sequence);
        self.shared.memory_mut().take(batch);
        for entry in entries {
            // Nobody listening is no failure.
            let _ = self.shared.live.send(entry);
        }
    }

    /// Whoever waits is told, and tries again itself; what nobody waits for is tried again here.
    fn keep(&mut self, works: Vec<Work>, failure: &Failure) {
        for work in works {
            match work.waiting {
                Some(waiting) => {
                    let _ = waiting.send(Err(failure.clone()));
                }
                None => self.kept.push(work),
            }
        }
    }
}

#[cfg(test)]
mod tests;
