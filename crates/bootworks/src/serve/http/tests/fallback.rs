//! A box that the first live OS has no driver for.

use super::*;
use model::proof::nic::BootNic;

/// The example with a fallback: the same with another kernel.
fn example_with_fallback(folder: &FilePath) -> model::failure::Result<Line> {
    let mut line = example(folder)?;
    let mut second = line.live.clone();
    second.kernel_arguments = "pci=nomsi".into();
    line.live.fallback = Some(Box::new(second));
    Ok(line)
}

/// Adds a fallback to the build in `folder`, whose initrd has these modules.
fn add_fallback(folder: &FilePath, initrd_modules: &[&str]) {
    let second = folder.join("second");
    std::fs::create_dir_all(&second).unwrap();
    build(&second, initrd_modules, 10);
    let list = |folder: &FilePath| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.join("outputs.json")).unwrap()).unwrap()
    };
    let (mut outputs, mut fallback) = (list(folder), list(&second)["live"].take());
    for file in ["kernel", "initrd", "squashfs", "drivers"] {
        let path = format!("second/{}", fallback[file]["path"].as_str().unwrap());
        fallback[file]["path"] = path.into();
    }
    fallback["digest"] = "second".into();
    fallback["release"] = "6.1.0-second".into();
    outputs["fallback"] = fallback;
    std::fs::write(folder.join("outputs.json"), outputs.to_string()).unwrap();
}

/// A box that the live OS has no driver for is sent into the fallback, screen and timeline say why, and its record
/// will name that live OS; where the fallback lacks the driver as well, it is the screen as ever.
#[test]
fn a_box_without_a_driver_boots_the_fallback_that_has_it() {
    let with_fallback = |modules: &[&str], proof| {
        let folder = tempfile::tempdir().unwrap();
        build(folder.path(), &[], 10);
        add_fallback(folder.path(), modules);
        bench_in(folder, example_with_fallback, proof)
    };
    let ask = format!("/boot?mac=52-54-00-00-00-01&{NIC}");
    let bench = with_fallback(&["e1000e"], Proof::Heeded);
    let script = bench.get(&ask).text();
    let said: Vec<&str> = script.lines().filter(|line| line.starts_with("echo ")).take(4).collect();
    expect![[r#"
        echo This box's NIC 8086:10d3 (82574L Gigabit Network Connection) needs the driver
        echo e1000e, which this live OS does not have.
        echo The line's fallback has it and is booted instead.
        echo bootworks: line edge-gateway, starting kernel 6.1.0-second"#]]
    .assert_eq(&said.join("\n"));
    assert!(script.contains(" bootworks.live=second bootworks.root=nfs"), "{script}");
    assert!(script.contains(" pci=nomsi"), "{script}");
    assert_eq!(bench.get(&format!("/live/second/kernel?box={BOX}")).text(), "kernel");
    assert_eq!(bench.get(&format!("/api/boxes/{BOX}/job")).json()["live"], "second");
    expect![[r#"
        nic-reported 8086:10d3
        boot-offered 6.1.0-second This box's NIC 8086:10d3 (82574L Gigabit Network Connection) needs the driver e1000e, which this live OS does not have.
        transfer-started kernel 6
        transfer-done kernel kernel 6
    "#]]
    .assert_eq(&bench.timeline());
    // Whoever falls silent in the fallback is not told of a driver that only the first lacks.
    let current = bench.service.publications.current();
    let judged = |live: &str| current.judge_in(live, "8086:10d3".parse().unwrap()).unwrap();
    assert_eq!(judged("second"), BootNic::Covered);
    assert!(matches!(judged("live0"), BootNic::Missing(_)));
    let covered = "/boot?mac=52-54-00-00-00-02&nic=01ffff0001&platform=pcbios";
    assert!(
        bench.get(covered).text().contains(" bootworks.live=live0 "),
        "no driver is known: the first boots"
    );

    let bench = with_fallback(&[], Proof::Heeded);
    assert!(bench.get(&ask).text().contains("nic-driver-missing"));
    let bench = with_fallback(&["e1000e"], Proof::Ignored);
    assert!(bench.get(&ask).text().contains(" bootworks.live=live0 "), "an ignored proof chooses nothing");
}
