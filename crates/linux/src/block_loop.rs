//! Loop devices: a file as a block device. Disks are not looked for here.

use model::failure::{Explain as _, Failure, Result};
use rustix::ioctl::{IntegerSetter, NoArg, Opcode, ioctl};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

// include/uapi/linux/loop.h
const LOOP_SET_FD: Opcode = 0x4C00;
const LOOP_CLR_FD: Opcode = 0x4C01;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;

/// A file that is shown as a block device until it is detached.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    device: File,
}

impl LoopDevice {
    /// Shows `file` as a read-only block device.
    pub fn attach(file: &Path) -> Result<LoopDevice> {
        let backing = File::open(file).or_fail(|| format!("cannot open {}", file.display()))?;
        // Between asking for a free device and taking it, another process may have taken it.
        for _ in 0..8 {
            let path = free_device()?;
            let device = File::open(&path).or_fail(|| format!("cannot open {}", path.display()))?;
            // SAFETY: LOOP_SET_FD takes the number of an open descriptor by value; `backing` lives past the
            // call, and the kernel holds a reference of its own after it.
            let set = unsafe {
                let argument = IntegerSetter::<LOOP_SET_FD>::new_usize(backing.as_raw_fd() as usize);
                ioctl(&device, argument)
            };
            match set {
                Ok(()) => return Ok(LoopDevice { path, device }),
                Err(rustix::io::Errno::BUSY) => {}
                Err(error) => {
                    return Err(std::io::Error::from(error)).or_fail(|| {
                        format!("cannot show {} as block device {}", file.display(), path.display())
                    });
                }
            }
        }
        Err(Failure::new(format!("cannot show {} as a block device", file.display()))
            .because("each free loop device was taken by somebody else"))
    }

    /// Its path: `/dev/loop0`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the device back, as soon as nothing has it mounted.
    pub fn detach(self) -> Result<()> {
        // SAFETY: LOOP_CLR_FD takes no argument.
        unsafe { ioctl(&self.device, NoArg::<LOOP_CLR_FD>::new()) }
            .map_err(std::io::Error::from)
            .or_fail(|| format!("cannot give {} back", self.path.display()))
    }
}

fn free_device() -> Result<PathBuf> {
    let control =
        OpenOptions::new().read(true).write(true).open("/dev/loop-control").or_fail(|| {
            "cannot ask for a loop device (/dev/loop-control); is the module `loop` loaded".into()
        })?;
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and answers with the number of a device.
    let number = unsafe { ioctl(&control, GetFree) }
        .map_err(std::io::Error::from)
        .or_fail(|| "the kernel has no free loop device".into())?;
    let path = PathBuf::from(format!("/dev/loop{number}"));
    let is_device = std::fs::metadata(&path).is_ok_and(|metadata| metadata.file_type().is_block_device());
    if is_device { Ok(path) } else { Err(Failure::new(format!("{} is not a block device", path.display()))) }
}

/// `LOOP_CTL_GET_FREE`: its answer is the return value, which none of rustix's ready patterns passes on.
struct GetFree;

// SAFETY: the opcode reads no memory of ours and writes none; the pointer is null.
unsafe impl rustix::ioctl::Ioctl for GetFree {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut core::ffi::c_void {
        core::ptr::null_mut()
    }

    unsafe fn output_from_ptr(
        output: rustix::ioctl::IoctlOutput,
        _: *mut core::ffi::c_void,
    ) -> rustix::io::Result<i32> {
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// The live OS's root in RAM is read through this: the first sector must be the file's.
    #[test]
    fn system_a_file_is_shown_as_a_block_device() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image");
        std::fs::write(&file, vec![0x5a; 4096]).unwrap();
        let device = LoopDevice::attach(&file).unwrap();
        let mut first = [0u8; 512];
        File::open(device.path()).unwrap().read_exact(&mut first).unwrap();
        device.detach().unwrap();
        assert_eq!(first, [0x5a; 512]);
    }
}
