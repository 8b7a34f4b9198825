//! What a disk knows of its own health: NVMe's page of SMART values, and ATA's judgement and attributes. How that is
//! judged is the caller's.

use super::ata::Registers;
use super::sanitize::EVERY_NAMESPACE;
use super::{BlockDevice, NvmeCommand};
use model::burn_in::Health;
use model::failure::{Failure, Result};

/// Get Log Page, and the page SMART / Health Information (NVM Express Base Specification 2.0 §5.16.1.3).
const GET_LOG_PAGE: u8 = 0x02;
const HEALTH: u32 = 0x02;
const PAGE_BYTES: usize = 512;
/// 0 degrees Celsius.
const FREEZING_KELVIN: i32 = 273;

// ATA/ATAPI Command Set 3 §7.48: SMART, its features, and the signature that it wants and gives.
const SMART: u8 = 0xb0;
const READ_DATA: u8 = 0xd0;
const RETURN_STATUS: u8 = 0xda;
const SIGNATURE: [u8; 2] = [0x4f, 0xc2];
const SIGNATURE_FAILING: [u8; 2] = [0xf4, 0x2c];

/// Where the attributes begin, how many there are, and how long each is: id, flags, value, worst, raw value.
const ATTRIBUTES: usize = 2;
const ATTRIBUTE_COUNT: usize = 30;
const ATTRIBUTE_BYTES: usize = 12;

// What nearly all makers count under these numbers.
const REALLOCATED: u8 = 5;
const HOURS: u8 = 9;
const CELSIUS: u8 = 194;
const PENDING: u8 = 197;
const UNCORRECTABLE: u8 = 198;

impl BlockDevice {
    /// Asks an NVMe disk.
    pub fn nvme_health(&self) -> Result<Health> {
        let mut page = [0; PAGE_BYTES];
        self.nvme_admin(NvmeCommand { address: page.as_mut_ptr() as u64, ..ask() })
            .map_err(|failure| failure.doing("asking for its SMART values"))?;
        Ok(of_nvme(&page))
    }

    /// Asks an ATA disk, whatever controller it is behind.
    ///
    /// Errors: it does not answer, or has no SMART.
    pub fn ata_health(&self) -> Result<Health> {
        let doing = |failure: Failure| failure.doing("asking for its SMART values");
        let mut data = [0; PAGE_BYTES];
        self.ata_read(SMART, registers(READ_DATA), &mut data).map_err(doing)?;
        let given = self.ata_status(SMART, registers(RETURN_STATUS)).map_err(doing)?;
        let is_failing = match given {
            SIGNATURE => false,
            SIGNATURE_FAILING => true,
            [mid, high] => {
                let told = format!("its judgement is {mid:02x} {high:02x}, which means nothing here");
                return Err(Failure::new(format!("{} tells no SMART", self.path().display())).because(told));
            }
        };
        of_ata(&data, is_failing).ok_or_else(|| {
            Failure::new(format!("{} tells no SMART", self.path().display()))
                .because("the sum over its values is wrong")
        })
    }
}

fn registers(feature: u8) -> Registers {
    Registers { feature, middle: SIGNATURE[0], high: SIGNATURE[1] }
}

fn ask() -> NvmeCommand {
    NvmeCommand {
        opcode: GET_LOG_PAGE,
        namespace: EVERY_NAMESPACE,
        data_length: PAGE_BYTES as u32,
        // The length is in dwords, less one.
        dwords_10_15: [(PAGE_BYTES as u32 / 4 - 1) << 16 | HEALTH, 0, 0, 0, 0, 0],
        ..NvmeCommand::default()
    }
}

fn of_nvme(page: &[u8; PAGE_BYTES]) -> Health {
    // Counters have sixteen octets; none is ever beyond eight.
    let counter = |at: usize| {
        let octets: [u8; 16] = std::array::from_fn(|octet| page[at + octet]);
        u64::try_from(u128::from_le_bytes(octets)).unwrap_or(u64::MAX)
    };
    Health::Nvme {
        warning: page[0],
        celsius: i32::from(u16::from_le_bytes([page[1], page[2]])) - FREEZING_KELVIN,
        spare: page[3],
        spare_threshold: page[4],
        used: page[5],
        hours: counter(128),
        errors: counter(160),
    }
}

/// `None` where the octets do not add up to zero, as they must.
fn of_ata(data: &[u8; PAGE_BYTES], is_failing: bool) -> Option<Health> {
    if data.iter().fold(0_u8, |sum, octet| sum.wrapping_add(*octet)) != 0 {
        return None;
    }
    let attributes = data[ATTRIBUTES..].chunks_exact(ATTRIBUTE_BYTES).take(ATTRIBUTE_COUNT);
    // Six octets; some makers keep something else in the upper two.
    let raw = |id: u8| {
        let found = attributes.clone().find(|attribute| attribute[0] == id)?;
        Some(u64::from(u32::from_le_bytes([found[5], found[6], found[7], found[8]])))
    };
    Some(Health::Ata {
        is_failing,
        reallocated: raw(REALLOCATED).unwrap_or_default(),
        pending: raw(PENDING).unwrap_or_default(),
        uncorrectable: raw(UNCORRECTABLE).unwrap_or_default(),
        hours: raw(HOURS),
        celsius: raw(CELSIUS).map(|celsius| (celsius & 0xff) as u8),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong place in the page makes a worn disk a new one.
    #[test]
    fn an_nvme_page_is_read() {
        let mut page = [0; PAGE_BYTES];
        page[..6].copy_from_slice(&[0b100, 0x43, 0x01, 98, 10, 3]);
        page[128..130].copy_from_slice(&[0x10, 0x27]);
        page[160] = 2;
        let wanted = Health::Nvme {
            warning: 4,
            celsius: 50,
            spare: 98,
            spare_threshold: 10,
            used: 3,
            hours: 10_000,
            errors: 2,
        };
        assert_eq!(of_nvme(&page), wanted);
        page[160..176].fill(0xff);
        assert!(matches!(of_nvme(&page), Health::Nvme { errors: u64::MAX, .. }));
        assert_eq!(ask().dwords_10_15[0], 0x007f_0002);
    }

    /// The same of an ATA disk, whose octets must add up.
    #[test]
    fn ata_attributes_are_read() {
        let mut data = [0; PAGE_BYTES];
        for (place, (id, raw)) in [(5_u8, 3_u8), (9, 200), (194, 35), (198, 1)].iter().enumerate() {
            let at = ATTRIBUTES + place * ATTRIBUTE_BYTES;
            (data[at], data[at + 5]) = (*id, *raw);
        }
        data[511] = data.iter().fold(0_u8, |sum, octet| sum.wrapping_add(*octet)).wrapping_neg();
        let wanted = Health::Ata {
            is_failing: true,
            reallocated: 3,
            pending: 0,
            uncorrectable: 1,
            hours: Some(200),
            celsius: Some(35),
        };
        assert_eq!(of_ata(&data, true), Some(wanted));
        data[7] ^= 1;
        assert_eq!(of_ata(&data, true), None);
    }
}
