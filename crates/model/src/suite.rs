//! What the packages of a suite have: modules, the devices they drive, the firmware they ask for. Made from the
//! indexes that a build keeps; `bootworks which` asks it.

use crate::columns::wrapped;
use crate::hardware::PciId;
use crate::mistake::nearest;
use crate::modules::alias::AliasTable;
use crate::modules::pattern::{self, Fit};
use crate::modules::tree::Tree;
use crate::proof::firmware::FirmwareIndex;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The packages of a suite.
#[derive(Debug, Default)]
pub struct Suite {
    /// Kernels: what `line.toml` calls the package, and its modules.
    pub kernels: Vec<KernelPackage>,
    /// Firmware.
    pub firmware: FirmwareIndex,
    /// Packages that are in the line's live OS, by its lock.
    pub locked: BTreeSet<String>,
}

/// A package with a kernel's modules.
#[derive(Debug)]
pub struct KernelPackage {
    /// As `line.toml` names it: `linux-image-amd64`.
    pub name: String,
    /// The package that has the modules: `linux-image-6.1.0-49-amd64`.
    pub package: String,
    /// The modules.
    pub tree: Tree,
}

/// What was asked, and what the suite has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What was asked.
    pub query: String,
    /// What it is taken for.
    pub kind: Kind,
    /// Modules that are it, or that drive it.
    pub modules: Vec<ModuleAnswer>,
    /// Firmware files that are it.
    pub firmware: Vec<FirmwareAnswer>,
    /// A module whose name is most like it, where nothing is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<String>,
    /// Drivers of whole classes that may drive an id which no driver names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_class: Vec<String>,
}

/// What a query is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `14e4:165f`.
    PciId,
    /// `pci:v000014E4d0000165Fsv…`.
    Modalias,
    /// `tg3`.
    Module,
    /// `tigon/tg3.bin`.
    Firmware,
    /// None of these is known by that name.
    Unknown,
}

/// A module and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModuleAnswer {
    /// Its name.
    pub module: String,
    /// How surely it fits the device that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// Every kernel of the suite, with what it has of it.
    pub kernels: Vec<Holding>,
    /// Firmware it may ask for.
    pub firmware: Vec<FirmwareAnswer>,
    /// Whether the line's kernel has it.
    pub locked: bool,
    /// What to write into `[live]` of `line.toml` to have it; absent where the line has it, or no kernel does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What one kernel has of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The kernel's package as `line.toml` names it.
    pub package: String,
    /// Its release.
    pub release: String,
    /// Whether it is in the kernel, beside it or neither.
    pub how: How,
    /// Where the module lies, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether this is the line's kernel.
    pub locked: bool,
}

/// How a kernel has a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// As a module.
    Module,
    /// Built in.
    Builtin,
    /// Not at all.
    Absent,
}

/// A firmware file and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirmwareAnswer {
    /// As drivers ask for it.
    pub file: String,
    /// Packages that have it.
    pub packages: Vec<FirmwareHolding>,
    /// Modules that may ask for it.
    pub asked_by: Vec<String>,
    /// Packages that may have it, which nobody has looked into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// What to write into `[live]` of `line.toml` to have it; absent where the line has it, or no package does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// A package that has a firmware file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirmwareHolding {
    /// The package.
    pub package: String,
    /// The part of the archive it is in.
    pub component: String,
    /// Whether the line takes packages from that part.
    pub enabled: bool,
    /// Whether it is in the line's live OS.
    pub locked: bool,
}

impl Suite {
    /// Answers a question for a module, a firmware file, a PCI id or a modalias.
    pub fn answer(&self, query: &str) -> Answer {
        let mut answer = Answer {
            query: query.to_owned(),
            kind: Kind::Unknown,
            modules: Vec::new(),
            firmware: Vec::new(),
            near: None,
            by_class: Vec::new(),
        };
        if let Ok(id) = query.parse::<PciId>() {
            answer.kind = Kind::PciId;
            // The id on a class that no device has: who still fits asks for the id.
            let modalias = pattern::pci_modalias(id);
            answer.modules = self.drivers(&modalias.replace("bc??sc??i??", "bcFEscFEiFE"));
            if answer.modules.is_empty() {
                answer.by_class = self.drivers(&modalias).into_iter().map(|driver| driver.module).collect();
            }
            return answer;
        }
        if query.contains(':') {
            answer.kind = Kind::Modalias;
            answer.modules = self.drivers(query);
            return answer;
        }
        let module = crate::modules::name(query);
        if self.kernels.iter().any(|kernel| kernel.tree.has(&module)) {
            answer.kind = Kind::Module;
            answer.modules.push(self.module(&module, None));
        }
        let files = self.files_called(query);
        if !files.is_empty() && answer.kind == Kind::Unknown {
            answer.kind = Kind::Firmware;
        }
        answer.firmware = files.iter().map(|file| self.firmware(file)).collect();
        if answer.kind == Kind::Unknown {
            let names = self.kernels.iter().flat_map(|kernel| kernel.tree.modules.keys()).map(String::as_str);
            answer.near = nearest(&module.replace('_', "-"), names).map(str::to_owned);
        }
        answer
    }

    fn drivers(&self, modalias: &str) -> Vec<ModuleAnswer> {
        let table = AliasTable::of(self.kernels.iter().flat_map(|kernel| kernel.tree.alias_pairs()));
        let mut found: Vec<(&str, Fit)> = table.candidates(modalias).into_iter().collect();
        found.sort_by_key(|(name, fit)| (std::cmp::Reverse(*fit), *name));
        found.into_iter().map(|(name, fit)| self.module(name, Some(fit))).collect()
    }

    fn module(&self, name: &str, fit: Option<Fit>) -> ModuleAnswer {
        let holding = |kernel: &KernelPackage| {
            let module = kernel.tree.modules.get(name);
            Holding {
                package: kernel.name.clone(),
                release: kernel.tree.release.clone(),
                how: match (module, kernel.tree.builtin.contains(name)) {
                    (Some(_), _) => How::Module,
                    (None, true) => How::Builtin,
                    (None, false) => How::Absent,
                },
                path: module.map(|module| module.path.clone()),
                locked: self.locked.contains(&kernel.package),
            }
        };
        let kernels: Vec<Holding> = self.kernels.iter().map(holding).collect();
        let asked: BTreeSet<&String> =
            self.kernels.iter().flat_map(|kernel| kernel.tree.firmware_of(name)).collect();
        let locked = kernels.iter().any(|kernel| kernel.locked && kernel.how != How::Absent);
        let with =
            kernels.iter().filter(|kernel| kernel.how != How::Absent).map(|kernel| kernel.package.as_str());
        // The most general kernel has the shortest name.
        let best = with.min_by_key(|name| (name.len(), *name)).filter(|_| !locked);
        let fix = best.map(|package| format!("kernel = \"{package}\""));
        ModuleAnswer {
            module: name.to_owned(),
            fit,
            firmware: asked.into_iter().map(|file| self.firmware(file)).collect(),
            locked,
            fix,
            kernels,
        }
    }

    /// The firmware files of this name: the whole path below `/lib/firmware`, or its last part.
    fn files_called(&self, query: &str) -> BTreeSet<String> {
        let query = query.trim_start_matches('/');
        let query = ["usr/lib/firmware/", "lib/firmware/"]
            .iter()
            .find_map(|start| query.strip_prefix(start))
            .unwrap_or(query);
        let is_it = |file: &&String| {
            file.as_str() == query || file.rsplit_once('/').is_some_and(|(_, name)| name == query)
        };
        let asked = self.kernels.iter().flat_map(|kernel| kernel.tree.firmware());
        let there = self.firmware.packages.values().flat_map(|package| &package.files);
        asked.chain(there).filter(is_it).cloned().collect()
    }

    fn firmware(&self, file: &str) -> FirmwareAnswer {
        let holding = |package: &str| {
            let component = self.firmware.packages.get(package).map(|package| package.component.clone());
            FirmwareHolding {
                package: package.to_owned(),
                component: component.unwrap_or_default(),
                enabled: self.firmware.is_enabled(package),
                locked: self.locked.contains(package),
            }
        };
        let packages: Vec<FirmwareHolding> =
            self.firmware.packages_with(file).into_iter().map(holding).collect();
        let asked_by: BTreeSet<&String> =
            self.kernels.iter().flat_map(|kernel| kernel.tree.asking_for(file)).collect();
        let is_locked = packages.iter().any(|package| package.locked);
        let fix = packages.first().filter(|_| !is_locked).map(|package| self.firmware.fix(&package.package));
        FirmwareAnswer {
            file: file.to_owned(),
            unread: if packages.is_empty() { self.firmware.unread.clone() } else { Vec::new() },
            packages,
            asked_by: asked_by.into_iter().cloned().collect(),
            fix,
        }
    }
}

impl Answer {
    /// Whether anything is known of what was asked.
    pub fn is_found(&self) -> bool {
        !self.modules.is_empty() || !self.firmware.is_empty()
    }

    /// The answer for people. `name` is what the device is called, where it is one and somebody knows.
    pub fn text(&self, name: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        let called = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let query = &self.query;
        if !self.is_found() {
            lines.push(match self.kind {
                Kind::PciId | Kind::Modalias => {
                    format!("no kernel of this suite has a driver for {query}{called}")
                }
                _ => format!("no package of this suite has a module or a firmware file called {query}"),
            });
            lines.extend(self.near.iter().map(|near| format!("a module is called {near}")));
            if !self.by_class.is_empty() {
                lines.push(format!("drivers of whole classes may fit it: {}", self.by_class.join(", ")));
                lines.push("its whole modalias tells: cat /sys/bus/pci/devices/ADDRESS/modalias".to_owned());
            }
            return lines;
        }
        match (self.kind, self.modules.as_slice()) {
            (Kind::PciId | Kind::Modalias, [_]) => lines.push(format!("{query}{called} is driven by")),
            (Kind::PciId | Kind::Modalias, _) => lines.push(format!("{query}{called} may be driven by")),
            _ => {}
        }
        self.modules.iter().for_each(|module| module.say(&mut lines));
        for file in &self.firmware {
            lines.push(format!("{}: a firmware file", file.file));
            if !file.asked_by.is_empty() {
                lines.push(format!("  asked for by {}", file.asked_by.join(", ")));
            }
            lines.extend(file.packages.iter().map(|package| format!("  {}", package.words())));
            lines.push(match (&file.fix, file.packages.is_empty()) {
                (_, true) => format!("  {}", file.nowhere()),
                (Some(fix), _) => format!("  to have it, in line.toml [live]: {fix}"),
                (None, _) => "  this line has it".to_owned(),
            });
        }
        lines
    }
}

impl ModuleAnswer {
    fn say(&self, lines: &mut Vec<String>) {
        let fit = match self.fit {
            Some(Fit::Possible) => " (if the parts of the id that are not known fit)",
            _ => "",
        };
        lines.push(format!("{}: a kernel module{fit}", self.module));
        // A kernel in several packages is asked once for each: what one of them has, it has.
        let mut kernels: BTreeMap<(&str, &str), &Holding> = BTreeMap::new();
        for kernel in &self.kernels {
            let best = kernels.entry((&kernel.package, &kernel.release)).or_insert(kernel);
            if best.how == How::Absent {
                *best = kernel;
            }
        }
        let width = kernels.keys().map(|(package, _)| package.len()).max().unwrap_or_default();
        for kernel in kernels.into_values() {
            let own = if kernel.locked { ", this line's kernel" } else { "" };
            let how = match (kernel.how, &kernel.path) {
                (How::Module, Some(path)) => path.as_str(),
                (How::Builtin, _) => "built into the kernel",
                _ => "does not have it",
            };
            lines.push(format!("  {:<width$}  {how} ({}{own})", kernel.package, kernel.release));
        }
        // Mostly all files of a driver are in one package, and that is what one wants to know.
        let mut firmware: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for file in &self.firmware {
            let packages: Vec<String> = file.packages.iter().map(FirmwareHolding::words).collect();
            let packages = if packages.is_empty() { file.nowhere() } else { packages.join(" or ") };
            firmware.entry(packages).or_default().push(&file.file);
        }
        for (packages, files) in firmware {
            lines.extend(wrapped("  may ask for firmware ", &format!("{}: {packages}", files.join(", "))));
        }
        lines.push(match &self.fix {
            Some(fix) => format!("  to have it, in line.toml [live]: {fix}"),
            None if self.locked => "  this line has it".to_owned(),
            None => "  no kernel of this suite has it".to_owned(),
        });
    }
}

impl FirmwareAnswer {
    /// What is said of a file that no package is known to have.
    fn nowhere(&self) -> String {
        match self.unread.as_slice() {
            [] => "no package of this suite has it".to_owned(),
            unread => {
                format!("no package that was looked into has it; not looked into: {}", unread.join(", "))
            }
        }
    }
}

impl FirmwareHolding {
    fn words(&self) -> String {
        let state = match (self.locked, self.enabled) {
            (true, _) => "in this line",
            (false, true) => "not in this line",
            (false, false) => "not enabled in this line",
        };
        format!("{} ({}, {state})", self.package, self.component)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::modinfo::Modinfo;
    use crate::proof::firmware::FirmwarePackage;
    use expect_test::{Expect, expect};

    fn kernel(name: &str, release: &str, modules: &[(&str, &str, &str)]) -> KernelPackage {
        let mut tree = Tree { release: release.into(), ..Tree::default() };
        for (path, alias, firmware) in modules {
            let mut info = Modinfo::default();
            info.take("alias", alias);
            if !firmware.is_empty() {
                info.take("firmware", firmware);
            }
            tree.add(*path, info);
        }
        KernelPackage { name: name.into(), package: format!("linux-image-{release}"), tree }
    }

    fn suite() -> Suite {
        let full = [
            ("kernel/net/tg3.ko", "pci:v000014E4d0000165Fsv*sd*bc*sc*i*", "tigon/tg3.bin"),
            ("kernel/net/bnx2.ko", "pci:v000014E4d00001639sv*sd*bc*sc*i*", "bnx2/bnx2-mips-09.fw"),
            ("kernel/nvme.ko", "pci:v*d*sv*sd*bc01sc08i02*", ""),
        ];
        let mut cloud = kernel("linux-image-cloud-amd64", "6.1.0-cloud-amd64", &[]);
        cloud.tree.builtin.insert("nvme".into());
        let file = |component: &str, file: &str| FirmwarePackage {
            component: component.into(),
            files: [file.to_owned()].into(),
        };
        Suite {
            kernels: vec![kernel("linux-image-amd64", "6.1.0-amd64", &full), cloud],
            firmware: FirmwareIndex {
                components: vec!["main".into()],
                unread: Vec::new(),
                packages: [("firmware-bnx2".into(), file("non-free-firmware", "bnx2/bnx2-mips-09.fw"))]
                    .into(),
            },
            locked: ["linux-image-6.1.0-cloud-amd64".to_owned()].into(),
        }
    }

    fn asked(query: &str, expected: Expect) {
        expected.assert_eq(
            &suite().answer(query).text(Some("Some card").filter(|_| query.contains(':'))).join("\n"),
        );
    }

    /// "Which package do I need" is the question that cost days; each of its forms is answered in one look.
    #[test]
    fn every_form_of_the_question_is_answered() {
        asked(
            "tg3",
            expect![[r#"
                tg3: a kernel module
                  linux-image-amd64        kernel/net/tg3.ko (6.1.0-amd64)
                  linux-image-cloud-amd64  does not have it (6.1.0-cloud-amd64, this line's kernel)
                  may ask for firmware tigon/tg3.bin: no package of this suite has it
                  to have it, in line.toml [live]: kernel = "linux-image-amd64""#]],
        );
        asked(
            "14e4:1639",
            expect![[r#"
                14e4:1639 (Some card) is driven by
                bnx2: a kernel module
                  linux-image-amd64        kernel/net/bnx2.ko (6.1.0-amd64)
                  linux-image-cloud-amd64  does not have it (6.1.0-cloud-amd64, this line's kernel)
                  may ask for firmware bnx2/bnx2-mips-09.fw: firmware-bnx2 (non-free-firmware,
                                       not enabled in this line)
                  to have it, in line.toml [live]: kernel = "linux-image-amd64""#]],
        );
        asked(
            "pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02",
            expect![[r#"
            pci:v0000144Dd0000A808sv0000144Dsd0000A801bc01sc08i02 (Some card) is driven by
            nvme: a kernel module
              linux-image-amd64        kernel/nvme.ko (6.1.0-amd64)
              linux-image-cloud-amd64  built into the kernel (6.1.0-cloud-amd64, this line's kernel)
              this line has it"#]],
        );
        asked(
            "bnx2-mips-09.fw",
            expect![[r#"
                bnx2/bnx2-mips-09.fw: a firmware file
                  asked for by bnx2
                  firmware-bnx2 (non-free-firmware, not enabled in this line)
                  to have it, in line.toml [live]: components = ["main", "non-free-firmware"], packages = ["firmware-bnx2"]"#]],
        );
        asked(
            "/lib/firmware/tigon/tg3.bin",
            expect![[r#"
            tigon/tg3.bin: a firmware file
              asked for by tg3
              no package of this suite has it"#]],
        );
    }

    #[test]
    fn what_nobody_has_is_said() {
        asked(
            "tg33",
            expect![[r#"
            no package of this suite has a module or a firmware file called tg33
            a module is called tg3"#]],
        );
        asked(
            "ffff:0001",
            expect![[r#"
                no kernel of this suite has a driver for ffff:0001 (Some card)
                drivers of whole classes may fit it: nvme
                its whole modalias tells: cat /sys/bus/pci/devices/ADDRESS/modalias"#]],
        );
        assert!(!suite().answer("tg33").is_found());
        let json = serde_json::to_value(suite().answer("14e4:165f")).unwrap();
        assert_eq!(json["kind"], "pci-id");
        assert_eq!(json["modules"][0]["kernels"][0]["how"], "module");
        assert_eq!(json["modules"][0]["fix"], "kernel = \"linux-image-amd64\"");
    }
}
