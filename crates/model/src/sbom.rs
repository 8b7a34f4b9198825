//! What an output is made of, for those who must know: a bill of materials in CycloneDX's JSON form, and what a
//! package's `copyright` file says of its licences.
//!
//! The same packages give the same text: no serial number, no time, no tool's build in it.

use crate::lock::Package;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use wire::deb::stanzas;

/// The form: CycloneDX 1.5 (ECMA-424 is its successor).
const FORM: &str = "1.5";

/// One thing that an output is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Name: a package's, or a file's.
    pub name: String,
    /// Version; empty where it has none.
    pub version: String,
    /// SHA-256 of the package or file, hex.
    pub sha256: String,
    /// `amd64` or `all` of a package; empty of a file that is no package.
    pub architecture: String,
    /// The distribution that the package is of: `debian`.
    pub distribution: String,
    /// Licences; empty where they are not written down for machines.
    pub licences: Vec<String>,
}

impl Component {
    /// A package of the lock. `copyright` is its file of that name.
    pub fn of(package: &Package, distribution: &str, copyright: &str) -> Component {
        Component {
            name: package.name.clone(),
            version: package.version.clone(),
            sha256: package.sha256.clone(),
            architecture: package.architecture.clone(),
            distribution: distribution.to_owned(),
            licences: licences(copyright),
        }
    }

    /// A file of this program's own.
    pub fn of_file(name: &str, version: &str, sha256: &str) -> Component {
        Component {
            name: name.to_owned(),
            version: version.to_owned(),
            sha256: sha256.to_owned(),
            architecture: String::new(),
            distribution: String::new(),
            licences: Vec::new(),
        }
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "type": if self.architecture.is_empty() { "file" } else { "library" },
            "name": self.name,
            "hashes": [{ "alg": "SHA-256", "content": self.sha256 }],
        });
        if !self.version.is_empty() {
            json["version"] = self.version.clone().into();
        }
        if !self.architecture.is_empty() {
            let address = format!(
                "pkg:deb/{}/{}@{}?arch={}",
                self.distribution,
                encoded(&self.name),
                encoded(&self.version),
                self.architecture
            );
            json["bom-ref"] = address.clone().into();
            json["purl"] = address.into();
        }
        if !self.licences.is_empty() {
            let licences = self.licences.iter().map(|name| match spdx(name) {
                Some(id) => json!({ "license": { "id": id } }),
                None => json!({ "license": { "name": name } }),
            });
            json["licenses"] = licences.collect();
        }
        json
    }
}

/// The bill of materials of an output named `name`, which has the digest `sha256`.
pub fn document(name: &str, sha256: &str, components: &BTreeSet<Component>) -> String {
    let json = json!({
        "bomFormat": "CycloneDX",
        "specVersion": FORM,
        "version": 1,
        "metadata": {
            "component": {
                "type": "file",
                "name": name,
                "hashes": [{ "alg": "SHA-256", "content": sha256 }],
            },
        },
        "components": components.iter().map(Component::json).collect::<Vec<_>>(),
    });
    format!("{json:#}\n")
}

/// The short names of the licences in a `copyright` file that is written for machines (Debian's
/// copyright-format 1.0), sorted; none where it is not.
pub fn licences(copyright: &str) -> Vec<String> {
    let mut stanzas = stanzas(copyright);
    let is_for_machines = stanzas
        .next()
        .is_some_and(|head| head.field("Format").is_some_and(|format| format.contains("copyright-format")));
    if !is_for_machines {
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    // Paragraphs without `Files` only carry the text of a licence that another one names.
    for stanza in stanzas.filter(|stanza| stanza.field("Files").is_some()) {
        let short = stanza.field("License").unwrap_or_default().lines().next().unwrap_or_default();
        let short = short.replace(" and/or ", " or ").replace(", and ", " and ").replace(", or ", " or ");
        let parts = short.split(" or ").flat_map(|part| part.split(" and ")).flat_map(|part| part.split(','));
        names.extend(parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    }
    names.into_iter().collect()
}

/// SPDX's name of a licence, where Debian's short name means exactly one. Debian's `BSD-3-clause` is SPDX's
/// `BSD-3-Clause`; `MIT` is not here, because Debian's files mean several texts by it, and `BSD` no more.
fn spdx(short: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 34] = [
        ("AFL-2.1", "AFL-2.1"),
        ("Apache-2.0", "Apache-2.0"),
        ("Artistic", "Artistic-1.0-Perl"),
        ("BSD-2-clause", "BSD-2-Clause"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("BSD-4-clause", "BSD-4-Clause"),
        ("BSL-1.0", "BSL-1.0"),
        ("CC0-1.0", "CC0-1.0"),
        ("Expat", "MIT"),
        ("GFDL-1.3", "GFDL-1.3-only"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("GPL-1", "GPL-1.0-only"),
        ("GPL-1+", "GPL-1.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPL-3", "GPL-3.0-only"),
        ("GPL-3+", "GPL-3.0-or-later"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("GPL-3.0+", "GPL-3.0-or-later"),
        ("ISC", "ISC"),
        ("LGPL-2", "LGPL-2.0-only"),
        ("LGPL-2+", "LGPL-2.0-or-later"),
        ("LGPL-2.0", "LGPL-2.0-only"),
        ("LGPL-2.0+", "LGPL-2.0-or-later"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("LGPL-3", "LGPL-3.0-only"),
        ("LGPL-3+", "LGPL-3.0-or-later"),
        ("MPL-1.1", "MPL-1.1"),
        ("MPL-2.0", "MPL-2.0"),
        ("Zlib", "Zlib"),
        ("zlib", "Zlib"),
    ];
    NAMES.iter().find(|(known, _)| *known == short).map(|(_, id)| *id)
}

/// Percent-encoded as a package URL wants it: `+` and `:` would mean something there.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => out.push(byte.into()),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
        Upstream-Name: tool\n\nFiles: *\nCopyright: 2001 A\nLicense: GPL-2+\n\n\
        Files: lib/*\nCopyright: 2001 A\nLicense: Expat or LGPL-2.1+ and custom-thing\n text\n\n\
        License: GPL-2+\n On Debian systems, …\n";

    /// A lawyer reads the list once a release: what is not written down for machines must be absent, never guessed.
    #[test]
    fn licences_are_read_where_they_are_written_for_machines() {
        assert_eq!(licences(COPYRIGHT), ["Expat", "GPL-2+", "LGPL-2.1+", "custom-thing"]);
        assert_eq!(licences("This package was debianized by A.\n\nFiles: *\nLicense: GPL-2\n"), [""; 0]);
        assert_eq!(licences(""), [""; 0]);
    }

    /// Scanners match by package URL, so its spelling is the interface.
    #[test]
    fn a_document_lists_packages_with_hash_and_licence() {
        let package = Package {
            name: "libstdc++6".into(),
            version: "1:12.2.0-14+deb12u1".into(),
            architecture: "amd64".into(),
            bytes: 7,
            sha256: "a".repeat(64),
            url: "http://a.example.org/x.deb".into(),
        };
        let file = Component::of_file("init", "", &"b".repeat(64));
        let components = BTreeSet::from([Component::of(&package, "debian", COPYRIGHT), file]);
        expect![[r#"
            {
              "bomFormat": "CycloneDX",
              "components": [
                {
                  "hashes": [
                    {
                      "alg": "SHA-256",
                      "content": "B"
                    }
                  ],
                  "name": "init",
                  "type": "file"
                },
                {
                  "bom-ref": "pkg:deb/debian/libstdc%2B%2B6@1%3A12.2.0-14%2Bdeb12u1?arch=amd64",
                  "hashes": [
                    {
                      "alg": "SHA-256",
                      "content": "A"
                    }
                  ],
                  "licenses": [
                    {
                      "license": {
                        "id": "MIT"
                      }
                    },
                    {
                      "license": {
                        "id": "GPL-2.0-or-later"
                      }
                    },
                    {
                      "license": {
                        "id": "LGPL-2.1-or-later"
                      }
                    },
                    {
                      "license": {
                        "name": "custom-thing"
                      }
                    }
                  ],
                  "name": "libstdc++6",
                  "purl": "pkg:deb/debian/libstdc%2B%2B6@1%3A12.2.0-14%2Bdeb12u1?arch=amd64",
                  "type": "library",
                  "version": "1:12.2.0-14+deb12u1"
                }
              ],
              "metadata": {
                "component": {
                  "hashes": [
                    {
                      "alg": "SHA-256",
                      "content": "C"
                    }
                  ],
                  "name": "root.squashfs",
                  "type": "file"
                }
              },
              "specVersion": "1.5",
              "version": 1
            }
        "#]]
        .assert_eq(
            &document("root.squashfs", "C", &components)
                .replace(&"a".repeat(64), "A")
                .replace(&"b".repeat(64), "B"),
        );
    }

    proptest! {
        #[test]
        fn any_copyright_file_is_read(text in "\\PC*|(Format: copyright-format\n\n)?(Files|License): .*\n") {
            let _ = licences(&text);
        }
    }
}
