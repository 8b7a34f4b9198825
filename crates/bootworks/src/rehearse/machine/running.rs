//! What is done to a box while it runs.

use super::Machine;
use crate::rehearse::stick;
use model::failure::Result;
use serde_json::json;
use std::path::Path;

impl Machine {
    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Takes the cable out of the first NIC.
    pub(crate) fn pull_cable(&mut self) -> Result<()> {
        self.qmp.execute("set_link", json!({ "name": "nic0", "up": false }))?;
        Ok(())
    }

    /// Takes the first disk out.
    ///
    /// Errors: its controller is none that a disk can be taken from (`virtio-scsi-pci` is one).
    pub(crate) fn pull_disk(&mut self) -> Result<()> {
        self.qmp.execute("device_del", json!({ "id": "drive0" }))?;
        Ok(())
    }

    /// Has the first processor report an error of its own: uncorrected, enabled, its context corrupt (Intel SDM 3B
    /// §16.3.2.2, `VAL`, `UC`, `EN`, `PCC`), while no other is being handled (`MCIP`, `RIPV` of the global status).
    pub(crate) fn check_processor(&mut self) -> Result<()> {
        let line = "mce 0 1 0xb200000000000000 0x5 0 0";
        self.qmp.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(())
    }

    /// Puts a USB stick in.
    pub(crate) fn insert_stick(&mut self, stick: &Path) -> Result<()> {
        for (command, arguments) in stick::insertion(stick) {
            self.qmp.execute(command, arguments)?;
        }
        Ok(())
    }

    /// Pulls the plug: no flush, no farewell.
    pub(crate) fn cut_power(self) {
        drop(self);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.tpm.take());
        if let Some(cable) = &mut self.cable {
            cable.unplug();
        }
    }
}
