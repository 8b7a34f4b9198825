//! Loads kernel modules: hands one file to the kernel. Which file fits which device is decided in
//! `model::modules`; nothing here reads a table.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::ffi::CStr;
use std::path::Path;

/// The kernel decompresses the file itself (`include/uapi/linux/module.h`, since 5.17).
const MODULE_INIT_COMPRESSED_FILE: i32 = 4;

/// Loads one module file; the modules it depends on must be there already. A module that is loaded
/// already is no error.
///
/// The error stays a number: the caller knows the module's name and looks for the kernel's own words.
pub fn load(file: &Path) -> Result<(), Errno> {
    let descriptor = open(file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::system::finit_module(&descriptor, c"", flags_for(file)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Unloads a module that nothing uses.
pub fn unload(name: &CStr) -> Result<(), Errno> {
    rustix::system::delete_module(name, rustix::fs::OFlags::NONBLOCK.bits() as i32)
}

/// Names of the loaded modules, as `/proc/modules` writes them (with underscores).
pub fn loaded() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn flags_for(file: &Path) -> i32 {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz" | "zst" | "gz") => MODULE_INIT_COMPRESSED_FILE,
        _ => 0,
    }
}

/// What the kernel means by an error of `finit_module` (`kernel/module/main.c`).
pub fn meaning(error: Errno) -> &'static str {
    match error {
        Errno::NOENT => "a symbol it needs is not there, or the file is not (module-unknown-symbol)",
        Errno::NOEXEC => "it was built for another kernel, or the file is damaged (module-kernel-mismatch)",
        Errno::KEYREJECTED | Errno::NOKEY => "its signature is not accepted (module-signature-rejected)",
        Errno::NODEV => "it found no device that it wants to drive",
        Errno::OPNOTSUPP => "the kernel cannot decompress modules itself (module-compression-unsupported)",
        Errno::PERM => "module loading is locked down",
        Errno::NOMEM => "there is not enough memory",
        _ => "the driver gave up while starting",
    }
}
