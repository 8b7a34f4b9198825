//! The memory of a box, held against what starting the live OS takes: iPXE tells it, before any kernel is started.
//!
//! Only what cannot be done is refused. While the kernel unpacks its initrd, three things are in memory at once: the
//! kernel itself, the initrd as it was fetched, and its files (init/initramfs.c). These lie in a tmpfs, which takes half of
//! what the other two leave (init/do_mounts.c, `init_rootfs`; mm/shmem.c, `shmem_default_max_blocks`).

use crate::hardware::size_text;
use crate::ladder::Rung;
use crate::timeline::Trouble;
use serde::{Deserialize, Serialize};

/// What of a live OS is in memory when it starts. Zeros are of a build that did not look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartMemory {
    /// The kernel as it is loaded, in bytes.
    pub kernel_bytes: u64,
    /// The initrd's archives unpacked, in bytes.
    pub initrd_bytes: u64,
}

/// What a box has to hold to get to its root.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// What of it is known from the build.
    pub memory: StartMemory,
    /// The initrd as it is fetched, in bytes.
    pub packed_bytes: u64,
    /// Whether the initrd's files go into a tmpfs: no word for the kernel says otherwise.
    pub is_tmpfs: bool,
    /// The root as it is fetched into memory, in bytes; `None` where it is mounted over the network.
    pub root_bytes: Option<u64>,
}

/// Holds a box's memory against a start. `None`: nothing says that it is too little.
pub fn too_small(memory_bytes: u64, start: Start) -> Option<Trouble> {
    let StartMemory { kernel_bytes, initrd_bytes } = start.memory;
    if kernel_bytes == 0 || initrd_bytes == 0 {
        return None;
    }
    let share = if start.is_tmpfs { 2 } else { 1 };
    let to_unpack = kernel_bytes + start.packed_bytes + share * initrd_bytes;
    // The packed initrd is given back before the root is fetched.
    let with_root = start.root_bytes.map_or(0, |root| kernel_bytes + initrd_bytes + root);
    let (cause, needed) = match (memory_bytes < to_unpack, memory_bytes < with_root) {
        (true, _) => ("ram-too-small-initrd", to_unpack.max(with_root)),
        (false, true) => ("ram-too-small-squashfs", with_root),
        (false, false) => return None,
    };
    let mut evidence = vec![
        format!("its firmware tells of {} of memory (SMBIOS, type 19)", size_text(memory_bytes)),
        format!(
            "the kernel takes {}, the initrd {} as it is fetched and {} unpacked{}",
            size_text(kernel_bytes),
            size_text(start.packed_bytes),
            size_text(initrd_bytes),
            if start.is_tmpfs { ", for which the kernel gives half of the rest" } else { "" }
        ),
    ];
    let mut fix =
        vec!["put more memory into this box; a module that is not seated right counts as none".to_owned()];
    if let Some(root) = start.root_bytes {
        evidence.push(format!("the root is fetched into memory: {}", size_text(root)));
        fix.push("`root = \"nfs\"` in line.toml [live]: then the root stays on the server".into());
    }
    fix.push(
        "`drivers = \"hardware\"` in line.toml [live]: an initrd with the drivers of the line's boxes only"
            .into(),
    );
    Some(Trouble {
        cause: cause.into(),
        rung: Rung::FetchedKernel,
        sentence: format!(
            "This box has {} of memory, and its start takes {} at the least.",
            size_text(memory_bytes),
            size_text(needed)
        ),
        evidence,
        fix,
    })
}

/// The memory that SMBIOS maps (DSP0134, type 19), of the first four of these structures: each eight octets from offset
/// 4 on, its first and its last KiB, or none where there is no such structure. `None` where nothing follows of it: there
/// may be a fifth, or one that is too far up for this form.
pub fn mapped_bytes(structures: [Option<[u8; 8]>; 4]) -> Option<u64> {
    if structures[3].is_some() {
        return None;
    }
    let mut bytes = 0;
    for structure in structures.into_iter().flatten() {
        let [a, b, c, d, e, f, g, h] = structure;
        let (first, last) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if first == u32::MAX || last < first {
            return None;
        }
        bytes += (u64::from(last - first) + 1) << 10;
    }
    (bytes > 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const START: Start = Start {
        memory: StartMemory { kernel_bytes: 50 * MIB, initrd_bytes: 70 * MIB },
        packed_bytes: 20 * MIB,
        is_tmpfs: true,
        root_bytes: None,
    };

    fn cause(memory: u64, start: Start) -> Option<String> {
        too_small(memory * MIB, start).map(|trouble| trouble.cause)
    }

    /// A refusal must be sure: what might just do is let go on.
    #[test]
    fn what_cannot_be_unpacked_is_refused() {
        assert_eq!(cause(209, START).as_deref(), Some("ram-too-small-initrd"));
        assert_eq!(cause(210, START), None);
        let otherwise = Start { is_tmpfs: false, ..START };
        assert_eq!(cause(139, otherwise).as_deref(), Some("ram-too-small-initrd"));
        assert_eq!(cause(140, otherwise), None);
        let in_memory = Start { root_bytes: Some(150 * MIB), ..START };
        assert_eq!(cause(209, in_memory).as_deref(), Some("ram-too-small-initrd"));
        assert_eq!(cause(269, in_memory).as_deref(), Some("ram-too-small-squashfs"));
        assert_eq!(cause(270, in_memory), None);
        let unknown = Start { memory: StartMemory::default(), ..START };
        assert_eq!(cause(1, unknown), None);
    }

    #[test]
    fn a_refusal_has_the_sum_and_the_ways_out() {
        let trouble = too_small(64 * MIB, Start { root_bytes: Some(100 * MIB), ..START }).unwrap();
        let text = [&[trouble.sentence], &trouble.evidence[..], &trouble.fix].concat().join("\n");
        expect_test::expect![[r#"
            This box has 64 MiB of memory, and its start takes 220 MiB at the least.
            its firmware tells of 64 MiB of memory (SMBIOS, type 19)
            the kernel takes 50 MiB, the initrd 20 MiB as it is fetched and 70 MiB unpacked, for which the kernel gives half of the rest
            the root is fetched into memory: 100 MiB
            put more memory into this box; a module that is not seated right counts as none
            `root = "nfs"` in line.toml [live]: then the root stays on the server
            `drivers = "hardware"` in line.toml [live]: an initrd with the drivers of the line's boxes only"#]]
        .assert_eq(&text);
    }

    #[test]
    fn mapped_memory_is_summed_where_all_of_it_is_seen() {
        let range = |first: u32, last: u32| {
            let mut octets = [0; 8];
            octets[..4].copy_from_slice(&first.to_le_bytes());
            octets[4..].copy_from_slice(&last.to_le_bytes());
            Some(octets)
        };
        let low = range(0, (2 << 20) - 1);
        assert_eq!(mapped_bytes([low, None, None, None]), Some(2 << 30));
        let high = range(4 << 20, (6 << 20) - 1);
        assert_eq!(mapped_bytes([low, high, None, None]), Some(4 << 30));
        assert_eq!(mapped_bytes([low, high, low, high]), None, "there may be a fifth");
        assert_eq!(mapped_bytes([range(u32::MAX, u32::MAX), None, None, None]), None, "extended addresses");
        assert_eq!(mapped_bytes([range(8, 4), None, None, None]), None);
        assert_eq!(mapped_bytes([None; 4]), None);
    }
}
