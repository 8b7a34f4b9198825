//! The virtual TPM 2.0 of a box: swtpm(8), which keeps what a chip would keep in a folder.

use linux::leash::leash;
use linux::tools::SWTPM;
use model::failure::{Explain as _, Failure, Result};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// One that runs; it ends with the box's power.
#[derive(Debug)]
pub(super) struct Tpm {
    child: std::process::Child,
}

impl Tpm {
    /// The file in its folder that holds what it knows for ever (swtpm(8), NVRAM of a TPM 2).
    pub(super) const STATE: &str = "tpm2-00.permall";

    /// Switches it on, and gives QEMU's end of its control line. `folder` is where it keeps its state, made where there is none.
    pub(super) fn start(folder: &Path) -> Result<(Tpm, OwnedFd)> {
        let program = SWTPM.find().ok_or_else(|| {
            Failure::new(format!("`{}` is not on this machine", SWTPM.name))
                .because(format!("it is needed for {}", SWTPM.reason))
                .hint(format!("`apt-get install {}`", SWTPM.package))
        })?;
        std::fs::create_dir_all(folder).or_fail(|| format!("cannot make {}", folder.display()))?;
        let (ours, theirs) = UnixStream::pair().or_fail(|| "cannot make the TPM's control line".into())?;
        let (ours, theirs) = (super::machine::inheritable(&ours)?, super::machine::inheritable(&theirs)?);
        let mut command = Command::new(program);
        command.args(["socket", "--tpm2", "--tpmstate"]).arg(format!("dir={},mode=0600", folder.display()));
        command.arg("--ctrl").arg(format!("type=unixio,clientfd={}", theirs.as_raw_fd()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = folder.with_extension("log");
        let errors = std::fs::File::create(&log).or_fail(|| format!("cannot write {}", log.display()))?;
        let child = leash(command.stderr(errors)).spawn().or_fail(|| "cannot start swtpm".into())?;
        Ok((Tpm { child }, ours))
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
