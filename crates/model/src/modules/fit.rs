//! Whether a kernel takes a module that was not built along with it: told from the kernel's release and options, and
//! from the versions of the symbols that the module uses.
//!
//! The kernel's own rules (kernel/module/main.c, `check_modinfo`; kernel/module/version.c): the options in `vermagic`
//! have to be the same; the release has to be the same unless the module carries symbol versions; each of these has to
//! be the kernel's. What versions a kernel has is known from `Module.symvers`, which headers bring, or from the
//! kernel and its modules themselves ([`super::exports`]).

use super::modinfo::Modinfo;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wire::elf::{self, NotElf};

/// One record of `__versions` on a 64-bit machine: the version, then the name padded with zeros
/// (`struct modversion_info`, include/linux/module.h).
const RECORD: usize = 64;
const VERSION: usize = 8;
/// The word of `vermagic` for a kernel that compares symbol versions.
const COMPARES: &str = "modversions";
/// Symbols that are named to a person.
const NAMED: usize = 3;

/// Versions of symbols, by name.
pub type Versions = BTreeMap<String, u32>;

/// The versions of the symbols that a module uses; none where it was built without.
pub fn used(module: &[u8]) -> Result<Versions, NotElf> {
    let section = elf::section(module, "__versions")?.unwrap_or_default();
    let records = section.chunks_exact(RECORD).filter_map(|record| {
        let (version, name) = record.split_at_checked(VERSION)?;
        let name = name.split(|byte| *byte == 0).next()?;
        let version = u64::from_le_bytes(version.try_into().ok()?);
        // The kernel compares 32 bits (CRC-32) that stand in a long word.
        Some((std::str::from_utf8(name).ok()?.to_owned(), u32::try_from(version).ok()?))
    });
    Ok(records.filter(|(name, _)| !name.is_empty()).collect())
}

/// The versions in a `Module.symvers`: `0x1f2e3d4c\tsymbol\tmodule\ttype\tnamespace`.
pub fn symvers(text: &str) -> Versions {
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let version = fields.next()?.trim().strip_prefix("0x")?;
        Some((fields.next()?.to_owned(), u32::from_str_radix(version, 16).ok()?))
    });
    lines.collect()
}

/// What a kernel asks of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Its release: `6.1.0-56-amd64`.
    pub release: String,
    /// The options in the `vermagic` of its own modules: `SMP preempt mod_unload modversions`.
    pub options: String,
    /// The versions of its symbols, as far as they are known.
    pub versions: Versions,
    /// Whether all are known.
    pub is_complete: bool,
}

/// A module that did not come with the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stranger {
    /// Its path below `/lib/modules/RELEASE/`: `updates/acme.ko`.
    pub path: String,
    /// What it says of itself.
    pub info: Modinfo,
    /// The versions of the symbols that it uses.
    pub used: Versions,
    /// The versions of the symbols that it offers to other modules.
    pub offered: Versions,
}

/// What a kernel would do with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Take it; so many of its symbols could not be compared.
    Fits {
        /// Symbols that nothing is known of.
        unknown: usize,
    },
    /// Refuse it, or so many are unknown that nobody can say: why, one reason a line.
    Misfit(Vec<String>),
}

impl Kernel {
    /// What this kernel would do with a module.
    pub fn fit(&self, module: &Stranger) -> Fit {
        let (release, options) = split(&module.info.vermagic);
        if release.is_empty() {
            return Fit::Misfit(vec!["it does not say which kernel it is for".into()]);
        }
        let other_release = release != self.release;
        let both = format!("it is built for {release}, and the kernel is {}", self.release);
        if options != self.options {
            let options = format!("its options are `{options}`, the kernel's are `{}`", self.options);
            return Fit::Misfit(if other_release { vec![both, options] } else { vec![options] });
        }
        let compares = self.options.split(' ').any(|word| word == COMPARES);
        if !compares || module.used.is_empty() {
            let reasons = match (other_release, compares) {
                (false, false) => return Fit::Fits { unknown: 0 },
                (false, true) => vec!["it has no symbol versions, which the kernel asks for".into()],
                (true, _) => vec![both],
            };
            return Fit::Misfit(reasons);
        }
        let different: Vec<_> = module
            .used
            .iter()
            .filter_map(|(symbol, used)| Some((symbol, used, self.versions.get(symbol)?)))
            .filter(|(_, used, kernel)| used != kernel)
            .collect();
        let unknown: Vec<&String> =
            module.used.keys().filter(|symbol| !self.versions.contains_key(*symbol)).collect();
        let count = module.used.len();
        let mut reasons = Vec::new();
        if !different.is_empty() {
            let named = different.iter().take(NAMED).map(|(symbol, used, kernel)| {
                format!("{symbol} ({used:#010x}, the kernel has {kernel:#010x})")
            });
            let named = named.collect::<Vec<_>>().join(", ");
            let more = if different.len() > NAMED { ", …" } else { "" };
            let of = format!("{} of the {count} symbols that it uses have another version", different.len());
            reasons.push(format!("{of}: {named}{more}"));
        }
        if !unknown.is_empty() && (self.is_complete || other_release) {
            let named: Vec<&str> = unknown.iter().take(NAMED).map(|symbol| symbol.as_str()).collect();
            let more = if unknown.len() > NAMED { ", …" } else { "" };
            let what = match self.is_complete {
                true => "the kernel does not have",
                false => "nothing is known here of",
            };
            let of = format!("{what} {} of the {count} symbols that it uses", unknown.len());
            reasons.push(format!("{of}: {}{more}", named.join(", ")));
        }
        if reasons.is_empty() {
            return Fit::Fits { unknown: unknown.len() };
        }
        if other_release {
            reasons.insert(0, both);
        }
        Fit::Misfit(reasons)
    }
}

/// Release and options of a `vermagic`.
pub fn split(vermagic: &str) -> (&str, &str) {
    let (release, options) = vermagic.split_once(' ').unwrap_or((vermagic, ""));
    (release, options.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const OPTIONS: &str = "SMP preempt mod_unload modversions";

    fn versions(pairs: &[(&str, u32)]) -> Versions {
        pairs.iter().map(|(symbol, version)| ((*symbol).to_owned(), *version)).collect()
    }

    fn kernel() -> Kernel {
        let known = [
            ("module_layout", 0x11),
            ("printk", 0x22),
            ("kfree", 0x33),
            ("alloc_netdev", 0x44),
            ("napi", 0x55),
        ];
        Kernel {
            release: "6.1.0-56-amd64".into(),
            options: OPTIONS.into(),
            versions: versions(&known),
            is_complete: false,
        }
    }

    fn check(kernel: &Kernel, vermagic: &str, used: &[(&str, u32)], expected: Expect) {
        let info = Modinfo { vermagic: vermagic.into(), ..Modinfo::default() };
        let module = Stranger { info, used: versions(used), ..Stranger::default() };
        let text = match kernel.fit(&module) {
            Fit::Fits { unknown } => format!("fits, {unknown} unknown"),
            Fit::Misfit(reasons) => reasons.join("\n"),
        };
        expected.assert_eq(&text);
    }

    /// A module that the kernel refuses is found out in front of a rack; one that it would take must not be refused
    /// here. Each rule of the kernel's, from both sides.
    #[test]
    fn a_module_fits_as_the_kernel_sees_it() {
        let own = format!("6.1.0-56-amd64 {OPTIONS} ");
        let other = format!("6.1.0-31-amd64 {OPTIONS} ");
        let known: &[(&str, u32)] = &[("module_layout", 0x11), ("printk", 0x22)];
        check(&kernel(), &own, known, expect!["fits, 0 unknown"]);
        check(&kernel(), &own, &[("module_layout", 0x11), ("acme_core", 9)], expect!["fits, 1 unknown"]);
        // The same versions under another release: Debian keeps a kernel's interface over several of them.
        check(&kernel(), &other, known, expect!["fits, 0 unknown"]);
        check(
            &kernel(),
            &other,
            &[("module_layout", 0x11), ("acme_core", 9)],
            expect![[r#"
            it is built for 6.1.0-31-amd64, and the kernel is 6.1.0-56-amd64
            nothing is known here of 1 of the 2 symbols that it uses: acme_core"#]],
        );
        check(
            &kernel(),
            &other,
            &[("module_layout", 0x12), ("printk", 0x23), ("kfree", 0x34), ("napi", 0x56)],
            expect![[r#"
                it is built for 6.1.0-31-amd64, and the kernel is 6.1.0-56-amd64
                4 of the 4 symbols that it uses have another version: kfree (0x00000034, the kernel has 0x00000033), module_layout (0x00000012, the kernel has 0x00000011), napi (0x00000056, the kernel has 0x00000055), …"#]],
        );
        check(
            &kernel(),
            &own,
            &[("module_layout", 0x12)],
            expect![
                "1 of the 1 symbols that it uses have another version: module_layout (0x00000012, the kernel has 0x00000011)"
            ],
        );
        check(&kernel(), &own, &[], expect!["it has no symbol versions, which the kernel asks for"]);
        check(
            &kernel(),
            &other,
            &[],
            expect!["it is built for 6.1.0-31-amd64, and the kernel is 6.1.0-56-amd64"],
        );
        check(&kernel(), "", known, expect!["it does not say which kernel it is for"]);
        check(
            &kernel(),
            "6.1.0-56-amd64 SMP mod_unload ",
            known,
            expect![
                "its options are `SMP mod_unload`, the kernel's are `SMP preempt mod_unload modversions`"
            ],
        );
        let all = Kernel { is_complete: true, ..kernel() };
        check(
            &all,
            &own,
            &[("module_layout", 0x11), ("acme_core", 9)],
            expect!["the kernel does not have 1 of the 2 symbols that it uses: acme_core"],
        );
        let plain = Kernel { options: "SMP mod_unload".into(), ..kernel() };
        check(&plain, "6.1.0-56-amd64 SMP mod_unload ", &[], expect!["fits, 0 unknown"]);
        check(
            &plain,
            "6.1.0-57-amd64 SMP mod_unload ",
            &[],
            expect!["it is built for 6.1.0-57-amd64, and the kernel is 6.1.0-56-amd64"],
        );
    }

    /// As `make` writes it, of a kernel of Debian 12.
    #[test]
    fn symvers_are_read() {
        let text = "0x86a4889a\tkmalloc_order_trace\tvmlinux\tEXPORT_SYMBOL\t\n0xzz\tx\tvmlinux\nno line\n\
            0x0eb0b8b4\ttcp_register_congestion_control\tvmlinux\tEXPORT_SYMBOL_GPL\t";
        let read: Vec<_> = symvers(text).into_iter().collect();
        assert_eq!(
            read,
            [
                ("kmalloc_order_trace".to_owned(), 0x86a4_889a),
                ("tcp_register_congestion_control".to_owned(), 0x0eb0_b8b4)
            ]
        );
    }

    proptest::proptest! {
        /// A section of any bytes gives what can be read of it.
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), text in ".{0,200}") {
            let mut file = b"\x7fELF\x02\x01".to_vec();
            file.extend(bytes);
            let _ = used(&file);
            let _ = symvers(&text);
        }
    }
}
