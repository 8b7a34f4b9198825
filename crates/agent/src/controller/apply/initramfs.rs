//! The appliance's initramfs: made anew where its storage needs more than the image's has, and checked against this
//! box: the drivers of its disks, the file system of its root, the programs that open what the root stands on.
//!
//! The programs are the image's own, run in it: update-initramfs(8) and lsinitramfs(8).

use super::fault::{Blame as _, Fault, Outcome};
use super::ledger::Ledger;
use super::loader::{in_target, keep_written};
use super::mounts::Mounted;
use linux::tree::Tree;
use model::failure::{Explain as _, Failure, Result};
use model::plan::{Needs, Plan};
use std::collections::BTreeSet;
use std::path::Path;

/// An installed initramfs without a driver is a box that does not start (causes: `initramfs-disk-driver-missing`).
const CAUSE: &str = "initramfs-disk-driver-missing";

/// Makes and checks the initramfs of every kernel of the appliance. Gives what could not be checked.
pub(crate) fn settle(
    plan: &Plan,
    needs: &Needs,
    target: &Path,
    mounted: &mut Mounted,
    ledger: &mut Ledger,
) -> Outcome<Vec<String>> {
    mounted.lend_system(target).blame(CAUSE)?;
    let kernels = kernels(target).blame(CAUSE)?;
    if kernels.is_empty() {
        // Of an image of a whole disk, /boot may be a partition of its own.
        return Ok(vec![
            "no kernel is in /boot of the root: whether its initramfs has this box's drivers was not checked"
                .into(),
        ]);
    }
    let has_tools = exists(target, "/usr/bin/lsinitramfs") && exists(target, "/usr/sbin/update-initramfs");
    if !has_tools {
        let missing = "the image has no initramfs-tools";
        if needs.programs.is_empty() {
            return Ok(vec![format!(
                "{missing}: whether its initramfs has this box's drivers was not checked"
            )]);
        }
        let failure = Failure::new(format!("{missing}, so no initramfs can be made for its storage"))
            .hint("the image's recipe needs the package `initramfs-tools`");
        return Err(Fault { cause: CAUSE, failure });
    }
    if !needs.programs.is_empty() {
        for kernel in &kernels {
            // Not `-u`, which an image's configuration may turn into nothing.
            in_target(target, "update-initramfs", &["-c", "-k", kernel]).blame(CAUSE)?;
        }
    }
    let mut modules: BTreeSet<String> = needs.modules.iter().map(|&name| name.to_owned()).collect();
    for planned in &plan.disks {
        modules.extend(linux::inventory::disk_modules(Path::new("/"), &planned.disk.name));
    }
    for kernel in &kernels {
        let image = format!("/boot/initrd.img-{kernel}");
        if !exists(target, &image) {
            let failure = Failure::new(format!("the appliance's kernel {kernel} has no initramfs"))
                .because(format!("{image} is not there"));
            return Err(Fault { cause: CAUSE, failure });
        }
        let listed = in_target(target, "lsinitramfs", &[&image]).blame(CAUSE)?;
        let builtin = read(target, &format!("/lib/modules/{kernel}/modules.builtin")).blame(CAUSE)?;
        let holds = Holds::of(&String::from_utf8_lossy(&listed), &builtin);
        check(kernel, &holds, &modules, needs).blame(CAUSE)?;
    }
    keep_written(target, Path::new("/boot"), ledger).blame("disk-io-error")?;
    Ok(Vec::new())
}

/// What an initramfs and its kernel have.
struct Holds {
    modules: BTreeSet<String>,
    programs: BTreeSet<String>,
}

impl Holds {
    /// From what `lsinitramfs` lists and from the kernel's list of what is built in.
    fn of(listed: &str, builtin: &str) -> Holds {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let module = |path: &str| {
            let name = name(path);
            name.split_once(".ko").map(|(name, _)| name.replace('-', "_"))
        };
        let modules = listed.lines().chain(builtin.lines()).filter_map(module).collect();
        let is_program = |path: &&str| path.contains("bin/");
        let programs = listed.lines().filter(is_program).map(name).collect();
        Holds { modules, programs }
    }
}

/// Every reason why this initramfs would not get to its root.
fn check(kernel: &str, holds: &Holds, modules: &BTreeSet<String>, needs: &Needs) -> Result<()> {
    let mut reasons = Vec::new();
    for module in modules.iter().filter(|module| !holds.modules.contains(*module)) {
        reasons.push(format!("the driver `{module}` is not in it and not built into the kernel"));
    }
    let mut packages = Vec::new();
    for program in needs.programs.iter().filter(|program| !holds.programs.contains(program.name)) {
        reasons.push(format!("the program `{}` is not in it", program.name));
        packages.push(format!("`{}`", program.package));
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let failure =
        Failure::new(format!("the initramfs of the appliance's kernel {kernel} cannot reach its root"));
    let failure = reasons.into_iter().fold(failure, Failure::because);
    Err(if packages.is_empty() {
        failure.hint("`MODULES=most` in the image's /etc/initramfs-tools/initramfs.conf, and a kernel that has the driver")
    } else {
        failure.hint(format!("the image's recipe needs the packages {}", packages.join(", ")))
    })
}

/// The kernels that the appliance could start.
fn kernels(target: &Path) -> Result<Vec<String>> {
    let cannot = || "cannot read /boot of the target".to_owned();
    let tree = Tree::open(target).map_err(std::io::Error::from).or_fail(cannot)?;
    let entries = tree.walk(Path::new("/boot")).or_fail(cannot)?;
    let names = entries.iter().filter_map(|entry| entry.path.strip_prefix("/boot").ok()?.to_str());
    Ok(names.filter_map(|name| name.strip_prefix("vmlinuz-")).map(str::to_owned).collect())
}

fn exists(target: &Path, path: &str) -> bool {
    Tree::open(target).is_ok_and(|tree| tree.read(Path::new(path)).is_ok())
}

fn read(target: &Path, path: &str) -> Result<String> {
    let cannot = || format!("cannot read {path} of the target");
    let tree = Tree::open(target).map_err(std::io::Error::from).or_fail(cannot)?;
    let bytes = tree.bytes(Path::new(path)).or_fail(cannot)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use model::plan::Program;

    const LISTED: &str = "usr/lib/modules/6.1.0-49-amd64/kernel/drivers/nvme/host/nvme-core.ko\n\
        usr/lib/modules/6.1.0-49-amd64/kernel/drivers/md/raid1.ko.xz\nusr/sbin/mdadm\netc/mdadm/mdadm.conf\n";

    /// A box that is shipped with this mistake does not start at the customer's.
    #[test]
    fn everything_that_is_missing_is_named() {
        let holds = Holds::of(LISTED, "kernel/drivers/block/virtio_blk.ko\n");
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let mdadm = Program { name: "mdadm", package: "mdadm" };
        let needs = Needs { modules: Vec::new(), programs: vec![mdadm] };
        assert!(check("6.1", &holds, &names(&["nvme_core", "raid1", "virtio_blk"]), &needs).is_ok());
        let cryptsetup = Program { name: "cryptsetup", package: "cryptsetup-initramfs" };
        let needs = Needs { modules: Vec::new(), programs: vec![mdadm, cryptsetup] };
        let failure = check("6.1", &holds, &names(&["dm_crypt", "raid1"]), &needs).unwrap_err();
        expect![[r#"
            error: the initramfs of the appliance's kernel 6.1 cannot reach its root
            because: the driver `dm_crypt` is not in it and not built into the kernel
            because: the program `cryptsetup` is not in it
            hint: the image's recipe needs the packages `cryptsetup-initramfs`"#]]
        .assert_eq(&failure.report());
        let failure = check("6.1", &holds, &names(&["megaraid_sas"]), &Needs::default()).unwrap_err();
        expect![[r#"
            error: the initramfs of the appliance's kernel 6.1 cannot reach its root
            because: the driver `megaraid_sas` is not in it and not built into the kernel
            hint: `MODULES=most` in the image's /etc/initramfs-tools/initramfs.conf, and a kernel that has the driver"#]]
        .assert_eq(&failure.report());
    }
}
