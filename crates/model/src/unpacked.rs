//! The file system that the kernel makes of an initrd's entries, as far as names go (`init/initramfs.c`): what
//! comes later takes the place of what came before, links are followed on the way to a name, and what has no
//! folder to lie in is not unpacked, which no kernel says aloud.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Bound;

/// How many links are followed before it is a circle (`MAXSYMLINKS` of the kernel).
const MOST_LINKS: usize = 40;

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file, by a number of the caller's: hard links are names with one number.
    File(usize),
    /// A symbolic link and where it points.
    Link(Vec<u8>),
    /// A device, a pipe or a socket.
    Special,
}

/// Why the kernel passes over an entry without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUnpacked {
    /// The folder it is in is not there.
    NoFolder,
    /// Its name or its link's target is longer than the kernel takes.
    TooLong,
    /// It is neither file nor link and has a body.
    Body,
    /// A file type that no system has.
    Kind,
    /// A link that points nowhere.
    NoTarget,
    /// A folder with something in it stands in its place.
    FullFolder,
    /// It is a further name of a file whose first name was given to something else.
    Replaced,
}

impl fmt::Display for NotUnpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotUnpacked::NoFolder => "its folder is not in the initrd",
            NotUnpacked::TooLong => "its name or its target is longer than 4095 bytes",
            NotUnpacked::Body => "it has a body and is neither file nor link",
            NotUnpacked::Kind => "its file type is unknown",
            NotUnpacked::NoTarget => "it is a link without a target",
            NotUnpacked::FullFolder => "a folder that is not empty stands in its place",
            NotUnpacked::Replaced => "it is a further name of a file that was replaced",
        })
    }
}

/// Names and what stands under them. Paths are bytes without a leading slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    nodes: BTreeMap<Vec<u8>, Node>,
}

impl Default for Unpacked {
    /// What every kernel has built in (`usr/default_cpio_list`).
    fn default() -> Unpacked {
        let folders = ["dev", "root"].map(|name| (name.as_bytes().to_vec(), Node::Folder));
        Unpacked { nodes: folders.into_iter().collect() }
    }
}

impl Unpacked {
    /// Puts something under a name; gives where it really lies, the links on the way followed. Empty is a folder
    /// by another name (`.`), which is there already.
    pub fn add(&mut self, path: &[u8], node: Node) -> Result<Vec<u8>, NotUnpacked> {
        let (parent, name) = split(path);
        let mut place = self.folder(parent).ok_or(NotUnpacked::NoFolder)?;
        match name {
            // A folder that is there already, and that nothing else takes the place of.
            b"" | b"." | b".." if node == Node::Folder => return Ok(Vec::new()),
            b"" | b"." | b".." => return Err(NotUnpacked::FullFolder),
            _ => push(&mut place, name),
        }
        let is_folder = self.nodes.get(&place) == Some(&Node::Folder);
        if is_folder && node != Node::Folder && self.is_full(&place) {
            return Err(NotUnpacked::FullFolder);
        }
        self.nodes.insert(place.clone(), node);
        Ok(place)
    }

    /// Makes the folders above a path that are not there; gives those that were made.
    pub fn make_folders(&mut self, path: &[u8]) -> Vec<Vec<u8>> {
        let mut made = Vec::new();
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if self.folder(&path[..at]).is_none()
                && let Ok(place) = self.add(&path[..at], Node::Folder)
            {
                made.push(place);
            }
        }
        made
    }

    /// What a path leads to, all links followed, and where that lies.
    pub fn find(&self, path: &[u8]) -> Option<(Vec<u8>, &Node)> {
        let place = self.walk(path, false)?;
        let node = if place.is_empty() { &Node::Folder } else { self.nodes.get(&place)? };
        Some((place, node))
    }

    /// The number of the file that a path leads to.
    pub fn file(&self, path: &[u8]) -> Option<usize> {
        match self.find(path)?.1 {
            Node::File(number) => Some(*number),
            _ => None,
        }
    }

    /// Everything below a folder by its path from there; links in it are not followed.
    pub fn below(&self, folder: &[u8]) -> impl Iterator<Item = (&[u8], &Node)> {
        let mut prefix = self.folder(folder).unwrap_or_else(|| b"\0".to_vec());
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let start = Bound::Included(prefix.clone());
        let nodes = self.nodes.range((start, Bound::Unbounded));
        nodes.map_while(move |(path, node)| Some((path.strip_prefix(&prefix[..])?, node)))
    }

    fn is_full(&self, folder: &[u8]) -> bool {
        let prefix = [folder, b"/"].concat();
        let next = self.nodes.range((Bound::Included(prefix.clone()), Bound::Unbounded)).next();
        next.is_some_and(|(path, _)| path.starts_with(&prefix))
    }

    /// Where a folder lies.
    fn folder(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.walk(path, true)
    }

    fn walk(&self, path: &[u8], must_be_folder: bool) -> Option<Vec<u8>> {
        let mut open: VecDeque<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let mut place = Vec::new();
        let mut links = 0;
        while let Some(name) = open.pop_front() {
            match name {
                b"" | b"." => continue,
                b".." => {
                    cut(&mut place);
                    continue;
                }
                _ => push(&mut place, name),
            }
            let is_last = open.iter().all(|name| matches!(*name, b"" | b"."));
            match self.nodes.get(&place)? {
                Node::Folder => {}
                Node::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        place.clear();
                    } else {
                        cut(&mut place);
                    }
                    for name in target.split(|byte| *byte == b'/').rev() {
                        open.push_front(name);
                    }
                }
                Node::File(_) | Node::Special if is_last && !must_be_folder => {}
                Node::File(_) | Node::Special => return None,
            }
        }
        Some(place)
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let path = &path[..end];
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn push(place: &mut Vec<u8>, name: &[u8]) {
    if !place.is_empty() {
        place.push(b'/');
    }
    place.extend_from_slice(name);
}

fn cut(place: &mut Vec<u8>) {
    place.truncate(place.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(target: &str) -> Node {
        Node::Link(target.as_bytes().to_vec())
    }

    /// A merged `/usr` puts the modules behind a link; a firmware file is often two links away. Both are there.
    #[test]
    fn links_are_followed_as_the_kernel_does() {
        let mut made = Unpacked::default();
        let mut add = |path: &str, node: Node| {
            made.add(path.as_bytes(), node).map(|place| String::from_utf8(place).unwrap())
        };
        assert_eq!(add("usr", Node::Folder), Ok("usr".into()));
        assert_eq!(add("usr/lib", Node::Folder), Ok("usr/lib".into()));
        assert_eq!(add("lib", link("usr/lib")), Ok("lib".into()));
        assert_eq!(add("lib/a.fw", Node::File(1)), Ok("usr/lib/a.fw".into()));
        assert_eq!(add("/usr/lib/b.fw", link("/lib/../lib/a.fw")), Ok("usr/lib/b.fw".into()));
        assert_eq!(add("../../etc", Node::Folder), Ok("etc".into()), "above the root is the root");
        assert_eq!(add("gone/file", Node::File(2)), Err(NotUnpacked::NoFolder));
        assert_eq!(add("lib/a.fw/x", Node::File(2)), Err(NotUnpacked::NoFolder));
        assert_eq!(add("usr", Node::File(2)), Err(NotUnpacked::FullFolder));
        assert_eq!(add("dev/null", Node::Special), Ok("dev/null".into()), "the kernel brings /dev");
        assert_eq!(add("circle", link("circle")), Ok("circle".into()));
        assert_eq!(add("circle/x", Node::File(3)), Err(NotUnpacked::NoFolder));
        assert_eq!(add(".", Node::Folder), Ok(String::new()));
        assert_eq!(made.file(b"lib/b.fw"), Some(1));
        assert_eq!(made.file(b"circle"), None);
        let below: Vec<_> = made.below(b"lib").map(|(path, _)| String::from_utf8_lossy(path)).collect();
        assert_eq!(below, ["a.fw", "b.fw"]);
        assert_eq!(made.below(b"nowhere").count(), 0);
        assert_eq!(made.make_folders(b"gone/far/file"), [b"gone".to_vec(), b"gone/far".to_vec()]);
        assert_eq!(made.add(b"gone/far/file", Node::File(2)), Ok(b"gone/far/file".to_vec()));
    }

    proptest! {
        #[test]
        fn any_names_end(names in proptest::collection::vec(("[ab./]{0,8}", "[ab./]{0,8}", 0u8..3), 0..30)) {
            let mut made = Unpacked::default();
            for (name, target, kind) in &names {
                let node = match kind {
                    0 => Node::Folder,
                    1 => link(target),
                    _ => Node::File(0),
                };
                let _ = made.add(name.as_bytes(), node);
                let _ = made.find(target.as_bytes());
            }
            let _ = made.below(b"a").count();
        }
    }
}
