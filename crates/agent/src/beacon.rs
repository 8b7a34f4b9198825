//! The beacon: tells the server what happens on the box, in order and exactly once, and brings its orders.
//!
//! Events are kept from the first moment on and sent as soon as there is a network; a report that is not
//! answered is sent again under the same number. Used by `init` and by the controller, each with a name of
//! its own, because each is a process that counts from 0.

use crate::http::Sealed;
use model::api::{Orders, Report, SESSION_SCHEME};
use model::boot::BootParameters;
use model::timeline::Event;
use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wire::mac::Mac;

/// Most events in one report: about 64 kB of JSON.
const BATCH: usize = 200;
/// Most events kept for later; beyond it the oldest are lost, which the numbering shows.
const KEPT: usize = 20_000;
/// The longest pause after a report that was not answered.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the server is and under which name it knows this box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The HTTP server.
    pub(crate) server: SocketAddrV4,
    /// The box, by the MAC of its boot NIC.
    pub(crate) of: Mac,
}

/// The header that shows the box's session, where it was given one.
pub(crate) fn authorization() -> Option<String> {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let session = BootParameters::read(&line)?.session?;
    Some(format!("{SESSION_SCHEME}{session}"))
}

/// A handle to the thread that tells. Clones speak with one voice.
#[derive(Clone, Debug)]
pub(crate) struct Beacon {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    heartbeat: Option<Duration>,
    boot: String,
}

#[derive(Debug, Default)]
struct State {
    address: Option<Address>,
    /// Number of the oldest event in `events`.
    first: u64,
    events: VecDeque<Event>,
    /// How many of the oldest are on their way: they must stay as they are.
    in_flight: usize,
    orders: Orders,
}

impl Beacon {
    /// Starts telling for the process `name`: `init`, `controller`. With a `heartbeat` an empty report goes
    /// out whenever that long nothing was told, so that orders arrive.
    pub(crate) fn start(name: &str, heartbeat: Option<Duration>) -> Beacon {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        // A worker that was started again counts from 0 again; its PID tells the two apart.
        let boot = format!("{}/{name}-{}", id.trim(), std::process::id());
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { state, changed: Condvar::new(), heartbeat, boot });
        let beacon = Beacon { shared: shared.clone() };
        // Without a thread the box still works; only the server does not hear of it.
        let _ = std::thread::Builder::new().name("beacon".into()).spawn(move || shared.tell_for_ever());
        beacon
    }

    /// Says where the server is. Until then events are kept.
    pub(crate) fn connect(&self, address: Address) {
        self.shared.lock().address = Some(address);
        self.shared.changed.notify_all();
    }

    /// Tells an event.
    pub(crate) fn tell(&self, event: Event) {
        self.shared.lock().keep(event);
        self.shared.changed.notify_all();
    }

    /// What the server has ordered so far.
    pub(crate) fn orders(&self) -> Orders {
        self.shared.lock().orders.clone()
    }

    /// Waits until everything told so far is answered. Says whether it is.
    pub(crate) fn flush(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.shared.lock();
        while !state.events.is_empty() {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
            state = self.shared.wait(state, left);
        }
        true
    }
}

impl State {
    fn keep(&mut self, event: Event) {
        // Of a step's progress only the latest is worth telling.
        if let Event::StepProgress { step, .. } = &event
            && self.events.len() > self.in_flight
            && let Some(Event::StepProgress { step: last, .. }) = self.events.back()
            && last == step
        {
            self.events.pop_back();
        }
        if self.events.len() >= KEPT && self.in_flight == 0 {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }

    fn answered(&mut self, orders: Orders) {
        self.events.drain(..self.in_flight.min(self.events.len()));
        self.first += self.in_flight as u64;
        self.in_flight = 0;
        self.orders.answers.extend(orders.answers);
        self.orders.confirmed |= orders.confirmed;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked while it held the lock left a whole state: each change is one statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, patience: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    fn tell_for_ever(&self) {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .timeout_connect(Some(Duration::from_secs(4)))
            .build();
        let road = Sealed::of_boot(config);
        let authorization = authorization();
        let mut pause = Duration::from_secs(1);
        loop {
            let (address, report) = self.due();
            match send(&road, address, authorization.as_deref(), &report) {
                Some(orders) => {
                    pause = Duration::from_secs(1);
                    self.lock().answered(orders);
                    self.changed.notify_all();
                }
                None => {
                    // The next report may hold more than this one did: the server knows its events by number.
                    self.lock().in_flight = 0;
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Waits for something to tell and for somebody to tell it to.
    fn due(&self) -> (Address, Report) {
        let beat = self.heartbeat.map(|every| Instant::now() + every);
        let mut state = self.lock();
        loop {
            let is_time = beat.is_some_and(|at| Instant::now() >= at);
            if let Some(address) = state.address
                && (is_time || !state.events.is_empty())
            {
                state.in_flight = state.events.len().min(BATCH);
                let report = Report {
                    of: address.of,
                    boot: self.boot.clone(),
                    first: state.first,
                    build: crate::BUILD.into(),
                    events: state.events.iter().take(BATCH).cloned().collect(),
                };
                return (address, report);
            }
            let left =
                beat.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
            state = self.wait(state, left.max(Duration::from_millis(100)));
        }
    }
}

/// `None` where it was not answered, or with anything but [`Orders`].
fn send(road: &Sealed, address: Address, authorization: Option<&str>, report: &Report) -> Option<Orders> {
    let body = serde_json::to_vec(report).ok()?;
    let url = road.url(address.server, "/api/report");
    let mut request = road.client.post(url).header("content-type", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let mut answer = request.send(&body[..]).ok()?;
    let text = answer.body_mut().with_config().limit(1 << 20).read_to_vec().ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    fn said(line: &str) -> Event {
        Event::Said { line: line.into() }
    }

    /// Answers `count` reports; the first is swallowed, as if the cable had been pulled.
    fn serve(listener: TcpListener, count: usize) -> Vec<Report> {
        let mut reports = Vec::new();
        for number in 0..count {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            reports.push(serde_json::from_slice(&body).unwrap());
            if number > 0 {
                let orders = r#"{"answers":{"site":"lab"},"confirmed":true}"#;
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
                write!(&stream, "{head}: {}\r\n\r\n{orders}", orders.len()).unwrap();
            }
        }
        reports
    }

    /// A report that was lost is sent again under the same number, and nothing told meanwhile is forgotten.
    #[test]
    fn what_was_not_answered_is_told_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(server) = listener.local_addr().unwrap() else { panic!() };
        let beacon = Beacon::start("init", None);
        beacon.tell(said("before there was a network"));
        let serving = std::thread::spawn(move || serve(listener, 2));
        beacon.connect(Address { server, of: Mac([0x52, 0x54, 0, 0, 0, 1]) });
        assert!(beacon.flush(Duration::from_secs(20)));
        let reports = serving.join().unwrap();
        assert_eq!(reports[0].first, 0);
        assert_eq!(reports[1].first, 0);
        assert_eq!(reports[1].events[0], said("before there was a network"));
        assert!(reports[0].boot.contains("/init-"), "{}", reports[0].boot);
        assert!(beacon.orders().confirmed);
        assert_eq!(beacon.orders().answers["site"], "lab");
    }

    /// Ten thousand steps of progress are one event, but never one that is already on its way.
    #[test]
    fn of_a_steps_progress_the_latest_is_told() {
        let progress = |done_bytes| Event::StepProgress { step: 1, done_bytes, total_bytes: 100 };
        let mut state = State::default();
        state.keep(progress(1));
        state.keep(progress(2));
        assert_eq!(state.events, [progress(2)]);
        state.in_flight = 1;
        state.keep(progress(3));
        state.keep(progress(4));
        assert_eq!(state.events, [progress(2), progress(4)]);
        state.answered(Orders::default());
        assert_eq!((state.first, state.events.len()), (1, 1));
    }
}
