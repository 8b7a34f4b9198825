//! What a server gives up once its ports are bound: root's powers, save those to read and write files.
//!
//! Whoever finds a hole in the server then has no mounts, no modules, no other processes and no network settings
//! to play with.

use model::failure::{Explain as _, Result};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// What is kept: a root that is exported has files that only root may read, and the line's folder may be a
/// user's.
const KEPT: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::DAC_READ_SEARCH);

/// Gives up everything but `KEPT`, of which only what there is stays; for programs started later as well.
///
/// Concerns the calling thread and those that it starts: to be called before there are others.
///
/// Errors: the kernel refuses it.
pub fn give_up() -> Result<()> {
    let failed = || "cannot give up root's powers".to_owned();
    let now = capabilities(None).or_fail(failed)?;
    if now.effective.contains(CapabilitySet::SETPCAP) {
        // A root process that runs a program gets back what this set allows (capabilities(7)).
        for capability in CapabilitySet::all().difference(KEPT).iter() {
            // A kernel that does not know the newest of them has none to take away.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    let permitted = now.permitted.intersection(KEPT);
    set_capabilities(
        None,
        CapabilitySets { effective: permitted, permitted, inheritable: CapabilitySet::empty() },
    )
    .or_fail(failed)?;
    set_no_new_privs(true).or_fail(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is given up cannot be taken back, whether there was anything or not.
    #[test]
    fn nothing_but_files_is_left() {
        // A thread of its own: capabilities are a thread's.
        let thread = std::thread::spawn(|| {
            let before = capabilities(None).unwrap();
            give_up().unwrap();
            let after = capabilities(None).unwrap();
            assert_eq!(after.effective, before.permitted.intersection(KEPT));
            let back = CapabilitySets {
                effective: CapabilitySet::SYS_ADMIN,
                permitted: CapabilitySet::SYS_ADMIN,
                ..after
            };
            assert!(set_capabilities(None, back).is_err());
            assert!(rustix::thread::no_new_privs().unwrap());
        });
        thread.join().unwrap();
    }
}
