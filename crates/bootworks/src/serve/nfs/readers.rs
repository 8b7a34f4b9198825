//! What each client reads of a root: how much, and which files last. A box that hangs in its root is understood by
//! what it asked for last.

use super::shelf::Place;
use super::tree::Node;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Files remembered of each client.
const LAST: usize = 8;
/// Transaction ids remembered of each client: a call that comes again is one of those that were under way.
const UNDER_WAY: usize = 64;
/// Clients remembered; the bound is on memory.
const CLIENTS_MOST: usize = 4096;
/// A client that reads without a pause is told of so often.
const TELL_EACH: Duration = Duration::from_secs(60);

/// All clients.
#[derive(Debug, Default)]
pub(super) struct Readers(Mutex<BTreeMap<Ipv4Addr, Reader>>);

/// One client.
#[derive(Debug, Default)]
struct Reader {
    calls: u64,
    bytes: u64,
    last: VecDeque<String>,
    /// Transaction ids of the last calls, and how many calls had one that was among them.
    xids: VecDeque<u32>,
    repeated: u64,
    /// The file read last, by its tree and its place there.
    file: Option<(u64, Node)>,
    /// Calls when it was looked at last, and when it was told of last.
    seen: u64,
    told: u64,
    told_at: Duration,
}

/// What a client read since its first call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) address: Ipv4Addr,
    pub(super) calls: u64,
    pub(super) bytes: u64,
    pub(super) last: Vec<String>,
    pub(super) repeated: u64,
}

impl Readers {
    /// A client reads so many bytes of a file, by the call of this transaction id.
    pub(super) fn note(&self, client: IpAddr, xid: u32, place: &Place, bytes: u64) {
        let IpAddr::V4(address) = client.to_canonical() else { return };
        let tree = &place.volume.tree;
        let file = (tree.tag(), place.node);
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() >= CLIENTS_MOST && !readers.contains_key(&address) {
            return;
        }
        let reader = readers.entry(address).or_default();
        reader.calls += 1;
        reader.bytes += bytes;
        reader.heard(xid);
        if reader.file != Some(file) {
            reader.file = Some(file);
            reader.met(tree.path(place.node));
        }
    }

    /// The clients that are worth a word now: those that paused since the last look, and those that have been
    /// reading for a while.
    pub(super) fn news(&self, now: Duration) -> Vec<Summary> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = Vec::new();
        for (address, reader) in readers.iter_mut() {
            let pauses = reader.calls == reader.seen;
            reader.seen = reader.calls;
            let long_ago = now.saturating_sub(reader.told_at) >= TELL_EACH;
            if reader.calls == reader.told || !(pauses || long_ago) {
                continue;
            }
            (reader.told, reader.told_at) = (reader.calls, now);
            let Reader { calls, bytes, repeated, .. } = *reader;
            news.push(Summary {
                address: *address,
                calls,
                bytes,
                last: reader.last.iter().cloned().collect(),
                repeated,
            });
        }
        news
    }
}

impl Reader {
    /// A client whose answer did not arrive sends the same call again (RFC 5531 §9), over another connection.
    fn heard(&mut self, xid: u32) {
        if self.xids.contains(&xid) {
            self.repeated += 1;
            return;
        }
        self.xids.push_back(xid);
        if self.xids.len() > UNDER_WAY {
            self.xids.pop_front();
        }
    }

    /// The newest last; a file that is read in turns with others stands once.
    fn met(&mut self, path: String) {
        self.last.retain(|known| *known != path);
        self.last.push_back(path);
        if self.last.len() > LAST {
            self.last.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same call again is one whose answer was lost; another one of the same file is not.
    #[test]
    fn calls_that_come_again_are_counted() {
        let mut reader = Reader::default();
        for xid in [1, 2, 3, 2, 4, 2] {
            reader.heard(xid);
        }
        assert_eq!(reader.repeated, 2);
        for xid in 100..200 {
            reader.heard(xid);
        }
        assert_eq!((reader.repeated, reader.xids.len()), (2, UNDER_WAY));
    }

    /// A box is told of once it pauses, with what it read last; while it reads on, once a minute.
    #[test]
    fn a_pause_is_news() {
        let readers = Readers::default();
        let address = Ipv4Addr::new(10, 77, 0, 50);
        let read = |path: &str| {
            let mut readers = readers.0.lock().unwrap();
            let reader = readers.entry(address).or_default();
            (reader.calls, reader.bytes) = (reader.calls + 1, reader.bytes + 100);
            reader.met(path.into());
        };
        let after = |seconds: u64| readers.news(Duration::from_secs(1000 + seconds));
        for number in 0..20 {
            read(&format!("/lib/{number}"));
        }
        read("/lib/15");
        assert_eq!(after(0).len(), 1, "the first word comes at once");
        read("/sbin/init");
        assert_eq!(after(10), [], "it reads");
        let told = after(20);
        assert_eq!((told[0].calls, told[0].bytes), (22, 2200));
        assert_eq!(
            told[0].last.join(" "),
            "/lib/13 /lib/14 /lib/16 /lib/17 /lib/18 /lib/19 /lib/15 /sbin/init"
        );
        assert_eq!(after(30), [], "nothing new");
        for second in 4..12 {
            read("/var/log");
            assert_eq!(after(second * 10).len(), usize::from(second == 8), "after {second} looks");
        }
    }
}
