//! ATA Security Erase Unit: the disk's own firmware erases all of it, sectors that are out of use included.
//!
//! Commands go through the kernel as SCSI commands that carry them (SAT), so that a disk on a SAS controller takes them
//! as one on the board does.
//!
//! ```text
//!   no password    SECURITY SET PASSWORD ─┐
//!   ours is left ─────────────────────────┴─ SECURITY ERASE PREPARE ─ SECURITY ERASE UNIT   ends the password too
//! ```

use super::BlockDevice;
use model::failure::{Explain as _, Failure, Result};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use std::ffi::c_void;
use std::time::Duration;

/// include/scsi/sg.h
const SG_IO: Opcode = opcode::none(0x22, 0x85);
const SG_DIRECTION_NONE: i32 = -1;
const SG_DIRECTION_OUT: i32 = -2;
const SG_DIRECTION_IN: i32 = -3;

/// ATA PASS-THROUGH (16) (SCSI / ATA Translation §12.2).
const ATA_PASS_THROUGH: u8 = 0x85;

// ATA Command Set §7.
const IDENTIFY_DEVICE: u8 = 0xec;
const SECURITY_SET_PASSWORD: u8 = 0xf1;
const SECURITY_ERASE_PREPARE: u8 = 0xf3;
const SECURITY_ERASE_UNIT: u8 = 0xf4;
const SECURITY_DISABLE_PASSWORD: u8 = 0xf6;

const SECTOR_BYTES: usize = 512;

/// A disk wants a password before it erases, and forgets it with the rest. Where power goes in between it is left
/// locked by this one, which the guide tells.
const PASSWORD: &[u8] = b"bootworks";

/// Commands that only ask or set.
const SHORT: Duration = Duration::from_secs(30);
/// Disks say how long they take; this long is waited beyond, and where they do not say.
const SLACK: Duration = Duration::from_secs(1800);
const UNSAID: Duration = Duration::from_secs(24 * 3600);

/// include/scsi/sg.h, `struct sg_io_hdr`.
#[repr(C)]
struct SgRequest {
    interface: i32,
    direction: i32,
    command_length: u8,
    sense_length: u8,
    vectors: u16,
    data_length: u32,
    data: *mut c_void,
    command: *mut u8,
    sense: *mut u8,
    timeout_millis: u32,
    flags: u32,
    pack: i32,
    user: *mut c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_written: u8,
    host_status: u16,
    driver_status: u16,
    left: i32,
    duration: u32,
    more: u32,
}

/// What goes with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    None,
    In,
    Out,
}

/// What a command says besides; all zeros for most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) feature: u8,
    /// The middle octet of the sector's number.
    pub(super) middle: u8,
    /// The high one.
    pub(super) high: u8,
}

/// Demands that the registers come back, whatever becomes of the command (CK_COND).
const GIVE_REGISTERS: u8 = 1 << 5;
/// What is said then: a status that something is to be read, and a descriptor with the registers (SAT §12.2.6).
const CHECK_CONDITION: u8 = 2;
const DESCRIPTORS: u8 = 0x72;
const ATA_DESCRIPTOR: u8 = 0x09;
/// The older form, which has the registers at places of its own, and the code by which it is known (SAT §12.2.7).
const FIXED: u8 = 0x70;
const ATA_INFORMATION: u8 = 0x1d;
/// How much of what a disk says of a command is kept.
const SENSE_BYTES: usize = 32;

/// How a command ended, in the words of SCSI.
struct Ended {
    status: u8,
    host_status: u16,
    sense: Vec<u8>,
}

/// What a disk says of its security (IDENTIFY DEVICE, words 89, 90 and 128).
#[derive(Debug, PartialEq, Eq)]
struct Security {
    is_supported: bool,
    has_password: bool,
    is_frozen: bool,
    is_expired: bool,
    has_enhanced: bool,
    /// How long the erasing takes, by what it says.
    takes: Option<Duration>,
}

impl BlockDevice {
    /// Has an ATA disk erase itself, in its enhanced mode where it has one.
    pub fn ata_security_erase(&self) -> Result<()> {
        let name = self.path().display().to_string();
        let mut answer = [0; SECTOR_BYTES];
        let asking = |failure: Failure| failure.doing("asking the disk what it is");
        self.ata(IDENTIFY_DEVICE, Transfer::In, &mut answer, SHORT).map_err(asking)?;
        let security = Security::of(&answer);
        if let Some(refusal) = security.refusal(&name) {
            return Err(refusal);
        }
        if !security.has_password {
            let setting = |failure: Failure| failure.doing("setting the password that the erasing wants");
            self.ata(SECURITY_SET_PASSWORD, Transfer::Out, &mut with_password(0), SHORT).map_err(setting)?;
        }
        let mode = if security.has_enhanced { 1 << 1 } else { 0 };
        let patience = security.takes.map_or(UNSAID, |takes| takes + SLACK);
        let erased = self
            .ata(SECURITY_ERASE_PREPARE, Transfer::None, &mut [], SHORT)
            .and_then(|()| self.ata(SECURITY_ERASE_UNIT, Transfer::Out, &mut with_password(mode), patience));
        match erased {
            Ok(()) => self.forget_cached(),
            Err(failure) if security.has_password => Err(failure
                .because("a password was set on the disk before, which may not be that of bootworks")
                .hint("take the password away with `hdparm --security-disable`, or write another `erase`")),
            Err(failure) => {
                let left = self.ata(SECURITY_DISABLE_PASSWORD, Transfer::Out, &mut with_password(0), SHORT);
                Err(match left {
                    Ok(()) => failure,
                    Err(_) => failure.hint(format!(
                        "the disk may be left locked: `hdparm --user-master u --security-disable bootworks {name}`"
                    )),
                })
            }
        }
    }

    /// Gives the disk a command with one sector of data or none.
    fn ata(&self, command: u8, transfer: Transfer, data: &mut [u8], patience: Duration) -> Result<()> {
        self.ata_ended(
            command,
            pass_through(command, transfer, Registers::default()),
            transfer,
            data,
            patience,
        )
        .and_then(|ended| if ended.is_well() { Ok(()) } else { Err(self.refused(command, &ended)) })
    }

    /// Gives it a command whose answer is one sector.
    pub(super) fn ata_read(
        &self,
        command: u8,
        registers: Registers,
        data: &mut [u8; SECTOR_BYTES],
    ) -> Result<()> {
        let block = pass_through(command, Transfer::In, registers);
        let ended = self.ata_ended(command, block, Transfer::In, data, SHORT)?;
        if ended.is_well() { Ok(()) } else { Err(self.refused(command, &ended)) }
    }

    /// Gives it a command whose answer stands in the middle and the high octet of the sector's number.
    pub(super) fn ata_status(&self, command: u8, registers: Registers) -> Result<[u8; 2]> {
        let mut block = pass_through(command, Transfer::None, registers);
        block[2] |= GIVE_REGISTERS;
        let ended = self.ata_ended(command, block, Transfer::None, &mut [], SHORT)?;
        ended.registers().ok_or_else(|| self.refused(command, &ended))
    }

    fn refused(&self, command: u8, ended: &Ended) -> Failure {
        let said: Vec<String> = ended.sense.iter().map(|octet| format!("{octet:02x}")).collect();
        let (status, host) = (ended.status, ended.host_status);
        Failure::new(self.cannot_take(command)).because(format!(
            "its status is {status:#x}, the controller's {host:#x}, and it says `{}`",
            said.join(" ")
        ))
    }

    fn cannot_take(&self, command: u8) -> String {
        format!("{} does not take the ATA command {command:#x}", self.path().display())
    }

    fn ata_ended(
        &self,
        command: u8,
        mut block: [u8; 16],
        transfer: Transfer,
        data: &mut [u8],
        patience: Duration,
    ) -> Result<Ended> {
        let mut sense = [0_u8; SENSE_BYTES];
        let mut request = SgRequest {
            interface: i32::from(b'S'),
            direction: match transfer {
                Transfer::None => SG_DIRECTION_NONE,
                Transfer::In => SG_DIRECTION_IN,
                Transfer::Out => SG_DIRECTION_OUT,
            },
            command_length: block.len() as u8,
            sense_length: sense.len() as u8,
            vectors: 0,
            data_length: data.len() as u32,
            data: data.as_mut_ptr().cast(),
            command: block.as_mut_ptr(),
            sense: sense.as_mut_ptr(),
            timeout_millis: u32::try_from(patience.as_millis()).unwrap_or(u32::MAX),
            flags: 0,
            pack: 0,
            user: std::ptr::null_mut(),
            status: 0,
            masked_status: 0,
            message_status: 0,
            sense_written: 0,
            host_status: 0,
            driver_status: 0,
            left: 0,
            duration: 0,
            more: 0,
        };
        // SAFETY: SG_IO reads and writes one `struct sg_io_hdr`, laid out as the kernel's header says; command, data
        // and sense outlive the call and have the lengths that it names.
        unsafe { ioctl(&self.file, Updater::<SG_IO, SgRequest>::new(&mut request)) }
            .map_err(std::io::Error::from)
            .or_fail(|| self.cannot_take(command))?;
        let written = usize::from(request.sense_written).min(SENSE_BYTES);
        let (status, host_status) = (request.status, request.host_status);
        Ok(Ended { status, host_status, sense: sense[..written].to_vec() })
    }
}

impl Ended {
    fn is_well(&self) -> bool {
        self.status == 0 && self.host_status == 0
    }

    /// The middle and the high octet of the sector's number, where they came back and the command did not fail.
    fn registers(&self) -> Option<[u8; 2]> {
        let (error, middle, high) = match *self.sense.as_slice() {
            // Behind eight octets: kind, length, extend, error, count (2), low (2), middle (2), high (2), device, status.
            [
                DESCRIPTORS,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                ATA_DESCRIPTOR,
                _,
                _,
                error,
                _,
                _,
                _,
                _,
                _,
                middle,
                _,
                high,
                _,
                _,
                ..,
            ] => (error, middle, high),
            [FIXED, _, _, error, _, _, _, _, _, _, middle, high, 0, ATA_INFORMATION, ..] => {
                (error, middle, high)
            }
            _ => return None,
        };
        (self.status == CHECK_CONDITION && error == 0).then_some([middle, high])
    }
}

/// The SCSI command that carries an ATA command.
fn pass_through(command: u8, transfer: Transfer, registers: Registers) -> [u8; 16] {
    // Protocol in bits 4:1; then direction, unit (sectors) and where the count is (the field of it).
    let (protocol, flags, count) = match transfer {
        Transfer::None => (3, 0x00, 0),
        Transfer::In => (4, 0x0e, 1),
        Transfer::Out => (5, 0x06, 1),
    };
    let mut block = [0; 16];
    (block[0], block[1], block[2]) = (ATA_PASS_THROUGH, protocol << 1, flags);
    (block[4], block[6], block[14]) = (registers.feature, count, command);
    (block[10], block[12]) = (registers.middle, registers.high);
    block
}

/// The sector of a security command: `mode` in word 0, where bit 0 clear means the user's password, then the password.
fn with_password(mode: u8) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    sector[0] = mode;
    sector[2..2 + PASSWORD.len()].copy_from_slice(PASSWORD);
    sector
}

impl Security {
    fn of(answer: &[u8; SECTOR_BYTES]) -> Security {
        let word = |number: usize| u16::from_le_bytes([answer[2 * number], answer[2 * number + 1]]);
        let status = word(128);
        let has = |bit: u16| status & (1 << bit) != 0;
        let time = word(if has(5) { 90 } else { 89 });
        // In steps of two minutes, in one octet or, where bit 15 says so, in fifteen bits. All ones: more than that.
        let (steps, most) = if time & 0x8000 != 0 { (time & 0x7fff, 0x7fff) } else { (time & 0xff, 0xff) };
        let takes = (steps != 0 && steps != most).then(|| Duration::from_secs(u64::from(steps) * 120));
        Security {
            is_supported: has(0),
            has_password: has(1),
            is_frozen: has(3),
            is_expired: has(4),
            has_enhanced: has(5),
            takes,
        }
    }

    /// Why such a disk cannot be erased so.
    fn refusal(&self, name: &str) -> Option<Failure> {
        let cannot = || Failure::new(format!("{name} cannot erase itself"));
        if !self.is_supported {
            return Some(
                cannot()
                    .because("it does not have ATA's security commands")
                    .hint("write `erase = \"zero\"` or `erase = \"discard\"`"),
            );
        }
        if self.is_frozen {
            return Some(cannot()
                .because("it is frozen: the box's firmware forbade its security commands until it is without power")
                .hint(
                    "pull the disk out and put it in again while the box is on, then retry; or turn off what its firmware calls security freeze lock",
                ));
        }
        let expired = "it counted too many wrong passwords and wants to be without power first";
        self.is_expired.then(|| cannot().because(expired).hint("switch the box off and on, then retry"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn answer(words: &[(usize, u16)]) -> [u8; SECTOR_BYTES] {
        let mut answer = [0; SECTOR_BYTES];
        for (number, value) in words {
            answer[2 * number..2 * number + 2].copy_from_slice(&value.to_le_bytes());
        }
        answer
    }

    /// A disk that gets a wrong byte here is left locked, by a password that nobody knows.
    #[test]
    fn commands_are_as_the_standards_have_them() {
        assert_eq!(
            pass_through(IDENTIFY_DEVICE, Transfer::In, Registers::default()),
            [0x85, 0x08, 0x0e, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xec, 0]
        );
        assert_eq!(
            pass_through(SECURITY_ERASE_PREPARE, Transfer::None, Registers::default()),
            [0x85, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf3, 0]
        );
        assert_eq!(
            pass_through(SECURITY_ERASE_UNIT, Transfer::Out, Registers::default()),
            [0x85, 0x0a, 0x06, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xf4, 0]
        );
        let sector = with_password(2);
        assert_eq!(&sector[..12], b"\x02\0bootworks\0");
        assert!(sector[12..].iter().all(|octet| *octet == 0));
        assert_eq!(with_password(0)[..2], [0, 0]);
        assert_eq!(size_of::<SgRequest>(), 88);
    }

    /// A disk that is failing must not pass for a healthy one because its answer is read at another place.
    #[test]
    fn registers_come_back_in_their_descriptor() {
        let ask = Registers { feature: 0xda, middle: 0x4f, high: 0xc2 };
        assert_eq!(
            pass_through(0xb0, Transfer::None, ask),
            [0x85, 0x06, 0, 0, 0xda, 0, 0, 0, 0, 0, 0x4f, 0, 0xc2, 0, 0xb0, 0]
        );
        let sense = [0x72, 1, 0, 0x1d, 0, 0, 0, 14, 9, 12, 0, 0, 0, 0, 0, 0, 0, 0xf4, 0, 0x2c, 0, 0x50];
        let ended = |status, sense: &[u8]| Ended { status, host_status: 0, sense: sense.to_vec() };
        assert_eq!(ended(2, &sense).registers(), Some([0xf4, 0x2c]));
        assert_eq!(ended(0, &sense).registers(), None);
        assert_eq!(ended(2, &sense[..20]).registers(), None);
        let mut aborted = sense;
        aborted[11] = 4;
        assert_eq!(ended(2, &aborted).registers(), None);
        // A controller that translates by itself may write the older form.
        let fixed = [0x70, 0, 1, 0, 0x50, 0, 0, 10, 0, 0, 0x4f, 0xc2, 0, 0x1d, 0, 0, 0, 0];
        assert_eq!(ended(2, &fixed).registers(), Some([0x4f, 0xc2]));
        assert_eq!(ended(2, &fixed[..13]).registers(), None);
    }

    /// A disk's own words decide how it is erased and how long is waited.
    #[test]
    fn what_a_disk_says_is_read() {
        let fresh = Security::of(&answer(&[(128, 0b10_0001), (89, 60), (90, 1)]));
        assert!(fresh.is_supported && fresh.has_enhanced && !fresh.has_password && !fresh.is_frozen);
        assert_eq!(fresh.takes, Some(Duration::from_secs(120)));
        assert!(fresh.refusal("/dev/sda").is_none());
        let takes = |word| Security::of(&answer(&[(128, 1), (89, word)])).takes;
        assert_eq!(takes(0x8000 | 300), Some(Duration::from_secs(36_000)));
        assert_eq!((takes(0), takes(255), takes(0xffff)), (None, None, None));
        assert!(Security::of(&answer(&[(128, 0b111)])).has_password);
    }

    /// Nobody in front of a rack knows what `frozen` means; what to do must stand beside it.
    #[test]
    fn disks_that_cannot_are_refused_in_words() {
        let say = |status| Security::of(&answer(&[(128, status)])).refusal("/dev/sda").unwrap().report();
        expect![[r#"
            error: /dev/sda cannot erase itself
            because: it does not have ATA's security commands
            hint: write `erase = "zero"` or `erase = "discard"`"#]]
        .assert_eq(&say(0));
        expect![[r#"
            error: /dev/sda cannot erase itself
            because: it is frozen: the box's firmware forbade its security commands until it is without power
            hint: pull the disk out and put it in again while the box is on, then retry; or turn off what its firmware calls security freeze lock"#]].assert_eq(&say(0b1001));
        expect![[r#"
            error: /dev/sda cannot erase itself
            because: it counted too many wrong passwords and wants to be without power first
            hint: switch the box off and on, then retry"#]]
        .assert_eq(&say(0b1_0001));
    }
}
