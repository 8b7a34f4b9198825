//! Looks at boxes that fell silent: what their silence means goes on their timeline, and out as an alarm.
//!
//! The meaning is `model::silence`'s. An alarm is a line on the operator's screen (`teller`), an event on the
//! timeline, and a JSON object sent to the address of `--alarm`.

use super::http::Service;
use super::store::now;
use crate::report;
use model::failure::{Explain as _, Failure, Result};
use model::ladder::Rung;
use model::silence::{self, Surroundings};
use model::timeline::state::BoxState;
use model::timeline::{Event, Timestamp, Trouble};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use wire::mac::Mac;

/// How often silent boxes are looked for; a patience is counted in tens of seconds.
const LOOK: Duration = Duration::from_secs(5);
/// A box that was not heard of for so long, in milliseconds, was switched off or taken away: history, no alarm.
const HISTORY_MILLIS: u64 = 3_600_000;
/// For how long a box must have been silent before its own last lines are looked at, in milliseconds, and until when: its
/// patience may be longer, or nobody may have any, because something else started it.
const LAST_WORDS_MILLIS: std::ops::Range<u64> = 30_000..45_000;
/// A half-open connection is told once its answer was sent again so often: the first repeat is a second's work of
/// TCP (RFC 6298 §2), and may be a client that was slow.
const UNCONFIRMED_REPEATS: u32 = 2;
/// How long the receiver of an alarm may take.
const ALARM_TIME: Duration = Duration::from_secs(10);

/// Where alarms go besides the timeline.
#[derive(Clone, Debug)]
pub(crate) struct Alarm(String);

impl Alarm {
    /// The address of `--alarm`.
    ///
    /// Errors: it is no address that we can speak to.
    pub(crate) fn at(url: &str) -> Result<Alarm> {
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        match host {
            Some(host) if !host.is_empty() && !url.contains(char::is_whitespace) => Ok(Alarm(url.to_owned())),
            _ => Err(Failure::new(format!("`{url}` is no address for alarms")).hint(
                "`--alarm http://HOST/PATH` or https: each alarm is sent there as a JSON object (POST)",
            )),
        }
    }

    fn send(&self, body: &str) -> Result<()> {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(ALARM_TIME)).build().into();
        agent
            .post(&self.0)
            .header("Content-Type", "application/json")
            .send(body)
            .or_fail(|| format!("cannot send an alarm to {}", self.0))?;
        Ok(())
    }
}

/// Watches until the server ends.
pub(crate) async fn watch(service: Arc<Service>, alarm: Option<Alarm>) -> Result<()> {
    let mut clock = tokio::time::interval(LOOK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told: HashMap<Mac, Told> = HashMap::new();
    let mut unconfirmed = HashSet::new();
    loop {
        clock.tick().await;
        note_unconfirmed(&service, &mut unconfirmed);
        let now = now();
        let boxes = service.store.boxes();
        for state in &boxes {
            let recent = now.0.saturating_sub(state.last_seen.0) < HISTORY_MILLIS;
            let here = Told { climb: state.climbs, highest: state.highest().map(|(rung, _)| rung) };
            let is_due = is_worth_a_look(state, now) || may_have_last_words(state, now);
            if !recent || !is_due || told.get(&state.of) == Some(&here) {
                continue;
            }
            let Some(event) = explain(&service, &boxes, state, now).await else { continue };
            told.insert(state.of, here);
            if let (Some(alarm), Event::SilenceExplained { trouble, others }) = (&alarm, &event) {
                let line = &service.publications.current().line.name;
                raise(alarm.clone(), body(line, state, trouble, others));
            }
            service.store.note(state.of, event);
        }
    }
}

/// Where a box stood when its silence was explained: there, it is told once.
#[derive(PartialEq, Eq)]
struct Told {
    climb: u32,
    highest: Option<Rung>,
}

/// Silent beyond its patience, starting over again and again, or in need of a file that we cannot read.
fn is_worth_a_look(state: &BoxState, now: Timestamp) -> bool {
    // A finished box that is wanted again is heard of once it boots from the network.
    let is_wanted_again =
        state.installed.is_none() && state.highest().is_some_and(|(rung, _)| rung == Rung::PoweredOff);
    state.overdue(now).is_some() || state.climbs >= 2 || state.unreadable || is_wanted_again
}

/// Silent for long enough that its own lines, if there are any, may be its last.
fn may_have_last_words(state: &BoxState, now: Timestamp) -> bool {
    LAST_WORDS_MILLIS.contains(&now.0.saturating_sub(state.last_seen.0))
}

/// Notes on the timelines which boxes do not hear our answers to the connections that they begin.
fn note_unconfirmed(service: &Service, told: &mut HashSet<(Mac, u16)>) {
    let half_open = linux::sockets::unconfirmed();
    let ports = [service.counter.http_port, service.counter.nfs_port];
    let ours = half_open.iter().filter(|one| ports.contains(&one.port));
    let late = ours.filter(|one| one.repeated >= UNCONFIRMED_REPEATS);
    let now: HashMap<(Mac, u16), (u32, std::net::Ipv4Addr)> = late
        .filter_map(|one| Some((((service.owner)(one.client)?, one.port), (one.repeated, one.client))))
        .collect();
    for ((of, port), (repeated, address)) in &now {
        if !told.contains(&(*of, *port)) {
            let event = Event::ConnectionUnconfirmed { address: *address, port: *port, repeated: *repeated };
            service.store.note(*of, event);
        }
    }
    *told = now.into_keys().collect();
}

async fn explain(service: &Service, boxes: &[BoxState], state: &BoxState, now: Timestamp) -> Option<Event> {
    // What cannot be read is told by the store.
    let entries = service.store.entries(Some(state.of), 0).await.ok()?;
    let judged = match state.nic {
        Some(nic) => {
            let build = service.publications.current();
            // A proof that broke is no proof of anything; whoever starts the box is told of it.
            let live = state.live.clone();
            tokio::task::spawn_blocking(move || build.judge_in(&live, nic)).await.ok().and_then(Result::ok)
        }
        None => None,
    };
    let around = Surroundings { boot_nic: judged.as_ref(), others: boxes };
    let told = silence::explain(&entries, now, around)
        .filter(|told| told.signature == silence::LAST_WORDS || is_worth_a_look(state, now))
        .map(|told| Event::SilenceExplained { trouble: told.trouble, others: told.others });
    told.or_else(|| suspect(state, now))
}

/// No signature fits, and a rung is overdue all the same: the ladder's suspects are all that is known.
fn suspect(state: &BoxState, now: Timestamp) -> Option<Event> {
    let overdue = state.overdue(now)?;
    let mut suspects = overdue.suspects.iter().map(|cause| (*cause).to_owned());
    let trouble = Trouble {
        cause: suspects.next()?,
        rung: overdue.rung,
        sentence: format!("It should have: {}.", overdue.rung.label()),
        evidence: Vec::new(),
        fix: vec!["see the box's console".to_owned()],
    };
    Some(Event::SilenceExplained { trouble, others: suspects.collect() })
}

/// The documented object of an alarm.
fn body(line: &str, state: &BoxState, trouble: &Trouble, others: &[String]) -> String {
    serde_json::json!({
        "line": line, "box": state.of, "label": state.label(), "serial": state.smbios.serial,
        "cause": trouble.cause, "others": others, "rung": trouble.rung, "sentence": trouble.sentence,
        "evidence": trouble.evidence, "fix": trouble.fix,
    })
    .to_string()
}

/// Sends it without waiting: a receiver that is away must not hold up the watch.
fn raise(alarm: Alarm, body: String) {
    tokio::task::spawn_blocking(move || {
        if let Err(failure) = alarm.send(&body) {
            report::note(&failure.report());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::io::{Read as _, Write as _};

    /// Whoever is woken at night reads what and where without asking the server first.
    #[test]
    fn an_alarm_reaches_its_receiver() {
        let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let alarm = Alarm::at(&format!("http://{}/hook", receiver.local_addr().unwrap())).unwrap();
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = receiver.accept().unwrap();
            let mut text = Vec::new();
            let mut bytes = [0; 4096];
            while !text.ends_with(b"}") {
                let length = stream.read(&mut bytes).unwrap();
                text.extend_from_slice(&bytes[..length]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8(text).unwrap()
        });
        let mut state = BoxState::new("52:54:00:00:00:01".parse().unwrap(), Timestamp(0));
        state.smbios.serial = "SN-7".into();
        let trouble = Trouble {
            cause: "kernel-lockup".into(),
            rung: Rung::InitrdSpoke,
            sentence: "Kernel and initrd went over whole, and the initrd never spoke, then nothing.".into(),
            evidence: vec!["nothing for 91 s".into()],
            fix: vec!["see the box's console".into()],
        };
        alarm.send(&body("edge", &state, &trouble, &["initrd-corrupt".into()])).unwrap();
        let heard = heard.join().unwrap();
        assert!(heard.starts_with("POST /hook HTTP/1.1\r\n"), "{heard}");
        expect![[r#"{"box":"52:54:00:00:00:01","cause":"kernel-lockup","evidence":["nothing for 91 s"],"fix":["see the box's console"],"label":"SN-7","line":"edge","others":["initrd-corrupt"],"rung":"initrd-spoke","sentence":"Kernel and initrd went over whole, and the initrd never spoke, then nothing.","serial":"SN-7"}"#]]
            .assert_eq(heard.rsplit("\r\n").next().unwrap());
    }

    #[test]
    fn an_alarm_needs_an_address() {
        expect![[r#"
            error: `pager` is no address for alarms
            hint: `--alarm http://HOST/PATH` or https: each alarm is sent there as a JSON object (POST)"#]]
        .assert_eq(&Alarm::at("pager").unwrap_err().report());
        assert!(Alarm::at("https://").is_err());
        assert!(Alarm::at("https://chat.example.org/hook").is_ok());
    }
}
