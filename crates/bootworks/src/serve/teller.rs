//! What is told while the server runs: a line for each thing an operator wants to know, or every entry as JSON.
//!
//! Reads the store's live entries; nothing waits for it.

use super::store::Store;
use crate::report;
use model::diagnosis::{self, Verdict};
use model::hardware::size_text;
use model::timeline::{Client, Entry, Event, FileRole, Timestamp};
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// To whom it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person: lines on standard error.
    Person,
    /// A program: each entry as JSON on standard output; a person's lines as well.
    Program,
}

/// Tells what happens until the store is closed.
pub(crate) async fn tell(store: Store, mut live: Receiver<Arc<Entry>>, audience: Audience) {
    let mut sequence = 0;
    loop {
        let entries = match live.recv().await {
            Ok(entry) => vec![(*entry).clone()],
            // Too many at once: what was missed is in the store.
            Err(RecvError::Lagged(_)) => store.entries(None, sequence).await.unwrap_or_default(),
            Err(RecvError::Closed) => return,
        };
        for entry in entries {
            if entry.sequence <= sequence {
                continue;
            }
            sequence = entry.sequence;
            if audience == Audience::Program
                && let Ok(json) = serde_json::to_string(&entry)
            {
                report::say(&json);
            }
            if let Some(words) = words(&entry.event) {
                let label = store.state(entry.of).map_or_else(|| entry.of.to_string(), |state| state.label());
                report::note(&format!("{} {label}: {words}", clock_time(entry.at)));
            }
        }
    }
}

/// `17:40:12`, by UTC: the machine's time zone is not asked for, since logs of several servers are compared.
pub(crate) fn clock_time(at: Timestamp) -> String {
    let seconds = at.0 / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// What an operator reads of an event; `None` where it is no news.
pub(crate) fn words(event: &Event) -> Option<String> {
    let trouble = |trouble: &model::timeline::Trouble| {
        let fix = trouble.fix.first().map(|fix| format!(" To do: {fix}")).unwrap_or_default();
        let sentence = &trouble.sentence;
        let end = if sentence.ends_with(['.', '!', '?']) { "" } else { "." };
        format!("{sentence}{end}{fix} ({})", trouble.cause)
    };
    Some(match event {
        Event::AddressTaken { client: Client::Rom | Client::HttpBoot | Client::Ipxe, address } => {
            format!("took the address {address}")
        }
        Event::AddressRefused { reason, .. } => format!("got no address: {reason}"),
        Event::TransferDone { role: FileRole::Script | FileRole::Other, .. } => return None,
        Event::TransferDone { file, bytes, millis, .. } => {
            let rate = if *millis == 0 { 0 } else { bytes / millis / 1000 };
            format!("fetched {file} ({:.1} MB, {rate} MB/s)", *bytes as f64 / 1e6)
        }
        Event::TransferFailed { file, bytes, reason, .. } => {
            format!("{file} ended after {bytes} bytes: {reason}")
        }
        Event::NicReported { nic, smbios, platform, memory_bytes } => {
            let nic = nic.map_or_else(|| "not on PCI".to_owned(), |nic| nic.to_string());
            let names = format!("{} {}", smbios.manufacturer, smbios.product);
            let memory = memory_bytes.map(|bytes| format!(", {}", size_text(bytes))).unwrap_or_default();
            format!("NIC {nic}, {platform}, {}, serial {}{memory}", names.trim(), smbios.serial)
        }
        Event::BootOffered { release, fallback_because: None, .. } => format!("boots kernel {release}"),
        Event::BootOffered { release, fallback_because: Some(why), .. } => {
            format!("boots the fallback, kernel {release}: {why}")
        }
        Event::TurnAwaited { before } => format!("waits for its turn, {before} boxes before it"),
        Event::SentToDisk => "is finished: sent to its disk".into(),
        Event::InstallationAsked { by } => format!("is to be installed again ({by})"),
        Event::BootRefused { trouble: why } => format!("NOT BOOTED: {}", trouble(why)),
        Event::KernelLeft { origin, lines } => {
            let from = format!("the kernel of an earlier start left {} lines ({origin})", lines.len());
            match diagnosis::diagnose(lines.join("\n").as_bytes()).verdict {
                Verdict::Failed(findings) if !findings.is_empty() => {
                    format!("{from}: {} ({})", findings[0].sentence, findings[0].cause.id)
                }
                _ => from,
            }
        }
        Event::TroubleFound { trouble: why, .. } => format!("TROUBLE: {}", trouble(why)),
        Event::StepFailed { step, trouble: why } => format!("STEP {step} FAILED: {}", trouble(why)),
        Event::SilenceExplained { trouble: why, others } if others.is_empty() => {
            format!("STUCK: {}", trouble(why))
        }
        Event::SilenceExplained { trouble: why, others } => {
            format!("STUCK: {}; or {}", trouble(why), others.join(", "))
        }
        Event::TroubleOver { cause } => format!("out of trouble ({cause})"),
        Event::RootMounted { path, .. } => format!("mounted {path}"),
        Event::Reached { rung, detail } if detail.is_empty() => rung.label().into(),
        Event::Reached { rung, detail } => format!("{} ({detail})", rung.label()),
        Event::Asked { question } => format!("asks: {question}"),
        Event::Answered { question, by, answer } => match answer {
            Some(answer) => format!("{question} = {answer} ({by})"),
            None => format!("{question} answered ({by})"),
        },
        Event::PlanShown { .. } => "shows its plan".into(),
        Event::StepStarted { step, of, title, .. } => format!("step {step} of {of}: {title}"),
        Event::HardwareFound { inventory } => {
            let counts = (inventory.disks.len(), inventory.interfaces.len());
            format!("hardware: {}, {} disks, {} NICs", inventory.processor, counts.0, counts.1)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// One line is what an operator glances at: what happened, and what to do about it.
    #[test]
    fn an_operator_reads_what_and_what_to_do() {
        let told = |json: &str| words(&serde_json::from_str(json).unwrap()).unwrap_or_default();
        expect!["NOT BOOTED: This box's NIC 8086:10d3 needs the driver e1000e. To do: set kernel = \"linux-image-amd64\" (nic-driver-missing)"]
            .assert_eq(&told(r#"{"event":"boot-refused","trouble":{"cause":"nic-driver-missing","rung":"fetched-kernel","sentence":"This box's NIC 8086:10d3 needs the driver e1000e.","evidence":[],"fix":["set kernel = \"linux-image-amd64\""]}}"#));
        expect!["TROUBLE: the box has no disk at all. To do: look at the disk controller (disk-driver-missing)"]
            .assert_eq(&told(r#"{"event":"trouble-found","trouble":{"cause":"disk-driver-missing","rung":"plan-confirmed","sentence":"the box has no disk at all","evidence":[],"fix":["look at the disk controller"]},"kernel_log":[]}"#));
        expect!["fetched initrd (30.0 MB, 33 MB/s)"].assert_eq(&told(
            r#"{"event":"transfer-done","road":"http","file":"initrd","role":"initrd","bytes":30000000,"millis":900}"#,
        ));
        expect!["password answered (api)"]
            .assert_eq(&told(r#"{"event":"answered","question":"password","by":"api","answer":null}"#));
        expect!["the kernel of an earlier start left 1 lines (erst): PID 1 ended (exit status 2, the shell could not open or understand a file); the kernel's panic is only its answer. (init-exited)"].assert_eq(&told(
            r#"{"event":"kernel-left","origin":"erst","lines":["<0>[    4.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000200"]}"#,
        ));
        expect![""].assert_eq(&told(r#"{"event":"said","line":"hello"}"#));
        assert_eq!(clock_time(Timestamp(1_000 * (3 * 3600 + 4 * 60 + 5))), "03:04:05Z");
    }
}
