//! The line and the box that the plans of the tests are made for.

use super::*;
use crate::api::{JobAppliance, JobImage, TemplateFile, User};
use crate::hardware::Smbios;
use crate::line::{Confirm, Finish};
use crate::question::{Kind, Question};
use crate::storage::{Choose, Content, DiskLayout, DiskMatch, FilesystemWish, Partition, Size, Stack};
use expect_test::Expect;

pub(super) const GIB: u64 = 1 << 30;
pub(super) const MIB: u64 = 1 << 20;

pub(super) fn disk(name: &str, size_bytes: u64) -> Disk {
    Disk {
        name: name.into(),
        size_bytes,
        sector_bytes: 512,
        model: "QEMU NVMe Ctrl".into(),
        serial: format!("serial-{name}"),
        wwn: String::new(),
        rotational: false,
        removable: false,
        transport: "nvme".into(),
        path: format!("pci-0000:00:04.0-{name}"),
        signatures: Vec::new(),
        partitions: Vec::new(),
        holders: Vec::new(),
    }
}

pub(super) fn partition(size: Size, filesystem: Filesystem, mount: &str) -> Partition {
    Partition { size, content: filesystem_at(filesystem, mount), preserve: false }
}

pub(super) fn filesystem_at(kind: Filesystem, mount: &str) -> Content {
    let mount = (!mount.is_empty()).then(|| mount.to_owned());
    Content::Filesystem(FilesystemWish { kind, mount, label: None, subvolumes: Vec::new() })
}

pub(super) fn label(partition: &mut Partition, label: &str) {
    if let Content::Filesystem(wish) = &mut partition.content {
        wish.label = Some(label.into());
    }
}

pub(super) fn layout(matching: DiskMatch, partitions: Vec<Partition>) -> DiskLayout {
    DiskLayout { matching, table: Table::Gpt, erase: None, partitions }
}

pub(super) fn esp_and_root() -> Vec<Partition> {
    let mut esp = partition(Size::Bytes(512 * MIB), Filesystem::Vfat, "/boot/efi");
    label(&mut esp, "ESP");
    vec![esp, partition(Size::Rest, Filesystem::Ext4, "/")]
}

pub(super) fn question(id: &str, kind: Kind) -> Question {
    serde_json::from_value(serde_json::json!({ "id": id, "ask": id, "type": "text" }))
        .map(|question| Question { kind, ..question })
        .unwrap()
}

/// The story's line: one disk, a host name, an administrator.
pub(super) struct Case {
    pub(super) job: Job,
    pub(super) inventory: Inventory,
    pub(super) answers: BTreeMap<String, String>,
}

pub(super) fn case() -> Case {
    let image = JobImage {
        sha256: "ab".repeat(32),
        bytes: 180 * MIB,
        unpacked_bytes: 612 * MIB,
        content: ImageContent::Archive,
        signature: None,
    };
    let matching =
        DiskMatch { min_size: Some(4 * GIB), choose: Some(Choose::Smallest), ..DiskMatch::default() };
    let appliance = JobAppliance {
        image,
        confirm: Confirm::Ask,
        finish: Finish::PowerOff,
        disks: vec![layout(matching, esp_and_root())],
        stack: Stack::default(),
        hostname: "{{ answer.hostname }}".into(),
        users: vec![User {
            name: "admin".into(),
            password: Some("{{ answer.password }}".into()),
            groups: vec!["sudo".into()],
        }],
        files: vec![TemplateFile {
            path: "/etc/edge/site".into(),
            contents: "{{ answer.hostname }} {{ box.serial }}\n".into(),
            mode: 0o600,
        }],
        debs: Vec::new(),
        scripts: Vec::new(),
        kernel_arguments: "console=tty0 console=ttyS0,115200n8".into(),
    };
    let job = Job {
        line: "edge-gateway".into(),
        rules: Vec::new(),
        questions: vec![
            question("hostname", Kind::Hostname),
            question("password", Kind::Password { min_length: 8 }),
        ],
        answers: BTreeMap::new(),
        burn_in: Vec::new(),
        appliance,
        live: "3f2a".into(),
        lock: "00".into(),
    };
    let smbios = Smbios {
        manufacturer: "QEMU".into(),
        product: "Standard PC (Q35 + ICH9, 2009)".into(),
        serial: "SN-1".into(),
        uuid: String::new(),
    };
    let mut nvme = disk("nvme0n1", 8 * GIB);
    nvme.signatures = vec!["GPT with 2 partitions".into(), "ext4 `old root`".into()];
    let inventory = Inventory { smbios, firmware: "uefi".into(), disks: vec![nvme], ..Inventory::default() };
    let answers = [("hostname", "edge-0001"), ("password", "$6$salt$hash")];
    let answers = answers.map(|(id, answer)| (id.to_owned(), answer.to_owned())).into();
    Case { job, inventory, answers }
}

impl Case {
    pub(super) fn with(mut self, change: impl FnOnce(&mut Case)) -> Case {
        change(&mut self);
        self
    }

    pub(super) fn layout(&mut self) -> &mut DiskLayout {
        &mut self.job.appliance.disks[0]
    }

    pub(super) fn plan(&self) -> Result<Plan, Refusal> {
        let mut bits = 0x0123_4567_89ab_cdef_u128;
        let mut random = || {
            bits = bits.wrapping_mul(0x2545_f491_4f6c_dd1d_9e37_79b9_7f4a_7c15).wrapping_add(1);
            bits
        };
        plan(&self.job, &self.inventory, &self.answers, &mut random)
    }

    pub(super) fn refuses(&self, wanted: Expect) {
        match self.plan() {
            Ok(plan) => panic!("it was planned:\n{}", plan.text()),
            Err(refusal) => wanted.assert_eq(&format!("{}\n{}", refusal.cause(), refusal.failure().report())),
        }
    }

    pub(super) fn shows(&self, wanted: Expect) {
        let text = self.plan().map_or_else(|refusal| refusal.failure().report(), |plan| plan.text());
        assert!(text.lines().all(|line| line.len() <= 80 && line.is_ascii()), "{text}");
        wanted.assert_eq(&text);
    }

    /// Only the table of partitions.
    pub(super) fn partitions(&self, wanted: Expect) {
        let text = self.plan().map_or_else(|refusal| refusal.failure().report(), |plan| plan.text());
        let table =
            text.lines().skip_while(|line| !line.starts_with("  no ")).take_while(|line| !line.is_empty());
        // A golden loses the indent that all its lines share.
        let rows: Vec<&str> = table
            .filter(|line| !line.contains("UUID"))
            .map(|line| line.strip_prefix("  ").unwrap_or(line))
            .collect();
        wanted.assert_eq(&if rows.is_empty() { text } else { rows.join("\n") });
    }
}
