//! What the catalogue says of the causes that this program names: a table made from it, since the catalogue
//! itself, with all its signs of other systems' logs, is too large for a box. Not what tells causes apart.

#[rustfmt::skip]
mod table;

/// A cause in the catalogue's words.
#[derive(Debug)]
pub(crate) struct Words {
    id: &'static str,
    /// What is wrong, in one sentence.
    pub(crate) sentence: &'static str,
    /// What to do on a bootworks line, the likeliest first.
    pub(crate) fixes: &'static [&'static str],
}

/// The catalogue's words for the cause of this id.
pub(crate) fn words(id: &str) -> Option<&'static Words> {
    table::WORDS.iter().find(|words| words.id == id)
}

#[cfg(test)]
mod tests {
    use super::words;
    use expect_test::expect_file;
    use model::catalogue::{self, System};
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::Path;

    /// Words with hyphens in this program's sources that are no causes.
    const OTHERS: &[&str] = &[
        "asset-tag",
        "content-range",
        "content-type",
        "cryptsetup-initramfs",
        "grub-install",
        "grub-mkconfig",
        "kebab-case",
        "libcap2-bin",
        "linux-image-amd64",
        "multi-choice",
        "root-modules",
        "thin-pool",
        "update-initramfs",
        "yes-no",
    ];

    /// The words between quotes that look like ids in all sources below this folder, tests left out.
    fn ids(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ids(&path, found);
                continue;
            }
            let is_test =
                path.ends_with("tests.rs") || path.ends_with("causes.rs") || path.ends_with("table.rs");
            if is_test || path.components().any(|part| part.as_os_str() == "tests") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let quoted = program.split('"').skip(1).step_by(2);
            let is_id = |word: &&str| {
                word.contains('-')
                    && !word.starts_with('-')
                    && !word.ends_with('-')
                    && word
                        .bytes()
                        .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-')
            };
            found.extend(quoted.filter(is_id).map(str::to_owned));
        }
    }

    /// The screen sends its reader to `bootworks explain ID`, and shows the same words itself: a cause that is named
    /// here and not in the catalogue would end both in nothing.
    #[test]
    fn every_cause_named_here_has_the_words_of_the_catalogue() {
        let mut named = BTreeSet::new();
        ids(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut named);
        named.retain(|id| !OTHERS.contains(&id.as_str()));
        let mut table = String::from(
            "//! Made from the catalogue by the test beside it; not written by hand.\n\nuse super::Words;\n\n/// Sorted by id.\npub(super) const WORDS: &[Words] = &[\n",
        );
        for id in &named {
            let (_, cause) = catalogue::find(id).unwrap_or_else(|| {
                panic!("`{id}` is no cause of the catalogue: add it there, or to OTHERS here")
            });
            let fixes: Vec<&str> = [System::Line, System::Any]
                .iter()
                .flat_map(|system| cause.fixes.iter().filter(move |fix| fix.on == *system))
                .map(|fix| fix.text)
                .collect();
            let _ = writeln!(
                table,
                "    Words {{ id: {id:?}, sentence: {:?}, fixes: &{fixes:?} }},",
                cause.sentence
            );
        }
        table.push_str("];\n");
        expect_file!["causes/table.rs"].assert_eq(&table);
    }

    /// Without words a screen shows only what the place of the failure knows.
    #[test]
    fn words_are_found_by_id() {
        assert!(words("nic-driver-missing").is_some_and(|words| words.sentence.contains("driver")));
        assert!(words("no-such-cause").is_none());
    }
}
