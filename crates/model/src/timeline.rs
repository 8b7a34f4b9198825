//! What was seen of a box, in order. A box *is* its timeline: everything shown of it is a fold over this.
//!
//! [`Event`] is closed: whatever the server sees and whatever the box tells is one of these. The store that
//! keeps them is append-only and lives in the programs.

pub mod state;

use crate::hardware::{Inventory, PciId, Smbios};
use crate::ladder::Rung;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use wire::mac::Mac;

/// Milliseconds since 1970-01-01 00:00 UTC, by the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Place in the store, ascending over all boxes.
    pub sequence: u64,
    /// When the server learned of it.
    pub at: Timestamp,
    /// The box, by the MAC of its boot NIC.
    #[serde(rename = "box")]
    pub of: Mac,
    /// What was seen.
    #[serde(flatten)]
    pub event: Event,
}

/// Who asks over DHCP; told apart by vendor class (60), user class (77) and iPXE's option 175.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// The firmware's own PXE stack.
    Rom,
    /// UEFI HTTP Boot (`HTTPClient`).
    HttpBoot,
    /// iPXE, from a ROM or fetched.
    Ipxe,
    /// Our own initrd.
    Agent,
    /// klibc's `ipconfig`, in an initramfs-tools initrd.
    Ipconfig,
    /// Anything else.
    Other,
}

/// By which protocol a file went to the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Road {
    /// Trivial file transfer (RFC 1350).
    Tftp,
    /// HTTP/1.1.
    Http,
}

/// What kind of reason there was to refuse an address or a root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denial {
    /// Every address of the range is leased.
    PoolEmpty,
    /// It took the offer of another DHCP server.
    OtherServer,
    /// It asked for an address that is another's or not of this network.
    NotItsAddress,
    /// It came over a relay from a network that has no range here.
    OtherNetwork,
    /// The line has nothing that this kind of firmware could boot.
    NothingToBoot,
    /// It found somebody else using the address that it had been given.
    AddressInUse,
    /// There is no such path.
    NotFound,
    /// It asked for a version of the protocol that is not served.
    WrongVersion,
    /// Another reason, or one from before these were told apart.
    #[default]
    Other,
}

/// How a transfer ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// There is no such file.
    NotFound,
    /// The client was refused.
    Refused,
    /// Nothing more was heard of the client.
    Silent,
    /// The client ended it.
    ByClient,
    /// The file could not be read to its end here.
    Unreadable,
    /// Another reason, or one from before these were told apart.
    #[default]
    Other,
}

/// The live OS's root under a name that stays, for clients that know no digest: a stock initrd's `nfsroot=SERVER:/live`.
pub const LASTING_ROOT: &str = "/live";

/// Everything that can be seen of a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A DHCPDISCOVER (or a REQUEST without one before it) arrived.
    AddressAsked {
        /// Who asks.
        client: Client,
        /// Client system architecture, option 93 (RFC 4578 §2.1), where sent.
        architecture: Option<u16>,
        /// Option 60, where sent.
        vendor_class: Option<String>,
        /// Transaction id: the same again is the same attempt sent again, another is another attempt
        /// (RFC 2131 §4.1). Entries of earlier builds have none.
        #[serde(default)]
        xid: Option<u32>,
    },
    /// We offered an address.
    AddressOffered {
        /// The address.
        address: Ipv4Addr,
        /// The boot file named in the offer, if any.
        bootfile: Option<String>,
    },
    /// The client took the address (DHCPACK sent).
    AddressTaken {
        /// Who asked.
        client: Client,
        /// The address.
        address: Ipv4Addr,
    },
    /// No address was given; why, by name.
    AddressRefused {
        /// Who asked.
        client: Client,
        /// What kind of reason it is.
        #[serde(default)]
        why: Denial,
        /// The reason, a phrase.
        reason: String,
    },
    /// A transfer to the box began.
    TransferStarted {
        /// By which protocol.
        road: Road,
        /// The name asked for.
        file: String,
        /// Size of the file in bytes.
        bytes: u64,
    },
    /// The file went over the wire whole.
    TransferDone {
        /// By which protocol.
        road: Road,
        /// The name asked for.
        file: String,
        /// What the file is for the ladder.
        role: FileRole,
        /// Bytes sent.
        bytes: u64,
        /// How long it took.
        millis: u64,
    },
    /// The transfer ended early or never began.
    TransferFailed {
        /// By which protocol.
        road: Road,
        /// The name asked for.
        file: String,
        /// Bytes sent before it ended.
        bytes: u64,
        /// What kind of ending it is.
        #[serde(default)]
        why: Cut,
        /// Why, a phrase.
        reason: String,
    },
    /// iPXE told what it runs on.
    NicReported {
        /// PCI id of the NIC that boots, where it sits on PCI.
        nic: Option<PciId>,
        /// SMBIOS strings as iPXE knows them.
        smbios: Smbios,
        /// `pcbios` or `efi`.
        platform: String,
        /// Its memory in bytes, where SMBIOS tells it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory_bytes: Option<u64>,
    },
    /// The box was sent into a boot.
    BootOffered {
        /// Kernel release of the live OS.
        release: String,
        /// Digest that names this build of the live OS.
        live: String,
        /// Why it is the line's fallback, where it is: what the live OS lacks for the box; a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fallback_because: Option<String>,
    },
    /// The box may boot, but others fetch before it.
    TurnAwaited {
        /// How many wait before it.
        before: usize,
    },
    /// The box is finished and asked what to boot: it was sent to its own disk.
    SentToDisk,
    /// Somebody wants a finished box to be installed again.
    InstallationAsked {
        /// `console`, `api`.
        by: String,
    },
    /// The box was not sent into a boot known to fail.
    BootRefused {
        /// Why and what to do.
        trouble: Trouble,
    },
    /// A client mounted an exported tree.
    RootMounted {
        /// The client's address.
        address: Ipv4Addr,
        /// The path it asked for.
        path: String,
    },
    /// A client read from the root and paused, or has been reading for a minute.
    RootRead {
        /// The client's address.
        address: Ipv4Addr,
        /// READ calls since the first one.
        calls: u64,
        /// Bytes that they asked for and that there were.
        bytes: u64,
        /// Paths of the files read last, the newest last.
        last: Vec<String>,
        /// READ calls that came a second time (RFC 5531 §9: the same transaction id): their answers did not arrive.
        #[serde(default, skip_serializing_if = "is_zero")]
        repeated: u64,
    },
    /// A client asked the port mapper where a service is.
    ServiceSought {
        /// The client's address.
        address: Ipv4Addr,
        /// The service: `mount version 3 over udp`.
        service: String,
        /// Whether it is served here.
        known: bool,
    },
    /// The box asked over ARP, again and again, who has an address.
    NeighbourSought {
        /// The address.
        address: Ipv4Addr,
        /// How often, within seconds.
        times: u32,
    },
    /// The box began a TCP connection, was answered several times, and did not confirm it.
    ConnectionUnconfirmed {
        /// The box's address.
        address: Ipv4Addr,
        /// The port that it came to.
        port: u16,
        /// How often the answer was sent again.
        repeated: u32,
    },
    /// A client asked to mount a path and was not given it.
    RootRefused {
        /// The client's address.
        address: Ipv4Addr,
        /// The path it asked for.
        path: String,
        /// What kind of reason it is.
        #[serde(default)]
        why: Denial,
        /// Why, a phrase.
        reason: String,
    },
    /// The box reached a rung by its own word.
    Reached {
        /// Which rung.
        rung: Rung,
        /// One line more: interface, address, what was mounted.
        detail: String,
    },
    /// What the kernel of an earlier start had put where it outlives a restart when it died: firmware variables,
    /// ACPI ERST, reserved memory (Linux's pstore).
    KernelLeft {
        /// Where it was kept: `erst`, `efi_pstore`, `ramoops`.
        origin: String,
        /// Its last lines, oldest first.
        lines: Vec<String>,
    },
    /// The box says what is wrong and keeps trying.
    TroubleFound {
        /// Why and what to do.
        trouble: Trouble,
        /// The last kernel lines.
        kernel_log: Vec<String>,
    },
    /// The trouble is over by itself or by a person's help.
    TroubleOver {
        /// The id of the cause that is gone.
        cause: String,
    },
    /// The box is silent beyond its patience; what the server makes of what it saw of it.
    SilenceExplained {
        /// The likeliest cause and what to do.
        trouble: Trouble,
        /// Other causes that the same silence can have, the likelier first.
        others: Vec<String>,
    },
    /// A line that the box logged.
    Said {
        /// The line, without control characters.
        line: String,
    },
    /// The box's inventory.
    HardwareFound {
        /// All of it.
        inventory: Box<Inventory>,
    },
    /// What PID 1 sees of the box's hardware, before there is a root: who never gets one leaves this.
    DevicesSeen {
        /// Devices, NICs and SMBIOS strings; its disks are not read from yet.
        inventory: Box<Inventory>,
    },
    /// A question is open on the box.
    Asked {
        /// The question's id.
        question: String,
    },
    /// A question was answered; secrets are not in here.
    Answered {
        /// The question's id.
        question: String,
        /// `console`, `api`, `file`, `default`.
        by: String,
        /// The answer, absent where it is a secret.
        answer: Option<String>,
    },
    /// The plan stands on the screen.
    PlanShown {
        /// Its text, as confirmed.
        text: String,
    },
    /// A step of the plan began.
    StepStarted {
        /// Number of the step, from 1.
        step: usize,
        /// How many there are.
        of: usize,
        /// Its short name, by which faults and the record refer to it: `image`.
        name: String,
        /// Its line in the plan.
        title: String,
    },
    /// How far a step is.
    StepProgress {
        /// Number of the step, from 1.
        step: usize,
        /// Bytes done.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// A step of the plan ended well.
    StepDone {
        /// Number of the step, from 1.
        step: usize,
        /// How long it took.
        millis: u64,
    },
    /// A step of the plan failed: what was and was not touched is in the trouble's evidence.
    StepFailed {
        /// Number of the step, from 1.
        step: usize,
        /// Why and what to do.
        trouble: Trouble,
    },
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a file is for the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// The network boot program.
    Loader,
    /// An iPXE script.
    Script,
    /// The live OS's kernel.
    Kernel,
    /// The live OS's initrd.
    Initrd,
    /// The live OS's root as squashfs.
    Root,
    /// The appliance's image.
    Image,
    /// Anything else.
    Other,
}

/// A cause as it is told to a person: on the box's screen, in the timeline, on the dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Id in the catalogue of causes: `nic-driver-missing`.
    pub cause: String,
    /// The rung that is not reached.
    pub rung: Rung,
    /// The cause in one sentence.
    pub sentence: String,
    /// What it rests on, a line each.
    pub evidence: Vec<String>,
    /// What to do, the likeliest first.
    pub fix: Vec<String>,
}

impl Event {
    /// The rung that this event proves, if any.
    pub fn rung(&self) -> Option<Rung> {
        match self {
            Event::AddressAsked { client: Client::Rom | Client::HttpBoot | Client::Ipxe, .. } => {
                Some(Rung::AskedForAddress)
            }
            Event::AddressTaken { client: Client::Rom | Client::HttpBoot | Client::Ipxe, .. } => {
                Some(Rung::TookAddress)
            }
            Event::TransferDone { role: FileRole::Loader, .. } => Some(Rung::FetchedLoader),
            Event::NicReported { .. } => Some(Rung::ReportedNic),
            Event::TransferDone { role: FileRole::Kernel, .. } => Some(Rung::FetchedKernel),
            Event::TransferDone { role: FileRole::Initrd, .. } => Some(Rung::FetchedInitrd),
            Event::RootMounted { .. } => Some(Rung::MountedRoot),
            Event::Reached { rung, .. } => Some(*rung),
            Event::HardwareFound { .. } => Some(Rung::HardwareKnown),
            _ => None,
        }
    }
}
