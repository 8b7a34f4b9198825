//! The controller: asks, plans, installs, verifies, powers off. Runs in the live OS's root, once for each box.
//!
//! ```text
//!   inventory -> job -> questions -> plan -> confirmation -> steps -> record -> power off
//!       ^                  ^                                   |
//!       |                  +---- "no" to the plan              | a refusal or a step that failed: the trouble
//!       +------------------------- "retry" --------------------+ on every console, and a person decides
//! ```

mod apply;
mod consoles;
mod download;
mod password;
mod questions;
mod server;
mod witness;

use crate::Ending;
use crate::beacon::Beacon;
use crate::init::network::Found;
use crate::screen;
use apply::{Blame as _, Done, Installation, Outcome};
use consoles::Consoles;
use linux::kmsg;
use model::api::Job;
use model::hardware::Inventory;
use model::ladder::Rung;
use model::line::{Confirm, Finish};
use model::plan::{Plan, Step};
use model::record::Record;
use model::timeline::{Event, Trouble};
use questions::{AFTER_TROUBLE, AFTERWARDS, Before, Decision, Dialogue, KEPT, Known, Wish};
use server::Server;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use witness::Witness;

/// Where the appliance is mounted while it is written.
const TARGET: &str = "/run/target";
/// How often orders are asked for when nothing else is told.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How many kernel lines go with a trouble.
const KERNEL_LINES: usize = 20;
/// How long the last words may take to reach the server.
const LAST_WORDS: Duration = Duration::from_secs(15);
/// How long a box may show no disk before it is believed to have none.
const DISK_PATIENCE: Duration = Duration::from_secs(45);
/// A list of disks that is the same after this time has settled.
const DISKS_SETTLE: Duration = Duration::from_millis(500);

/// Runs the controller. It ends when the box is to be turned off, or to be started over.
pub(crate) fn run() -> Ending {
    let consoles = Mutex::new(Consoles::open());
    let Some(found) = Found::read() else {
        lock(&consoles).say("bootworks: nobody left word of where the server is; starting over");
        return Ending::Failed;
    };
    let beacon = Beacon::start("controller", Some(HEARTBEAT));
    beacon.connect(found.beacon_address());
    let controller = Controller {
        server: Server { address: found.server, of: found.of },
        answers: answers_of_file(&consoles),
        consoles,
        beacon,
        kept: Mutex::default(),
    };
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    controller.reached(Rung::ControllerSpoke, &format!("kernel {release}"));
    loop {
        match controller.attempt() {
            Ok(finish) => {
                controller.beacon.flush(LAST_WORDS);
                return controller.finish(finish);
            }
            Err(trouble) => {
                if controller.explain(&trouble) == Wish::PowerOff {
                    controller.beacon.flush(LAST_WORDS);
                    return Ending::PowerOff;
                }
                controller.tell(Event::TroubleOver { cause: trouble.cause });
            }
        }
    }
}

fn lock(consoles: &Mutex<Consoles>) -> MutexGuard<'_, Consoles> {
    consoles.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers from the file named by `--answers`: a JSON object of answers by question id.
fn answers_of_file(consoles: &Mutex<Consoles>) -> BTreeMap<String, String> {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == "--answers") else {
        return BTreeMap::new();
    };
    let path = arguments.get(at + 1).map_or("", String::as_str);
    let read = std::fs::read(path).map_err(|error| error.to_string());
    match read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string())) {
        Ok(answers) => answers,
        Err(why) => {
            lock(consoles).say(&format!("no answers are taken from `{path}`: {why}"));
            BTreeMap::new()
        }
    }
}

struct Controller {
    server: Server,
    consoles: Mutex<Consoles>,
    beacon: Beacon,
    answers: BTreeMap<String, String>,
    kept: Mutex<Kept>,
}

/// What an attempt leaves to the next one.
#[derive(Default)]
struct Kept {
    /// Answers that a confirmed plan was made of: they are not asked for again.
    known: Known,
    /// Answers that no plan could be made of: they are proposed again.
    before: Before,
    /// The API confirmed a plan; it does not confirm another one by that.
    is_confirmation_spent: bool,
}

impl Witness for Controller {
    fn tell(&self, event: Event) {
        self.beacon.tell(event);
    }

    fn say(&self, line: &str) {
        lock(&self.consoles).say(line);
    }

    fn show_progress(&self, line: &str) {
        lock(&self.consoles).show_progress(line);
    }
}

impl Controller {
    fn reached(&self, rung: Rung, detail: &str) {
        self.say(&format!("{}: {detail}", rung.label()));
        self.tell(Event::Reached { rung, detail: detail.to_owned() });
    }

    /// One way from the inventory to the end.
    fn attempt(&self) -> Result<Finish, Trouble> {
        let inventory = self.take_inventory();
        self.say(&summary(&inventory));
        self.tell(Event::HardwareFound { inventory: Box::new(inventory.clone()) });
        let job = self.server.job(&inventory.smbios.serial, self);
        // Nobody is asked for a password by a box that has no disk to install to.
        model::plan::foresee(&job, &inventory).map_err(|refusal| refusal.trouble())?;
        let (plan, answers, confirmed_by) = self.agree(&job, &inventory)?;
        let mut installation = Installation::of(&plan, self.server.address, TARGET.into(), self);
        let mut conclude = |step: &Step, done: &Done| {
            if *step == Step::Record {
                self.send_record(&job, &plan, &inventory, &answers, &confirmed_by, done)?;
            }
            Ok(())
        };
        installation.run(&mut conclude).map_err(|stopped| stopped.trouble)?;
        Ok(job.appliance.finish)
    }

    /// Leaves a finished box as the line says.
    fn finish(&self, finish: Finish) -> Ending {
        match finish {
            Finish::PowerOff => {
                self.say("this box is finished; turning it off");
                Ending::PowerOff
            }
            Finish::Reboot => {
                self.say("this box is finished; starting it over");
                Ending::Restart
            }
            Finish::StayOn => {
                self.say("this box is finished and stays on");
                let orders = || self.beacon.orders();
                let inventory = Inventory::default();
                let dialogue = Dialogue {
                    consoles: &self.consoles,
                    witness: self,
                    orders: &orders,
                    inventory: &inventory,
                };
                match dialogue.await_wish(AFTERWARDS) {
                    Wish::Reboot => Ending::Restart,
                    Wish::Retry | Wish::PowerOff => Ending::PowerOff,
                }
            }
        }
    }

    /// The inventory, once its disks have shown up. Controllers look for their disks after their driver is bound,
    /// and SAS ones take many seconds (QEMU's mptsas1068 was seen to): so a list that still changes is not taken,
    /// and a box without any disk is believed after [`DISK_PATIENCE`] only.
    fn take_inventory(&self) -> Inventory {
        let read = || linux::inventory::read(Path::new("/"), Some(self.server.of));
        let names = |inventory: &Inventory| -> Vec<String> {
            inventory.disks.iter().map(|disk| disk.name.clone()).collect()
        };
        let begun = Instant::now();
        let mut inventory = read();
        if inventory.disks.is_empty() {
            let seconds = DISK_PATIENCE.as_secs();
            self.say(&format!("no disk yet: its controller may still be looking, waiting up to {seconds} s"));
        }
        loop {
            std::thread::sleep(DISKS_SETTLE);
            let next = read();
            let settled = names(&next) == names(&inventory);
            if settled && (!next.disks.is_empty() || begun.elapsed() >= DISK_PATIENCE) {
                return next;
            }
            inventory = next;
        }
    }

    /// Asks and plans until the plan is confirmed.
    fn agree(
        &self,
        job: &Job,
        inventory: &Inventory,
    ) -> Result<(Plan, BTreeMap<String, String>, String), Trouble> {
        let orders = || {
            let mut orders = self.beacon.orders();
            orders.confirmed &= !self.kept().is_confirmation_spent;
            orders
        };
        let dialogue = Dialogue { consoles: &self.consoles, witness: self, orders: &orders, inventory };
        let (mut known, mut before) = (self.known(job), self.kept().before.clone());
        loop {
            let answers = dialogue.settle(&job.questions, &job.rules, &known, &before);
            let overview = questions::overview(&job.questions, &answers, inventory);
            self.reached(Rung::QuestionsAnswered, &counted(overview.len()));
            before = Before { answers: answers.clone(), orders: self.beacon.orders().answers };
            let plan = match model::plan::plan(job, inventory, &answers, &mut random) {
                Ok(plan) => plan,
                Err(refusal) => {
                    let mut kept = self.kept();
                    (kept.known, kept.before) = (Known::new(), before);
                    return Err(refusal.trouble());
                }
            };
            let text = plan.text();
            self.tell(Event::PlanShown { text: text.clone() });
            let decision = match job.appliance.confirm {
                Confirm::Ask => dialogue.confirm(&text, &overview),
                Confirm::Auto => {
                    self.say(&format!("\n{text}"));
                    Decision::Confirmed("auto".into())
                }
            };
            match decision {
                Decision::Confirmed(by) => {
                    let mut kept = self.kept();
                    kept.known = keep(&answers, &overview);
                    kept.is_confirmation_spent |= by == "api";
                    drop(kept);
                    self.reached(Rung::PlanConfirmed, &by);
                    return Ok((plan, answers, by));
                }
                Decision::Again => known = Known::new(),
                Decision::Change(id) => {
                    known = keep(&answers, &overview);
                    known.remove(&id);
                }
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers given beforehand: those of a plan that was confirmed, then a file on the box, then the server,
    /// which may know a whole batch. After a plan that could not be made they are only proposed.
    fn known(&self, job: &Job) -> Known {
        if !self.kept().known.is_empty() {
            return self.kept().known.clone();
        }
        if !self.kept().before.answers.is_empty() {
            return Known::new();
        }
        let orders = self.beacon.orders().answers;
        let sources = [(&job.answers, "api"), (&orders, "api"), (&self.answers, "file")];
        let all = sources.into_iter().flat_map(|(answers, by)| answers.iter().map(move |one| (one, by)));
        all.map(|((id, text), by)| (id.clone(), (text.clone(), by))).collect()
    }

    fn send_record(
        &self,
        job: &Job,
        plan: &Plan,
        inventory: &Inventory,
        answers: &BTreeMap<String, String>,
        confirmed_by: &str,
        done: &Done,
    ) -> Outcome<()> {
        let is_secret = |id: &String| {
            job.questions.iter().any(|question| &question.id == id && question.kind.is_secret())
        };
        let answers = answers.iter().filter(|(id, _)| !is_secret(id));
        let record = Record {
            of: self.server.of,
            line: job.line.clone(),
            hostname: plan.hostname.clone(),
            build: crate::BUILD.into(),
            live: job.live.clone(),
            lock: job.lock.clone(),
            image: job.appliance.image.sha256.clone(),
            answers: answers.map(|(id, answer)| (id.clone(), answer.clone())).collect(),
            hardware: inventory.clone(),
            plan: plan.text(),
            confirmed_by: confirmed_by.to_owned(),
            steps: done.steps.clone(),
            tests: done.tests.clone(),
            read_back: done.read_back.clone(),
            remarks: done.remarks.clone(),
            sealed_at: None,
        };
        self.server.put_record(&record, self).blame("http-unreachable")
    }

    /// Shows a trouble on every console and to the server, and waits for a person.
    fn explain(&self, trouble: &Trouble) -> Wish {
        let kernel_log = kmsg::tail(KERNEL_LINES);
        self.tell(Event::TroubleFound { trouble: trouble.clone(), kernel_log: kernel_log.clone() });
        self.say(&screen::trouble(trouble, &kernel_log, "type retry, shell or off"));
        let orders = || self.beacon.orders();
        let inventory = Inventory::default();
        let dialogue =
            Dialogue { consoles: &self.consoles, witness: self, orders: &orders, inventory: &inventory };
        dialogue.await_wish(AFTER_TROUBLE)
    }
}

/// 128 random bits for a UUID. The kernel gives 16 bytes whole or not yet (getrandom(2)).
fn random() -> u128 {
    let mut bytes = [0; 16];
    while rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) != Ok(bytes.len()) {
        std::thread::sleep(Duration::from_millis(100));
    }
    u128::from_ne_bytes(bytes)
}

/// Answers that stand: they are neither asked for nor told again. What stands for a question that was not asked is no
/// answer to it, should it be asked after all.
fn keep(answers: &BTreeMap<String, String>, asked: &[(String, String)]) -> Known {
    let given = asked.iter().filter_map(|(id, _)| Some((id.clone(), answers.get(id)?.clone())));
    given.map(|(id, answer)| (id, (answer, KEPT))).collect()
}

fn counted(count: usize) -> String {
    if count == 1 { "1 answer".into() } else { format!("{count} answers") }
}

/// The box in a few lines.
fn summary(inventory: &Inventory) -> String {
    let smbios = &inventory.smbios;
    let mut text = format!(
        "{} {}, serial {}, {} with {} and {}",
        smbios.manufacturer,
        smbios.product,
        if smbios.serial.is_empty() { "unknown" } else { &smbios.serial },
        inventory.firmware.to_uppercase(),
        if inventory.processors == 1 {
            "1 processor".into()
        } else {
            format!("{} processors", inventory.processors)
        },
        model::hardware::size_text(inventory.memory_bytes)
    );
    for disk in &inventory.disks {
        text.push_str(&format!("\n  {}: {}", disk.name, disk.title()));
    }
    for interface in &inventory.interfaces {
        text.push_str(&format!("\n  {}: {}, {}", interface.name, interface.mac, interface.driver));
    }
    text
}
