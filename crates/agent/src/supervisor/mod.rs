//! PID 1: watches over the workers, shows what they say, and never ends.
//!
//! It does nothing that can fail: what can fail is done by a worker, a child process. A worker that crashes
//! is started again and its last words are a trouble on the screen. It stays in the initramfs for the box's
//! whole life and needs nothing of the live OS's root. The kernel panics when PID 1 ends, so there is no path
//! out of [`run`]; `panic=` on the command line has nothing to act on.

mod seat;
mod worker;

use crate::screen;
use crate::word::Word;
use linux::{console, kmsg, mount, power};
use model::ladder::Rung;
use model::timeline::Trouble;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitOptions};
use seat::Seat;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use worker::{Role, Worker};

/// How often PID 1 looks around when nothing wakes it.
const TICK: Duration = Duration::from_millis(500);
/// How many kernel lines are asked for the screen; what does not fit is left out.
const KERNEL_LINES: usize = 20;
/// A worker that lived this long is started again at once when it ends.
const GOOD_LIFE: Duration = Duration::from_secs(60);
/// The longest pause before a worker is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// While a trouble stands on the screen, nothing else is said more often than this.
const CALM: Duration = Duration::from_secs(30);
/// What a person can press.
const KEYS: &str = "press: s for a shell, R to restart this box, P to turn it off";

/// Runs PID 1. Never returns, never unwinds.
pub(crate) fn run() -> ! {
    std::panic::set_hook(Box::new(|panic| kmsg::say(&format!("PID 1 stumbled: {panic}"))));
    let start = std::panic::catch_unwind(Supervisor::start);
    let mut supervisor = start.unwrap_or_else(|_| Supervisor::empty());
    loop {
        let turn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| supervisor.turn()));
        if turn.is_err() {
            // What stumbles once may stumble each time: the machine must not spin on it.
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// A worker that is to be started at a certain moment.
struct Due {
    role: Role,
    at: Instant,
}

struct Supervisor {
    seats: Vec<Seat>,
    workers: Vec<Worker>,
    due: Vec<Due>,
    /// How often each role ended before its time, since it last did well.
    crashes: [u32; 2],
    /// The highest rung the box is known to stand on.
    rung: Rung,
    troubles: Vec<Trouble>,
    /// The last crash of a worker, told to the server by the next one.
    last_words: Option<String>,
    /// The trouble that stands on the screen, so that it is drawn when it changes and not each second.
    shown: Option<Trouble>,
    /// When something was written to the screen last.
    spoke: Instant,
}

impl Supervisor {
    fn empty() -> Supervisor {
        Supervisor {
            seats: Vec::new(),
            workers: Vec::new(),
            due: vec![Due { role: Role::Init, at: Instant::now() }],
            crashes: [0; 2],
            rung: Rung::InitrdSpoke,
            troubles: Vec::new(),
            last_words: None,
            shown: None,
            spoke: Instant::now(),
        }
    }

    fn start() -> Supervisor {
        let refused = mount_the_kernels_file_systems();
        // Without PID 1 there is no box: the OOM killer has to look elsewhere.
        let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
        if !kernel_is_to_be_loud() {
            console::quiet_kernel();
        }
        answer_the_kernels_module_requests();
        let mut supervisor = Supervisor::empty();
        supervisor.look_for_seats();
        supervisor.say(&format!(
            "bootworks {}: kernel {} runs for {:.1} s",
            crate::BUILD,
            rustix::system::uname().release().to_string_lossy(),
            uptime().as_secs_f32()
        ));
        for line in refused {
            supervisor.say(&line);
        }
        supervisor
    }

    /// Waits for something to happen and deals with it.
    fn turn(&mut self) {
        self.wait();
        self.reap();
        self.listen_to_workers();
        self.start_what_is_due();
        self.look_for_seats();
        self.answer_keys();
        self.draw();
    }

    fn wait(&self) {
        let keys = self.seats.iter().filter(|seat| seat.is_listening()).map(Seat::descriptor);
        let pipes = self.workers.iter().flat_map(Worker::descriptors);
        let mut wanted: Vec<PollFd<'_>> =
            keys.chain(pipes).map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN)).collect();
        let next = self.due.iter().map(|due| due.at.saturating_duration_since(Instant::now())).min();
        let patience = next.map_or(TICK, |next| next.min(TICK));
        match poll(&mut wanted, patience.try_into().ok().as_ref()) {
            // A descriptor that is always ready (a hung-up terminal) must not make PID 1 spin.
            Ok(_)
                if wanted.iter().any(|one| {
                    one.revents().intersects(PollFlags::ERR | PollFlags::NVAL | PollFlags::HUP)
                }) =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }

    /// Takes in every child that ended: workers, shells, and what others left behind.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            for seat in &mut self.seats {
                seat.ended(pid);
            }
            if let Some(at) = self.workers.iter().position(|worker| worker.pid() == Some(pid)) {
                let mut worker = self.workers.remove(at);
                for word in worker.words() {
                    self.take(word);
                }
                self.ended(worker, status);
            }
        }
        self.redraw_if_free();
    }

    fn ended(&mut self, worker: Worker, status: rustix::process::WaitStatus) {
        let role = worker.role();
        match (role, status.exit_status()) {
            (Role::Controller, Some(code)) if code == crate::Ending::PowerOff as i32 => self.power_off(),
            (Role::Controller, Some(code)) if code == crate::Ending::Restart as i32 => self.restart(),
            _ => {}
        }
        let how = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => "ended".into(),
        };
        let crashes = &mut self.crashes[role as usize];
        *crashes = if worker.age() > GOOD_LIFE { 1 } else { crashes.saturating_add(1) };
        let pause = pause_after(*crashes);
        let trouble = worker.epitaph(&how, self.rung, pause);
        self.last_words = Some(format!("{}: {}", trouble.sentence, trouble.evidence.join(" | ")));
        kmsg::say(&trouble.sentence);
        self.add(trouble);
        self.due.push(Due { role, at: Instant::now() + pause });
    }

    fn listen_to_workers(&mut self) {
        let words: Vec<Word> = self.workers.iter_mut().flat_map(Worker::words).collect();
        for word in words {
            self.take(word);
        }
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Progress { line } => self.mention(&line),
            Word::Reached { rung, detail } => {
                self.rung = self.rung.max(rung);
                self.say(&format!("{}: {detail}", rung.label()));
            }
            Word::Trouble { trouble } => self.add(trouble),
            Word::TroubleOver { cause } => {
                self.troubles.retain(|trouble| trouble.cause != cause);
                self.say(&format!("{cause} is over"));
            }
            Word::RootStands => {
                let is_there = self.workers.iter().any(|worker| worker.role() == Role::Controller)
                    || self.due.iter().any(|due| due.role == Role::Controller);
                if !is_there {
                    self.due.push(Due { role: Role::Controller, at: Instant::now() });
                }
            }
        }
    }

    fn add(&mut self, trouble: Trouble) {
        match self.troubles.iter_mut().find(|known| known.cause == trouble.cause) {
            Some(known) => *known = trouble,
            None => self.troubles.push(trouble),
        }
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        let (ready, later) = std::mem::take(&mut self.due).into_iter().partition(|due| due.at <= now);
        self.due = later;
        for due in ready {
            if due.role == Role::Controller {
                // From here on the consoles are the controller's.
                for seat in &mut self.seats {
                    seat.give_away();
                }
            }
            match Worker::start(due.role, self.last_words.take()) {
                Ok(worker) => self.workers.push(worker),
                Err(error) => {
                    let role = due.role;
                    self.say(&format!("cannot start {role:?}: {error}; trying again"));
                    self.due.push(Due { role, at: now + Duration::from_secs(5) });
                }
            }
            self.troubles.retain(|trouble| trouble.cause != due.role.crash_cause());
        }
    }

    /// The controller talks to the person by itself; PID 1 is silent as long as it lives.
    fn controller_runs(&self) -> bool {
        self.workers.iter().any(|worker| worker.role() == Role::Controller)
    }

    fn look_for_seats(&mut self) {
        let are_ours = !self.controller_runs();
        for name in console::names() {
            if self.seats.iter().all(|seat| seat.name() != name)
                && let Some(seat) = Seat::at(&name)
            {
                self.seats.push(seat);
            }
        }
        if are_ours {
            for seat in &mut self.seats {
                seat.tend();
                seat.listen();
            }
        }
    }

    fn answer_keys(&mut self) {
        let mut asked = None;
        for seat in &mut self.seats {
            while let Some(key) = seat.key() {
                match key {
                    b's' | b'S' => seat.open_shell(),
                    b'R' | b'P' => asked = Some(key),
                    _ => {}
                }
            }
        }
        match asked {
            Some(b'P') => self.power_off(),
            Some(_) => self.restart(),
            None => {}
        }
    }

    /// Draws the trouble screen when what it shows has changed.
    fn draw(&mut self) {
        if self.controller_runs() {
            return;
        }
        // The lowest rung's trouble is the cause; what comes later follows from it.
        let first = self.troubles.iter().min_by_key(|trouble| trouble.rung).cloned();
        if first == self.shown || self.is_same_but_for_evidence(first.as_ref()) && self.spoke.elapsed() < CALM
        {
            return;
        }
        if let Some(trouble) = &first {
            let mut kernel_log = kmsg::tail(KERNEL_LINES);
            // What we said ourselves stands on the screen already.
            kernel_log.retain(|line| !line.contains("] bootworks: "));
            let text = screen::trouble(trouble, &kernel_log, KEYS);
            for seat in &self.seats {
                seat.show(&format!("\n{text}\n"));
            }
            self.spoke = Instant::now();
        }
        self.shown = first;
    }

    /// Counters in the evidence change all the time; a screen that is drawn all the time cannot be read.
    fn is_same_but_for_evidence(&self, new: Option<&Trouble>) -> bool {
        matches!((&self.shown, new), (Some(old), Some(new))
            if (&old.cause, &old.sentence, &old.fix) == (&new.cause, &new.sentence, &new.fix))
    }

    /// Says a line of progress. While a trouble stands on the screen its cause stays the last line.
    fn mention(&mut self, line: &str) {
        let Some(trouble) = self.shown.clone() else { return self.say(line) };
        if self.spoke.elapsed() < CALM || self.controller_runs() {
            return kmsg::say(line);
        }
        self.say(line);
        let reminder = screen::reminder(&trouble);
        for seat in &self.seats {
            seat.show(&format!("{reminder}\n"));
        }
        self.spoke = Instant::now();
    }

    /// A person who leaves a shell sees again what is wrong.
    fn redraw_if_free(&mut self) {
        if self.seats.iter_mut().filter_map(|seat| seat.was_left().then_some(())).count() > 0 {
            self.shown = None;
        }
    }

    fn say(&mut self, line: &str) {
        kmsg::say(line);
        if self.controller_runs() {
            return;
        }
        let mut text = screen::line(&format!("[{:7.2}] {line}", uptime().as_secs_f32()));
        text.push('\n');
        for seat in &self.seats {
            seat.show(&text);
        }
    }

    fn power_off(&mut self) {
        self.say("turning this box off");
        let refused = power::off();
        self.say(&format!("the kernel did not turn this box off: {refused}; it is safe to pull the plug"));
    }

    fn restart(&mut self) {
        self.say("restarting this box");
        let refused = power::restart();
        self.say(&format!("the kernel did not restart this box: {refused}; it is safe to pull the plug"));
    }
}

/// Mounts what every program expects. Gives a line for each that the kernel refused.
fn mount_the_kernels_file_systems() -> Vec<String> {
    let plain = mount::plain();
    let table = [
        ("proc", "/proc", plain, ""),
        ("sysfs", "/sys", plain, ""),
        ("pstore", crate::init::pstore::FOLDER, plain, ""),
        ("devtmpfs", "/dev", mount::Flags::NOSUID, "mode=0755"),
        ("devpts", "/dev/pts", mount::Flags::NOSUID | mount::Flags::NOEXEC, "mode=0620,ptmxmode=0666"),
        ("tmpfs", "/dev/shm", mount::Flags::NOSUID | mount::Flags::NODEV, "mode=1777"),
        ("tmpfs", "/run", mount::Flags::NOSUID | mount::Flags::NODEV, "mode=0755"),
    ];
    let mut refused = Vec::new();
    for (kind, target, flags, options) in table {
        match mount::mount(kind, Path::new(target), kind, flags, options) {
            // The kernel mounts devtmpfs itself where it was built so.
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            // A kernel built without it keeps nothing of its panics; nothing else needs it.
            Err(_) if kind == "pstore" => {}
            Err(error) => refused.push(format!("cannot mount {kind} on {target}: {error}")),
        }
    }
    // What elsewhere udev makes, and shells take for granted (`<(…)` is /dev/fd/63).
    for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        let _ = std::os::unix::fs::symlink(format!("/proc/self/fd{target}"), format!("/dev/{name}"));
    }
    refused
}

/// Who debugs the kernel wants its lines on the console.
fn kernel_is_to_be_loud() -> bool {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    line.split_ascii_whitespace()
        .any(|word| matches!(word, "debug" | "ignore_loglevel") || word.starts_with("loglevel="))
}

/// The kernel asks for modules by running a program in the initramfs (`kernel/module/kmod.c`): us.
fn answer_the_kernels_module_requests() {
    let _ = std::fs::create_dir_all("/bootworks");
    let _ = std::os::unix::fs::symlink("/init", crate::modprobe::PATH);
    let _ = std::fs::write("/proc/sys/kernel/modprobe", crate::modprobe::PATH);
}

/// Time since the kernel started.
pub(crate) fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

/// 1, 2, 4, … seconds.
fn pause_after(crashes: u32) -> Duration {
    Duration::from_secs(1 << crashes.saturating_sub(1).min(5)).min(LONGEST_PAUSE)
}

/// A PID as the reaper gives it.
fn pid_of(raw: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(raw).ok()?)
}

/// Adds `text` to a list of last lines and keeps it short.
fn remember(lines: &mut Vec<String>, text: &str, most: usize) {
    lines.extend(text.lines().map(str::to_owned));
    let too_many = lines.len().saturating_sub(most);
    lines.drain(..too_many);
}

/// A duration as it stands on a screen.
fn seconds(duration: Duration) -> String {
    let mut text = String::new();
    let _ = write!(text, "{} s", duration.as_secs());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A worker that crashes for ever must neither stop being started nor fill the screen.
    #[test]
    fn the_pause_grows_to_half_a_minute() {
        let pauses: Vec<u64> = (1..9).map(|crashes| pause_after(crashes).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pause_after(u32::MAX).as_secs(), 30);
    }
}
