//! Whether a box is sent into a boot: what iPXE tells of it is held against the live OS first.
//!
//! The judgement is `model::proof`'s, the words on the screen are [`super::script`]'s.

use super::http::Service;
use super::publication::{Bootable, Judged};
use super::{script, store};
use model::boot::{BootParameters, Identity, RootRoad};
use model::hardware::{PciId, Smbios};
use model::ladder::Rung;
use model::proof::memory;
use model::proof::nic::BootNic;
use model::queue::Turn;
use model::silence;
use model::timeline::{Event, Trouble};
use std::net::Ipv4Addr;
use std::sync::Arc;
use wire::http;
use wire::mac::Mac;

/// Longest string taken from a box's firmware, in characters.
const LONGEST: usize = 200;

/// A box that asks what to boot.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Caller {
    of: Mac,
    nic: Option<PciId>,
    smbios: Smbios,
    platform: String,
    memory_bytes: Option<u64>,
    /// It was refused before and asks again.
    again: bool,
    /// Somebody at the box wants it installed though it is finished.
    installs: bool,
}

/// Whether a box that the proof refuses is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It is.
    Heeded,
    /// It boots all the same (`--ignore-proof`).
    Ignored,
}

/// Where boxes are told what to boot: the server's addresses and its rule.
pub(crate) struct Counter {
    /// The server's address and HTTP port as they stand in a URL.
    pub(crate) authority: String,
    /// The server's address.
    pub(crate) address: Ipv4Addr,
    /// Port of the HTTP server.
    pub(crate) http_port: u16,
    /// Port of the NFS server.
    pub(crate) nfs_port: u16,
    /// How boxes know the server over TLS, where it speaks it.
    pub(crate) identity: Option<Identity>,
    /// Whether the proof is heeded.
    pub(crate) proof: Proof,
}

impl Caller {
    /// Reads what iPXE says of itself in the query.
    ///
    /// Errors: there is no MAC in it; a sentence.
    pub(crate) fn read(query: &str) -> Result<Caller, String> {
        let value = |key: &str| http::value(query, key).map(decode).unwrap_or_default();
        // Strings of the firmware come as hex from iPXE, or percent-encoded.
        let string = |key: &str| match value(&format!("{key}.hex")) {
            hex if hex.is_empty() => value(key),
            hex => decode(&hex.as_bytes().chunks(2).map(percent).collect::<String>()),
        };
        let mac = value("mac");
        let of = mac.parse().map_err(|error| format!("`mac={mac}` is {error}"))?;
        Ok(Caller {
            of,
            nic: bus_id(&value("nic")),
            smbios: Smbios {
                manufacturer: string("manufacturer"),
                product: string("product"),
                serial: string("serial"),
                uuid: value("uuid"),
            },
            platform: value("platform"),
            memory_bytes: value("memory.bytes").parse().ok().or_else(|| mapped_memory(&value("memory"))),
            again: value("again") == "1",
            installs: value("install") == "1",
        })
    }

    /// The query with which it asks again.
    fn query_again(&self) -> String {
        let Caller { of, smbios, platform, .. } = self;
        let nic = self.nic.map(|id| format!("01{:04x}{:04x}", id.vendor, id.device)).unwrap_or_default();
        let pairs = [
            ("mac", of.to_string().replace(':', "-")),
            ("nic", nic),
            ("platform", platform.clone()),
            ("uuid", smbios.uuid.clone()),
            ("serial", smbios.serial.clone()),
            ("manufacturer", smbios.manufacturer.clone()),
            ("product", smbios.product.clone()),
            ("memory.bytes", self.memory_bytes.map(|bytes| bytes.to_string()).unwrap_or_default()),
            ("again", "1".into()),
        ];
        pairs.map(|(key, value)| format!("{key}={}", http::encode(&value))).join("&")
    }
}

/// iPXE's `busid:hexraw`: `01808610d3`. A NIC that is not on PCI has another type, and nothing follows of it.
fn bus_id(hex: &str) -> Option<PciId> {
    let digits = hex.as_bytes();
    if digits.len() != 10 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let octet = |index: usize| u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).ok();
    PciId::from_bus_id(&[octet(0)?, octet(1)?, octet(2)?, octet(3)?, octet(4)?])
}

/// Four structures of SMBIOS as the first script asks for them, with a dot between them; what is not there is empty. Of one
/// that is cut off nothing follows, and then nothing of all.
fn mapped_memory(hex: &str) -> Option<u64> {
    let octets = |hex: &str| {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
        let octets = digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<Vec<u8>>>()?;
        <[u8; 8]>::try_from(octets).ok()
    };
    let structure = |hex: &str| if hex.is_empty() { Some(None) } else { octets(hex).map(Some) };
    let structures = hex.split('.').map(structure).collect::<Option<Vec<_>>>()?;
    memory::mapped_bytes(structures.try_into().ok()?)
}

/// A value of a query as it is shown. What is not UTF-8 or cannot be shown is dropped: firmware strings may be
/// anything.
pub(crate) fn decode(text: &str) -> String {
    let decoded = http::decode(text);
    let text = String::from_utf8_lossy(&decoded);
    text.chars()
        .filter(|c| !c.is_control() && *c != '\u{fffd}')
        .take(LONGEST)
        .collect::<String>()
        .trim()
        .into()
}

/// Two hex digits as a percent-encoded octet.
fn percent(digits: &[u8]) -> String {
    format!("%{}", String::from_utf8_lossy(digits))
}

impl Counter {
    /// The script for a box: its boot, or why not. `asker` is who has the address that the question came from: a
    /// session goes to the box itself only.
    pub(crate) async fn serve(&self, service: &Arc<Service>, caller: Caller, asker: Option<Mac>) -> String {
        if let Some(script) = self.send_to_disk(service, &caller).await {
            return script;
        }
        let build = service.publications.current();
        let covered = Judged { first: BootNic::Covered, is_in_fallback: false };
        let judged = match caller.nic {
            None => covered,
            Some(nic) => {
                let judging = build.clone();
                let judged = tokio::task::spawn_blocking(move || judging.judge(nic)).await;
                match judged {
                    Ok(Ok(judged)) => judged,
                    // A proof that broke is no proof of anything: the box boots, the operator reads it.
                    Ok(Err(failure)) => {
                        crate::report::note(&failure.report());
                        covered
                    }
                    Err(_) => covered,
                }
            }
        };
        let (mut verdict, mut chosen, mut fallback_because) = (judged.first, build.first(), None);
        if let (BootNic::Missing(trouble), true, Some(second), Proof::Heeded) =
            (&verdict, judged.is_in_fallback, build.fallback(), self.proof)
        {
            fallback_because = Some(trouble.sentence.clone());
            (verdict, chosen) = (BootNic::Covered, second);
        }
        // What the boot is known to fail by, and the rung that it will not get to where it is let go on.
        let (doomed, doubted) = match verdict {
            BootNic::Covered => (None, None),
            BootNic::Unknown(trouble) => (None, Some((trouble, Rung::LinkUp))),
            BootNic::Missing(trouble) => (Some((trouble, Rung::LinkUp)), None),
        };
        let doomed = doomed.or_else(|| {
            let trouble = memory::too_small(caller.memory_bytes?, chosen.start())?;
            Some((trouble, Rung::InitrdSpoke))
        });
        let state = service.store.state(caller.of);
        let known = state.as_ref().and_then(|state| state.trouble.clone());
        let mut events = Vec::new();
        if !caller.again {
            events.push(Event::NicReported {
                nic: caller.nic,
                smbios: caller.smbios.clone(),
                platform: caller.platform.clone(),
                memory_bytes: caller.memory_bytes,
            });
        }
        let is_refused = doomed.is_some() && self.proof == Proof::Heeded;
        let turn = if is_refused { Turn::Now } else { service.board.ask_turn(caller.of) };
        let script = match (doomed, turn) {
            (Some((trouble, _)), _) if self.proof == Proof::Heeded => {
                let again = caller.query_again();
                let script = script::refusal(&self.authority, caller.of, &again, &trouble);
                // Asked every half minute: the timeline wants to know once.
                if !caller.again || known.as_ref() != Some(&trouble) {
                    events.push(Event::BootRefused { trouble });
                }
                script
            }
            (_, Turn::Later { before }) => {
                if !state.as_ref().is_some_and(|state| state.awaits_turn) || !caller.again {
                    events.push(Event::TurnAwaited { before });
                }
                script::turn(&self.authority, caller.of, &caller.query_again(), before)
            }
            (doomed, Turn::Now) => {
                // A refused box that asks again and may boot now: the line was repaired.
                if let Some(over) = known.filter(|_| caller.again) {
                    events.push(Event::TroubleOver { cause: over.cause });
                }
                if let Some((trouble, rung)) = doomed.or(doubted) {
                    let trouble = Trouble { rung, ..trouble };
                    events.push(Event::TroubleFound { trouble, kernel_log: Vec::new() });
                }
                // A build that is newer than the server's start: its root must be there when the box mounts it.
                build.exports().for_each(|export| service.exports.add(export));
                service.exports.add(build.lasting_export());
                let Bootable { line: of_line, outputs: live } = chosen;
                events.push(Event::BootOffered {
                    release: live.release.clone(),
                    live: live.digest.clone(),
                    fallback_because: fallback_because.clone(),
                });
                let parameters = BootParameters {
                    server: self.address,
                    http_port: self.http_port,
                    nfs_port: self.nfs_port,
                    boot_nic: Some(caller.of),
                    live: live.digest.clone(),
                    root: of_line.root,
                    root_sha256: (of_line.root == RootRoad::Ram).then(|| live.squashfs.sha256.clone()),
                    session: (asker == Some(caller.of))
                        .then(|| service.sessions.begin(caller.of, store::now())),
                    identity: self.identity,
                };
                let more_arguments = if state.as_ref().is_some_and(silence::wants_words) {
                    silence::VERBOSE_WORDS
                } else {
                    ""
                };
                script::boot(&script::Boot {
                    authority: &self.authority,
                    parameters,
                    kernel_arguments: &of_line.kernel_arguments,
                    more_arguments,
                    release: &live.release,
                    fallback_because: fallback_because.as_deref(),
                    line: &build.line.name,
                    of: caller.of,
                })
            }
        };
        // A timeline that cannot be written is told by the store; the box boots all the same.
        if !events.is_empty() {
            let _ = service.store.record(caller.of, events).await;
        }
        script
    }
}

impl Counter {
    /// The script for a box that is finished already. `None` where it is not, or is to be installed all the same:
    /// where the firmware boots the network first, `finish = "reboot"` would otherwise install it for ever.
    async fn send_to_disk(&self, service: &Service, caller: &Caller) -> Option<String> {
        let finished = service.store.finished(caller.of, &caller.smbios);
        if finished.is_empty() {
            return None;
        }
        // What cannot be written is told by the store; the box gets its script all the same.
        if caller.installs {
            for of in finished {
                let _ =
                    service.store.record(of, vec![Event::InstallationAsked { by: "console".into() }]).await;
            }
            return None;
        }
        let told = Event::NicReported {
            nic: caller.nic,
            smbios: caller.smbios.clone(),
            platform: caller.platform.clone(),
            memory_bytes: caller.memory_bytes,
        };
        let _ = service.store.record(caller.of, vec![told, Event::SentToDisk]).await;
        Some(script::finished(&self.authority, caller.of, &caller.query_again()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What QEMU's e1000e tells through iPXE, SMBIOS strings with blanks and signs included.
    #[test]
    fn a_caller_is_read_and_asks_again_the_same() {
        let told = "mac=52-54-00-12-34-56&memory=00000000ffff0300...";
        let caller = Caller::read(told).unwrap();
        assert_eq!(caller.memory_bytes, Some(256 << 20));
        assert_eq!(Caller::read(&caller.query_again()).unwrap().memory_bytes, Some(256 << 20));
        let cut = "00000000ffff0300.00000010ffff..";
        for none in ["...", "", "00000000ffff0300", "00000000ffff030g...", "a.b.c.d.e", cut] {
            let caller = Caller::read(&format!("mac=52-54-00-12-34-56&memory={none}")).unwrap();
            assert_eq!(caller.memory_bytes, None, "{none}");
        }
        let query = "mac=52-54-00-12-34-56&nic=01808610d3&platform=pcbios&uuid=0-1&serial=A%20B%26%24%7Bx%7D\
                     &manufacturer=QEMU&product.hex=513335202b204943483900";
        let caller = Caller::read(query).unwrap();
        assert_eq!(caller.nic.unwrap().to_string(), "8086:10d3");
        assert_eq!(caller.smbios.serial, "A B&${x}");
        assert_eq!(caller.smbios.product, "Q35 + ICH9");
        let again = caller.query_again();
        assert!(!again.contains('$'), "{again}");
        assert_eq!(Caller::read(&again).unwrap(), Caller { again: true, ..caller });
        assert!(Caller::read("nic=01").unwrap_err().starts_with("`mac=` is not an Ethernet address"));
        assert_eq!(Caller::read("mac=52-54-00-12-34-56&nic=02808610d3").unwrap().nic, None);
    }

    proptest! {
        /// A query comes from the network: whatever is in it, it is read or refused.
        #[test]
        fn any_query_is_read_or_refused(query in any::<String>(), serial in any::<String>()) {
            let _ = Caller::read(&query);
            let _ = Caller::read(&format!("mac=52-54-00-12-34-56&nic={query}&serial.hex={query}"));
            let caller = Caller::read(&format!("mac=52-54-00-12-34-56&serial={}", http::encode(&serial))).unwrap();
            prop_assert_eq!(Caller::read(&caller.query_again()).unwrap().smbios, caller.smbios);
        }
    }
}
