//! Block devices: sizes, erasing, partition nodes, cached sectors. What is written to them is decided by the caller.

mod ata;
mod sanitize;
mod smart;

use model::failure::{Explain as _, Failure, Result};
use rustix::ioctl::{Getter, NoArg, Opcode, Setter, ioctl, opcode};
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

// include/uapi/linux/fs.h
const BLKRRPART: Opcode = opcode::none(0x12, 95);
const BLKFLSBUF: Opcode = opcode::none(0x12, 97);
const BLKDISCARD: Opcode = opcode::none(0x12, 119);
const BLKZEROOUT: Opcode = opcode::none(0x12, 127);
const BLKGETSIZE64: Opcode = opcode::read::<usize>(0x12, 114);
// include/uapi/linux/blkpg.h
const BLKPG: Opcode = opcode::none(0x12, 105);
const BLKPG_ADD_PARTITION: i32 = 1;
const BLKPG_DEL_PARTITION: i32 = 2;

// include/uapi/linux/nvme_ioctl.h
const NVME_IOCTL_ADMIN_CMD: Opcode = opcode::read_write::<NvmeCommand>(b'N', 0x41);
/// Format NVM (NVM Express Base Specification §5.14).
const NVME_FORMAT: u8 = 0x80;
/// Identify, of a namespace (NVM Express Base Specification §5.17).
const NVME_IDENTIFY: u8 = 0x06;
const NVME_IDENTIFY_BYTES: usize = 4096;
/// Where the answer has the index of the sector format in use (NVM Command Set specification, Identify Namespace).
const NVME_FLBAS: usize = 26;
/// Secure Erase Settings 1, user data erase, in bits 11:9 of command dword 10.
const NVME_USER_DATA_ERASE: u32 = 1 << 9;
/// Formatting a large flash disk takes minutes on some.
const NVME_PATIENCE: Duration = Duration::from_secs(600);

/// How long somebody may hold a disk before it counts as in use: whoever looks at what has just changed on it (udev's
/// blkid, a mount that is being taken down) is done within this time.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// How long the kernel may take to make the node of a partition.
const NODE_PATIENCE: Duration = Duration::from_secs(10);

/// A whole disk, opened for writing by nobody else but those that ignore `O_EXCL`.
#[derive(Debug)]
pub struct BlockDevice {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    sector_bytes: u32,
}

/// Where a partition stands, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Number in the partition table, from 1.
    pub number: u32,
    /// First byte.
    pub start_bytes: u64,
    /// Length in bytes.
    pub length_bytes: u64,
}

/// include/uapi/linux/blkpg.h, `struct blkpg_partition`.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// include/uapi/linux/blkpg.h, `struct blkpg_ioctl_arg`.
#[repr(C)]
struct BlkpgArgument {
    operation: i32,
    flags: i32,
    length: i32,
    partition: *mut c_void,
}

/// include/uapi/linux/nvme_ioctl.h, `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Default)]
struct NvmeCommand {
    opcode: u8,
    flags: u8,
    reserved: u16,
    namespace: u32,
    dwords_2_3: [u32; 2],
    metadata: u64,
    address: u64,
    metadata_length: u32,
    data_length: u32,
    dwords_10_15: [u32; 6],
    timeout_millis: u32,
    result: u32,
}

impl BlockDevice {
    /// Opens `/dev/NAME` or any path to read and write, exclusively: a disk that is mounted or part of an array
    /// is refused by the kernel.
    pub fn open(path: &Path) -> Result<BlockDevice> {
        BlockDevice::open_with(path, rustix::fs::OFlags::EXCL)
    }

    /// Opens a disk to read and write beside whoever else uses a part of it.
    pub fn open_shared(path: &Path) -> Result<BlockDevice> {
        BlockDevice::open_with(path, rustix::fs::OFlags::empty())
    }

    fn open_with(path: &Path, flags: rustix::fs::OFlags) -> Result<BlockDevice> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(flags.bits() as i32);
        let since = Instant::now();
        let opened = loop {
            match options.open(path) {
                Err(error)
                    if error.kind() == io::ErrorKind::ResourceBusy && since.elapsed() < BUSY_PATIENCE =>
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
                opened => break opened,
            }
        };
        let file = opened.or_fail(|| format!("cannot open {} for writing", path.display()))?;
        let kind = file.metadata().or_fail(|| format!("cannot look at {}", path.display()))?.file_type();
        if !kind.is_block_device() {
            return Err(Failure::new(format!("{} is not a disk", path.display())));
        }
        let ask = || format!("cannot ask {} for its size", path.display());
        let sector_bytes = rustix::fs::ioctl_blksszget(&file).map_err(std::io::Error::from).or_fail(ask)?;
        // SAFETY: BLKGETSIZE64 writes one u64, although its number says `size_t`; both have eight bytes here.
        let size_bytes = unsafe { ioctl(&file, Getter::<BLKGETSIZE64, u64>::new()) }
            .map_err(std::io::Error::from)
            .or_fail(ask)?;
        Ok(BlockDevice { path: path.to_owned(), file, size_bytes, sector_bytes })
    }

    /// The open device.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its path: `/dev/nvme0n1`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Logical sector size in bytes.
    pub fn sector_bytes(&self) -> u32 {
        self.sector_bytes
    }

    /// Writes everything out and forgets what is cached, so that what is read next comes from the disk.
    pub fn forget_cached(&self) -> Result<()> {
        self.file.sync_all().or_fail(|| format!("cannot flush {}", self.path.display()))?;
        // SAFETY: BLKFLSBUF takes no argument.
        unsafe { ioctl(&self.file, NoArg::<BLKFLSBUF>::new()) }
            .map_err(std::io::Error::from)
            .or_fail(|| format!("cannot drop the cached sectors of {}", self.path.display()))
    }

    /// Overwrites `length_bytes` from `start_bytes` on with zeros, as far as the device goes, and waits until they
    /// are on it.
    pub fn clear(&self, start_bytes: u64, length_bytes: u64) -> Result<()> {
        clear(&self.file, start_bytes, length_bytes.min(self.size_bytes.saturating_sub(start_bytes)))
            .or_fail(|| format!("cannot clear {}", self.path.display()))
    }

    /// Tells the disk that nothing on it is needed.
    pub fn discard_all(&self) -> Result<()> {
        self.over_all::<BLKDISCARD>().or_fail(|| format!("{} does not take a discard", self.path.display()))
    }

    /// Writes zeros over all of it; the disk may do that by itself.
    pub fn zero_all(&self) -> Result<()> {
        self.over_all::<BLKZEROOUT>().or_fail(|| format!("cannot write zeros over {}", self.path.display()))
    }

    fn over_all<const OPCODE: Opcode>(&self) -> std::io::Result<()> {
        let range = [0_u64, self.size_bytes];
        // SAFETY: both calls read a range of two u64, start and length in bytes, which outlives them.
        unsafe { ioctl(&self.file, Setter::<OPCODE, [u64; 2]>::new(range)) }.map_err(std::io::Error::from)
    }

    /// Formats an NVMe namespace with user data erase, in the sector format that it has.
    pub fn nvme_format(&self) -> Result<()> {
        let cannot = || format!("{} does not take an NVMe format", self.path.display());
        let namespace = self.nvme_namespace().or_fail(cannot)?;
        let mut answer = vec![0_u8; NVME_IDENTIFY_BYTES];
        self.nvme_admin(NvmeCommand {
            opcode: NVME_IDENTIFY,
            namespace,
            address: answer.as_mut_ptr() as u64,
            data_length: NVME_IDENTIFY_BYTES as u32,
            ..NvmeCommand::default()
        })
        .map_err(|failure| failure.doing("asking for its sector format"))?;
        let format = u32::from(answer[NVME_FLBAS] & 0xf);
        self.nvme_admin(NvmeCommand {
            opcode: NVME_FORMAT,
            namespace,
            timeout_millis: u32::try_from(NVME_PATIENCE.as_millis()).unwrap_or(u32::MAX),
            dwords_10_15: [NVME_USER_DATA_ERASE | format, 0, 0, 0, 0, 0],
            ..NvmeCommand::default()
        })
    }

    fn nvme_admin(&self, mut command: NvmeCommand) -> Result<()> {
        let cannot = || format!("{} does not take an NVMe command", self.path.display());
        // SAFETY: the call reads and writes one `struct nvme_passthru_cmd`, laid out as the kernel's header says;
        // its buffer, where it names one, belongs to the caller, has the length it names and outlives the call.
        let status = unsafe { ioctl(&self.file, NvmeAdmin(&mut command)) };
        match status.map_err(std::io::Error::from).or_fail(cannot)? {
            0 => Ok(()),
            status => Err(Failure::new(cannot()).because(format!("its status is {status:#x}"))),
        }
    }

    /// Number of the namespace that this disk is.
    fn nvme_namespace(&self) -> std::io::Result<u32> {
        let text = std::fs::read_to_string(self.sysfs().unwrap_or_default().join("nsid"))?;
        text.trim().parse().map_err(|_| std::io::ErrorKind::InvalidData.into())
    }

    /// Writes bytes at a place and waits until they are on the device.
    pub fn write_at(&self, start_bytes: u64, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, start_bytes)
            .and_then(|()| self.file.sync_data())
            .or_fail(|| format!("cannot write to {}", self.path.display()))
    }

    /// Reads bytes from a place.
    pub fn read_at(&self, start_bytes: u64, length_bytes: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length_bytes];
        self.file
            .read_exact_at(&mut bytes, start_bytes)
            .or_fail(|| format!("cannot read {}", self.path.display()))?;
        Ok(bytes)
    }

    /// Makes the kernel's idea of the partitions be exactly `extents`, and waits for their nodes.
    pub fn show_partitions(&self, extents: &[Extent]) -> Result<()> {
        let doing = || format!("telling the kernel of the partitions of {}", self.path.display());
        // Loop devices without partition scanning refuse this with EINVAL; the single calls below work on all.
        // SAFETY: BLKRRPART takes no argument.
        let reread = unsafe { ioctl(&self.file, NoArg::<BLKRRPART>::new()) };
        for number in self.known_partitions() {
            let known = extents.iter().find(|extent| extent.number == number);
            if known.is_some_and(|extent| self.is_at(extent)) {
                continue;
            }
            self.change_partition(BLKPG_DEL_PARTITION, Extent { number, start_bytes: 0, length_bytes: 0 })
                .while_doing(doing)?;
        }
        for extent in extents.iter().filter(|extent| !self.is_at(extent)) {
            self.change_partition(BLKPG_ADD_PARTITION, *extent).while_doing(doing)?;
        }
        for extent in extents {
            self.wait_for_node(extent.number).while_doing(doing).map_err(|failure| match reread {
                Ok(()) => failure,
                Err(error) => failure.because(std::io::Error::from(error)),
            })?;
        }
        Ok(())
    }

    /// Path of a partition's node: `/dev/sda1`, `/dev/nvme0n1p1`.
    pub fn partition_path(&self, number: u32) -> PathBuf {
        let name = self.path.to_string_lossy();
        let separator = if name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
        PathBuf::from(format!("{name}{separator}{number}"))
    }

    fn sysfs(&self) -> Option<PathBuf> {
        let real = self.path.canonicalize().ok()?;
        Some(Path::new("/sys/class/block").join(real.file_name()?))
    }

    /// The partitions that the kernel shows, in bytes.
    pub fn shown_partitions(&self) -> Vec<Extent> {
        let Some(folder) = self.sysfs() else { return Vec::new() };
        let extent = |number: u32| {
            let path = self.partition_path(number);
            let place = folder.join(path.file_name()?);
            let bytes = |file: &str| -> Option<u64> {
                let text = std::fs::read_to_string(place.join(file)).ok()?;
                text.trim().parse::<u64>().ok()?.checked_mul(512)
            };
            Some(Extent { number, start_bytes: bytes("start")?, length_bytes: bytes("size")? })
        };
        self.known_partitions().into_iter().filter_map(extent).collect()
    }

    /// Numbers of the partitions that the kernel shows.
    fn known_partitions(&self) -> Vec<u32> {
        let Some(entries) = self.sysfs().and_then(|folder| std::fs::read_dir(folder).ok()) else {
            return Vec::new();
        };
        let number = |entry: std::fs::DirEntry| {
            std::fs::read_to_string(entry.path().join("partition")).ok()?.trim().parse().ok()
        };
        entries.flatten().filter_map(number).collect()
    }

    /// Whether the kernel shows this partition at this place.
    fn is_at(&self, extent: &Extent) -> bool {
        let Some(folder) = self.sysfs() else { return false };
        let name = self.partition_path(extent.number);
        let Some(name) = name.file_name() else { return false };
        let number = |file: &str| -> Option<u64> {
            std::fs::read_to_string(folder.join(name).join(file)).ok()?.trim().parse().ok()
        };
        // sysfs counts in units of 512 bytes whatever the sector (Documentation/ABI/stable/sysfs-block).
        number("start") == Some(extent.start_bytes / 512) && number("size") == Some(extent.length_bytes / 512)
    }

    fn change_partition(&self, operation: i32, extent: Extent) -> Result<()> {
        let mut partition = BlkpgPartition {
            start: i64::try_from(extent.start_bytes).unwrap_or(i64::MAX),
            length: i64::try_from(extent.length_bytes).unwrap_or(i64::MAX),
            number: i32::try_from(extent.number).unwrap_or(i32::MAX),
            device_name: [0; 64],
            volume_name: [0; 64],
        };
        let argument = BlkpgArgument {
            operation,
            flags: 0,
            length: size_of::<BlkpgPartition>() as i32,
            partition: (&raw mut partition).cast(),
        };
        // SAFETY: BLKPG reads a `struct blkpg_ioctl_arg` and the partition that it points to; both outlive the
        // call and are laid out as the kernel's header says.
        unsafe { ioctl(&self.file, Setter::<BLKPG, BlkpgArgument>::new(argument)) }
            .map_err(std::io::Error::from)
            .or_fail(|| format!("cannot change partition {}", extent.number))
    }

    /// devtmpfs makes the node right after the kernel's announcement, but not in the same instant.
    fn wait_for_node(&self, number: u32) -> Result<()> {
        let path = self.partition_path(number);
        let end = Instant::now() + NODE_PATIENCE;
        let wanted = self.sysfs().map(|folder| {
            let name = path.file_name().unwrap_or_default();
            std::fs::read_to_string(folder.join(name).join("dev")).unwrap_or_default()
        });
        let wanted = wanted.as_deref().unwrap_or_default().trim().to_owned();
        while Instant::now() < end {
            let node = std::fs::metadata(&path).map(|metadata| device_number(metadata.rdev()));
            if node.is_ok_and(|node| node == wanted) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Failure::new(format!("{} did not appear", path.display())))
    }
}

/// An NVMe admin command, whose status is the return value.
struct NvmeAdmin<'a>(&'a mut NvmeCommand);

// SAFETY: the pointer is to a `struct nvme_passthru_cmd`, which the opcode reads and writes.
unsafe impl rustix::ioctl::Ioctl for NvmeAdmin<'_> {
    type Output = i32;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        NVME_IOCTL_ADMIN_CMD
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    unsafe fn output_from_ptr(output: rustix::ioctl::IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(output)
    }
}

fn clear(file: &File, start_bytes: u64, length_bytes: u64) -> std::io::Result<()> {
    let zeros = vec![0; 64 * 1024];
    let mut done = 0;
    while done < length_bytes {
        let count = usize::try_from(length_bytes - done).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all_at(&zeros[..count], start_bytes + done)?;
        done += count as u64;
    }
    file.sync_data()
}

/// As sysfs writes it: `259:1`.
fn device_number(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}
