//! Lines that are wrong: the live OS, its modules, the hardware it must boot, its fallback.

use super::*;

/// A module that is named with its folder or ending would never be found.
#[test]
fn modules() {
    check(
        "root = \"nfs\"",
        "root = \"nfs\"\ndrivers = \"some\"\nmodules = [\"nvme-tcp\", \"drivers/net/tg3.ko\"]",
        expect![[r#"
            error: line.toml:13:11: `drivers` cannot be `"some"`
              13 | drivers = "some"
                 |           ^^^^^^
            hint: it is `"all"` or `"hardware"`

            error: line.toml:14:24: `drivers/net/tg3.ko` cannot be a module's name
              14 | modules = ["nvme-tcp", "drivers/net/tg3.ko"]
                 |                        ^^^^^^^^^^^^^^^^^^^^
            hint: without folder and `.ko`: `"nvme-tcp"`"#]],
    );
}

/// A module of the line's own is a file; the name of one of the kernel's belongs elsewhere.
#[test]
fn extra_modules() {
    check(
        "root = \"nfs\"",
        "root = \"nfs\"\nextra-modules = [\"nvme-tcp\", \"modules/gone.ko\"]",
        expect![[r#"
            error: line.toml:13:18: `nvme-tcp` is not a kernel module's file
              13 | extra-modules = ["nvme-tcp", "modules/gone.ko"]
                 |                  ^^^^^^^^^^
            hint: it ends in `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz`; the kernel's own modules are named in `modules`

            error: line.toml:13:30: there is no file `modules/gone.ko`
              13 | extra-modules = ["nvme-tcp", "modules/gone.ko"]
                 |                              ^^^^^^^^^^^^^^^^^
            hint: the path is relative to the line's folder"#]],
    );
}

/// What the line must boot, and what it does without: an exception nobody can place is no exception.
#[test]
fn hardware() {
    let with = |table: &str| {
        GOOD.replace("[[question]]\nid = \"hostname\"", &format!("{table}[[question]]\nid = \"hostname\""))
    };
    let good = with(
        "[hardware]\nprofiles = [\"dell-r740\"]\n[[hardware.exception]]\ndevice = \"14e4:165f\"\nprofile = \"dell-r740\"\nreason = \" unused \"\n",
    );
    let line = read(&good, &files()).unwrap();
    assert_eq!(line.hardware.profiles, ["dell-r740"]);
    assert_eq!(line.hardware.exceptions[0].reason, "unused");
    let wrong = with(
        "[hardware]\nprofiles = [\"dell-r7400\", \"abacus\"]\n[[hardware.exception]]\ndevice = \"14e4:16\"\nreason = \" \"\n[[hardware.exception]]\ndevice = \"usb:v0BDAp8153*\"\n",
    );
    expect![[r#"
        error: line.toml:14:13: no profile that comes with bootworks is called `dell-r7400`
          14 | profiles = ["dell-r7400", "abacus"]
             |             ^^^^^^^^^^^^
        hint: it is spelt `dell-r740`

        error: line.toml:14:27: no profile that comes with bootworks is called `abacus`
          14 | profiles = ["dell-r7400", "abacus"]
             |                           ^^^^^^^^
        hint: `bootworks hardware show` lists them; profiles of your own stand in hardware/

        error: line.toml:16:10: `14e4:16` is no device
          16 | device = "14e4:16"
             |          ^^^^^^^^^
        hint: its id (`"14e4:165f"`) or its whole modalias, as `bootworks check --json` has them

        error: line.toml:17:10: `reason` is empty
          17 | reason = " "
             |          ^^^
        hint: for example `reason = "these boxes boot from their X710; the ports on board stay unused"`

        error: line.toml:18:1: [[hardware.exception]] has no `reason`
          18 | [[hardware.exception]]
             | ^^^^^^^^^^^^^^^^^^^^^^
        hint: for example `reason = "these boxes boot from their X710; the ports on board stay unused"`"#]]
    .assert_eq(&say(&wrong, &files()));
}

/// The fallback is the same live OS with another kernel and what it adds; what it does not say is as in [live].
#[test]
fn a_fallback_has_what_the_live_os_has() {
    let text = GOOD.replacen(
        "root = \"nfs\"\n",
        "root = \"ram\"\nmodules = [\"nvme-tcp\"]\nkernel-arguments = \"quiet\"\n[live.fallback]\n\
         kernel = \"linux-image-rt-amd64\"\npackages = [\"firmware-bnx2\"]\n",
        1,
    );
    let text = text.replacen(
        "packages = [\"lvm2\"",
        "extra-modules = [\"modules/acme.ko\"]\npackages = [\"lvm2\"",
        1,
    );
    let mut files = files();
    files.0.insert("modules/acme.ko".into(), String::new());
    let live = read(&text, &files).unwrap().live;
    let second = live.fallback.as_deref().unwrap();
    assert_eq!(second.whole_recipe().packages, ["lvm2", "firmware-bnx2", "linux-image-rt-amd64"]);
    assert_eq!((second.root, second.kernel_arguments.as_str()), (RootRoad::Ram, "quiet"));
    assert!(second.modules.is_empty() && second.fallback.is_none());
    // It was compiled for one kernel, and the other would not load it.
    assert_eq!((live.recipe.extra_modules.len(), second.recipe.extra_modules.len()), (1, 0));
    assert_eq!(live.whole_recipe().packages, ["lvm2", "linux-image-amd64"]);
}
