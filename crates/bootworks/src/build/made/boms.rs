//! Bills of materials of what a build made: which packages are in each output, and under which licences.
//!
//! What such a document looks like is `model::sbom`'s.

use super::super::agent::BUILD_ID;
use super::super::package::Opened;
use super::super::shelf::Group;
use super::super::sources;
use super::super::store::digest;
use super::{IMAGE, INITRD, LICENCES, LOADERS, LiveGroups, Making, SQUASHFS};
use model::failure::{Explain as _, Result};
use model::lock::Package;
use model::outputs::OutputFile;
use model::sbom::{self, Component};
use std::collections::{BTreeMap, BTreeSet};

/// Bills of materials: of the root, the initrd, the image and the boot programs, and of a fallback's root and initrd.
const BOMS: [&str; 6] = [
    "root.cdx.json",
    "initrd.cdx.json",
    "image.cdx.json",
    "loaders.cdx.json",
    "fallback-root.cdx.json",
    "fallback-initrd.cdx.json",
];
impl Making<'_> {
    /// Bills of materials: of root and initrd of each live OS, the image, the boot programs.
    pub(super) fn boms(
        &self,
        live: &LiveGroups,
        fallback: Option<&LiveGroups>,
        [image, loaders]: [&Group; 2],
        agent: &[u8],
    ) -> Result<BTreeMap<String, OutputFile>> {
        let (packed, cd) = (image.file(IMAGE)?, loaders.file(LOADERS[2].0)?);
        let mut systems = vec![([BOMS[0], BOMS[1]], live, &self.lock.live)];
        let second = fallback.zip(self.lock.fallback.as_ref());
        systems.extend(second.map(|(groups, section)| ([BOMS[4], BOMS[5]], groups, section)));
        let mut inputs = format!("boms {} {}", packed.sha256, cd.sha256);
        for (_, groups, _) in &systems {
            let (root, first) = (groups.root.file(SQUASHFS)?, groups.initrd.file(INITRD)?);
            inputs += &format!(" {} {}", root.sha256, first.sha256);
        }
        let names: Vec<&'static str> =
            systems.iter().flat_map(|(names, ..)| *names).chain([BOMS[2], BOMS[3]]).collect();
        let group = self.shelf.group("boms", &digest(inputs), |work| {
            let distribution = sources::distribution(&self.line.live.recipe.suite).unwrap_or("debian");
            let of = |packages: &mut dyn Iterator<Item = &Package>, known: &BTreeMap<String, Vec<String>>| {
                packages
                    .map(|package| Component {
                        licences: known.get(&package.name).cloned().unwrap_or_default(),
                        ..Component::of(package, distribution, "")
                    })
                    .collect::<BTreeSet<Component>>()
            };
            let single = |package: &Package| -> Result<Component> {
                let file = format!("usr/share/doc/{}/copyright", package.name);
                let copyright = Opened::of(package, self.store).file(&[&file]).unwrap_or_default();
                Ok(Component::of(package, distribution, &String::from_utf8_lossy(&copyright)))
            };
            // What an initrd of ours takes out of the root: modules and firmware.
            let has_a_part = |package: &&Package| {
                ["linux-image-", "linux-modules-", "firmware-", "linux-firmware"]
                    .iter()
                    .any(|begin| package.name.starts_with(begin))
                    || package.name.ends_with("-microcode")
            };
            let ipxe = single(self.package(&self.lock.loaders, "ipxe")?)?;
            let appliance =
                self.lock.appliance.as_ref().map(|section| &section.packages[..]).unwrap_or_default();
            let mut documents = vec![
                (BOMS[2], IMAGE, packed, of(&mut appliance.iter(), &self.licences(image)?)),
                (BOMS[3], LOADERS[2].0, cd, BTreeSet::from([ipxe])),
            ];
            for ([of_root, of_initrd], groups, section) in &systems {
                let licences = self.licences(&groups.root)?;
                let mut in_initrd = of(&mut section.packages.iter().filter(has_a_part), &licences);
                in_initrd.insert(single(self.package(&self.lock.initrd, "busybox-static")?)?);
                in_initrd.insert(Component::of_file("init", BUILD_ID, &digest(agent)));
                let root = of(&mut section.packages.iter(), &licences);
                documents.push((*of_root, SQUASHFS, groups.root.file(SQUASHFS)?, root));
                documents.push((*of_initrd, INITRD, groups.initrd.file(INITRD)?, in_initrd));
            }
            for (file, name, output, components) in documents {
                let path = work.join(file);
                std::fs::write(&path, sbom::document(name, &output.sha256, &components))
                    .or_fail(|| format!("cannot write {}", path.display()))?;
            }
            Ok((names.clone(), BTreeMap::new()))
        })?;
        let named = names.iter().map(|file| {
            let name = file.split('.').next().unwrap_or(file);
            Ok((name.to_owned(), group.file(file)?))
        });
        named.collect()
    }

    /// What is known of the licences of a group's packages; nothing where it is somebody's image.
    fn licences(&self, group: &Group) -> Result<BTreeMap<String, Vec<String>>> {
        let Ok(file) = group.file(LICENCES) else { return Ok(BTreeMap::new()) };
        let path = self.shelf.folder().join(file.path);
        let reading = || format!("cannot read {}", path.display());
        serde_json::from_slice(&std::fs::read(&path).or_fail(reading)?).or_fail(reading)
    }
}
