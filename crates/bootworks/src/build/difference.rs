//! What two makings of one output differ in: the paths in them, and for each what is different, down to the line
//! or the byte.
//!
//! Used by `build --verify`; nothing here says which of the two is right.

use super::store::{digest, digest_file, hex};
use model::failure::{Explain as _, Failure, Result};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use wire::cpio::{Node, Reader};

/// Lines or bytes of a content that are shown.
const SHOWN: usize = 6;
/// Larger contents are shown by their first different byte only.
const READ_AS_TEXT: u64 = 1 << 20;

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Difference {
    /// The output: `root`.
    pub output: &'static str,
    /// The path in it; empty where the output itself differs.
    pub path: String,
    /// What differs, a line each.
    pub what: Vec<String>,
}

/// What stands at a path, as far as it can differ.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    /// Everything but the content: name and value.
    facts: Vec<(&'static str, String)>,
    /// SHA-256 of the content; empty where there is none.
    content: String,
}

type Pieces = BTreeMap<String, Piece>;

/// The differences of two trees of files.
pub(crate) fn of_trees(output: &'static str, one: &Path, two: &Path) -> Result<Vec<Difference>> {
    let content = |root: &Path, path: &str| read_some(&mut open(&root.join(path))?);
    compare(output, &tree(one)?, &tree(two)?, |path| Ok((content(one, path)?, content(two, path)?)))
}

/// The differences of two images (`tar.zst`).
pub(crate) fn of_images(output: &'static str, one: &Path, two: &Path) -> Result<Vec<Difference>> {
    compare(output, &image(one)?, &image(two)?, |path| {
        Ok((content_in_image(one, path)?, content_in_image(two, path)?))
    })
}

/// The differences of two initrds as this program writes them.
pub(crate) fn of_initrds(output: &'static str, one: &Path, two: &Path) -> Result<Vec<Difference>> {
    let (one, two) = (initrd(one)?, initrd(two)?);
    let of = |contents: &BTreeMap<String, (Piece, Vec<u8>)>| -> Pieces {
        contents.iter().map(|(path, (piece, _))| (path.clone(), piece.clone())).collect()
    };
    let content = |contents: &BTreeMap<String, (Piece, Vec<u8>)>, path: &str| {
        contents.get(path).map(|(_, content)| content.clone()).unwrap_or_default()
    };
    compare(output, &of(&one), &of(&two), |path| Ok((content(&one, path), content(&two, path))))
}

/// The difference of two files that nothing is known of.
pub(crate) fn of_files(output: &'static str, one: &Path, two: &Path) -> Result<Vec<Difference>> {
    if digest_file(one)? == digest_file(two)? {
        return Ok(Vec::new());
    }
    let what = content_lines(&read_some(&mut open(one)?)?, &read_some(&mut open(two)?)?);
    Ok(vec![Difference { output, path: String::new(), what }])
}

fn compare(
    output: &'static str,
    one: &Pieces,
    two: &Pieces,
    contents: impl Fn(&str) -> Result<(Vec<u8>, Vec<u8>)>,
) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    for path in one.keys().chain(two.keys()).collect::<BTreeSet<_>>() {
        let what = match (one.get(path), two.get(path)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => {
                let mut what: Vec<String> = (a.facts.iter().zip(&b.facts))
                    .filter(|(a, b)| a != b)
                    .map(|((name, a), (_, b))| format!("{name}: {a}, then {b}"))
                    .collect();
                if a.content != b.content {
                    let (a, b) = contents(path)?;
                    what.extend(content_lines(&a, &b));
                }
                what
            }
            (Some(_), None) => vec!["only the first build has it".to_owned()],
            _ => vec!["only the second build has it".to_owned()],
        };
        found.push(Difference { output, path: path.clone(), what });
    }
    Ok(found)
}

/// How two contents differ: lines of text, else the first byte.
fn content_lines(one: &[u8], two: &[u8]) -> Vec<String> {
    let texts = (std::str::from_utf8(one), std::str::from_utf8(two));
    let is_text = |text: &str| !text.contains('\0');
    if let (Ok(one), Ok(two)) = texts
        && is_text(one)
        && is_text(two)
    {
        let (a, b): (Vec<&str>, Vec<&str>) = (one.lines().collect(), two.lines().collect());
        let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let end = a[same..].iter().rev().zip(b[same..].iter().rev()).take_while(|(a, b)| a == b).count();
        let part = |sign: char, lines: &[&str]| -> Vec<String> {
            let lines = &lines[same..lines.len() - end];
            let mut shown: Vec<String> =
                lines.iter().take(SHOWN).map(|line| format!("{sign} {}", shortened(line))).collect();
            if lines.len() > SHOWN {
                shown.push(format!("{sign} … and {} lines more", lines.len() - SHOWN));
            }
            shown
        };
        let mut what = vec![format!("content, from line {}:", same + 1)];
        what.extend(part('-', &a));
        what.extend(part('+', &b));
        return what;
    }
    let at = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    let bytes = |content: &[u8]| match content.get(at..(at + 16).min(content.len())) {
        Some(bytes) if !bytes.is_empty() => hex(bytes),
        _ => "the end".to_owned(),
    };
    vec![format!("content, from byte {at}: {}, then {}", bytes(one), bytes(two))]
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).or_fail(|| format!("cannot read {}", path.display()))
}

fn read_some(from: &mut impl Read) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    from.take(READ_AS_TEXT).read_to_end(&mut content).or_fail(|| "cannot read a content".into())?;
    Ok(content)
}

fn tree(root: &Path) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    for path in super::scrub::walk(root)? {
        let reading = || format!("cannot read {}", path.display());
        let kind = path.symlink_metadata().or_fail(reading)?;
        let target = match kind.is_symlink() {
            true => std::fs::read_link(&path).or_fail(reading)?.display().to_string(),
            false => String::new(),
        };
        let content = if kind.is_file() { digest_file(&path)?.0 } else { String::new() };
        let attributes = linux::overlay::attributes(&path).or_fail(reading)?;
        let facts = vec![
            ("mode", format!("{:o}", kind.mode())),
            ("owner", format!("{}:{}", kind.uid(), kind.gid())),
            ("time", kind.mtime().to_string()),
            ("size", if kind.is_file() { kind.len().to_string() } else { String::new() }),
            ("target", target),
            ("attributes", attributes.join(" ")),
        ];
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        pieces.insert(name, Piece { facts, content });
    }
    Ok(pieces)
}

fn each_in_image(
    path: &Path,
    mut take: impl FnMut(
        &mut tar::Entry<'_, zstd::stream::read::Decoder<'static, std::io::BufReader<File>>>,
    ) -> Result<()>,
) -> Result<()> {
    let reading = || format!("cannot read {}", path.display());
    let stream = zstd::stream::read::Decoder::new(open(path)?).or_fail(reading)?;
    for entry in tar::Archive::new(stream).entries().or_fail(reading)? {
        take(&mut entry.or_fail(reading)?)?;
    }
    Ok(())
}

fn image(path: &Path) -> Result<Pieces> {
    let mut pieces = Pieces::new();
    let wrong = || format!("{} has an entry that cannot be read", path.display());
    each_in_image(path, |entry| {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let header = entry.header().clone();
        let target = entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
        let facts = vec![
            ("kind", format!("{:?}", header.entry_type())),
            ("mode", format!("{:o}", header.mode().or_fail(wrong)?)),
            ("owner", format!("{}:{}", header.uid().or_fail(wrong)?, header.gid().or_fail(wrong)?)),
            ("time", header.mtime().or_fail(wrong)?.to_string()),
            ("size", entry.size().to_string()),
            ("target", target.unwrap_or_default()),
        ];
        let mut hash = Sha256::new();
        super::store::feed(&mut hash, entry).or_fail(wrong)?;
        pieces.insert(name, Piece { facts, content: hex(&hash.finalize()) });
        Ok(())
    })?;
    Ok(pieces)
}

fn content_in_image(path: &Path, wanted: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    each_in_image(path, |entry| {
        if String::from_utf8_lossy(&entry.path_bytes()) == wanted {
            content = read_some(entry)?;
        }
        Ok(())
    })?;
    Ok(content)
}

fn initrd(path: &Path) -> Result<BTreeMap<String, (Piece, Vec<u8>)>> {
    let broken = || format!("{} is not as it was written", path.display());
    let bytes = std::fs::read(path).or_fail(|| format!("cannot read {}", path.display()))?;
    let mut pieces = BTreeMap::new();
    let mut take = |archive: &[u8]| -> Result<usize> {
        let mut reader = Reader::new(archive);
        for entry in reader.by_ref() {
            let entry = entry.or_fail(broken)?;
            let (target, content) = match entry.node {
                Node::File(bytes) => (String::new(), bytes.to_vec()),
                Node::Link(target) => (String::from_utf8_lossy(target).into_owned(), Vec::new()),
                _ => (String::new(), Vec::new()),
            };
            let facts = vec![
                ("mode", format!("{:o}", entry.permissions)),
                ("time", entry.modified.to_string()),
                ("target", target),
            ];
            let piece = Piece { facts, content: digest(&content) };
            pieces.insert(String::from_utf8_lossy(entry.path).into_owned(), (piece, content));
        }
        Ok(reader.rest().len())
    };
    let rest = take(&bytes)?;
    let packed = bytes.get(bytes.len() - rest..).unwrap_or_default();
    if !packed.is_empty() {
        take(&zstd::stream::decode_all(packed).or_fail(broken)?)?;
    }
    if pieces.is_empty() {
        return Err(Failure::new(broken()).because("there is nothing in it"));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(one: &[u8], two: &[u8], expected: Expect) {
        expected.assert_eq(&content_lines(one, two).join("\n"));
    }

    /// Whoever looks for what makes his build differ needs the line, not the megabyte around it.
    #[test]
    fn contents_are_compared_by_line_or_byte() {
        check(
            b"a\nbuilt 19:02\nz\n",
            b"a\nbuilt 19:03\nz\n",
            expect![[r#"
                content, from line 2:
                - built 19:02
                + built 19:03"#]],
        );
        check(
            b"1\n",
            b"",
            expect![[r#"
            content, from line 1:
            - 1"#]],
        );
        check(b"\0ab", b"\0ac", expect!["content, from byte 2: 62, then 63"]);
        check(b"\0ab", b"\0a", expect!["content, from byte 2: 62, then the end"]);
        let many: String = (0..9).map(|line| format!("{line}\n")).collect();
        check(
            many.as_bytes(),
            b"x\n",
            expect![[r#"
            content, from line 1:
            - 0
            - 1
            - 2
            - 3
            - 4
            - 5
            - … and 3 lines more
            + x"#]],
        );
    }

    /// Two trees that differ in one way each must give exactly that.
    #[test]
    fn trees_are_compared_path_by_path() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        for root in [&one, &two] {
            std::fs::create_dir_all(root.join("etc")).unwrap();
            std::fs::write(root.join("etc/same"), "").unwrap();
            std::fs::write(
                root.join("etc/stamp"),
                root.display().to_string().as_bytes().last_chunk::<1>().unwrap(),
            )
            .unwrap();
            std::fs::write(root.join("etc/mode"), "").unwrap();
        }
        std::fs::set_permissions(two.join("etc/mode"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("a", one.join("etc/link")).unwrap();
        std::os::unix::fs::symlink("b", two.join("etc/link")).unwrap();
        std::fs::write(two.join("extra"), "").unwrap();
        for root in [&one, &two] {
            super::super::scrub::clamp_times(root, 1_000_000_000).unwrap();
        }
        let found = of_trees("root", &one, &two).unwrap();
        let text: String = found
            .iter()
            .map(|difference| format!("{}: {}\n", difference.path, difference.what.join(" | ")))
            .collect();
        expect![[r#"
            etc/link: target: a, then b
            etc/mode: mode: 100644, then 100600
            etc/stamp: content, from line 1: | - 1 | + 2
            extra: only the second build has it
        "#]]
        .assert_eq(&text);
        assert_eq!(of_trees("root", &one, &one).unwrap(), []);
    }
}
