//! NVMe Sanitize: the controller destroys what is in all of its media, caches included, and says how far it is.
//!
//! It goes by the whole subsystem, not by one namespace: a disk that shares its controller is not touched.

use super::{BlockDevice, NVME_IDENTIFY, NVME_IDENTIFY_BYTES, NvmeCommand};
use model::failure::{Failure, Result};
use std::time::{Duration, Instant};

/// Sanitize (NVM Express Base Specification 2.0 §5.24).
const SANITIZE: u8 = 0x84;
/// Get Log Page, and the page Sanitize Status (§5.16.1.25).
const GET_LOG_PAGE: u8 = 0x02;
const SANITIZE_STATUS: u32 = 0x81;
const SANITIZE_STATUS_BYTES: u32 = 512;
/// Pages and commands of the whole controller name no namespace.
pub(super) const EVERY_NAMESPACE: u32 = u32::MAX;

/// Identify of the controller, and of the numbers of namespaces: all that are allocated, or those that it shows.
const CONTROLLER: u32 = 0x01;
const ALLOCATED: u32 = 0x10;
const ACTIVE: u32 = 0x02;
/// Where the controller says what it can: Sanitize Capabilities (§5.17.2.1).
const SANICAP: usize = 328;

/// How often it is asked how far it is, and how long it may stand still.
const PACE: Duration = Duration::from_secs(1);
const STANDSTILL: Duration = Duration::from_secs(600);

/// What a controller does: the value of Sanitize Action in command dword 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    BlockErase = 2,
    /// In one pass.
    Overwrite = 3,
    CryptoErase = 4,
}

/// Where a sanitize operation stands.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// In 65536ths.
    Going(u16),
    Done,
    Failed,
    /// What is not in the specification, or that there never was one.
    Unknown(u8),
}

impl BlockDevice {
    /// Sanitizes the controller that this disk alone is on, and waits for the end.
    pub fn nvme_sanitize(&self) -> Result<()> {
        let cannot = || Failure::new(format!("{} is not sanitized", self.path().display()));
        let controller = self.identify(CONTROLLER)?;
        let able = u32::from_le_bytes([0, 1, 2, 3].map(|at| controller[SANICAP + at]));
        let Some(action) = action(able) else {
            return Err(cannot()
                .because("its controller does not know NVMe Sanitize")
                .hint("`erase = \"nvme-format\"` is what most know"));
        };
        let list = self.identify(ALLOCATED).or_else(|_| self.identify(ACTIVE))?;
        let namespaces = namespaces(&list);
        if namespaces.len() != 1 {
            let list: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
            return Err(cannot()
                .because(format!(
                    "its controller has the namespaces {}, and all would be erased",
                    list.join(", ")
                ))
                .hint("`erase = \"nvme-format\"` erases one"));
        }
        // It goes on over a loss of power, and takes no second one meanwhile.
        if !matches!(progress(&self.sanitize_status()?), Progress::Going(_)) {
            self.nvme_admin(start(action))?;
        }
        let (mut last, mut moved) = (None, Instant::now());
        loop {
            match progress(&self.sanitize_status()?) {
                Progress::Done => return self.forget_cached(),
                Progress::Failed => {
                    return Err(cannot().because("the controller says that it failed").hint(
                        "the disk takes no data until it is sanitized: retry, and replace it if it fails again",
                    ));
                }
                Progress::Unknown(status) => {
                    return Err(
                        cannot().because(format!("the state of it is {status}, which means nothing here"))
                    );
                }
                Progress::Going(_) if moved.elapsed() > STANDSTILL => {
                    let minutes = STANDSTILL.as_secs() / 60;
                    return Err(cannot().because(format!("it has not gone on for {minutes} minutes")));
                }
                Progress::Going(now) if last != Some(now) => (last, moved) = (Some(now), Instant::now()),
                Progress::Going(_) => {}
            }
            std::thread::sleep(PACE);
        }
    }

    fn identify(&self, what: u32) -> Result<Vec<u8>> {
        let mut answer = vec![0; NVME_IDENTIFY_BYTES];
        self.nvme_admin(NvmeCommand {
            opcode: NVME_IDENTIFY,
            address: answer.as_mut_ptr() as u64,
            data_length: NVME_IDENTIFY_BYTES as u32,
            dwords_10_15: [what, 0, 0, 0, 0, 0],
            ..NvmeCommand::default()
        })
        .map_err(|failure| failure.doing("asking the controller what it can"))?;
        Ok(answer)
    }

    fn sanitize_status(&self) -> Result<Vec<u8>> {
        let mut page = vec![0; SANITIZE_STATUS_BYTES as usize];
        let command = NvmeCommand { address: page.as_mut_ptr() as u64, ..ask() };
        self.nvme_admin(command).map_err(|failure| failure.doing("asking how far the sanitizing is"))?;
        Ok(page)
    }
}

fn start(action: Action) -> NvmeCommand {
    // One pass of overwriting; other actions do not look at the number.
    let passes = if action == Action::Overwrite { 1 << 4 } else { 0 };
    NvmeCommand {
        opcode: SANITIZE,
        dwords_10_15: [action as u32 | passes, 0, 0, 0, 0, 0],
        ..NvmeCommand::default()
    }
}

fn ask() -> NvmeCommand {
    NvmeCommand {
        opcode: GET_LOG_PAGE,
        namespace: EVERY_NAMESPACE,
        data_length: SANITIZE_STATUS_BYTES,
        // The length is in dwords, less one.
        dwords_10_15: [(SANITIZE_STATUS_BYTES / 4 - 1) << 16 | SANITIZE_STATUS, 0, 0, 0, 0, 0],
        ..NvmeCommand::default()
    }
}

/// The most that a controller can, of what its capabilities say: bits 0 to 2.
fn action(able: u32) -> Option<Action> {
    [(1 << 1, Action::BlockErase), (1 << 0, Action::CryptoErase), (1 << 2, Action::Overwrite)]
        .into_iter()
        .find_map(|(bit, action)| (able & bit != 0).then_some(action))
}

/// Numbers of namespaces, up to the first zero.
fn namespaces(list: &[u8]) -> Vec<u32> {
    let numbers = list.as_chunks::<4>().0.iter().map(|octets| u32::from_le_bytes(*octets));
    numbers.take_while(|number| *number != 0).collect()
}

/// Reads the page Sanitize Status: progress in octets 0 and 1, status in bits 2:0 of octet 2.
fn progress(page: &[u8]) -> Progress {
    let [low, high, status, ..] = *page else { return Progress::Unknown(0) };
    match status & 0b111 {
        // 4: it did deallocate although it was asked not to, which it was not.
        1 | 4 => Progress::Done,
        2 => Progress::Going(u16::from_le_bytes([low, high])),
        3 => Progress::Failed,
        other => Progress::Unknown(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong bit here erases in another way, or another disk.
    #[test]
    fn commands_are_as_the_specification_has_them() {
        let words = |action| (start(action).opcode, start(action).namespace, start(action).dwords_10_15[0]);
        assert_eq!(words(Action::BlockErase), (0x84, 0, 0x02));
        assert_eq!(words(Action::Overwrite), (0x84, 0, 0x13));
        assert_eq!(words(Action::CryptoErase), (0x84, 0, 0x04));
        let page = ask();
        assert_eq!((page.opcode, page.namespace, page.data_length), (0x02, u32::MAX, 512));
        assert_eq!(page.dwords_10_15, [0x007f_0081, 0, 0, 0, 0, 0]);
        assert_eq!(size_of::<NvmeCommand>(), 72);
    }

    /// What the controller can decides, and cells that are erased come before keys that are forgotten.
    #[test]
    fn a_controller_does_what_it_can() {
        assert_eq!(action(0b111), Some(Action::BlockErase));
        assert_eq!(action(0b101), Some(Action::CryptoErase));
        assert_eq!(action(0b100), Some(Action::Overwrite));
        assert_eq!(action(0x2000_0000), None);
    }

    /// A second namespace is somebody else's disk.
    #[test]
    fn namespaces_and_progress_are_read() {
        let mut list = vec![0; 4096];
        list[0] = 1;
        assert_eq!(namespaces(&list), [1]);
        list[4] = 7;
        assert_eq!(namespaces(&list), [1, 7]);
        assert_eq!(namespaces(&[]), [0_u32; 0]);
        assert_eq!(progress(&[0xff, 0x7f, 0x02, 0]), Progress::Going(0x7fff));
        assert_eq!(progress(&[0xff, 0xff, 0x01, 0x01]), Progress::Done);
        assert_eq!(progress(&[0xff, 0xff, 0x04, 0]), Progress::Done);
        assert_eq!(progress(&[0, 0, 0x03, 0]), Progress::Failed);
        assert_eq!(progress(&[0, 0, 0, 0]), Progress::Unknown(0));
        assert_eq!(progress(&[]), Progress::Unknown(0));
    }
}
